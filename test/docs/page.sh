#!/bin/bash
# page.sh PAGE - types what a page tells to type, in a bed of its own, and compares what is printed. See README.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1
. "${0%/*}/hosts.bash" || exit 1
. "${0%/*}/match.bash" || exit 1
. "${0%/*}/parent.bash" || exit 1
page=$1
[ "$(id -u)" = 0 ] || e2e_skip "needs root, for network namespaces"
not_there=$(docs_missing)
[ -z "$not_there" ] || e2e_skip "not installed: $not_there"
[ -x "$BUILD/test/manager" ] || lab_die "make tests first, or set BUILD"
e2e_enter "$@"
trap 'page_exit' EXIT
DOCS_WORK=/run/docs-work
bed_nats='' bed_words=
TYPED_S=60 # a command that takes longer hangs

page_exit() {
	local status=$? name

	[ "$BASHPID" = $$ ] || exit "$status"
	if [ "$status" != 0 ]; then
		for name in "${bed_hosts[@]}"; do
			tail -n 6 "$(host_dir "$name")"/run/docs/units/*.log 2>/dev/null | sed "s/^/#   $name: /"
		done
	fi
	for name in "${bed_hosts[@]}"; do
		lab_stop "host-$name" KILL
	done
	(exit "$status")
	e2e_exit
}

# ---- what is installed ----

# As it lies in a package; test/docs/bin/apt takes packages where they have been built after the programs.
make_tree() {
	local program tree units=$ROOT/contrib/systemd

	for program in wgmeetd wgmeet; do
		tree=$1/$program/usr
		mkdir -p "$tree"/{bin,sbin} "$tree"/lib/{systemd/system,sysusers.d,tmpfiles.d} "$tree/share/doc/$program/examples"
		cp "$units/$program-userspace.conf" "$tree/share/doc/$program/examples/"
		[ ! -e "$units/$program.sysusers" ] || cp "$units/$program.sysusers" "$tree/lib/sysusers.d/$program.conf"
		[ ! -e "$units/$program.tmpfiles" ] || cp "$units/$program.tmpfiles" "$tree/lib/tmpfiles.d/$program.conf"
	done
	cp "$BUILD/wgmeetd" "$1/wgmeetd/usr/sbin/"
	cp "$BUILD/wgmeet" "$1/wgmeet/usr/bin/"
	cp "$units/wgmeet.sysusers" "$1/wgmeetd/usr/lib/sysusers.d/wgmeet.conf"
	cp "$units"/wgmeetd.* "$1/wgmeetd/usr/lib/systemd/system/"
	cp "$units"/wgmeet@.* "$units"/wgmeet-sync@.* "$1/wgmeet/usr/lib/systemd/system/"
}

find_packages() { # FOLDER
	local program deb

	mkdir -p "$1"
	for program in wgmeetd wgmeet; do
		for deb in "$BUILD/deb/$program"_*.deb; do
			if [ "$deb" -nt "$BUILD/$program" ]; then
				cp "$deb" "$1/" && break
			fi
		done
		compgen -G "$1/${program}_*.deb" >/dev/null || : >"$1/${program}_0.1-1_amd64.deb"
	done
	[ -n "$(find "$1" -type f -size +0)" ] ||
		echo "# there are no packages in ${BUILD##*/}/deb: installed is what they would have in them"
}

# ---- blocks ----

# fill FILE - puts the keys of this bed in place of the words for them.
fill() {
	local name what key word

	for name in registry alice bob; do
		for what in public private; do
			word="${name^}'s $what key>"
			grep -qiF "<$word" "$1" || continue
			key=$(host_key $name $what) || { echo "there is no $name's key yet" && return 1; }
			sed -i "s|<$word|$key|Ig" "$1"
		done
	done
}

need_bed() {
	[ -z "$bed_words" ] || return 0
	new_bed masqdrop:masqdrop ready
}

new_bed() { # NATS [bare|ready] [parent]
	[ -z "$bed_words" ] || bed_end
	bed_words=$*
	bed_nats=$1
	bed_make "$@" && return
	not_ok "$page: the bed $*"
	exit 1
}

# attempt HOST FILE EXIT OUTPUT-FILE STAYS - types it once. Sets `wrong`, to what is not as the page says.
attempt() {
	wrong=
	if ! host_type "$1" "$2" $TYPED_S "$5"; then
		wrong='it does not come to an end'
	elif [ "$typed_status" != "$3" ]; then
		wrong="exit status $typed_status and not $3"
	elif [ "$3" = 0 ] && [ -n "$typed_failed" ]; then
		wrong="this failed: $typed_failed"
	elif [ -n "$4" ] && [ -n "$5" ]; then
		lab_wait 20 is_output "$4" "$typed_out" || wrong='it prints something else'
	elif [ -n "$4" ]; then
		is_output "$4" "$typed_out" || wrong='it prints something else'
	fi
	[ -z "$wrong" ]
}

