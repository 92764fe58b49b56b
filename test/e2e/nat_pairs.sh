#!/bin/bash
# contrib/guide/nat.md, row by row: "wgmeet run" on both sides of a pair of NATs. Where the page says that there is a way, packets go
# there and back; where it says that there is none, there is no handshake, and wgmeet status says what it is. The rows that are
# in run_connect.sh are not here. Its arguments are the rows that it does; without any it does all.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
rows=("$@")
run_needs
e2e_enter "$@"

VAIN_S=7 # more than a trial, and more than WireGuard needs for a second initiation

# restrict NAT PEER - filters by the address alone: whom the peer has sent to may send to it from any port.
restrict() {
	lab_in "$1" nft -f - <<-END || lab_die "cannot set up NAT in $1"
		table ip restricted {
			set sent { type ipv4_addr; flags dynamic, timeout; timeout 2m; size 64; }
			chain forward {
				type filter hook forward priority 0
				oifname "wan" update @sent { ip daddr }
			}
			chain pre {
				type nat hook prerouting priority dstnat
				iifname "wan" udp dport 51820 ip saddr @sent dnat to $2:51820
			}
		}
	END
}

both_run() {
	run_wgmeetd
	must lab_wait 10 published alice
	must lab_wait 10 published bob
	run_daemon alice
	run_daemon bob
}

finds() { # WHAT
	check "$1: they get connected" lab_wait 20 lab_shook alice bob
	check "$1: a packet there and back" lab_wait 10 direct alice bob
	check "$1: and from the other side" direct bob alice
	check "$1: both say that it is direct" lab_wait 10 in_state alice bob direct
	check "$1: bob, too" lab_wait 10 in_state bob alice direct
}

finds_none() { # WHAT
	check "$1: each sets what DNS has" lab_wait 10 endpoint_is alice bob "$(lab_seen bob)"
	check "$1: for $VAIN_S s there is no handshake" lasts $VAIN_S not lab_shook alice bob
	check "$1: and wgmeet status says why" lab_wait 10 state_why alice bob 'no answer at .*'
	echo "# $(state alice bob why)"
}

# nats A:B COMMAND... - the bed, what is done to it, and both daemons.
nats() {
	run_devices "$1"
	"${@:2}"
	both_run
}

if wants cone; then
	nats cone:masqdrop true
	finds "full cone : port-restricted"
	run_tear_down
fi

if wants restricted; then
	nats masqdrop:masqdrop restrict nat-a 10.1.0.2
	finds "address-restricted : port-restricted"
	run_tear_down
fi

if wants restricted:symmetric; then
	nats masqdrop:random restrict nat-a 10.1.0.2
	finds "address-restricted : symmetric"
	run_tear_down
fi

if wants port-restricted:symmetric; then
	nats masqdrop:random true
	finds_none "port-restricted : symmetric"
	run_tear_down
fi

if wants hairpin; then
	nats shared:hairpin true
	finds "one NAT for both, with hairpin"
	run_tear_down
fi

if wants no-hairpin; then
	nats shared:masqdrop true
	finds_none "one NAT for both, without hairpin"
	run_tear_down
fi

# behind NAT - alice's own NAT is behind another one.
behind() {
	local seen

	seen=$(lab_seen alice)
	lab_lan "$1" 203.0.113.40 10.3.0 masqdrop
	ip -n nat-a link del wan
	lab_link nat-a wan 10.3.0.2/24 "$1" lan0 10.3.0.1/24
	ip -n nat-a route add default via 10.3.0.1
	lab_flush nat-a
	must lab_wait 10 moved alice "$seen"
}

if wants two; then
	nats masqdrop:masqdrop behind nat-c
	finds "two NATs, one behind the other : port-restricted"
	run_tear_down
fi

if wants unfiltered; then
	nats masq:masq true
	finds_none "Linux NATs that drop nothing"
	run_tear_down
fi

# ---- IPv6: no NAT, but firewalls that let in only answers ----

PREFIX=2001:db8:0

firewall() { # NS
	lab_in "$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	lab_in "$1" nft -f - <<-END || lab_die "cannot set up the firewall in $1"
		table ip6 firewall {
			chain forward {
				type filter hook forward priority 0; policy drop
				ct state established,related accept
				iifname "lan0" accept
			}
		}
	END
}

address6() { # NS DEVICE ADDRESS
	ip -n "$1" addr add "$3/64" dev "$2" nodad
}

net6() {
	lab_bob_port=51820
	lab_ns inet hub fw-a fw-b alice bob
	lab_bridge inet br0 -
	lab_link hub eth0 - inet hub - br0
	lab_link fw-a wan - inet fw-a - br0
	lab_link fw-b wan - inet fw-b - br0
	lab_link alice eth0 - fw-a lan0 -
	lab_link bob eth0 - fw-b lan0 -
	address6 hub eth0 $PREFIX:1::10
	address6 fw-a wan $PREFIX:1::20
	address6 fw-b wan $PREFIX:1::30
	address6 alice eth0 $PREFIX:a::2
	address6 fw-a lan0 $PREFIX:a::1
	address6 bob eth0 $PREFIX:b::2
	address6 fw-b lan0 $PREFIX:b::1
	firewall fw-a
	firewall fw-b
	ip -n alice route add default via $PREFIX:a::1
	ip -n bob route add default via $PREFIX:b::1
	for ns in hub fw-a fw-b; do
		[ $ns = fw-a ] || ip -n $ns route add $PREFIX:a::/64 via $PREFIX:1::20
		[ $ns = fw-b ] || ip -n $ns route add $PREFIX:b::/64 via $PREFIX:1::30
	done
}

join6() { # NAME
	lab_in hub wg set wghub peer "$(lab_pub "$1")" allowed-ips "${lab_addr[$1]}/32"
	lab_in "$1" wg set "wg$1" peer "$(lab_pub hub)" endpoint "[$PREFIX:1::10]:51820" allowed-ips "${lab_addr[hub]}/32" \
		persistent-keepalive 1
	must lab_wait 20 lab_shook "$1" hub
	must lab_wait 10 lab_seen "$1" >/dev/null
}

served6() { # NAME - asked in the tunnel, for the bed has no other IPv4
	local owner

	owner=$(peer_name "$1").$ZONE
	[ "$(lab_in hub dig +short +tries=1 +time=2 "@$RUN_SERVER" "$owner" AAAA)" != "" ]
}

if wants ipv6; then
	net6
	for name in hub alice bob; do
		lab_wg $name
	done
	join6 alice
	join6 bob
	lab_know alice bob
	lab_know bob alice
	check "IPv6, a firewall on each side: before there is no path" not pings alice 10.9.0.3
	lab_start wgmeetd hub "$BIN/wgmeetd" --zone "$ZONE" --device wghub --listen $RUN_SERVER --ttl 10 \
		--user "$WORKER_UID" --observer-user "$([ "$WG_IMPL" = kernel ] && echo $OBSERVER_UID || echo 0)"
	server_wait wgmeetd
	must lab_wait 10 served6 alice
	must lab_wait 10 served6 bob
	run_daemon alice
	run_daemon bob
	finds "IPv6, a firewall on each side"
	run_tear_down
fi

e2e_done
