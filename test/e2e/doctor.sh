#!/bin/bash
# wgmeet doctor names the cause of each of these faults, and what to do about it; and where all is well it has nothing to say:
#
#	the host      no such device; a device of another kind; a device that is down; no private key; not root; a clock in the past;
#	              a clock that was set back; no zone set; a file that is wrong; an MTU that does not fit
#	the way       UDP is blocked; TCP is blocked; nobody listens; the server is behind a dead tunnel; a peer's endpoint is inside the
#	              tunnel; a peer's allowed IPs were taken by another; a firewall of this host; another preshared key
#	the registry  it does not serve the zone; it does not let us in; its device is not there; a delegation that is lame; one that is
#	              missing; one to a server without an address
#	the peers     this host was never seen; a peer that is not in the zone; no keepalive behind a NAT; nothing that keeps the paths;
#	              a daemon that hangs
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
. "$(dirname "$0")/json.bash" || exit 1
missing=$(lab_missing nsd unbound)
[ -z "$missing" ] || e2e_skip "not installed: $missing"
e2e_enter "$@"

# doctor NAME ARGUMENT... - at that host, for its device unless there is another one; sets status, and $LAB/out is what it said.
doctor() {
	local name=$1

	shift
	[[ ${1:-} == wg* || ${1:-} == eth* ]] || set -- "wg$name" "$@"
	status=0
	lab_in "$name" timeout 60 "${before[@]}" "$BIN/wgmeet" doctor "$@" >"$LAB/out" 2>"$LAB/err" </dev/null || status=$?
}
before=()

# finds LEVEL CHECK TEXT REMEDY - one line has these, in that order. Extended regular expressions.
finds() {
	if grep -Eq -e "^$1 +$2( [^ ]+)?: .*$3.*$4" "$LAB/out"; then
		ok "$what: $1 $2: $3 ... $4"
		return
	fi
	not_ok "$what: $1 $2: $3 ... $4"
	sed 's/^/#   /' "$LAB/out" "$LAB/err"
}

# only [LEVEL CHECK] - nothing but that is wrong.
only() {
	same "$what: nothing else is wrong" "$*" "$(awk '$1 != "ok" { sub(/:$/, "", $2); print $1, $2 }' "$LAB/out" | sort -u | paste -sd' ')"
}

# ends STATUS
ends() {
	same "$what: exit status" "$1" $status
}

# ---- the bed ----

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

is_absent() { # NAME
	[ "$(ask_status "$(peer_name "$1")" SRV)" = NXDOMAIN ]
}

# Registries with something wrong, on other ports of the same host.
other_registry() { # NAME PORT OPTION...
	local name=$1 port=$2

	mkdir "$LAB/$name.state"
	lab_start "$name" hub "$BIN/wgmeetd" --zone "$ZONE" --listen "$SERVER:$port" --name-server "ns1.$ZONE $SERVER" --user "$WORKER_UID" \
		--observer-user "$OBSERVER_UID" --state-directory "$LAB/$name.state" "${@:3}"
}

run_devices masqdrop:masqdrop 25
run_wgmeetd
dns_start
printf '(none)\t%s\t51820\toff\n' "$(lab_pub hub)" >"$LAB/dump"
other_registry closed 5301 --dump-file "$LAB/dump" --allow 192.0.2.0/24
other_registry empty 5302 --device wgnone
server_wait closed
must lab_wait 10 grep -q SERVFAIL "$LAB/empty.log"
for name in alice bob; do
	printf '[Client]\nZone = %s\nServer = %s\n' "$ZONE" "$RUN_SERVER" >"$LAB/$name.conf"
	must lab_wait 10 published $name
done
run_daemon alice -c "$LAB/alice.conf"
run_daemon bob -c "$LAB/bob.conf"
must lab_wait 10 in_state alice bob direct

alice=(-c "$LAB/alice.conf")
outside=(--zone "$ZONE" --server "$SERVER" -c /dev/null)
system=(-c /dev/null)

# ---- all is well ----

for name in alice bob; do
	what="all is well at $name"
	doctor $name -c "$LAB/$name.conf"
	ends 0
	only
	same "$what: standard error" '' "$(cat "$LAB/err")"
	finds ok settings 'zone wg.test' ''
	finds ok device 'is up, and has 2 peers' ''
	finds ok server 'UDP and TCP' ''
	finds ok zone 'serves wg.test itself' ''
	finds ok registry 'last handshake' ''
	finds ok self "has this host at $(lab_seen $name)" ''
	finds ok nat 'is behind one' ''
	finds ok keepalive '25 s' ''
	finds ok peer '2 of 2' ''
	finds ok run 'keeps the paths' ''
	finds ok notify 'port 5354' ''
