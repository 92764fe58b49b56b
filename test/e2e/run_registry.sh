#!/bin/bash
# The registry goes away: two peers with "wgmeet run" that talk directly do not notice, and do not ask; a peer without a path is
# found when the registry is back, by itself. ROUNDS=2 and more: its device goes, too.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
run_needs
e2e_enter "$@"

GONE_S=8
RUN_TTL_S=4
lab_addr[carol]=10.9.0.4

hub_knows() { # NAME
	lab_in hub wg set wghub peer "$(lab_pub "$1")" allowed-ips "${lab_addr[$1]}/32"
}

# carol has no daemon, and a NAT that lets everybody in: it is alice who has to find her.
carol_appears() {
	lab_wg carol
	lab_know carol alice
	hub_knows carol
	lab_in carol wg set wgcarol peer "$(lab_pub hub)" endpoint $SERVER:51820 allowed-ips "${lab_addr[hub]}/32" \
		persistent-keepalive 1
}

# carol_vanishes - as if she had never been there.
carol_vanishes() {
	lab_wg_delete carol wgcarol
	lab_forget nat-c
	for name in alice hub; do
		lab_in $name wg set wg$name peer "$(lab_pub carol)" remove
	done
	hub_knows carol
	lab_know alice carol
}

hub_device_appears() {
	lab_wg hub
	for name in alice bob carol; do
		hub_knows $name
	done
}

watch() {
	alice_ep=$(lab_peer alice bob endpoints)
	alice_sets=$(sets alice bob)
	bob_sets=$(sets bob alice)
	alice_lines=$(log_lines alice)
	bob_lines=$(log_lines bob)
	before=$(asked bob)
	talk alice bob
}

# undisturbed WHAT - nothing has happened between alice and bob since the watch began.
undisturbed() {
	hush alice bob
	check "$1: alice lost no packet: $(lost alice)" test "$(lost alice)" -le 1
	check "$1: nor bob: $(lost bob)" test "$(lost bob)" -le 1
	same "$1: alice's endpoint is as it was" "$alice_ep" "$(lab_peer alice bob endpoints)"
	same "$1: nobody has set one" "$alice_sets $bob_sets" "$(sets alice bob) $(sets bob alice)"
	same "$1: direct" "direct direct" "$(state alice bob) $(state bob alice)"
	same "$1: bob does not ask" "$before" "$(asked bob)"
	same "$1: bob says nothing" "$bob_lines" "$(log_lines bob)"
	check "$1: alice says little: $(($(log_lines alice) - alice_lines)) lines" \
		test $(($(log_lines alice) - alice_lines)) -le 4
}

# recovers WHAT LIMIT_S - alice finds carol.
recovers() {
	local began

	began=$(day_ms)
	check "$1: alice finds carol by herself" lab_wait "$2" lab_shook alice carol
	echo "# $1: she found her $(($(day_ms) - began)) ms after it"
	check "$1: they talk" lab_wait 5 direct alice carol
	check "$1: alice says so" lab_wait 10 in_state alice carol direct
}

run_bed masqdrop:masqdrop
lab_lan nat-c 203.0.113.40 10.3.0 cone
lab_ns carol
lab_live carol nat-c
lab_key carol
hub_knows carol
lab_know alice carol
run_daemon alice
run_daemon bob
must lab_wait 20 lab_shook alice bob
check "before: both are direct" lab_wait 10 in_state alice bob direct
check "bob, too" lab_wait 10 in_state bob alice direct
check "carol is not there" lab_wait 5 in_state alice carol looking

# wgmeetd alone.
lab_stop wgmeetd
watch
asked_by_alice=$(asked alice)
carol_appears
check "wgmeetd gone: alice's path stays" lasts $GONE_S endpoint_is alice bob "$alice_ep"
echo "# in $GONE_S s alice asked $(($(asked alice) - asked_by_alice)) times for carol"
# Each question has so many tries.
check "wgmeetd gone: she asks in measure" test $(($(asked alice) - asked_by_alice)) -le $((GONE_S * 2))
matches "wgmeetd gone: alice knows why carol is not found" 'reached|no answer' "$(state alice carol why)"
undisturbed "wgmeetd gone"
watch
run_wgmeetd
recovers "wgmeetd is back" 10
undisturbed "wgmeetd is back"

# And its device.
if [ "$ROUNDS" -gt 1 ]; then
	carol_vanishes
	lab_stop wgmeetd
	lab_wg_delete hub wghub
	watch
	check "the registry's device gone: alice's path stays" lasts 20 endpoint_is alice bob "$alice_ep"
	undisturbed "the registry's device gone"
	watch
	hub_device_appears
	carol_appears
	run_wgmeetd
	recovers "the registry's device is back" 90
	undisturbed "the registry's device is back"
fi

run_end alice
same "SIGTERM: exit status" 0 $?
e2e_done
