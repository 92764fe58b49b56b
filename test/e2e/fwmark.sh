#!/bin/bash
# A full tunnel takes everything that does not have the mark: without --fwmark no look-up gets through, with it all do, over
# UDP and over TCP. The process that talks to name servers has no power to set a mark itself.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/mock" ] || e2e_skip "no $BUILD/test/mock: make tests"
cp "$BUILD/test/mock" "$BIN/"
MARK=51820

peers() { # - three, without endpoints
	local i

	{
		printf '[Interface]\nPrivateKey = %s\n' "$(cat "$LAB/one.key")"
		for i in 1 2 3; do
			printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.20.0.%d/32\n' "$(head -c 32 /dev/urandom | base64)" $i
		done
	} >"$LAB/one.conf"
	lab_in one wg setconf wgone "$LAB/one.conf"
}

mock() { # MODE
	lab_start mock two "$BIN/mock" 198.51.100.2 5300 0 "$1"
	must lab_wait 3 grep -qs ready "$LAB/mock.log"
}

sync() {
	status=0
	lab_in one "$BIN/wgmeet" sync wgone --zone "$ZONE" --server 198.51.100.2:5300 --user 65534 "$@" \
		>"$LAB/out" 2>"$LAB/err" || status=$?
}

endpoints_set() {
	lab_in one wg show wgone endpoints | grep -vc '(none)'
}

# The resolver of a running wgmeet, the only child that it has.
resolver() {
	lab_children "${lab_pid[sync]}" | head -n 1
}

is_locked_up() { # PID
	[ "$(grep -cE '^Cap(Inh|Prm|Eff|Amb):.0+$' "/proc/$1/status")" = 4 ] &&
		grep -q "^Uid:.65534" "/proc/$1/status" && grep -q '^NoNewPrivs:.1$' "/proc/$1/status"
}

lab_ns one two
lab_link one eth0 198.51.100.1/24 two eth0 198.51.100.2/24
lab_key one
lab_wg_create one wgone
lab_in one ip link set wgone up
# As wg-quick has it, but that the tunnel leads nowhere.
lab_in one ip rule add not fwmark $MARK table 1234
lab_in one ip route add blackhole default table 1234
# Where the answers are is none of the tunnel's business.
lab_in one ip rule add to 198.18.0.0/15 table main prio 100
lab_in one ip route add 198.18.0.0/15 dev lo

for mode in good truncate; do
	mock $mode
	peers
	sync --fwmark $MARK
	same "$mode, with the mark: exit status" 0 $status
	same "$mode, with the mark: all are set" 3 "$(endpoints_set)"
	same "$mode, with the mark: nothing is said" "" "$(cat "$LAB/err")"
	lab_stop mock
done
same "truncate: over TCP, too" 3 "$(grep -c '^tcp 33$' "$LAB/mock.log")"

mock good
peers
for mark in 0xca6c 51820; do
	printf '[Client]\nFwMark = %s\n' $mark >"$LAB/client.conf"
	peers
	sync --config "$LAB/client.conf"
	same "FwMark = $mark in the file: all are set" "0 3" "$status $(endpoints_set)"
done
peers
before=$(grep -c '^udp' "$LAB/mock.log")
for options in "" "--fwmark 1" "--fwmark off --config $LAB/client.conf"; do
	# shellcheck disable=SC2086 # several words
	sync $options
	same "${options:-without the mark}: exit status" 1 $status
	same "${options:-without the mark}: nothing is set" 0 "$(endpoints_set)"
	matches "${options:-without the mark}: says why" 'no answer from|cannot be reached' "$(cat "$LAB/err")"
done
same "which the server has not heard of" "$before" "$(grep -c '^udp' "$LAB/mock.log")"
lab_stop mock

# While it waits for an answer it can be looked at.
mock silent
lab_start sync one "$BIN/wgmeet" sync wgone --zone "$ZONE" --server 198.51.100.2:5300 --user 65534 --fwmark $MARK
must lab_wait 5 grep -q '^udp' "$LAB/mock.log"
pid=$(resolver)
check "the resolver has no capability, and another user" is_locked_up "$pid"
same "nor files of the host" "" "$(ls "/proc/$pid/root/" 2>/dev/null)"
lab_stop sync
check "it ends with the program" lab_wait 5 lab_gone "$pid"
e2e_done
