#!/bin/bash
# "wgmeet run" on both sides, and behind which NATs they find each other: port-restricted ones, a full cone and a symmetric one; a
# peer that comes later. Between two symmetric ones there is no way, and nothing flaps for it.
# To be run alone: it measures.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
rows=("$@")
run_needs
e2e_enter "$@"

# part - no path, no endpoint, no mapping: as when both are started for the first time.
part() {
	local seen

	run_end alice bob
	for name in alice bob; do
		seen=$(lab_seen "$name")
		lab_in "$name" wg set "wg$name" peer "$(lab_pub "${other[$name]}")" remove
		lab_forget "${lab_behind[$name]}"
		must lab_wait 10 moved "$name" "$seen"
		lab_know "$name" "${other[$name]}"
	done
	must lab_wait 10 published alice
	must lab_wait 10 published bob
}

declare -A other=([alice]=bob [bob]=alice)
first=yes

# connect - both are started, until a packet has gone there and back from each side.
connect() {
	local began

	[ "$first" = yes ] || part
	first=no
	began=$(day_ms)
	run_daemon alice
	run_daemon bob
	lab_wait 20 lab_shook alice bob && lab_wait 20 direct alice bob >/dev/null && direct bob alice >/dev/null || return
	took=$(($(day_ms) - began))
}

# connected - what is so when they are, and stays so.
connected() {
	local alice_ep bob_ep alice_sets bob_sets lines before

	check "$1: alice says that it is direct" lab_wait 10 in_state alice bob direct
	check "$1: bob says so, too" lab_wait 10 in_state bob alice direct
	alice_ep=$(lab_peer alice bob endpoints)
	bob_ep=$(lab_peer bob alice endpoints)
	alice_sets=$(sets alice bob)
	bob_sets=$(sets bob alice)
	lines=$(log_lines alice)
	before="$(asked alice) $(asked bob)"
	# More than one look at the device.
	check "$1: alice's endpoint stays" lasts 6 endpoint_is alice bob "$alice_ep"
	same "$1: bob's endpoint stays" "$bob_ep" "$(lab_peer bob alice endpoints)"
	same "$1: nobody sets one that works" "$alice_sets $bob_sets" "$(sets alice bob) $(sets bob alice)"
	# But for what the registry still has to tell of the rounds before.
	[ "$row_rounds" != 1 ] || same "$1: nobody asks for what works" "$before" "$(asked alice) $(asked bob)"
	same "$1: nothing is said" "$lines" "$(log_lines alice)"
	same "$1: the registry's endpoint is nobody's to set" "0 0" "$(sets_by_run alice hub) $(sets_by_run bob hub)"
	check "$1: packets go there and back" direct alice bob
}

# The lab itself has set it once.
sets_by_run() {
	local n

	n=$(sets "$1" "$2")
	echo $((n > 0 ? n - 1 : 0))
}

not_by_hub() {
	local before after

	for name in alice bob; do
		lab_in "$name" wg set "wg$name" peer "$(lab_pub hub)" persistent-keepalive 0
	done
	before=$(hub_octets)
	lab_in alice ping -q -c20 -i0.02 -W1 "${lab_addr[bob]}" && after=$(hub_octets) && [ "$before" = "$after" ]
}

# ---- port-restricted : port-restricted ----

if wants restricted; then
	run_bed masqdrop:masqdrop
	row "port-restricted : port-restricted, the first packet" 2000 connect
	connected "port-restricted : port-restricted"
	[ "$WG_IMPL" = kernel ] || same "each of them has set one endpoint, once" "$row_rounds $row_rounds" "$(sets alice bob) $(sets bob alice)"
	check "20 pings, and the registry's counters stand still" not_by_hub
	run_end alice
	same "SIGTERM: exit status" 0 $?
	run_tear_down
fi

# ---- a peer that comes later ----

# depart - as if bob had never been there.
depart() {
	run_end bob
	lab_wg_delete bob wgbob
	lab_forget nat-b
	for name in hub alice; do
		lab_in "$name" wg set "wg$name" peer "$(lab_pub bob)" remove
	done
	lab_in hub wg set wghub peer "$(lab_pub bob)" allowed-ips "${lab_addr[bob]}/32"
	must lab_wait 10 not published bob
	lab_know alice bob
	must lab_wait 10 in_state alice bob looking
}

# arrive - bob is switched on: device and daemon at once, while alice waits for him.
arrive() {
	[ -z "${lab_pid[run-bob]:-}" ] || depart
	lab_wg bob
	lab_know bob alice
	lab_in bob wg set wgbob peer "$(lab_pub hub)" endpoint "$SERVER:51820" allowed-ips "${lab_addr[hub]}/32" \
		persistent-keepalive 1
	run_daemon bob
	lab_wait 10 lab_seen bob >/dev/null || return
	began=$(day_ms)
	lab_wait 20 lab_shook alice bob && lab_wait 20 direct alice bob >/dev/null && direct bob alice >/dev/null || return
	took=$(($(day_ms) - began))
}

if wants later; then
	lab_net masqdrop:masqdrop
	lab_wg hub
	lab_wg alice
	lab_key bob
	lab_join alice 1
	lab_in hub wg set wghub peer "$(lab_pub bob)" allowed-ips "${lab_addr[bob]}/32"
	lab_know alice bob
	count_questions alice bob
	run_wgmeetd
	run_daemon alice
	check "bob is not there: alice waits" lab_wait 5 in_state alice bob looking
	check "and says why" lab_wait 5 state_why alice bob 'not in the zone'
	row "a peer that comes later, after the registry sees it" 2000 arrive
	run_tear_down
fi

# ---- a symmetric NAT on one side ----

for nats in cone:random random:cone; do
	wants $nats || continue
	run_bed $nats
	first=yes
	ROUNDS=1 row "$nats, the first packet" 10000 connect
	connected "$nats"
	run_tear_down
done

# ---- on both ----

if wants random:random; then
	# Time for several trials, of 6 s each, and for more look-ups.
	seconds=14
	RUN_TTL_S=2
	run_bed random:random
	alice_ep=$(lab_seen alice)
	bob_ep=$(lab_seen bob)
	run_daemon alice
	run_daemon bob
	check "symmetric : symmetric: alice sets what DNS has" lab_wait 5 endpoint_is alice bob "$bob_ep"
	check "symmetric : symmetric: it is not changed for $seconds s" lasts $seconds endpoint_is alice bob "$bob_ep"
	same "bob has what DNS has" "$alice_ep" "$(lab_peer bob alice endpoints)"
	same "no path" "0 0" "$(lab_peer alice bob latest-handshakes) $(lab_peer bob alice latest-handshakes)"
	echo "# in $seconds s: set $(sets alice bob) and $(sets bob alice) times, asked $(asked alice) and $(asked bob) times," \
		"$(initiations alice bob) and $(initiations bob alice) handshakes begun"
	for name in alice bob; do
		same "$name has set it once" 1 "$(sets $name "${other[$name]}")"
		# Its own name, too.
		check "$name asks at most every 2 s" test "$(asked $name)" -le $((seconds / 2 + 3))
		check "$name begins a handshake at most every 5 s" \
			test "$(initiations $name "${other[$name]}")" -le $((seconds / 5 + 2))
		matches "$name knows that there is none" 'looking|trying' "$(state $name "${other[$name]}")"
		matches "$name says why" 'no answer at .*NAT' "$(state $name "${other[$name]}" why)"
		check "$name says little about it: $(log_lines $name) lines" test "$(log_lines $name)" -le 8
	done
	run_tear_down
fi

e2e_done
