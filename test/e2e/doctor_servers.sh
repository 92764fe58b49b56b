#!/bin/bash
# wgmeet doctor names the cause of each of these faults of name servers, of the zone, and of its delegation:
#
#	the way         UDP is blocked; TCP is blocked; both are; nobody listens
#	the registry    it does not serve the zone; it does not let us in; its device is not there
#	the delegation  it is lame; it is missing; it is to a server without an address
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
. "$(dirname "$0")/json.bash" || exit 1
. "$(dirname "$0")/doctor.bash" || exit 1
missing=$(lab_missing nsd unbound)
[ -z "$missing" ] || e2e_skip "not installed: $missing"
e2e_enter "$@"

# The root, and test, which delegates: wg.test as it should be; lame.test to the registry, which does not serve it; noaddress.test to
# a name that does not exist; none.test not at all. And a resolver that knows the root.
dns_start() {
	local zone

	lab_ns dns
	lab_link dns eth0 203.0.113.53/24 inet dns - br0
	ip -n dns addr add 203.0.113.54/24 dev eth0
	mkdir "$LAB/dns"
	for zone in . test.; do
		printf '$TTL 300\n%s SOA ns.test. hostmaster.test. 1 3600 600 86400 300\n%s NS ns.test.\nns.test. A 203.0.113.53\n' \
			$zone $zone >"$LAB/dns/zone-$zone"
	done
	echo 'test. NS ns.test.' >>"$LAB/dns/zone-."
	cat >>"$LAB/dns/zone-test." <<-END
		wg.test. NS ns1.wg.test.
		ns1.wg.test. A $SERVER
		lame.test. NS ns1.lame.test.
		ns1.lame.test. A $SERVER
		noaddress.test. NS nowhere.test.
	END
	printf '. 300 NS ns.test.\nns.test. 300 A 203.0.113.53\n' >"$LAB/dns/hints"
	cat >"$LAB/dns/nsd.conf" <<-END
		server:
			ip-address: 203.0.113.53
			server-count: 1
			username: ""
			chroot: ""
			zonesdir: "$LAB/dns"
			database: ""
			pidfile: ""
			xfrdfile: "$LAB/dns/xfrd"
			zonelistfile: "$LAB/dns/zonelist"
		remote-control:
			control-enable: no
		zone:
			name: "."
			zonefile: "zone-."
		zone:
			name: "test."
			zonefile: "zone-test."
	END
	cat >"$LAB/dns/unbound.conf" <<-END
		server:
			interface: 203.0.113.54
			access-control: 203.0.113.0/24 allow
			chroot: ""
			username: ""
			directory: "$LAB/dns"
			pidfile: ""
			use-syslog: no
			root-hints: "$LAB/dns/hints"
			module-config: "iterator"
			local-zone: "test." nodefault
		remote-control:
			control-enable: no
	END
	cp "$(command -v nsd)" "$(command -v unbound)" "$BIN/"
	lab_start nsd dns "$BIN/nsd" -d -c "$LAB/dns/nsd.conf"
	must lab_wait 10 resolves 203.0.113.53 test.
	lab_start unbound dns "$BIN/unbound" -d -p -c "$LAB/dns/unbound.conf"
	must lab_wait 20 resolves 203.0.113.54 $ZONE
	echo "nameserver 203.0.113.54" >"$LAB/resolv.conf"
	mount --bind "$LAB/resolv.conf" /etc/resolv.conf || lab_die "cannot replace /etc/resolv.conf"
}

resolves() { # SERVER ZONE
	lab_in hub dig +tries=1 +time=1 "@$1" "$2" SOA | grep -q 'status: NOERROR'
}

# Registries with something wrong, on other ports of the same host.
other_registry() { # NAME PORT OPTION...
	local name=$1 port=$2

	mkdir "$LAB/$name.state"
	lab_start "$name" hub "$BIN/wgmeetd" --zone "$ZONE" --listen "$SERVER:$port" --name-server "ns1.$ZONE $SERVER" --user "$WORKER_UID" \
		--observer-user "$OBSERVER_UID" --state-directory "$LAB/$name.state" "${@:3}"
}

doctor_bed
dns_start
system=(-c /dev/null)
printf '(none)\t%s\t51820\toff\n' "$(lab_pub hub)" >"$LAB/dump"
other_registry closed 5301 --dump-file "$LAB/dump" --allow 192.0.2.0/24
other_registry empty 5302 --device wgnone
server_wait closed
must lab_wait 10 grep -q SERVFAIL "$LAB/empty.log"

