#!/bin/bash
# "wgmeet run" with 1,000 peers of which all are well: what that costs while nothing happens, and that nobody is looked up or
# touched. The device is a stand-in (test/bench/client_device.c), the registry's too, and the tunnel between them a cable: but
# for these the registry is one that can push. ROUNDS=2 and more: for a minute.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
[ -x "$BUILD/test/client_device" ] || e2e_skip "no $BUILD/test/client_device: make tests"
run_needs
e2e_enter "$@"
cp "$BUILD/test/client_device" "$BIN/"

PEERS=1000
QUIET_S=20
[ "$ROUNDS" = 1 ] || QUIET_S=60
CPU_PERCENT=1
PSS_KIB=8192

key_of() { # LETTER - as client_device has it
	printf "$1%.0s" {1..32} | base64
}

peer_line() { # KEY ENDPOINT ALLOWED
	printf '%s\t(none)\t%s\t%s\t0\t0\t0\t25\n' "$@"
}

# Any keys, and each peer somewhere else.
crowd() {
	head -c $((33 * PEERS)) /dev/urandom | base64 -w 44 | awk '{
		printf "%sA=\t(none)\t198.18.%d.%d:%d\t10.20.%d.%d/32\t0\t0\t0\t25\n", substr($0, 1, 42), NR / 250, NR % 250 + 1,
			1024 + NR, NR / 250, NR % 250 + 1
	}'
}

device() { # NAME NS LETTER - with the peers of $LAB/NAME.dump
	lab_start "$1" "$2" "$BIN/client_device" "$1" "$LAB/$1.dump" 25 "$3"
	must lab_wait 5 grep -qs ready "$LAB/$1.log"
}

cpu_us() {
	local pid ns n=0

	for pid in "${processes[@]}"; do
		read -r ns _ <"/proc/$pid/schedstat"
		n=$((n + ns / 1000))
	done
	echo $n
}

pss_kib() {
	local pid

	for pid in "${processes[@]}"; do
		cat "/proc/$pid/smaps_rollup"
	done | awk '$1 == "Pss:" { n += $2 } END { print n }'
}

lab_ns hub one
lab_link hub eth0 203.0.113.10/24 one eth0 203.0.113.20/24
ip -n one route add default via 203.0.113.10
lab_link hub wghub 10.9.0.1/24 one wgone 10.9.0.2/24
lab_addr[one]=10.9.0.2
crowd >"$LAB/crowd"
printf '(none)\t(none)\t51820\toff\n' | tee "$LAB/wghub.dump" >"$LAB/wgone.dump"
{
	cat "$LAB/crowd"
	peer_line "$(key_of A | wg pubkey)" 203.0.113.20:51820 10.9.0.2/32
} >>"$LAB/wghub.dump"
{
	peer_line "$(key_of B | wg pubkey)" 203.0.113.10:51820 10.9.0.1/32
	cat "$LAB/crowd"
} >>"$LAB/wgone.dump"
WG_IMPL=go
device wghub hub B
device wgone one A
count_questions one
run_wgmeetd

lab_start run-one one "$BIN/wgmeet" run wgone --zone $ZONE --server $RUN_SERVER
reads_status() {
	lab_in one "$BIN/wgmeet" status wgone --json >"$LAB/status" 2>"$LAB/status.err"
}
must lab_wait 10 reads_status
how_many() { # REGEX
	jq --arg state "$1" '[.peers[] | select(.state | test("^(" + $state + ")$"))] | length' "$LAB/status"
}
same "all $PEERS and the registry are well" $((PEERS + 1)) "$(how_many 'direct|idle')"
echo "# direct: $(how_many direct), idle: $(how_many idle)"

AT_ONCE=16 # look-ups of who is well, by one of a thousand: so the registry goes on telling of them

# What it does at its start is done when it asks no more.
settled() {
	local n=$asked_last

	asked_last=$(asked one)
	[ "$n" = "$asked_last" ] || { calm_since=$(lab_ms) && return 1; }
	[ $(($(lab_ms) - calm_since)) -ge 1000 ]
}
asked_last=-1 calm_since=$(lab_ms)
must lab_wait 10 settled
echo "# at the start it asked $asked_last times"
check "at the start it asks for itself, who is not well, and a few others" test "$asked_last" -le $((AT_ONCE + 4))

mapfile -t processes < <(echo "${lab_pid[run-one]}" && lab_children "${lab_pid[run-one]}")
same "there are two processes" 2 ${#processes[@]}
lines=$(log_lines one)
began=$(lab_ms)
cpu=$(cpu_us)
check "it lives" lasts $QUIET_S lab_alive run-one
cpu=$(($(cpu_us) - cpu))
took=$(($(lab_ms) - began))
asked_last=$(($(asked one) - asked_last))
echo "# in $((took / 1000)) s: $asked_last look-ups"
check "in $((took / 1000)) s: hardly a look-up" test $asked_last -le 4
same "nothing is said" "$lines" "$(log_lines one)"
reads_status
same "all are still well" $((PEERS + 1)) "$(how_many 'direct|idle')"

if grep -q __asan_init "$BIN/wgmeet"; then
	echo "# a sanitizer's processor time and memory say nothing"
else
	echo "# $PEERS peers: $((cpu / (took / 1000))) us of processor time a second, limit $((CPU_PERCENT * 10000)) us"
	check "at most $CPU_PERCENT % of a core" test $((cpu / (took / 1000))) -le $((CPU_PERCENT * 10000))
	pss=$(pss_kib)
	echo "# $PEERS peers: both processes $pss KiB of memory (PSS), limit $PSS_KIB KiB"
	check "at most $PSS_KIB KiB" test "$pss" -le $PSS_KIB
fi

lab_stop run-one
same "SIGTERM: exit status" 0 $?
lab_stop wgone
read -r connections _ _ _ _ endpoints _ keepalives _ < <(tail -n 1 "$LAB/wgone.log")
same "no endpoint and no keepalive was set" "0 0" "$endpoints $keepalives"
echo "# the device was read $connections times"
check "the device was read about every 5 s" test "$connections" -le $(((took + 15000) / 5000 + 6))
e2e_done
