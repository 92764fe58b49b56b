#!/bin/bash
# Who may ask: Allow and AllowBrowse, from the tunnel, with a peer's address beside the tunnel, on the registry itself, and from
# strangers; over UDP and TCP, IPv4 and IPv6, on a listener at all addresses and on one at the tunnel's. The rules follow the
# device and its peers.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

conf=$LAB/wgmeetd.conf
six_of_hub=fd00:9::1
six_of_alice=fd00:9::2

# ---- asking ----

# query NS SERVER NAME TYPE [DIG-OPTION...]
query() {
	lab_in "$1" dig "@$2" +tries=1 +time="${patience:-3}" +norec "${@:3}"
}

# status NS SERVER NAME TYPE [DIG-OPTION...]
status() {
	query "$@" | awk '/status:/ { sub(/,/, "", $6); print $6; found = 1 } END { if (!found) print "none" }'
}

has_status() { # EXPECTED NS SERVER NAME TYPE [DIG-OPTION...]
	[ "$(status "${@:2}")" = "$1" ]
}

# both WHAT EXPECTED NS SERVER NAME TYPE [DIG-OPTION...] - over UDP, then over TCP.
both() {
	same "$1, UDP" "$2" "$(status "${@:3}" +notcp)"
	same "$1, TCP" "$2" "$(status "${@:3}" +tcp)"
}

await() { # WHAT EXPECTED NS SERVER NAME TYPE [DIG-OPTION...]
	check "$1" lab_wait 10 has_status "${@:2}"
}

# What is answered, without what is another each time: the message's number, times, the question.
answer_to() {
	query "$@" | sed -E 's/id: [0-9]+//; /^;; (Query time|WHEN|MSG SIZE|SERVER)/d; /^;[^;]/d; /^; <<>>/d; /^$/d'
}

reread() {
	local before

	before=$(grep -c 'was read again' "$LAB/wgmeetd.log")
	kill -s HUP "${lab_pid[wgmeetd]}"
	must lab_wait 5 read_more_often "$before"
}

read_more_often() {
	[ "$(grep -c 'was read again' "$LAB/wgmeetd.log")" -gt "$1" ]
}

# ---- the network, and the zones ----

# configure ALLOW-OF-CHANGING - a zone for each rule, all of the same device.
configure() {
	{
		cat <<-END
			[Server]
			Listen = 0.0.0.0:53, [::]:53, 10.9.0.1:5353, [$six_of_hub]:5353
			User = $WORKER_UID
			ObserverUser = 0
			Workers = 2
			RateLimit = 0
		END
		zone tunnel.test "Allow = tunnel"
		zone net.test "Allow = 203.0.113.64/26, fd00:c::66/128"
		zone mixed.test "Allow = 203.0.113.66/32, tunnel"
		zone browse.test "Allow = all" "AllowBrowse = tunnel" "ListMax = 1"
		zone unlisted.test "AllowBrowse = none"
		zone none.test "Allow = none"
		zone all.test "Allow = all"
		zone changing.test "Allow = $1"
	} >"$conf.new"
	mv "$conf.new" "$conf"
}

zone() { # NAME LINE...
	printf '[Zone]\nName = %s\nDevice = wghub\nNameServer = ns.example.net\nSelf = %s:51820\n' "$1" "$SERVER"
	shift
	printf '%s\n' "$@"
}

# With an IPv6 address in the tunnel, too. What the peer knows of an earlier hub it forgets: it greets this one at once.
join() {
	lab_in "$1" wg set "wg$1" peer "$(lab_pub hub)" remove
	lab_join "$1"
	lab_in hub wg set wghub peer "$(lab_pub "$1")" allowed-ips "${lab_addr[$1]}/32,$2/128"
	lab_in "$1" wg set "wg$1" peer "$(lab_pub hub)" allowed-ips "10.9.0.1/32,203.0.113.10/32,$six_of_hub/128"
}

hub_up() {
	lab_wg hub
	ip -n hub addr add $six_of_hub/64 dev wghub nodad
}

ifindex() {
	lab_in hub cat /sys/class/net/wghub/ifindex 2>/dev/null || ip -n hub -o link show wghub | cut -d: -f1
}

