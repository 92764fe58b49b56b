#!/bin/bash
# A real device that is renamed, deleted, made again and moved to another namespace under a server that is asked all the time:
# right answers while it is there, SERVFAIL while it is gone, and right answers again within 2 s of its return. With
# wireguard-go the UAPI socket is the device, for wgmeetd as for wg(8): it keeps its name over a change of name and
# namespace. With the kernel's WireGuard the name is the device, and another namespace is out of sight.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"

PEERS=20
BOUND_MS=2000

# setconf VERSION - peers p1, p2, ...: the version is in their endpoints' ports, in one atomic message.
setconf() {
	local n
	{
		printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n' "$(cat "$LAB/hub.key")"
		for ((n = 1; n <= PEERS; n++)); do
			printf '[Peer]\nPublicKey = %s\nEndpoint = 198.51.100.%s:%s\nAllowedIPs = 10.9.0.%s/32\n' \
				"$(lab_pub p$n)" "$n" $((1000 + $1)) $((10 + n))
		done
	} >"$LAB/wghub.conf"
	lab_in "$device_ns" wg setconf wghub "$LAB/wghub.conf"
}

# The asker: every answer with the time it came, in $LAB/answers: MILLISECONDS STATUS PORT. Peers in turn.
ask_always() {
	local n=0 out owner

	while [ ! -e "$LAB/stop" ] && kill -s 0 $$ 2>/dev/null; do
		n=$((n % PEERS + 1))
		out=$(ask "${owner_of[n]}" SRV +norecurse)
		printf '%s %s %s\n' "$(lab_ms)" "$(sed -n 's/.*status: \([A-Z]*\).*/\1/p' <<<"$out")" \
			"$(awk '!/^;/ && $4 == "SRV" { print $7 }' <<<"$out")"
	done >>"$LAB/answers"
}

# answers SINCE - what was said since then, each once: "NOERROR 1001", "SERVFAIL".
answers() {
	awk -v since="$1" '$1 >= since { print $2, $3 }' "$LAB/answers" | sort -u | sed 's/ $//' | paste -sd, -
}

says() { # STATUS [PORT]
	[ "$(tail -n 1 "$LAB/answers" | cut -d' ' -f2- | sed 's/ $//')" = "$*" ]
}

# becomes DESCRIPTION SINCE STATUS [PORT] - within the bound; before it nothing but what was so at the beginning ($before).
becomes() {
	local what=$1 since=$2 took

	shift 2
	lab_wait $((BOUND_MS / 1000)) says "$@" || true
	took=$(($(lab_ms) - since))
	check "$what: $* after $took ms" says "$@"
	same "$what: nothing else" "$(printf '%s\n%s\n' "$before" "$*" | sort -u | paste -sd, -)" \
		"$(printf '%s\n' "$before" "$(answers "$since" | tr , '\n')" | sort -u | paste -sd, -)"
	before=$*
}

is_past() {
	[ "$(tail -n 1 "$LAB/answers" | cut -d' ' -f1)" -ge "$1" ]
}

# stays DESCRIPTION SINCE - for longer than two looks at the device, nothing but $before.
stays() {
	lab_wait 5 is_past $(($2 + 1600)) || not_ok "$1: nobody answers"
	same "$1: $before, and nothing else" "$before" "$(answers "$2")"
}

lab_ns hub other
ip -n hub addr add "$SERVER"/32 dev lo
lab_key hub
owner_of=()
for ((n = 1; n <= PEERS; n++)); do
	lab_key p$n
	owner_of[n]=$(peer_name p$n)
done
device_ns=hub
lab_wg_create hub wghub
setconf 1
registry_start
must lab_wait 3 is_served p1 198.51.100.1 1001
: >"$LAB/answers"
ask_always &
lab_all_pids+=($!)
must lab_wait 5 says NOERROR 1001
before="NOERROR 1001"

now=$(lab_ms)
setconf 2
becomes "all endpoints changed" "$now" NOERROR 1002

now=$(lab_ms)
lab_in hub ip link set wghub name wgother
if [ "$WG_IMPL" = go ]; then
	stays "renamed" "$now"
else
	becomes "renamed" "$now" SERVFAIL
fi
now=$(lab_ms)
lab_in hub ip link set wgother name wghub
[ "$WG_IMPL" = go ] || becomes "and back" "$now" NOERROR 1002

now=$(lab_ms)
lab_in hub ip link set wghub netns other
if [ "$WG_IMPL" = go ]; then
	stays "in another namespace" "$now"
	device_ns=other
	now=$(lab_ms)
	setconf 3
	becomes "and changed there" "$now" NOERROR 1003
else
	becomes "in another namespace" "$now" SERVFAIL
fi
ip -n other link set wghub netns hub
device_ns=hub
[ "$WG_IMPL" = go ] || becomes "and back again" "$(lab_ms)" NOERROR 1002

for version in 4 5 6; do
	now=$(lab_ms)
	ip -n hub link del wghub
	becomes "deleted" "$now" SERVFAIL
	lab_stop wghub
	rm -f /run/wireguard/wghub.sock
	lab_wg_create hub wghub
	now=$(lab_ms)
	setconf $version
	# A device without peers is a zone without peers, until it has some.
	lab_wait 2 says NOERROR $((1000 + version)) || true
	check "made again: NOERROR $((1000 + version)) after $(($(lab_ms) - now)) ms" says NOERROR $((1000 + version))
	before="NOERROR $((1000 + version))"
done
touch "$LAB/stop"
check "wgmeetd lives" lab_alive wgmeetd
echo "# $(wc -l <"$LAB/answers") answers"
lab_stop wgmeetd
same "SIGTERM ends wgmeetd with 0" 0 $?
e2e_done
