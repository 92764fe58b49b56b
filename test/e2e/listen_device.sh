#!/bin/bash
# Listen = %DEVICE: beside another name server on the same port; before the device is there; after it went and came again.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

six_of_hub=fd00:9::1

# who NS SERVER [DIG-OPTION...] - which server answers: its name, or "none".
who() {
	local name

	name=$(lab_in "$1" dig "@$2" +tries=1 +time=1 +norec +short wg.test NS "${@:3}" | grep -v '^;')
	echo "${name:-none}"
}

answers() { # NAME NS SERVER [DIG-OPTION...]
	[ "$(who "${@:2}")" = "$1" ]
}

both() { # WHAT NAME NS SERVER [DIG-OPTION...]
	same "$1, UDP" "$2" "$(who "${@:3}" +notcp)"
	same "$1, TCP" "$2" "$(who "${@:3}" +tcp)"
}

hub_up() {
	lab_wg hub
	ip -n hub addr add $six_of_hub/64 dev wghub nodad
	lab_in alice wg set wgalice peer "$(lab_pub hub)" remove
	lab_join alice
	lab_in hub wg set wghub peer "$(lab_pub alice)" allowed-ips 10.9.0.2/32,fd00:9::2/128
	lab_in alice wg set wgalice peer "$(lab_pub hub)" allowed-ips 10.9.0.1/32,203.0.113.10/32,$six_of_hub/128
}

# answers_in_tunnel WHEN - by the device, and there alone.
answers_in_tunnel() {
	local over

	for over in udp tcp; do
		check "$1: a peer is answered, $over" lab_wait 5 answers ns.tunnel. alice 10.9.0.1 +${over/udp/notcp}
		check "$1: a peer is answered, IPv6, $over" lab_wait 5 answers ns.tunnel. alice $six_of_hub +${over/udp/notcp}
	done
	both "$1: a peer is answered at the outer address, too" ns.tunnel. alice "$SERVER" -b 10.9.0.2
	both "$1: outside the other server answers" ns.outside. mallory "$SERVER"
	both "$1: at the tunnel's address, but from outside, too" ns.outside. mallory 10.9.0.1
}

start_server() {
	lab_start wgmeetd hub "$BIN/wgmeetd" --zone wg.test --device wghub --listen %wghub:53 --workers 2 \
		--name-server ns.tunnel --user "$WORKER_UID" --observer-user 0
}

start_other() { # LISTEN
	lab_start other hub "$BIN/wgmeetd" --zone wg.test --dump-file "$LAB/dump" --listen "$1" --workers 1 \
		--name-server ns.outside --user "$WORKER_UID" --observer-user "$OBSERVER_UID"
	server_wait other
}

lab_net masqdrop:masqdrop
lab_ns mallory
lab_link mallory eth0 203.0.113.66/24 inet mallory - br0
ip -n mallory route add 10.9.0.1/32 via 203.0.113.10
lab_wg alice
ip -n alice addr add fd00:9::2/64 dev wgalice nodad
ip -n alice route add 203.0.113.10/32 dev wgalice src 10.9.0.2 table 7
ip -n alice rule add from 10.9.0.2 table 7

# The other one is bound to the other device, as those are that shall leave room for one.
printf '%s\t%s\t51820\toff\n' "(none)" "$(lab_key other && lab_pub other)" >"$LAB/dump"
start_other %eth0:53
start_server
must lab_wait 10 grep -q 'is not there' "$LAB/wgmeetd.log"
check "it is up before the device is" lab_alive wgmeetd
hub_up
answers_in_tunnel "started before the device"
lab_stop wgmeetd
start_server
server_wait wgmeetd
answers_in_tunnel "started with the device"

for turn in second third; do
	lab_wg_delete hub wghub
	check "it stays when the device goes" lab_wait 10 grep -q 'is not there' "$LAB/wgmeetd.log"
	must lab_alive wgmeetd
	both "then nobody is answered from outside but by the other server" ns.outside. mallory "$SERVER"
	: >"$LAB/wgmeetd.log"
	hub_up
	answers_in_tunnel "a $turn device of that name"
done
lab_stop wgmeetd
same "it ends well" 0 $?
lab_stop other

# A server that is not bound to a device has the port on all of them: that is said.
start_other 203.0.113.10:53
start_server
check "a server that has the port on all devices: this one says so" lab_wait 5 grep -Eq 'the port is taken by wgmeetd' "$LAB/wgmeetd.log"
check "and ends" lab_wait 5 lab_gone "${lab_pid[wgmeetd]}"
e2e_done
