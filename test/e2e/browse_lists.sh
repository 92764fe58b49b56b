#!/bin/bash
# wgmeet browse of a zone whose peers are in lists by the first characters of their keys: each peer, and what is said of it,
# against what the zone was made of. From Knot, whose lists come alone, from wgmeetd, which gives the peers' records with them,
# and from a server that does so and lies when told to.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/crowd" ] || e2e_skip "no $BUILD/test/crowd: make tests"
missing=$(lab_missing jq knotd)
[ -z "$missing" ] || e2e_skip "not installed: $missing"
cp "$BUILD/test/crowd" "$BIN/"
ip route add 198.18.0.0/15 dev lo # an address without a route is passed over
ip -6 route add 2001:db8::/32 dev lo

# browse [OPTION...] - sets status and took, in ms; $LAB/out is its JSON.
browse() {
	local started

	started=$(lab_ms)
	status=0
	timeout 60 "$BIN/wgmeet" browse --zone "$ZONE" --server 127.0.0.1:5300 --user "$WORKER_UID" --json "$@" \
		>"$LAB/out" 2>"$LAB/err" </dev/null || status=$?
	took=$(($(lab_ms) - started))
}

# peers N - what shall be found, into $LAB/want.
peers() {
	"$BIN/crowd" peers "$ZONE" "$1" | LC_ALL=C sort >"$LAB/want"
}

# found [FIELDS] - the same of what was: key, name, endpoint (or what became of it), allowed IPs.
found() {
	jq -r '.peers[] | [.public_key, .name, .endpoint // .status, (.allowed_ips // [] | join(","))] | join(" ")' "$LAB/out" |
		cut -d ' ' -f "${1:-1-4}" | LC_ALL=C sort
}

# exact [FIELDS]
exact() {
	found "${1:-}" >"$LAB/got"
	cut -d ' ' -f "${1:-1-4}" "$LAB/want" | cmp - "$LAB/got"
}

# is_whole DESCRIPTION [FIELDS] - all peers, and nothing to complain about.
is_whole() {
	same "$1: exit status" 0 $status
	same "$1: nothing on standard error" "" "$(cat "$LAB/err")"
	check "$1: each peer as it is" exact "${2:-}"
	same "$1: JSON" "[\"$ZONE\",\"found\"]" "$(jq -c '[.zone, .status]' "$LAB/out")"
	same "$1: by name" "" "$(jq -r '.peers[].name' "$LAB/out" | LC_ALL=C sort -c 2>&1)"
}

# without PREFIX... - the peers of these lists are not among what shall be found.
without() {
	local prefix

	for prefix; do
		sed -i "/^[^ ]* $prefix/d" "$LAB/want"
	done
}

serve() { # SHARDS PEERS [PREFIX=MODE]...
	lab_start crowd - "$BIN/crowd" serve 5300 "$ZONE" "$@"
	must lab_wait 10 grep -qs ready "$LAB/crowd.log"
}

asked() { # [REGEX] - how many questions
	grep -cE "^(udp|tcp) ${1:-}" "$LAB/crowd.log"
}

knot() { # SHARD PEERS
	"$BIN/crowd" zone "$ZONE" "$@" >"$LAB/$ZONE.zone"
	cat >"$LAB/knot.conf" <<-END
		server:
		  rundir: "$LAB"
		  listen: 127.0.0.1@5300
		log:
		  - target: stderr
		    any: warning
		database:
		  storage: "$LAB"
		zone:
		  - domain: $ZONE
		    file: "$LAB/$ZONE.zone"
		    zonefile-load: whole
		    journal-content: none
	END
	lab_start knot - knotd -c "$LAB/knot.conf"
	must lab_wait 30 knot_serves
}

knot_serves() {
	dig +tries=1 +time=1 -p 5300 @127.0.0.1 "$ZONE" SOA +short 2>&1 | grep -q hostmaster
}

# ---- Knot: nothing but lists, and each peer is asked for. Its answers have no TXT with the SRV. ----

peers 400
for shard in 0 1 2; do
	knot $shard 400
	browse
	is_whole "Knot, 400 peers, shard=$shard" 1-3
	lab_stop knot
done

# ---- with the peers' records in the answers ----

serve 1 400
browse
is_whole "400 peers in 32 lists"
same "400 peers in 32 lists: asked for" "32 lists, 0 peers" "$(asked '12 _.$') lists, $(asked 33) peers"
lab_stop crowd

peers 3
serve 2 3
browse
is_whole "3 peers in 1024 lists"
lab_stop crowd

peers 400
serve 1 400 f=bare
browse
is_whole "a list without records"
same "a list without records: its peers are asked for, and no others" "$(grep -c '^[^ ]* f' "$LAB/want")" "$(asked 33)"
lab_stop crowd

serve 1 400 h=strangers
browse
is_whole "a list with strangers, and with each name 3 times"
same "a list with strangers: no peer is asked for" 0 "$(asked 33)"
lab_stop crowd

