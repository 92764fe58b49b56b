#!/bin/bash
# Two peers with "wgmeet run" talk directly, and what is between them changes: a NAT loses its mappings, its public address is
# another one, a peer's cable is plugged in elsewhere. They talk on within two seconds; without the registry's word, when the
# silence has been noticed.
# To be run alone: it measures.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
rows=("$@")
run_needs
e2e_enter "$@"

addresses_used=0
declare -A counted=()

# Sets `began` and `last`: when it began, as START says, and when both hear each other again. START is "shown": the registry's
# device sees alice elsewhere; or "now": the trouble is made.
comes_back() { # START TROUBLE...
	local start=$1 old broken

	shift
	talk alice bob
	old=$(lab_seen alice)
	must lab_wait 5 replies_after 0 alice bob
	"$@"
	broken=$(day_ms)
	began=$broken
	if ! lab_wait $((10 * PATIENCE)) moved alice "$old"; then
		echo "# the registry's device still sees alice at $old"
		hush alice bob
		return 1
	fi
	[ "$start" = now ] || began=$(day_ms)
	if ! lab_wait $((60 * PATIENCE)) replies_after "$broken" alice bob; then
		echo "# no packet after $((($(day_ms) - began) / 1000)) s; alice: $(state alice bob why); bob: $(state bob alice why)"
		hush alice bob
		return 1
	fi
	hush alice bob
	took=$((last - began))
}

# What the trouble is --------------------------------------------------------------------------------------------

other_address() {
	addresses_used=$((addresses_used + 1))
	lab_readdress "${lab_behind[alice]}" 203.0.113.$((100 + addresses_used))
}

forget() {
	lab_forget "${lab_behind[alice]}"
}

# Where she goes she was before, perhaps: nothing of that is left.
other_lan() {
	local nat="nat-a"

	[ "${lab_behind[alice]}" != nat-a ] || nat="nat-c"
	lab_forget "$nat"
	lab_move alice "$nat"
}

# The cable beside the radio: another interface has the default route, and the first one stays as it is.
way=radio
other_way() {
	if [ $way = radio ]; then
		way=cable
		lab_forget nat-d
		ip -n alice route replace default via 10.4.0.1
	else
		way=radio
		lab_forget "${lab_behind[alice]}"
		ip -n alice route replace default via "${lab_nat_lan[${lab_behind[alice]}]}.1"
	fi
}

seen_behind() { # NAME NAT
	local ep

	ep=$(lab_seen "$1") && [ "${ep%:*}" = "$(ip -n "$2" -4 -o addr show dev wan | sed -nE 's/.* inet ([0-9.]+).*/\1/p')" ]
}

# What else is so ------------------------------------------------------------------------------------------------

start_counting() {
	bob_ep=$(lab_peer alice bob endpoints)
	counted=([alice]=$(sets alice bob) [bob]=$(sets bob alice) [hub]=$(sets alice hub))
}

# settled WHAT - after a row.
settled() {
	local now

	now=$(lab_peer bob alice endpoints)
	same "$1: bob has alice where the registry sees her" "$(lab_seen alice)" "$now"
	same "$1: alice has bob where he was" "$bob_ep" "$(lab_peer alice bob endpoints)"
	check "$1: both say that it is direct" lab_wait 10 both_direct
	echo "# $1: endpoints set by alice: $(($(sets alice bob) - counted[alice])), by bob: $(($(sets bob alice) - counted[bob]))"
	check "$1: bob sets it once each time" test $(($(sets bob alice) - counted[bob])) -le "$row_rounds"
	check "$1: alice sets none, or the same" test $(($(sets alice bob) - counted[alice])) -le "$row_rounds"
	same "$1: the registry's endpoint is as it was" $SERVER:51820 "$(lab_peer alice hub endpoints)"
	# A device in user space may have to be told its way again.
	check "$1: it is set once each time at most" test $(($(sets alice hub) - counted[hub])) -le "$row_rounds"
}

both_direct() {
	in_state alice bob direct && in_state bob alice direct
}

change() { # WHAT LIMIT_MS START TROUBLE...
	start_counting
	row "$1" "$2" comes_back "${@:3}" && settled "$1"
}

# ------------------------------------------------------------------------------------------------------------------

run_bed masqdrop:masqdrop
lab_lan nat-c 203.0.113.40 10.3.0 masqdrop
run_daemon alice
run_daemon bob
must lab_wait $((20 * PATIENCE)) lab_shook alice bob
check "before: both say that it is direct" lab_wait 10 both_direct

! wants forget || change "a NAT forgets its mappings" 2000 shown forget
! wants address || change "a NAT's public address changes" 2000 shown other_address
! wants lan || change "another LAN" 2000 now other_lan
if wants way; then
	lab_lan nat-d 203.0.113.50 10.4.0 masqdrop
	lab_link alice eth1 10.4.0.2/24 nat-d lan0 10.4.0.1/24
	change "another interface" 2000 now other_way
	[ $way = radio ] || other_way
fi

if wants polled; then
	RUN_TTL_S=10
	# First the registry shall know where alice is after what was before: else this is a row of its own.
	must lab_wait 20 seen_behind alice "${lab_behind[alice]}"
	run_end alice bob
	lab_stop wgmeetd
	run_wgmeetd --notify-port 0
	must lab_wait 10 published alice
	# They find each other anew, for of a path that was there before it is not known whether it answers at once.
	lab_in alice wg set wgalice peer "$(lab_pub bob)" remove
	lab_in bob wg set wgbob peer "$(lab_pub alice)" remove
	lab_know alice bob
	lab_know bob alice
	run_daemon alice --notify-port 0
	run_daemon bob --notify-port 0
	check "without NOTIFY: both say that it is direct" lab_wait 10 both_direct
	change "a NAT's public address changes, without NOTIFY" $(((RUN_TTL_S + 3) * 1000)) shown other_address
fi

for name in alice bob; do
	run_end $name
	same "$name: SIGTERM: exit status" 0 $?
done
e2e_done
