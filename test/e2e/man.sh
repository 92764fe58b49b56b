#!/bin/bash
# The manuals are clean mdoc, have every option and every key that the programs have, with their ranges, and their
# example configurations are accepted. wgmeet(8) has each verb with an example, and its JSON is JSON, with no field that
# is not explained. Needs neither root nor a network.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1

[ -n "$(command -v mandoc)" ] || e2e_skip "not installed: mandoc"
cd "$ROOT" || exit 1
for program in wgmeetd wgmeet; do
	[ -x "$BUILD/$program" ] || lab_die "make first, or set BUILD"
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# text PAGE - as it is read, but for line breaks inside paragraphs, overstriking and the examples.
text() {
	mandoc -T ascii -O width=1000 "man/$1" | sed 's/.\x08//g' | awk '/^[A-Z]/ { on = $0 != "EXAMPLES" } on'
}

# table FOLDER - the keys of the option table in a program's source.
table() {
	sed -nE 's/^[[:space:]]*\{(SERVER|ZONE|CLIENT)\("([A-Za-z]+)", .*/\2/p' "$1"/*.c
}

# long_options COMMAND... - those that its --help has, without dashes.
long_options() {
	"$@" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u | cut -c3-
}

lint() {
	local out

	out=$(mandoc -T lint -W warning "man/$1" 2>&1) && [ -z "$out" ] && return
	echo "$out"
	return 1
}

# An item of a list: what it is about stands first in its line.
has_option() { # PAGE OPTION
	grep -Eq -- "^ +(-[a-z]( [a-z]+)?, )?--$2( |\$)" "$dir/$1"
}

has_key() { # PAGE KEY
	grep -Eq "^ +$2 = " "$dir/$1"
}

for page in wgmeetd.8 wgmeetd.conf.5 wgmeet.8; do
	check "$page: mandoc has nothing to say" lint $page
	text $page >"$dir/$page"
done

# Options, from the help that is made of the tables.
for option in $(long_options "$BUILD/wgmeetd"); do
	check "wgmeetd.8 has --$option" has_option wgmeetd.8 "$option"
done
for option in $(long_options "$BUILD/wgmeet") version; do
	check "wgmeet.8 has --$option" has_option wgmeet.8 "$option"
done

# section VERB - its text, without the headline.
section() {
	awk -v headline="   wgmeet $1" '/^ ? ? ?[^ ]/ { on = $0 == headline; next } on' "$dir/wgmeet.8"
}

# json - the JSON object among a section's text.
json() {
	sed -n '/^     {$/,/^     }$/s/^     //p'
}

# Verbs, from the table's help.
verbs=$("$BUILD/wgmeet" --help | sed -nE 's/^  ([a-z]+) .*/\1/p')
same "verbs that are found" "$(grep -c '^ *{"[a-z]*", [a-z]*_main,' client/main.c)" "$(wc -w <<<"$verbs")"
for verb in $verbs; do
	matches "wgmeet.8: wgmeet $verb is in the synopsis" "^ *wgmeet $verb " "$(sed '/^DESCRIPTION/,$d' "$dir/wgmeet.8")"
	check "wgmeet.8 has a section on wgmeet $verb" grep -q "^   wgmeet $verb\$" "$dir/wgmeet.8"
	matches "with an example" "\\$ wgmeet $verb " "$(section "$verb" | grep -F "\$ wgmeet $verb ")"
	check "and what that prints" test -n "$(section "$verb" | grep -FA1 "\$ wgmeet $verb " | sed 1d)"
	if [ "$verb" != run ] && [ "$verb" != metrics ]; then # one says nothing to programs: status does; the other says it not in JSON
		check "and one of its JSON" test -n "$(section "$verb" | json)"
		check "and the fields of its JSON" grep -Eq "^   Of ([a-z]+ and )?$verb( |\$)" "$dir/wgmeet.8"
	fi
	matches "and its exit status" "^ +$verb( |\$)" "$(sed '1,/^EXIT STATUS/d; /^[A-Z]/,$d' "$dir/wgmeet.8")"
	for option in $(long_options "$BUILD/wgmeet" "$verb"); do
		check "wgmeet.8 has --$option of wgmeet $verb" has_option wgmeet.8 "$option"
	done
	if [ -z "$(command -v jq)" ] || [ "$verb" = run ] || [ "$verb" = metrics ]; then
		continue
	fi
	check "its JSON is JSON" jq -e . <<<"$(section "$verb" | json)"
	for field in $(section "$verb" | json | jq -r '[paths | .[] | strings] | unique | .[]'); do
		check "its field $field is explained" grep -Eq "^     $field, (string|integer|boolean|object|array)" "$dir/wgmeet.8"
	done
done

# Words for programs.
words=$(sed -nE 's/^[[:space:]]*\[LOOKUP_[A-Z_]*\] = \{"([a-z-]+)".*/\1/p' client/reply.c)
same "status words found in client/" "$(grep -c '^[[:space:]]*\[LOOKUP_' client/reply.c)" "$(grep -c . <<<"$words")"
for word in $words; do
	check "wgmeet.8 has the status word $word" grep -Eq "^     $word( |\$)" "$dir/wgmeet.8"
done

# The states of a path.
words=$(sed -nE '/^const char \*path_state_word/,/^}/p' client/path.c | grep -oE '"[a-z]+"' | tr -d '"')
same "states found in client/" 5 "$(grep -c . <<<"$words")"
for word in $words; do
	matches "wgmeet.8 has the state $word" "^ +$word +[A-Z]" "$(section run)"
done

# What wgmeet doctor looks at.
words=$(grep -ohE 'doctor_say\(j, [^"]*"[a-z-]+"' client/doctor_*.c | sed 's/.*"\(.*\)"/\1/' | sort -u)
check "checks found in client/" test "$(grep -c . <<<"$words")" -ge 15
for word in $words; do
	check "wgmeet.8 has the check $word" grep -Eq "^     $word( |\$)" "$dir/wgmeet.8"
done

# What wgmeet name prints needs neither a device nor a network.
example=$(section name | grep -F '$ wgmeet name ')
read -ra command <<<"${example#*wgmeet }"
same "wgmeet name prints what its example says" "$(section name | grep -FA1 "$example" | sed -n 's/^ *//;2p')" \
	"$("$BUILD/wgmeet" "${command[@]}")"
same "and that JSON" "$(section name | json)" "$("$BUILD/wgmeet" "${command[@]}" --json)"

# Keys, from the tables themselves.
server_keys=$(table server)
client_keys=$(table client)
# As many as there are lines about sections in --help, so that no table is misread.
same "keys found in server/" "$("$BUILD/wgmeetd" --help | sed '1,/^\[/d' | grep -c '^  --')" \
	"$(grep -c . <<<"$server_keys")"
same "keys found in client/" "$("$BUILD/wgmeet" sync --help | sed '1,/^\[/d' | grep -c '^  --')" \
	"$(grep -c . <<<"$client_keys")"
# Those of one peer have no option.
peer_keys=$(sed -nE 's/^[[:space:]]*\{PEER\("([A-Za-z]+)", .*/\1/p' server/config.c)
same "keys of a [Peer] found in server/" "$(grep -c '^[[:space:]]*{PEER(' server/config.c)" "$(grep -c . <<<"$peer_keys")"
sed -n '/^ *The \[Peer\] section/,/^[A-Z]/p' "$dir/wgmeetd.conf.5" >"$dir/peer"
for key in $peer_keys; do
	check "wgmeetd.conf.5 has $key of a [Peer]" has_key peer "$key"
done
for key in $server_keys; do
	check "wgmeetd.conf.5 has $key" has_key wgmeetd.conf.5 "$key"
done
for key in $client_keys; do
	check "wgmeet.8 has $key" has_key wgmeet.8 "$key"
done
for option in $(long_options "$BUILD/wgmeetd" | grep -vE '^(config|check|print-zone|print-metrics|output|init|yes|dry-run|help|version)$'); do
	check "wgmeetd.conf.5 names --$option" grep -Eq -- "Option --$option\." "$dir/wgmeetd.conf.5"
done

# Ranges: what a program says of a number that is none is what its manual says.
range_of() { # COMMAND... - "from N to N"
	"$@" 2>&1 | sed -n 's/.*\(from [0-9]* to [0-9]*\).*/\1/p'
}

for option in workers ttl list-max rate-limit rate-limit-slip notify-port; do
	range=$(range_of "$BUILD/wgmeetd" --check --$option none)
	matches "wgmeetd.8: --$option is $range" "${range:-no range}" "$(grep -A1 -- "^ *--$option " "$dir/wgmeetd.8")"
	matches "wgmeetd.conf.5: --$option is $range" "${range:-no range}" "$(grep -- "Option --$option\." "$dir/wgmeetd.conf.5")"
done
for option in keepalive notify-port; do
	range=$(range_of "$BUILD/wgmeet" sync wg0 --zone "$ZONE" --$option none)
	matches "wgmeet.8: --$option is $range" "${range:-no range}" "$(grep -A1 -- "^ *--$option " "$dir/wgmeet.8")"
done

# examples PAGE - the configurations among its examples, into files of their own: those that begin with a section, or a
# comment.
examples() {
	awk -v to="$dir/example" '
		/^\.Sh/ { on = $2 == "EXAMPLES" }
		on && /^\.Bd -literal/ { first = 1; next }
		/^\.Ed/ { file = "" }
		first { first = 0; file = /^[[#]/ ? (to (++n) ".conf") : "" }
		file != "" { print >file }
	' "man/$1"
}

examples wgmeetd.conf.5
for key in $server_keys $peer_keys; do
	check "the first example of wgmeetd.conf.5 has $key" grep -q "^$key = " "$dir/example1.conf"
done
same "it has two zones" "the configuration is fine: 2 zones" "$("$BUILD/wgmeetd" -c "$dir/example1.conf" --check 2>&1)"
for file in "$dir"/example*.conf; do
	check "wgmeetd --check accepts ${file##*/} of wgmeetd.conf.5" "$BUILD/wgmeetd" -c "$file" --check
	same "which has no roff escapes" '' "$(grep -F "\\" "$file")"
done
rm -f "$dir"/example*.conf
examples wgmeet.8
# The configuration is read before the device is looked for. What is wrong in it would be status 2.
out=$("$BUILD/wgmeet" sync wgnodevice -c "$dir/example1.conf" 2>&1)
same "wgmeet accepts the example of wgmeet.8: exit status" 1 $?
matches "and it goes on to the device" wgnodevice "$out"

e2e_done
