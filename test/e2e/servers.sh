#!/bin/bash
# wgmeet sync with several name servers: those that fail cost one time-out in all, not one for each peer. With none named:
# the system's. And with one that behaves as the existing implementation of this naming.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/mock" ] || e2e_skip "no $BUILD/test/mock: make tests"
cp "$BUILD/test/mock" "$BIN/"

# peers N - a device of N peers, without endpoints; their keys need not be anybody's.
peers() {
	local i

	{
		echo "[Interface]"
		echo "PrivateKey = $(cat "$LAB/one.key")"
		for ((i = 0; i < $1; i++)); do
			printf '[Peer]\nPublicKey = %s\n' "$(head -c 32 /dev/urandom | base64)"
			echo "AllowedIPs = 10.20.$((i / 256)).$((i % 256))/32"
		done
	} >"$LAB/one.conf"
	lab_in one wg setconf wgone "$LAB/one.conf"
}

# mock NAME ADDR PORT MODE - its log is $LAB/NAME.log.
mock() {
	lab_start "$1" one "$BIN/mock" "$2" "$3" 0 "$4"
	must lab_wait 3 grep -qs ready "$LAB/$1.log"
}

# sync [OPTION...] - sets status, took (in ms) and, from the device, how many are set.
sync() {
	local started

	started=$(lab_ms)
	status=0
	lab_in one "$BIN/wgmeet" sync wgone --zone "$ZONE" --user 65534 "$@" >"$LAB/out" 2>"$LAB/err" || status=$?
	took=$(($(lab_ms) - started))
	set=$(lab_in one wg show wgone endpoints | awk '$2 ~ /^198\.18\./ { n++ } END { print n + 0 }')
}

questions() { # NAME
	grep -cE '^(udp|tcp) ' "$LAB/$1.log"
}

# resolv_conf LINE... - the system's, for this test.
resolv_conf() {
	printf '%s\n' "$@" >"$LAB/resolv.conf"
}

lab_ns one
lab_key one
lab_wg_create one wgone
lab_in one ip link set wgone up
lab_in one ip route add 198.18.0.0/15 dev lo # an address without a route is passed over
mock dead 127.0.0.1 5301 silent
mock refusing 127.0.0.1 5302 refused
mock good 127.0.0.1 5303 good
mock failing 127.0.0.1 5304 servfail
mock existing 127.0.0.1 5305 existing

# Three tries, of 1, 2 and 4 seconds.
peers 1000
sync --server 127.0.0.1:5301 --server 127.0.0.1:5302 --server 127.0.0.1:5303
same "1,000 peers, the first server dead, the second refusing: exit status" 0 $status
same "all are set" 1000 "$set"
same "nothing is said on standard error" "" "$(cat "$LAB/err")"
check "in under one time-out and a second: $took ms" test "$took" -lt 8000
check "the dead one was asked for those that were in flight, three times: $(questions dead) questions" \
	test "$(questions dead)" -le 768
check "the refusing one was asked for those: $(questions refusing) questions" test "$(questions refusing)" -le 256
same "the good one was asked once for each peer" 1000 "$(questions good)"

# Servers that say that they will not, or whose host does, cost less.
peers 1000
sync --server 127.0.0.1:5302,127.0.0.1:5304 --server 127.0.0.1:5399 --server 127.0.0.1:5303
same "1,000 peers, three servers that fail at once: exit status" 0 $status
same "all are set" 1000 "$set"
check "in less than a time-out: $took ms" test "$took" -lt 6000

# One failure is told, of several servers the one that says most.
peers 1
sync --server 127.0.0.1:5302,127.0.0.1:5304
same "all servers fail: exit status" 1 $status
same "one line" 1 "$(grep -c . "$LAB/err")"
matches "SERVFAIL says more than a refusal" SERVFAIL "$(cat "$LAB/err")"
sync --server 127.0.0.1:5399
same "nobody is at the server's port: exit status" 1 $status
matches "it is said, and which one" 'cannot be reached.*127\.0\.0\.1:5399' "$(cat "$LAB/err")"

# A host may say it once in a while only, as kernels limit such messages; whoever asks on after that hears nothing.
lab_in one nft -f - <<-END
	table inet fault {
		chain out { type filter hook output priority 0; icmp type destination-unreachable quota over 200 bytes drop; }
	}
END
sync --server 127.0.0.1:5399
lab_in one nft delete table inet fault
same "nobody is there, which is told once: exit status" 1 $status
matches "it is said" 'cannot be reached.*127\.0\.0\.1:5399' "$(cat "$LAB/err")"
check "and no time-out is waited for: $took ms" test "$took" -lt 1000

# NXDOMAIN is an answer: the next server is not asked.
mock nothing 127.0.0.1 5306 nxdomain
before=$(questions good)
sync --server 127.0.0.1:5306,127.0.0.1:5303
same "NXDOMAIN: exit status" 0 $status
same "NXDOMAIN from the first: the second is not asked" "$before" "$(questions good)"

# The existing implementation: only padded names.
peers 3
sync --server 127.0.0.1:5305
same "existing implementation: exit status" 0 $status
same "existing implementation: all are set" 3 "$set"
same "existing implementation: nothing is said" "" "$(cat "$LAB/err")"
peers 300
before=$(questions existing)
sync --server 127.0.0.1:5305
same "existing implementation, 300 at once: exit status" 0 $status
same "existing implementation, 300 at once: all are set" 300 "$set"
asked=$(($(questions existing) - before))
check "those after the first are asked for by the right name: $asked questions" test "$asked" -le 560
check "in under a second: $took ms" test "$took" -lt 1000

# The system's resolvers.
: >"$LAB/resolv.conf"
[ -e /etc/resolv.conf ] || : >"$(readlink -m /etc/resolv.conf)"
mount --bind "$LAB/resolv.conf" "$(readlink -f /etc/resolv.conf)" || e2e_skip "no mounts here"
mock system 127.0.0.53 53 good
resolv_conf '# nobody is at the first' 'nameserver 127.0.0.9' 'nameserver 127.0.0.53' 'search example.com' 'options ndots:5'
peers 300
sync
same "the system's resolvers: exit status" 0 $status
same "the system's resolvers: all are set" 300 "$set"
check "in less than a time-out: $took ms" test "$took" -lt 6000
same "which were asked" 300 "$(questions system)"
resolv_conf 'search example.com'
mock default 127.0.0.1 53 good
peers 3
sync
same "no resolver at all: the one on this host" 3 "$set"
e2e_done
