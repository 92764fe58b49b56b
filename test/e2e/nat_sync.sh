#!/bin/bash
# Two peers behind two port-restricted NATs, who know each other's key and nothing else: one "wgmeet sync" on each
# side, and they talk directly. And what must not happen: a path that works is left alone.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

sync_dev() { # NAME [OPTION...] - without --server: the registry's
	local name=$1

	shift
	[[ " $* " == *" --server "* ]] || set -- --server "$SERVER" "$@"
	lab_in "$name" "$BIN/wgmeet" sync "wg$name" --zone "$ZONE" "$@"
}

# quiet_sync NAME [OPTION...] - exit 0, and neither output nor a word on standard error.
quiet_sync() {
	local out

	out=$(sync_dev "$@" 2>&1) && [ -z "$out" ] && return
	echo "exit status $?, output: $out"
	return 1
}

pings() { # NAME ADDRESS
	lab_in "$1" ping -q -c1 -W3 "$2"
}

lab_net masqdrop:masqdrop
for n in hub alice bob; do
	lab_wg $n
done
lab_join alice
lab_join bob
lab_know alice bob
lab_know bob alice
lab_in alice wg set wgalice peer "$(lab_pub bob)" persistent-keepalive 7
registry_start
alice_ep=$(lab_seen alice)
bob_ep=$(lab_seen bob)

# The registry publishes what its device sees, itself included.
check "alice is served at $alice_ep" lab_wait 10 is_served alice "${alice_ep%:*}" "${alice_ep##*:}"
check "bob is served at $bob_ep" lab_wait 10 is_served bob "${bob_ep%:*}" "${bob_ep##*:}"
check "the registry itself is served" lab_wait 10 is_served hub "$SERVER" 51820
same "before: alice has no endpoint for bob" '(none)' "$(lab_peer alice bob endpoints)"

# One sync on each side.
out=$(sync_dev alice)
same "sync on alice's side exits 0" 0 $?
same "it says one line" 1 "$(grep -c . <<<"$out")"
matches "the line has bob's key or endpoint" "$(lab_pub bob | cut -c1-8 | sed 's/+/[+]/g')|$bob_ep" "$out"
same "alice's endpoint for bob is what DNS says" "$bob_ep" "$(lab_peer alice bob endpoints)"
out=$(sync_dev bob)
same "sync on bob's side exits 0" 0 $?
same "it says one line" 1 "$(grep -c . <<<"$out")"
check "they get a handshake, with nothing else done" lab_wait 20 lab_shook alice bob
check "ping alice -> bob" pings alice 10.9.0.3
check "ping bob -> alice" pings bob 10.9.0.2

# What the user had set is as it was.
same "alice's keepalive towards bob is still 7" 7 "$(lab_peer alice bob persistent-keepalive)"
same "bob's keepalive towards alice is still off" off "$(lab_peer bob alice persistent-keepalive)"
same "alice's endpoint for the hub is as it was" "$SERVER:51820" "$(lab_peer alice hub endpoints)"
same "alice's keepalive towards the hub is as it was" 25 "$(lab_peer alice hub persistent-keepalive)"

# The path is direct: nothing of it passes the registry's device.
for n in alice bob; do
	lab_in $n wg set wg$n peer "$(lab_pub hub)" persistent-keepalive 0
done
registry_counters() {
	# wireguard-go has the peers in no order.
	lab_in hub wg show wghub transfer | sort
}
before=$(registry_counters)
check "20 pings" lab_in alice ping -q -c20 -i0.02 -W1 10.9.0.3
same "the registry's counters stood still meanwhile" "$before" "$(registry_counters)"

# Nothing to do: nothing done, nothing said.
check "a second sync on alice's side is silent" quiet_sync alice
check "a second sync on bob's side is silent" quiet_sync bob

# A path that works is not touched, even if DNS says something else.
cat >"$LAB/decoy.dump" <<-END
	(none)	$(lab_pub hub)	51820	off
	$(lab_pub alice)	(none)	$alice_ep	10.9.0.2/32	0	0	0	off
	$(lab_pub bob)	(none)	203.0.113.99:9	10.9.0.3/32	0	0	0	off
END
mkdir "$LAB/decoy.state"
lab_start decoy hub "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/decoy.dump" --listen "$SERVER:5353" \
	--name-server "ns1.$ZONE $SERVER" --self "$SERVER:51820" --user "$WORKER_UID" --observer-user "$OBSERVER_UID" \
	--state-directory "$LAB/decoy.state"
server_wait decoy
check "a live endpoint: sync is silent though DNS has another" quiet_sync alice --server "$SERVER:5353"
same "the live endpoint is untouched" "$bob_ep" "$(lab_peer alice bob endpoints)"
matches "with --verbose it says what it left alone" "$(lab_pub bob | cut -c1-8 | sed 's/+/[+]/g')" \
	"$(sync_dev alice --server "$SERVER:5353" --verbose 2>&1)"
same "and leaves it alone all the same" "$bob_ep" "$(lab_peer alice bob endpoints)"

out=$(sync_dev alice --server "$SERVER:5353" --force)
same "--force exits 0" 0 $?
matches "--force says the change" 203.0.113.99:9 "$out"
same "--force sets the other endpoint" 203.0.113.99:9 "$(lab_peer alice bob endpoints)"
check "--force against the registry sets the right one again" sync_dev alice --force
same "which it is" "$bob_ep" "$(lab_peer alice bob endpoints)"
check "ping alice -> bob" pings alice 10.9.0.3
same "alice's keepalive towards bob is still 7" 7 "$(lab_peer alice bob persistent-keepalive)"

out=$(sync_dev bob --force --keepalive 11)
same "--keepalive exits 0" 0 $?
same "--keepalive sets one where there was none" 11 "$(lab_peer bob alice persistent-keepalive)"

# A peer that is not in DNS is nothing to talk about.
lab_key carol
lab_in alice wg set wgalice peer "$(lab_pub carol)" allowed-ips 10.9.0.4/32
check "a peer that is not in DNS: sync is silent" quiet_sync alice
same "and it still has no endpoint" '(none)' "$(lab_peer alice carol endpoints)"

e2e_done
