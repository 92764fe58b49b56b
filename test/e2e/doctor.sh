#!/bin/bash
# wgmeet doctor names the cause of each of these faults, and what to do about it; and where all is well it has nothing to say:
#
#	the host    no such device; a device of another kind; a device that is down; no private key; not root; a clock in the past;
#	            a clock that was set back; no zone set; a file that is wrong; an MTU that does not fit; a daemon that hangs
#	the tunnel  the server is behind a dead tunnel; a peer's endpoint is inside the tunnel; a peer's allowed IPs were taken by
#	            another; a firewall of this host; another preshared key
#	the peers   this host was never seen; a peer that is not in the zone; no keepalive behind a NAT; nothing that keeps the paths
#
# Those of name servers, zones and delegations are in doctor_servers.sh.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
. "$(dirname "$0")/json.bash" || exit 1
. "$(dirname "$0")/doctor.bash" || exit 1
e2e_enter "$@"

is_absent() { # NAME
	[ "$(ask_status "$(peer_name "$1")" SRV)" = NXDOMAIN ]
}

doctor_bed

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
	finds ok run 'looks after the paths' ''
	finds ok notify 'port 5354' ''
done

what="all is well, from outside of the tunnel"
doctor alice "${outside[@]}"
ends 0
only

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
finds warn run 'nothing keeps the paths' '(systemctl enable --now wgmeet@|wgmeet run )wgalice'

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
(umask 077 && wg genpsk >"$LAB/psk")
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
finds fail device 'wgalice is down' 'ip link set wgalice up'

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