done

what="all is well, from outside of the tunnel"
doctor alice "${outside[@]}"
ends 0
only

what="all is well, by the system's resolver"
doctor alice "${system[@]}" --zone "$ZONE"
ends 0
only
finds ok delegation "serves wg.test at $SERVER" ''
finds ok zone 'of which it is no server' ''

what="as JSON"
doctor alice "${alice[@]}" --json
ends 0
check "$what: it fits" fits '{"device": "string", "zone": "string|null", "ok": "number", "warn": "number", "fail": "number",
	"findings": [{"level": "string", "check": "string", "about": "string|null", "text": "string", "remedy": "string|null"}]}' "$LAB/out"
json_is "$what: none is bad" '[.warn, .fail, (.findings | map(select(.level != "ok")) | length)]' '[0,0,0]'
json_is "$what: all are counted" '.ok == (.findings | length)' true
doctor alice wgnone "${alice[@]}" --json
ends 1
json_is "$what: what is wrong has a remedy" '[.findings[] | select(.level != "ok") | .remedy != null] | unique' '[true]'
json_is "$what: and is counted" '.fail == ([.findings[] | select(.level == "fail")] | length)' true

what="usage"
doctor alice --no-such-option
ends 2
doctor alice --zone a..b
ends 2

# ---- the host ----

what="no such device"
doctor alice wgnone "${outside[@]}"
ends 1
finds fail device 'no network device wgnone' 'wg-quick up wgnone'

what="a device of another kind"
doctor alice eth0 "${outside[@]}"
ends 1
finds fail device 'eth0 is a network device, but no WireGuard device' 'wg show interfaces'

what="not root"
before=(setpriv "--reuid=$WORKER_UID" "--regid=$WORKER_UID" --clear-groups --inh-caps=-all --)
doctor alice "${outside[@]}"
before=()
ends 1
finds fail permission 'may not read wgalice' 'sudo wgmeet doctor wgalice'

what="no zone set"
doctor alice -c /dev/null
ends 1
finds fail settings 'no zone is set' 'Zone = '
only fail settings

what="a file that is wrong"
printf '[Client]\nZone = %s\nServer = here\nKeepalife = 25\n' "$ZONE" >"$LAB/wrong.conf"
doctor alice -c "$LAB/wrong.conf"
ends 1
finds fail settings "2 errors in $LAB/wrong.conf" 'standard error'
matches "$what: and where" 'wrong.conf:4: .*Keepalife' "$(cat "$LAB/err")"

# clock MS - the program's time of day is that far from what it is.
clock() {
	# shellcheck disable=SC2059 # octets
	printf "$(printf '%016x' "$1" | sed -E 's/(..)(..)(..)(..)(..)(..)(..)(..)/\\x\8\\x\7\\x\6\\x\5\\x\4\\x\3\\x\2\\x\1/')" >"$LAB/shift"
	before=(env LD_PRELOAD="$BUILD/test/clock_shim.so" CLOCK_SHIFT="$LAB/shift" CLOCK_SHIFT_DAY=1)
}

what="a clock in the past"
clock -$((${EPOCHSECONDS} * 1000 - 86400000))
doctor alice "${alice[@]}"
ends 1
finds fail clock 'in the past: it says the year 1970' 'Set it'

what="a clock that was set back"
clock -3600000
doctor alice "${alice[@]}"
before=()
ends 1
finds fail clock 'set back by 3[56][0-9]{2} s: the last handshake .* in the future' 'which time is right'
finds warn clock "the clock of the name server $RUN_SERVER:53 is 3[56][0-9]{2} s ahead of" 'timesyncd'

what="an MTU that does not fit"
ip -n alice link set wgalice mtu 1500
doctor alice "${alice[@]}"
ip -n alice link set wgalice mtu 1420
ends 0
finds warn mtu '1500' 'ip link set mtu 1420 dev wgalice'
only warn mtu

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

what="nobody listens"
doctor alice --zone "$ZONE" -c /dev/null --server "$SERVER:5309"
ends 1
finds fail server 'nobody listens there' 'port 5309'
only fail server

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
finds fail zone 'not ready .*its WireGuard device is not there' 'journalctl -u wgmeetd'
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
finds fail delegation 'delegated to it, but it has no address' 'nowhere.test. A ADDRESS'

# ---- the device and its peers ----