lab_net masqdrop:masqdrop
lab_ns mallory
lab_link mallory eth0 203.0.113.66/24 inet mallory - br0
ip -n mallory addr add fd00:c::66/64 dev eth0 nodad
ip -n hub addr add fd00:c::10/64 dev eth0 nodad
hub_up
lab_wg alice
ip -n alice addr add $six_of_alice/64 dev wgalice nodad
join alice $six_of_alice
lab_wg bob
lab_join bob

configure none
lab_start wgmeetd hub "$BIN/wgmeetd" -c "$conf"
server_wait wgmeetd
await "the zone is served" NOERROR alice 10.9.0.1 tunnel.test SOA

# ---- who ----

tunnel_rule() { # WHAT SUFFIX [DIG-OPTION...]
	local what=$1 port=$2

	both "a peer, in the tunnel$what" NOERROR alice 10.9.0.1 tunnel.test SOA -p "$port"
	both "a peer, in the tunnel, IPv6$what" NOERROR alice $six_of_hub tunnel.test SOA -p "$port"
	both "the registry itself, its tunnel address$what" REFUSED hub 10.9.0.1 tunnel.test SOA -p "$port"
	both "the registry itself, its tunnel address, IPv6$what" REFUSED hub $six_of_hub tunnel.test SOA -p "$port"
}

tunnel_rule "" 53
tunnel_rule ", listener there" 5353
ip -n alice route add 203.0.113.10/32 dev wgalice src 10.9.0.2 table 7
ip -n alice rule add from 10.9.0.2 table 7
both "a peer, by the tunnel to the outer address" NOERROR alice "$SERVER" tunnel.test SOA -b 10.9.0.2
both "a peer, beside the tunnel" REFUSED alice "$SERVER" tunnel.test SOA
both "the registry itself, from the outer address to itself" REFUSED hub "$SERVER" tunnel.test SOA
both "the registry itself, over the loopback" REFUSED hub 127.0.0.1 tunnel.test SOA
both "the registry itself, from its outer address to the tunnel's" REFUSED hub 10.9.0.1 tunnel.test SOA -b "$SERVER"
both "a stranger" REFUSED mallory "$SERVER" tunnel.test SOA
both "a stranger, IPv6" REFUSED mallory fd00:c::10 tunnel.test SOA
both "a stranger, in a network that may" NOERROR mallory "$SERVER" net.test SOA
both "a stranger, in a network that may, IPv6" NOERROR mallory fd00:c::10 net.test SOA
both "a peer, in no network that may" REFUSED alice 10.9.0.1 net.test SOA
both "the NAT of a peer, in no network that may" REFUSED nat-a "$SERVER" net.test SOA
both "a network or the tunnel: a stranger of the network" NOERROR mallory "$SERVER" mixed.test SOA
both "a network or the tunnel: a peer" NOERROR alice 10.9.0.1 mixed.test SOA
both "a network or the tunnel: a stranger" REFUSED nat-a "$SERVER" mixed.test SOA
both "none: a peer" REFUSED alice 10.9.0.1 none.test SOA
both "none: the registry itself" REFUSED hub 127.0.0.1 none.test SOA
both "all: a stranger" NOERROR mallory "$SERVER" all.test SOA

# A program on the registry may bind to the device; the address is its own all the same.
local_answer() {
	lab_in hub "$BUILD/test/limits" ask "$1" 10.9.0.1 10.9.0.1 53 tunnel.test SOA wghub
}
same "a program on the registry, bound to the device, UDP" REFUSED "$(local_answer udp)"
same "a program on the registry, bound to the device, TCP" REFUSED "$(local_answer tcp)"

refused=$(query mallory "$SERVER" tunnel.test SOA)
matches "REFUSED says that it is prohibited" 'EDE: 18 ' "$refused"
check "and has no records" grep -q 'ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1' <<<"$refused"
check "nor the flag AA" test -z "$(grep 'flags:.* aa' <<<"$refused")"
matches "the same over TCP" 'EDE: 18 ' "$(query mallory "$SERVER" tunnel.test SOA +tcp)"
check "not without EDNS" test -z "$(query mallory "$SERVER" tunnel.test SOA +noedns | grep -E 'EDE|OPT')"
for type in A NS TXT SRV PTR ANY TYPE65280; do
	for name in tunnel.test nobody.tunnel.test "$(peer_name alice).tunnel.test" _wireguard._udp.tunnel.test; do
		has_status REFUSED mallory "$SERVER" "$name" $type || not_ok "a stranger: $type of $name is refused"
	done
