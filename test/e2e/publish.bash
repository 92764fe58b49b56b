# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154
# publish.bash: what the tests of the publishing rules share, behind e2e.bash: a wgmeetd with a dump file, a high port and no
# privilege at all, that SIGHUP makes read its configuration again. What is printed is compared with what is served.

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
conf=$LAB/wgmeetd.conf
dump=$LAB/dump/peers
names=(alice bob carol dave erin) # all that the dump file ever has, but for the 300
ttl=10

# Keys that are easily made: what is published does not depend on their being good ones.
key() { # NAME
	printf '%-32s' "$1" | base64 -w0
}

declare -A label_of=() name_of=()
for name in hub "${names[@]}"; do
	label=$(printf '%-32s' "$name" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =)
	label_of[$name]=$label
	name_of[$label]=$name
done

instance() { # NAME
	echo "${label_of[$1]}._wireguard._udp"
}

e2e_judges
mkdir "$LAB/dump" "$LAB/state"
chown "$WORKER_UID" "$LAB/state"

# ---- what wgmeetd reads ----

# write_dump - from a table of peers, one a line: name, endpoint, allowed IPs, handshake.
write_dump() {
	local name endpoint allowed handshake

	{
		printf '(none)\t%s\t51820\toff\n' "$(key hub)"
		while read -r name endpoint allowed handshake; do
			printf '%s\t(none)\t%s\t%s\t%s\t0\t0\toff\n' "$(key "$name")" "$endpoint" "$allowed" "$handshake"
		done
	} >"$dump.new"
	mv "$dump.new" "$dump"
}

# usual_peers - alice's last handshake was at $shook.
shook=0
usual_peers() {
	write_dump <<-END
		alice 198.51.100.1:1001 10.9.0.11/32 $shook
		bob [2001:db8::2]:1002 10.9.0.12/32,10.20.0.0/24 0
		carol 198.51.100.3:1003 10.20.0.13/32 0
		dave 192.168.7.4:1004 10.9.0.14/32,fd00:9::14/128 0
		erin (none) 10.9.0.15/32 0
	END
}

# configure - the [Server], then what is read.
configure() {
	{
		cat <<-END
			[Server]
			Listen = $SERVER:$SERVER_PORT
			Workers = 1
			StateDirectory = $LAB/state
			RateLimit = 0
		END
		cat
	} >"$conf.new"
	mv "$conf.new" "$conf"
}

# zone - the usual [Zone], then what is read.
zone() {
	cat <<-END
		[Zone]
		Name = $ZONE
		DumpFile = $dump
		NameServer = ns1.$ZONE $SERVER
		TTL = $ttl
	END
	cat
}