# type_block LINE FILE OUTPUT-FILE WORD... - hosts, and what is special.
type_block() {
	local line=$1 file=$2 output=$3 word hosts=() exits=0 within=0 stays='' host what

	shift 3
	for word; do
		case $word in
		exit=*) exits=${word#*=} ;;
		within=*) within=${word#*=} ;;
		stays) stays=stays ;;
		any) hosts+=(alice) ;;
		*) hosts+=("$word") ;;
		esac
	done
	if ! what=$(fill "$file"); then
		not_ok "$page:$line: $what"
		exit 1
	fi
	for host in "${hosts[@]}"; do
		what="$page:$line: $host: $(grep -m1 . "$file")"
		[ -n "${host_ns[$host]:-}" ] || { not_ok "$page:$line: there is no host $host" && exit 1; }
		if attempt "$host" "$file" "$exits" "$output" "$stays" ||
			{ [ "$within" != 0 ] && lab_wait "$within" attempt "$host" "$file" "$exits" "$output" "$stays"; }; then
			ok "$what"
		else
			not_ok "$what"
			echo "#   $wrong"
			sed 's/^/#   prints: /' "$typed_out"
			[ -z "$output" ] || sed 's/^/#   page:   /' "$output"
			exit 1
		fi
		[ -z "${VERBOSE:-}" ] || sed 's/^/#   /' "$typed_out"
	done
}

# write_conf LINE FILE PATH HOST... [append]
write_conf() {
	local line=$1 file=$2 path=$3 host dir

	shift 3
	if ! host=$(fill "$file"); then
		not_ok "$page:$line: $host"
		exit 1
	fi
	for host; do
		[ "$host" != append ] || continue
		[ -n "${host_ns[$host]:-}" ] || { not_ok "$page:$line: there is no host $host" && exit 1; }
		case $path in
		/etc/*) dir=$(host_dir "$host")/etc ;;
		*) not_ok "$page:$line: $path is not below /etc" && exit 1 ;;
		esac
		mkdir -p "$(dirname "$dir/${path#/etc/}")"
		if [[ " $* " == *" append "* ]]; then
			cat "$file" >>"$dir/${path#/etc/}"
		else
			cat "$file" >"$dir/${path#/etc/}"
		fi
		ok "$page:$line: $host: $path"
	done
}

run_page() {
	local n line kind words output i=0 all

	mapfile -t all <"$DOCS_WORK/index"
	while [ $i -lt ${#all[@]} ]; do
		IFS=$'\t' read -r n line kind words <<<"${all[$i]}"
		i=$((i + 1))
		# shellcheck disable=SC2086 # words
		case $kind in
		bed) new_bed $words ;;
		conf) need_bed && write_conf "$line" "$DOCS_WORK/$n" $words ;;
		sh)
			output=
			[[ ${all[$i]:-} != *$'\toutput\t'* ]] || { output=$DOCS_WORK/${all[$i]%%$'\t'*} && i=$((i + 1)); }
			need_bed && type_block "$line" "$DOCS_WORK/$n" "$output" $words
			;;
		output) not_ok "$page:$line: output of nothing" && exit 1 ;;
		esac
	done
}

# A README without fences has its lines in a list.
read_blocks() {
	cd "$ROOT" || return
	if [[ $page == *README ]] && ! grep -q '^ *```' "$page"; then
		awk -v page="$page" -v list=test/docs/plain -v dir=$DOCS_WORK -f "$DOCS/plain.awk" "$page"
	else
		awk -v dir=$DOCS_WORK -f "$DOCS/blocks.awk" "$page"
	fi
}

mkdir -p $DOCS_WORK
read_blocks >$DOCS_WORK/index || { not_ok "$page: its blocks" && exit 1; }
if ! grep -qP '\t(sh|conf)\t' $DOCS_WORK/index; then
	ok "$page has nothing to type"
	exit 0
fi
DOCS_TREE=$DOCS_WORK/tree DOCS_PACKAGES=$DOCS_WORK/packages
DOCS_INSTALLED=$DOCS_WORK/installed
dpkg-query -W -f '${Package}\n' >$DOCS_INSTALLED
make_tree $DOCS_TREE
find_packages $DOCS_PACKAGES
run_page
e2e_done
