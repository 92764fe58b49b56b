#!/bin/bash
# wgmeet sync of thousands of peers within the limits that wgmeetd has by default, and within much narrower ones: a client that
# is really there gets all that it asks for.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

PEERS=3000

# Any keys, and each peer somewhere else.
make_dump() {
	printf '(none)\t(none)\t51820\toff\n'
	head -c $((33 * PEERS)) /dev/urandom | base64 -w 44 | awk '{
		printf "%sA=\t(none)\t198.18.%d.%d:%d\t10.20.%d.%d/32\t0\t0\t0\toff\n", substr($0, 1, 42), NR / 250, NR % 250 + 1,
			1024 + NR, NR / 250, NR % 250 + 1
	}'
}

# sync_with OPTION... - of wgmeetd. Sets status, and what it said at its end in slipped and connections.
sync_with() {
	local last

	lab_start wgmeetd - "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/dump" --listen 127.0.0.1:5300 --verbose \
		--workers 2 --user "$WORKER_UID" --observer-user "$OBSERVER_UID" "$@"
	server_wait wgmeetd
	status=0
	lab_in - "$BIN/wgmeet" sync wgone --zone "$ZONE" --server 127.0.0.1:5300 --user 65534 --dry-run >"$LAB/out" 2>"$LAB/err" ||
		status=$?
	lab_stop wgmeetd
	last=$(grep -o '[0-9]* slipped\|[0-9]* connections' "$LAB/wgmeetd.log" |
		awk '{ n[$2] += $1 } END { print n["slipped"] + 0, n["connections"] + 0 }')
	slipped=${last% *} connections=${last#* }
}

whole() { # DESCRIPTION
	same "$1: exit status" 0 $status
	same "$1: nothing is said" "" "$(cat "$LAB/err")"
	check "$1: each peer has its endpoint" cmp <(tail -n +2 "$LAB/dump" | cut -f 1,3 | tr '\t' ' ' | sort) \
		<(awk '{ print $2, $6 }' "$LAB/out" | sort)
}

make_dump >"$LAB/dump"
chmod 644 "$LAB/dump"
lab_key one
lab_wg_create - wgone
lab_in - ip link set wgone up
ip route add 198.18.0.0/15 dev lo # an address without a route is passed over
awk 'BEGIN { FS = "\t" } NR > 1 { printf "[Peer]\nPublicKey = %s\nAllowedIPs = %s\n", $1, $4 }' "$LAB/dump" >"$LAB/one.conf"
lab_in - wg setconf wgone "$LAB/one.conf"

sync_with
whole "wgmeetd's default limits"
same "wgmeetd's default limits: none of its answers was truncated" 0 "$slipped"
same "wgmeetd's default limits: all over UDP" 0 "$connections"

sync_with --rate-limit 2
whole "20 answers a second"
check "20 answers a second: those that had no cookie yet were truncated: $slipped" test "$slipped" -gt 100
check "20 answers a second: no others: $slipped" test "$slipped" -le 256
check "20 answers a second: over TCP, in one connection: $connections" test "$connections" = 1
e2e_done