peer() { # NAME LINE...
	printf '[Peer]\nPublicKey = %s\n' "$(key "$1")"
	shift
	[ $# = 0 ] || printf '%s\n' "$@"
}

# What wgmeetd has said since the last mark.
mark() {
	marked=$(wc -l <"$LAB/wgmeetd.log")
}

log() {
	tail -n "+$((marked + 1))" "$LAB/wgmeetd.log"
}

has_said() { # REGEX
	log | grep -Eiq "$1"
}

reread='the configuration was read again'
kept='the configuration stays as it was'

# hup REGEX - SIGHUP, until that is said. What is said is marked.
hup() {
	mark
	kill -s HUP "${lab_pid[wgmeetd]}"
	lab_wait 5 has_said "$1" || not_ok "SIGHUP: '$1' is said"
}

# ---- what wgmeetd says ----

# records SECTION NAME TYPE [DIG-OPTION...] - of one section of the answer, each in a line.
records() {
	ask "$2" "$3" +noall "+$1" "${@:4}" | tr -s '\t ' ' '
}

serial() {
	ask_short '' SOA | awk '{ print $3 }'
}

print_zone() {
	"$BIN/wgmeetd" -c "$conf" --print-zone >"$LAB/zone" 2>"$LAB/print_zone.log"
}

# One way to write records: without the spaces, and octets of names as they are.
normal() {
	tr -s '\t ' ' ' | sed 's/\\061/=/g' | LC_ALL=C sort
}

# answers [DIG-OPTION...] - to a question for each record set in the printed zone.
answers() {
	sed 's/\\061/=/g' "$LAB/zone" | awk -v OFS='\t' '!seen[$1 $4]++ { print $1, $4 }' >"$LAB/questions"
	lab_in $SERVER_NS dig "@$SERVER" -p $SERVER_PORT +tries=1 +time=2 +noall +answer "$@" -f "$LAB/questions"
}

# Is each record that is printed now served, over both transports? The serial, too.
is_served_as_printed() {
	local transport want

	print_zone || return
	want=$(normal <"$LAB/zone")
	for transport in +notcp +tcp; do
		diff <(echo "$want") <(answers $transport | normal) || return
	done
}

# By name, in order, who is printed, and who is served: those with an SRV at their key.
printed_peers() {
	awk '$4 == "SRV" { print $1 }' "$LAB/zone" | names_of_owners
}

served_peers() { # DIG-OPTION...
	local name questions=()

	for name in hub "${names[@]}"; do
		questions+=("$(instance "$name").$ZONE" SRV)
	done
	lab_in $SERVER_NS dig "@$SERVER" -p $SERVER_PORT +tries=1 +time=2 +noall +answer "$@" "${questions[@]}" |
		awk '$4 == "SRV" { print $1 }' | names_of_owners
}

names_of_owners() {
	local owner found=()

	while read -r owner; do
		owner=${name_of[${owner%%.*}]:-}
		[ -z "$owner" ] || found+=("$owner")
	done
	printf '%s\n' "${found[@]}" | sort | paste -sd' '
}

are_served() { # NAMES
	[ "$(served_peers +notcp)" = "$1" ]
}

# ---- changes ----

# RFC 1982
is_after() { # NEW OLD
	local distance=$((($1 - $2) & 0xffffffff))

	[ "$distance" -gt 0 ] && [ "$distance" -lt $((1 << 31)) ]
}

# settled WHAT OLD-SERIAL NAMES - the zone is another one, has those peers, and is the same as printed and in DNS.
settled() {
	local what=$1 before=$2

	lab_wait 5 is_served_as_printed >/dev/null
	check "$what: what is printed is served" is_served_as_printed
	check "$what: the serial moves" is_after "$(serial)" "$before"
	same "$what: printed" "$3" "$(printed_peers)"
	same "$what: over UDP" "$3" "$(served_peers +notcp)"
	same "$what: over TCP" "$3" "$(served_peers +tcp)"
}

# reconfigure WHAT NAMES - to what is read, at run time; then these are published.
reconfigure() {
	local before

	before=$(serial)
	configure
	hup "$reread"
	settled "$1" "$before" "$2"
}

# unchanged WHAT COMMAND... - which changes nothing that is published.
unchanged() {
	local what=$1 before

	shift
	before=$(serial)
	"$@"
	sleep 0.6
	same "$what: the serial stays" "$before" "$(serial)"
}

loads() { # WHAT
	local judge

	for judge in "${judges[@]}"; do
		check "$judge loads $1" "${judge}_loads" "$ZONE"
	done
}

# How many errors wgmeetd said there are.
said_errors() {
	log | sed -nE "s/.*[^0-9]([0-9]+) errors?: $kept/\1/p"
}

# refused WHAT [MORE] - SIGHUP with a file that is wrong, read here. "Key = value # wrong: REGEX" says so of its line; so
# many MORE problems have no line.
refused() {
	local what=$1 more=${2:-0} before line regex problems

	before=$(serial)
	configure
	hup "$kept"
	problems=$(($(grep -c '# wrong: ' "$conf") + more))
	same "$what: says how many problems there are" "$problems" "$(said_errors)"
	while IFS=: read -r line regex; do
		regex=${regex##*# wrong: }
		check "$what: names line $line, '$regex'" has_said "${conf##*/}:$line: .*$regex"
	done < <(grep -n '# wrong: ' "$conf")
	sleep 0.4
	same "$what: the serial stays" "$before" "$(serial)"
	same "$what: --check has as many errors" "$problems" \
		"$("$BIN/wgmeetd" -c "$conf" --check 2>&1 | sed -nE 's/.*[^0-9]([0-9]+) errors?, nothing done/\1/p')"
	[ "$(said_errors)" = "$problems" ] || log | sed 's/^/#   said: /'
}

# start_server - as configured.
start_server() {
	lab_start wgmeetd - setpriv --reuid="$WORKER_UID" --regid="$WORKER_UID" --clear-groups --inh-caps=-all -- \
		"$BIN/wgmeetd" -c "$conf"
	server_wait wgmeetd
}