done
same "what is and what is not is refused alike" "$(answer_to mallory "$SERVER" "$(peer_name alice).tunnel.test" SRV)" \
	"$(answer_to mallory "$SERVER" "$(lab_key ghost && peer_name ghost).tunnel.test" SRV)"

# ---- a peer's address that comes in elsewhere ----

patience=1
ip -n alice addr add 10.9.0.99/32 dev wgalice
ip -n alice addr add 10.9.0.3/32 dev wgalice
same "an address that is no peer's does not come in by the tunnel" none "$(status alice 10.9.0.1 all.test SOA -b 10.9.0.99)"
same "nor does another peer's" none "$(status alice 10.9.0.1 all.test SOA -b 10.9.0.3)"
ip -n alice addr del 10.9.0.3/32 dev wgalice
unset patience

# The hub's answers are led to the forger, so that it sees them, and its connections come about.
ip -n mallory addr add 10.9.0.2/32 dev eth0
ip -n mallory addr add $six_of_alice/128 dev eth0 nodad
ip -n mallory route add 10.9.0.1/32 via 203.0.113.10
ip -n mallory route add $six_of_hub/128 via fd00:c::10
ip -n hub route add 10.9.0.2/32 via 203.0.113.66
ip -n hub route add $six_of_alice/128 via fd00:c::66
for port in 53 5353; do
	both "a peer's address beside the tunnel, port $port" REFUSED mallory 10.9.0.1 tunnel.test SOA -b 10.9.0.2 -p $port
	both "a peer's address beside the tunnel, IPv6, port $port" REFUSED mallory $six_of_hub tunnel.test SOA -b $six_of_alice \
		-p $port
done
both "a peer's address beside the tunnel, outer address" REFUSED mallory "$SERVER" tunnel.test SOA -b 10.9.0.2
both "it may see no list" REFUSED mallory 10.9.0.1 _wireguard._udp.browse.test PTR -b 10.9.0.2
ip -n hub route del 10.9.0.2/32 via 203.0.113.66
ip -n hub route del $six_of_alice/128 via fd00:c::66
both "after that the peer's own questions are answered" NOERROR alice 10.9.0.1 tunnel.test SOA

# ---- lists ----

# Keys that begin alike make the lists deeper.
split_by() {
	shard=$(query alice 10.9.0.1 _wireguard._udp.browse.test TXT | sed -nE 's/.*"shard=([1-9])".*/\1/p')
	[ -n "$shard" ]
}
must lab_wait 5 split_by
prefix=$(lab_label alice | cut -c "1-$shard")
lists="_wireguard._udp _$prefix._sub._wireguard._udp _sub._wireguard._udp _zz._sub._wireguard._udp a._zz._sub._wireguard._udp"
must lab_wait 5 has_status NOERROR alice 10.9.0.1 "_$prefix._sub._wireguard._udp.browse.test" PTR
both "AllowBrowse = tunnel: a peer sees a list" NOERROR alice 10.9.0.1 "_$prefix._sub._wireguard._udp.browse.test" PTR
matches "with its own name in it" "$(lab_label alice)" \
	"$(query alice 10.9.0.1 "_$prefix._sub._wireguard._udp.browse.test" PTR +short)"
want=$(answer_to mallory "$SERVER" _wireguard._udp.browse.test PTR)
for name in $lists; do
	both "a stranger does not see $name" REFUSED mallory "$SERVER" "$name.browse.test" PTR
	same "$name: all are refused alike" "$want" "$(answer_to mallory "$SERVER" "$name.browse.test" PTR)"
	[[ $name == *_sub* ]] || continue
	for type in A NS SOA CNAME TXT AAAA SRV ANY; do
		has_status REFUSED mallory "$SERVER" "$name.browse.test" $type || not_ok "a stranger does not see $type of $name"
	done