what="no keepalive behind a NAT"
lab_in alice wg set wgalice peer "$(lab_pub hub)" persistent-keepalive 0
doctor alice "${alice[@]}"
lab_in alice wg set wgalice peer "$(lab_pub hub)" persistent-keepalive 25
ends 1
finds fail keepalive 'behind a NAT, and has no keepalive' 'persistent-keepalive 25'
only fail keepalive

what="an endpoint inside the tunnel"
run_end alice
lab_in alice wg set wgalice peer "$(lab_pub bob)" endpoint 10.9.0.77:51820
doctor alice "${alice[@]}"
ends 1
finds fail loop "10.9.0.77:51820, is inside the tunnel" 'outside the tunnel'

what="nothing that keeps the paths"
finds warn run 'nothing keeps the paths' 'systemctl enable --now wgmeet@wgalice'

what="allowed IPs that another peer has taken"
lab_key carol
lab_in alice wg set wgalice peer "$(lab_pub bob)" remove
lab_know alice bob
lab_in alice wg set wgalice peer "$(lab_pub carol)" allowed-ips "${lab_addr[bob]}/32"
doctor alice "${alice[@]}"
ends 0
finds warn allowed-ips 'it has no allowed IPs.*Another peer' 'wg show wgalice allowed-ips'

what="a peer that is not in the zone"
finds warn "peer $(lab_pub carol | sed 's/[+]/[+]/g')" 'not in the zone' 'run this there'
lab_in alice wg set wgalice peer "$(lab_pub carol)" remove

what="a server behind a dead tunnel"
lab_in alice wg set wgalice peer "$(lab_pub hub)" remove
lab_in alice wg set wgalice peer "$(lab_pub hub)" endpoint 203.0.113.99:51820 allowed-ips "${lab_addr[hub]}/32" persistent-keepalive 25
doctor alice "${alice[@]}"
ends 1
finds fail server 'inside the tunnel, which is dead: .*, at 203.0.113.99:51820, was: never' 'UDP port 51820'
finds fail registry 'never answered: .* sent to 203.0.113.99:51820' 'public key'

# anew [OPTION...] - the registry's peer, as if it were added just now.
anew() {
	lab_in alice wg set wgalice peer "$(lab_pub hub)" remove
	lab_in alice wg set wgalice peer "$(lab_pub hub)" endpoint "$SERVER:51820" allowed-ips "${lab_addr[hub]}/32" persistent-keepalive 25 "$@"
}

what="a firewall of this host"
lab_in alice nft -f - <<-END || lab_die "cannot block"
	table inet fault {
		chain in { type filter hook input priority 0; udp dport 51820 drop; }
	}
END
anew
doctor alice "${outside[@]}"
lab_in alice nft delete table inet fault
ends 1
finds fail firewall "packets from $SERVER:51820 come to this host" 'Let UDP port 51820 in'

what="another preshared key"
wg genpsk >"$LAB/psk"
anew preshared-key "$LAB/psk"
doctor alice "${outside[@]}"
ends 1
finds fail firewall 'cannot read them' 'different preshared keys'

what="no private key"
lab_in alice wg set wgalice private-key /dev/null
doctor alice "${outside[@]}"
ends 1
finds fail key 'no private key' 'wg genkey'

what="a device that is down"
ip -n alice link set wgalice down
doctor alice "${outside[@]}"
ends 1
finds fail device 'wgalice is down' 'ip link set up dev wgalice'

what="a host that was never seen"
run_end bob
lab_wg_delete bob wgbob
lab_in hub wg set wghub peer "$(lab_pub bob)" remove
lab_in hub wg set wghub peer "$(lab_pub bob)" allowed-ips "${lab_addr[bob]}/32"
must lab_wait 10 is_absent bob
lab_wg bob
lab_know bob alice
lab_in bob wg set wgbob peer "$(lab_pub hub)" endpoint "$SERVER:51820" allowed-ips "${lab_addr[hub]}/32"
doctor bob "${outside[@]}"
ends 1
finds fail self 'not in the zone' 'persistent-keepalive 25'
finds fail registry "nothing was ever sent to the registry's peer" 'persistent-keepalive 25'

if [ "$WG_IMPL" = go ]; then
	what="a daemon that hangs"
	kill -STOP "${lab_pid[wgbob]}"
	doctor bob "${outside[@]}"
	kill -CONT "${lab_pid[wgbob]}"
	ends 1
	finds fail device 'the daemon of wgbob does not answer' 'start it anew'
fi

e2e_done