serve 1 400 g=otherkey
browse
same "a peer with another key: exit status" 1 $status
first=$("$BIN/crowd" peers "$ZONE" 400 | awk '$2 ~ /^g/ { print $2; exit }')
same "a peer with another key: it is said of that one" "$first" \
	"$(jq -r '.peers[] | select(.status == "other-key").name' "$LAB/out")"
same "a peer with another key: and of no other" '["found",399]' \
	"$(jq -c '[.status, ([.peers[] | select(.status == "found")] | length)]' "$LAB/out")"
lab_stop crowd

serve 1 400 e=slow
browse
is_whole "a server that takes 2 s"
same "a server that takes 2 s: asked for each list once" 32 "$(asked '12 _.$')"
lab_stop crowd

# ---- incomplete ----

# incomplete DESCRIPTION STATUS MESSAGE - of what was browsed.
incomplete() {
	same "$1: exit status" 1 $status
	same "$1: one line says so" "wgmeet: $3" "$(cat "$LAB/err")"
	same "$1: JSON" "[\"$ZONE\",\"$2\"]" "$(jq -c '[.zone, .status]' "$LAB/out")"
	check "$1: the others are there" exact
}

missing='lists failed, and the peers on them are missing'
servfail="SERVFAIL: the registry's device is not there, or wgmeetd may not read it, or a resolver cannot reach the registry"
serve 1 400 b=refused c=servfail d=nxdomain # the last one is as if there were no such peers
browse
without b c d
incomplete "two lists failed" servfail "2 of 32 $missing: _c._sub._wireguard._udp.$ZONE: $servfail"
lab_stop crowd

peers 400
serve 1 400 c=silent
browse
without c
incomplete "no answer for one" no-answer "1 of 32 $missing: _c._sub._wireguard._udp.$ZONE: no answer from the name server"
check "no answer for one: it is waited for, once: $took ms" test "$took" -lt 9000
lab_stop crowd

# One server does not have the lists: the next one does.
peers 400
serve 1 400
lab_start other - "$BIN/crowd" serve 5301 "$ZONE" 1 400 a=refused b=refused z=servfail
must lab_wait 10 grep -qs ready "$LAB/other.log"
browse --server 127.0.0.1:5301,127.0.0.1:5300
is_whole "a server that refuses some lists"
same "a server that refuses some lists: the next one is asked" 1 "$(asked '12 _a$')"
lab_stop other
lab_stop crowd

# All of them fail: it ends before each was asked for.
: >"$LAB/want"
serve 2 400 '*=refused'
browse
incomplete "all lists are refused" refused "1024 of 1024 $missing: _aa._sub._wireguard._udp.$ZONE: the name server refused: \
it does not serve this zone, or not to us"
check "all lists are refused: not all are asked for: $(asked)" test "$(asked)" -lt 100
lab_stop crowd

# ---- the lists are split anew meanwhile ----

peers 400
serve 2,1 400
browse
is_whole "from 1024 lists to 32 meanwhile"
lab_stop crowd
serve 1,0 400
browse
is_whole "from 32 lists to one meanwhile"
lab_stop crowd
serve 1,2,1,2,1,2,1,2 400
browse
same "always another number: exit status" 1 $status
same "always another number: it is said" "wgmeet: the zone: the answer is malformed, or none to the question" \
	"$(cat "$LAB/err")"
lab_stop crowd

# ---- many ----

peers 100000
serve 2 100000
browse
is_whole "100,000 peers with their records"
check "100,000 peers with their records: $(asked) questions" test "$(asked)" -lt 1100
check "100,000 peers with their records: $took ms" test "$took" -lt 40000
lab_stop crowd

# all_serve - each worker has checked what the observer has handed over: of eight questions every worker gets some.
all_serve() {
	local i

	for i in 1 2 3 4 5 6 7 8; do
		dig +tries=1 +time=2 +noall +comments -p 5300 @127.0.0.1 "$ZONE" SOA | grep -q NOERROR || return
	done
}

# The lists that wgmeetd makes of them, within all its limits.
lab_key hub
{
	printf '(none)\t%s\t51820\toff\n' "$(lab_pub hub)"
	awk '{ printf "%s\t(none)\t%s\t%s\t0\t0\t0\toff\n", $1, $3, $4 }' "$LAB/want"
} >"$LAB/dump"
lab_start wgmeetd - "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/dump" --listen 127.0.0.1:5300 \
	--name-server "ns1.$ZONE 127.0.0.1" --user $WORKER_UID --observer-user $OBSERVER_UID
server_wait wgmeetd
must lab_wait 10 all_serve
browse
is_whole "wgmeetd, 100,000 peers"
check "wgmeetd, 100,000 peers: $took ms" test "$took" -lt 40000
lab_stop wgmeetd

knot 2 100000
browse
is_whole "Knot, 100,000 peers" 1-3
check "Knot, 100,000 peers: $took ms" test "$took" -lt 50000
lab_stop knot
e2e_done