what="all is well, by the system's resolver"
doctor alice "${system[@]}" --zone "$ZONE"
ends 0
only
finds ok delegation "serves wg.test at $SERVER" ''
finds ok zone 'of which it is no server' ''

# ---- the registry ----

# blocked PROTOCOL - on the registry's host, until it is open() again.
blocked() {
	lab_in hub nft -f - <<-END || lab_die "cannot block $1"
		table inet fault {
			chain in { type filter hook input priority -10; $1 dport 53 drop; }
		}
	END
}

open() {
	lab_in hub nft delete table inet fault
}

what="UDP is blocked"
blocked udp
doctor alice "${outside[@]}"
open
ends 1
finds fail server 'over TCP, but not over UDP' 'UDP port 53'
only fail server

what="TCP is blocked"
blocked tcp
doctor alice "${outside[@]}"
open
ends 0
finds warn server 'over UDP, but not over TCP' 'TCP port 53'
only warn server

what="both are blocked, inside a tunnel that works"
blocked 'meta l4proto { tcp, udp } th'
doctor alice "${alice[@]}"
open
ends 1
finds fail server 'though the tunnel to it works' 'whether wgmeetd runs there'
only fail server

what="both are blocked, of two servers behind one peer, in a tunnel that works"
blocked 'meta l4proto { tcp, udp } th dport 54 drop; meta l4proto { tcp, udp } th'
doctor alice "${alice[@]}" --server "$RUN_SERVER,$RUN_SERVER:54"
open
ends 1
finds fail server 'though the tunnel to it works' 'whether wgmeetd runs there'
only fail server

what="nobody listens"
doctor alice --zone "$ZONE" -c /dev/null --server "$SERVER:5309"
ends 1
finds fail server 'nobody listens there' 'port 5309'
only fail server

what="nobody listens, inside a tunnel that works"
doctor alice --zone "$ZONE" -c /dev/null --server "$RUN_SERVER:5309"
ends 1
finds fail server 'nobody listens there, or a firewall rejects it: the tunnel to it works' 'whether wgmeetd runs'
only fail server

what="the tunnel is dead, though there was a handshake a moment ago"
must lab_in alice ping -c 1 -W 2 $RUN_SERVER
lab_in hub wg set wghub peer "$(lab_pub alice)" remove
doctor alice "${alice[@]}"
ends 1
finds fail server 'inside the tunnel, which is dead' "has this host's public key"
finds fail registry 'answers no more' "has this host's public key"
only fail registry fail server
lab_in hub wg set wghub peer "$(lab_pub alice)" allowed-ips "${lab_addr[alice]}/32"
must lab_wait 20 lab_in alice ping -c 1 -W 1 $RUN_SERVER

# Of the children that have ended, in hundredths of a second.
spent() {
	awk '{ sub(/.*\) /, ""); print $14 + $15 }' /proc/$$/stat
}

what="a server in a network that nobody knows"
before_cs=$(spent)
doctor alice --zone "$ZONE" -c /dev/null --server 198.18.0.1
ends 1
finds fail server 'does not answer' 'whether the address is right'
before_cs=$(($(spent) - before_cs))
check "$what: it is waited for, and not more than that: $before_cs hundredths of a second" test $before_cs -lt 100

what="the wrong zone"
doctor alice --zone wg.tset --server "$SERVER" -c /dev/null
ends 1
finds fail zone 'does not serve wg.tset.*REFUSED' 'Name ='

what="a registry that does not let this host in"
doctor alice --zone "$ZONE" --server "$SERVER:5301" -c /dev/null
ends 1
finds fail zone 'refuses to answer this host' 'Allow ='
only fail zone

what="a registry whose device is not there"
doctor alice --zone "$ZONE" --server "$SERVER:5302" -c /dev/null
ends 1
finds fail zone 'not ready .*its WireGuard device is not there, or wgmeetd may not read it' 'journalctl -u wgmeetd'
only fail zone

what="a lame delegation"
doctor alice "${system[@]}" --zone lame.test
ends 1
finds fail delegation "it is lame: lame.test is delegated to it, but what answers at $SERVER does not serve" 'Name ='
finds fail zone 'cannot reach a server of lame.test' 'Server ='

what="no delegation"
doctor alice "${system[@]}" --zone none.test
ends 1
finds fail delegation 'test does not delegate none.test' 'none.test. NS ns1.none.test.'
finds fail zone 'none.test is no zone: there is no such name in test' 'delegates it'

what="a delegation without an address"
doctor alice "${system[@]}" --zone noaddress.test
ends 1
finds fail delegation 'delegated to it, but it has no address' 'dig nowhere.test A'

e2e_done
