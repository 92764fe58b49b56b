#!/bin/bash
# A userspace device that hangs, dies and comes back, under a running wgmeetd: what hangs must not stop the service,
# and what is gone must not look like a zone without peers.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

export WG_IMPL=go
. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

# Peers p1, p2, ...: only ever seen by the device's configuration, so their endpoints stand still.
add_peer() { # NUMBER
	[ -e "$LAB/p$1.pub" ] || lab_key "p$1"
	lab_in hub wg set wghub peer "$(lab_pub "p$1")" endpoint "198.51.100.$1:$((1000 + $1))" \
		allowed-ips "10.9.0.$((10 + $1))/32"
}

peer_served() { # NUMBER
	is_served "p$1" "198.51.100.$1" $((1000 + $1))
}

# The open descriptors of wgmeetd and its children, summed up; the highest of a few looks.
open_fds() {
	local look pid sum max=0 fds

	for look in 1 2 3 4 5; do
		sum=0
		for pid in "${lab_pid[wgmeetd]}" $(lab_children "${lab_pid[wgmeetd]}"); do
			fds=("/proc/$pid/fd"/*)
			sum=$((sum + ${#fds[@]}))
		done
		[ $sum -le $max ] || max=$sum
		sleep 0.0$look
	done
	echo $max
}

# not_ready - SERVFAIL with extended error 14, over UDP and TCP, for the peer, the list and the apex.
not_ready() {
	local question transport out

	for question in "$(peer_name p1) SRV" "_wireguard._udp PTR" " SOA"; do
		for transport in +notcp +tcp; do
			out=$(ask "${question% *}" "${question##* }" "$transport")
			grep -q 'status: SERVFAIL' <<<"$out" && grep -q 'EDE: 14' <<<"$out" && continue
			echo "$question $transport: $(grep -E 'status:|EDE' <<<"$out")"
			return 1
		done
	done
}

peer_gone() {
	[ "$(ask_status "$(peer_name "p$1")" A)" = NXDOMAIN ]
}

# until_not_ready DESCRIPTION - asks until the SERVFAIL, for 2 seconds at most. Before it there may be the old
# answers, but nothing else.
until_not_ready() {
	local start owner status='' others='' out

	start=$(lab_ms)
	owner=$(peer_name p1)
	while [ "$status" != SERVFAIL ] && [ $(($(lab_ms) - start)) -le 2000 ]; do
		out=$(ask "$owner" A)
		status=$(sed -n 's/.*status: \([A-Z]*\).*/\1/p' <<<"$out")
		case $status in
		SERVFAIL) ;;
		NOERROR) grep -q 'ANSWER: 1' <<<"$out" || others+=" NODATA" ;;
		*) others+=" ${status:-none}" ;;
		esac
	done
	same "$1: SERVFAIL within 2 s" SERVFAIL "$status"
	same "$1: never an empty zone" '' "$others"
	check "$1: with extended error 14, over UDP and TCP" not_ready
}

# The device comes again, with all that it had, at once.
create_device() {
	local n

	rm -f /run/wireguard/wghub.sock
	lab_wg_create hub wghub
	{
		printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n' "$(cat "$LAB/hub.key")"
		for n in 1 2 3; do
			printf '[Peer]\nPublicKey = %s\nEndpoint = 198.51.100.%s:%s\nAllowedIPs = 10.9.0.%s/32\n' \
				"$(lab_pub p$n)" $n $((1000 + n)) $((10 + n))
		done
	} >"$LAB/wghub.conf"
	lab_in hub wg setconf wghub "$LAB/wghub.conf"
}

lab_ns hub
ip -n hub addr add "$SERVER"/32 dev lo
lab_wg hub
add_peer 1
add_peer 2
registry_start
check "two peers are served" lab_wait 2 peer_served 2
fds_before=$(open_fds)

# Hangs.
kill -s STOP "${lab_pid[wghub]}"
start=$(lab_ms)
misses=0
while [ $(($(lab_ms) - start)) -lt 2000 ]; do
	peer_served 1 || misses=$((misses + 1))
	sleep 0.2
done
fds_early=$(open_fds)
while [ $(($(lab_ms) - start)) -lt 10000 ]; do
	peer_served 1 || misses=$((misses + 1))
	sleep 0.2
done
fds_late=$(open_fds)
same "stopped: the last zone is served for 10 s" 0 $misses
check "stopped: descriptors do not grow ($fds_before before, $fds_early after 2 s, $fds_late after 10 s)" \
	test "$fds_late" -le "$fds_early" -a "$fds_early" -le $((fds_before + 2))
check "stopped: wgmeetd lives" lab_alive wgmeetd
kill -s CONT "${lab_pid[wghub]}"
add_peer 3
check "continued: a change is seen within 2 s" lab_wait 2 peer_served 3
check "continued: the others are still there" peer_served 1

# A key that is revoked.
lab_in hub wg set wghub peer "$(lab_pub p3)" remove
check "removed from the device: out of DNS within 1 s" lab_wait 1 peer_gone 3

# Goes, properly.
kill "${lab_pid[wghub]}"
until_not_ready "device deleted"
lab_stop wghub
create_device
check "created again: served within 1 s" lab_wait 1 peer_served 1

# Goes, and leaves its socket behind.
lab_stop wghub KILL
until_not_ready "device killed"
create_device
check "created again: served within 1 s" lab_wait 1 peer_served 2

mapfile -t workers < <(lab_children "${lab_pid[wgmeetd]}")
lab_stop wgmeetd
same "SIGTERM ends wgmeetd with 0" 0 $?
# Or the port would still be taken for whoever starts it again.
for pid in "${workers[@]}"; do
	check "and not before its worker $pid has ended" test ! -e "/proc/$pid"
done

# Started while it hangs: whoever waits for wgmeetd to be ready shall neither wait for ever nor be told too early.
kill -s STOP "${lab_pid[wghub]}"
manager_start
lab_start wgmeetd hub env NOTIFY_SOCKET="$NOTIFY" "$BIN/wgmeetd" --zone $ZONE --device wghub --listen $SERVER:53 \
	--user $WORKER_UID --observer-user 0
check "hangs from the start: ready" lab_wait 10 told READY=1
check "hangs from the start: and not before that is known" grep -q 'does not answer' "$LAB/wgmeetd.log"
check "hangs from the start: SERVFAIL" not_ready
kill -s CONT "${lab_pid[wghub]}"
check "continued: served" lab_wait 5 peer_served 1
lab_stop wgmeetd

# Started as the service is, and not as root, whose socket it is.
not_root=(setpriv "--reuid=$OBSERVER_UID" "--regid=$OBSERVER_UID" --clear-groups "--inh-caps=+net_admin,+net_bind_service"
	"--ambient-caps=+net_admin,+net_bind_service" --)
lab_start wgmeetd hub "${not_root[@]}" "$BIN/wgmeetd" --zone $ZONE --device wghub --listen $SERVER:53
check "not root: it starts" lab_wait 10 grep -q "answering SERVFAIL" "$LAB/wgmeetd.log"
check "not root: SERVFAIL" not_ready
same "not root: one line says why, and what helps" 1 "$(grep -c socket "$LAB/wgmeetd.log")"
check "not root: with the drop-in" grep -Eq 'was not started as root; .*drop-in wgmeetd-userspace\.conf .*daemon-reload.*restart wgmeetd' \
	"$LAB/wgmeetd.log"
e2e_done
