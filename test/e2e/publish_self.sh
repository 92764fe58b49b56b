#!/bin/bash
# Self = auto: the registry's own device is published with the host's global addresses, those and no others, and as they come
# and go, without SIGHUP.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
. "$(dirname "$0")/publish.bash" || exit 1

usual_peers
zone <<<'' | configure
start_server

# ---- Self = auto ----

# self_is WHAT ADDRESS... - those of the registry's own device, in order; the same printed and in DNS.
self_is() {
	local what=$1

	shift
	check "$what" lab_wait 5 has_self "$@"
	same "$what: printed" "$*" "$(print_zone && self_printed)"
}

self_printed() {
	grep "^$(instance hub)\." "$LAB/zone" | awk '$4 ~ /^A/ { print $5 }' | sort | paste -sd' '
}

self_served() { # DIG-OPTION...
	{ ask_short "$(instance hub)" A "$@" && ask_short "$(instance hub)" AAAA "$@"; } | sort | paste -sd' '
}

has_self() { # ADDRESS...
	[ "$(self_served +notcp)" = "$*" ] && [ "$(self_served +tcp)" = "$*" ]
}

# never_self WHAT COMMAND... - whose address is none of them. Netlink tells of it at once.
never_self() {
	local what=$1 before
	shift

	before=$(self_served)
	must "$@"
	sleep 0.4
	same "$what is not published" "$before" "$(self_served)"
}

v6() { # KEY VALUE
	echo "$2" >"/proc/sys/net/ipv6/conf/up0/$1"
}

ip link add up0 type veth peer name up1 || lab_die "cannot make a pair of devices"
[ ! -e /proc/sys/net/ipv6/conf/up0 ] || v6 dad_transmits 0
ip link set up0 up
ip link set up1 up
# The only addresses are loopback and link-local.
{ zone <<<'Self = auto' && peer hub 'Name = hub'; } | configure
unchanged "Self = auto, and the host has no address" hup "$reread"
before=$(serial)
must ip addr add 203.0.113.1/24 dev up0
check "an address comes" lab_wait 5 has_self 203.0.113.1
settled "an address comes" "$before" "alice bob carol hub"
check "its port is the device's" has_record hub SRV "$(instance hub).$ZONE.
0 0 51820 $(instance hub).$ZONE."
before=$(serial)
must ip addr add 2001:db8:1::1/64 dev up0
check "an IPv6 one, too" lab_wait 5 has_self 2001:db8:1::1 203.0.113.1
settled "an IPv6 one, too" "$before" "alice bob carol hub"
loads "several addresses"
at=hub._wireguard._udp.$ZONE.
for via in +notcp +tcp; do
	same "the SRV's additional section $via" "$at $ttl IN A 203.0.113.1
$at $ttl IN AAAA 2001:db8:1::1
$at $ttl IN TXT \"txtvers=1\" \"pub=$(key hub)\"" "$(records additional hub._wireguard._udp SRV $via)"
done
never_self "a private address" ip addr add 10.1.2.3/24 dev up0
never_self "a private IPv6 address" ip addr add fd00:1::1/64 dev up0
never_self "an address of a carrier's NAT" ip addr add 100.64.0.1/10 dev up0
never_self "a loopback address" ip addr add 127.0.0.9/8 dev lo
never_self "an address of link scope" ip addr add 198.51.100.77/32 dev up0 scope link
never_self "a deprecated address" ip addr add 2001:db8:1::dead/64 dev up0 preferred_lft 0
never_self "a deprecated IPv4 address" ip addr add 203.0.113.99/32 dev up0 preferred_lft 0
v6 dad_transmits 30
never_self "a tentative address" ip addr add 2001:db8:1::7e/64 dev up0
matches "it is tentative" 'tentative' "$(ip -6 addr show dev up0 to 2001:db8:1::7e)"
v6 dad_transmits 1
v6 use_tempaddr 2
# The kernel makes a temporary address beside such a one.
must ip addr add 2001:db8:2::1/64 dev up0 mngtmpaddr
self_is "an address that has temporary ones comes alone" 2001:db8:1::1 2001:db8:2::1 203.0.113.1
temporary_address() {
	ip -6 addr show dev up0 temporary | grep -Eq 'inet6 2001:db8:2:.* temporary *(dynamic)? *$'
}
check "a temporary address is there, no longer tentative" lab_wait 5 temporary_address
sleep 0.4
same "a temporary address is not published" "2001:db8:1::1 2001:db8:2::1 203.0.113.1" "$(self_served)"
must ip addr del 2001:db8:2::1/64 dev up0
self_is "an address goes" 2001:db8:1::1 203.0.113.1

v6 dad_transmits 0
must ip addr add 203.0.113.2/24 dev up0
self_is "a second one of the same network" 2001:db8:1::1 203.0.113.1 203.0.113.2
must ip addr del 203.0.113.2/24 dev up0
must ip addr add 203.0.113.1/32 dev up1
unchanged "the same address on another device" sleep 0
same "it is there once" 203.0.113.1 "$(ask_short "$(instance hub)" A)"
must ip addr del 203.0.113.1/32 dev up1
must ip addr change 2001:db8:1::1/64 dev up0 preferred_lft 2 valid_lft 100
self_is "one that is preferred for two seconds is there" 2001:db8:1::1 203.0.113.1
self_is "then it is deprecated and goes" 203.0.113.1
before=$(serial)
must ip addr add 2001:db8:3::3/128 dev lo
check "one of the loopback device's that is global" lab_wait 5 has_self 2001:db8:3::3 203.0.113.1
settled "one of the loopback device's that is global" "$before" "alice bob carol hub"
for i in {10..19}; do
	ip addr add "203.0.113.$i/32" dev up0
done
first_eight() {
	[ "$(ask_short "$(instance hub)" A | grep -c .)" -ge 7 ]
}
check "of many addresses eight are there" lab_wait 5 first_eight
same "of many addresses no more than eight are there" 8 "$(self_served | wc -w)"
ip link del up0
self_is "the device goes, and its addresses" 2001:db8:3::3
zone <<<"Self = 192.0.2.77:7777" | reconfigure "Self is an address" "alice bob carol hub"
check "which is published" has_record "$(instance hub)" A 192.0.2.77
zone <<<'' | reconfigure "no Self" "alice bob carol"

# The device's own addresses, which are in the tunnel, are none of them.
lab_wg_create - wgx
lab_key wgx
wg set wgx listen-port 51999 private-key "$LAB/wgx.key"
ip link set wgx up
ip addr add 2001:db8:9::1/64 dev wgx
"$BIN/wgmeetd" --zone "$ZONE" --device wgx --name-server "ns1.$ZONE $SERVER" --self auto --print-zone >"$LAB/zone"
same "a device, Self = auto: not the tunnel's own address" 2001:db8:3::3 \
	"$(awk '$4 ~ /^A/ && $1 !~ /^ns1/ && $1 !~ /=|061/ { print $5 }' "$LAB/zone")"
matches "its port is the device's" 'SRV	0 0 51999' "$(cat "$LAB/zone")"
lab_wg_delete - wgx

lab_stop wgmeetd
same "SIGTERM ends it with 0" 0 $?
e2e_done