done
both "nor ANY of the list" REFUSED mallory "$SERVER" _wireguard._udp.browse.test ANY
both "nor one in upper case" REFUSED mallory "$SERVER" "_${prefix^^}._SUB._WireGuard._UDP.Browse.Test" PTR
both "AllowBrowse = none: nor does a peer" REFUSED alice 10.9.0.1 _wireguard._udp.unlisted.test PTR
both "nor the registry itself" REFUSED hub 127.0.0.1 _wireguard._udp.unlisted.test PTR
for zone in browse.test unlisted.test; do
	both "$zone: TXT of the service" NOERROR mallory "$SERVER" _wireguard._udp.$zone TXT
	both "$zone: that there are services" NOERROR mallory "$SERVER" _services._dns-sd._udp.$zone PTR
	both "$zone: a peer by its key" NOERROR mallory "$SERVER" "$(peer_name alice).$zone" SRV
	both "$zone: no peer by its key" NXDOMAIN mallory "$SERVER" "$(peer_name ghost).$zone" SRV
	both "$zone: the apex" NOERROR mallory "$SERVER" $zone NS
	both "$zone: no such name" NXDOMAIN mallory "$SERVER" _sub.$zone PTR
done
same "the services' additional section has no list" "" \
	"$(query mallory "$SERVER" _services._dns-sd._udp.browse.test PTR +noall +additional | grep -v '^;')"

# ---- the rules follow the device, and the configuration ----

both "none, at first" REFUSED mallory "$SERVER" changing.test SOA
configure 203.0.113.66/32
reread
await "SIGHUP: now a network may" NOERROR mallory "$SERVER" changing.test SOA
both "SIGHUP: a peer may not yet" REFUSED alice 10.9.0.1 changing.test SOA
configure tunnel
reread
await "SIGHUP: now the tunnel may" NOERROR alice 10.9.0.1 changing.test SOA
await "SIGHUP: the network no more" REFUSED mallory "$SERVER" changing.test SOA

lab_in hub wg set wghub peer "$(lab_pub alice)" allowed-ips "10.9.0.2/32,10.9.0.99/32,$six_of_alice/128"
await "a peer that gets one more address may ask from it" NOERROR alice 10.9.0.1 tunnel.test SOA -b 10.9.0.99
await "and from the one that it had" NOERROR alice 10.9.0.1 tunnel.test SOA -b 10.9.0.2
lab_in hub wg set wghub peer "$(lab_pub alice)" allowed-ips "10.9.0.2/32,$six_of_alice/128,10.9.0.1/32"
bound_is() { # STATUS - as a program on the registry that is bound to the device has it
	[ "$(local_answer udp)" = "$1" ]
}
check "an address counts because a peer has it" lab_wait 10 bound_is NOERROR
lab_in hub wg set wghub peer "$(lab_pub alice)" allowed-ips "10.9.0.2/32,$six_of_alice/128"
check "and no more when no peer has it" lab_wait 10 bound_is REFUSED
await "bob is a peer" NOERROR bob 10.9.0.1 tunnel.test SOA
lab_in hub wg set wghub peer "$(lab_pub bob)" remove
patience=1
check "who is a peer no more is not heard" lab_wait 10 has_status none bob 10.9.0.1 tunnel.test SOA
unset patience

old=$(ifindex)
lab_wg_delete hub wghub
await "without the device: not ready" SERVFAIL mallory "$SERVER" all.test SOA
patience=1
same "nobody is the tunnel" none "$(status alice 10.9.0.1 tunnel.test SOA)"
unset patience
hub_up
check "the new device has another number" test "$(ifindex)" != "$old"
join alice $six_of_alice
await "the new device: a peer may" NOERROR alice 10.9.0.1 tunnel.test SOA
both "the new device: a peer" NOERROR alice 10.9.0.1 tunnel.test SOA
both "the new device: a peer, IPv6" NOERROR alice $six_of_hub tunnel.test SOA -p 5353
both "the new device: a stranger" REFUSED mallory "$SERVER" tunnel.test SOA

e2e_done
