#!/bin/bash
# The device's private key and preshared keys are nowhere in the memory of the processes that read strangers' bytes:
# wgmeetd's workers and wgmeet's resolver. As a control, the same search finds the public keys there, and the
# private key where it must be.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

# shellcheck source=memory.bash
. "${0%/*}/memory.bash"

lab_ns hub
ip -n hub addr add "$SERVER"/32 dev lo
lab_wg hub
for n in 1 2 3; do
	lab_key p$n
	(umask 077 && wg genpsk >"$LAB/p$n.psk")
	lab_in hub wg set wghub peer "$(lab_pub p$n)" preshared-key "$LAB/p$n.psk" allowed-ips "10.9.0.$((10 + n))/32" \
		endpoint "198.51.100.$n:$((1000 + n))"
done
secrets=("$LAB/hub.key" "$LAB"/p?.psk)
same "control: the device has the preshared keys" "$(cat "$LAB/p2.psk")" \
	"$(lab_in hub wg show wghub preshared-keys | awk -v key="$(lab_pub p2)" '$1 == key { print $2 }')"
if [ "$WG_IMPL" = go ]; then
	check "control: the search finds the private key in the device's own process" \
		holds "${lab_pid[wghub]}" "$LAB/hub.key"
fi

# wgmeetd's workers, after several dumps and after having answered.
registry_start
for n in 1 2 3; do
	check "peer $n is served" lab_wait 10 is_served p$n "198.51.100.$n" $((1000 + n))
	lab_in hub wg set wghub peer "$(lab_pub p$n)" endpoint "198.51.100.$n:$((2000 + n))"
	check "peer $n is served at its new port" lab_wait 10 is_served p$n "198.51.100.$n" $((2000 + n))
done
workers=0
for pid in "${lab_pid[wgmeetd]}" $(lab_children "${lab_pid[wgmeetd]}"); do
	[ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" = "$WORKER_UID" ] || continue
	workers=$((workers + 1))
	check "worker $workers: none of ${#secrets[@]} secrets in its memory" holds_none "$pid" "${secrets[@]}"
	check "worker $workers: control: the search finds a public key there" holds "$pid" "$LAB/p1.pub"
done
check "there are workers" test $workers -gt 0
lab_stop wgmeetd

# wgmeet's resolver, while it waits for a name server that is behind a cable and silent.
ip -n hub link add eth0 type veth peer name eth1
for n in 0 1; do
	ip -n hub link set eth$n up
done
ip -n hub addr add 192.0.2.2/24 dev eth0
ip -n hub neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
lab_start wgmeet hub "$BIN/wgmeet" sync wghub --zone "$ZONE" --server 192.0.2.1

# Not before it has the public keys is there something to find.
resolver_has_keys() {
	resolver=$(lab_children "${lab_pid[wgmeet]}") && [ -n "$resolver" ] && holds "$resolver" "$LAB/p1.pub"
}
must lab_wait 10 resolver_has_keys
ok "resolver: control: the search finds a public key there"
check "resolver: none of ${#secrets[@]} secrets in its memory" holds_none "$resolver" "${secrets[@]}"
check "resolver: it was still waiting" lab_alive wgmeet

e2e_done
