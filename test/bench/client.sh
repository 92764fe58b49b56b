#!/bin/bash
# How long `wgmeet sync` takes: of 10, 1,000 and 10,000 peers, the name server 0, 20 and 100 ms away (there and back), with
# wgmeetd's limits off and as they are by default. What is looked up is a real wgmeetd's zone; the device is a stand-in that
# takes what it is told at once (client_device.c), because wireguard-go needs longer than wgmeet; one line is with wireguard-go.
# The way is a cable that delays (delay.c), and 0 ms is a veth pair. Each run begins with peers that have no endpoint and a
# keepalive interval of 25 s, and ends with all of the zone's endpoints set, which is checked: so each peer is looked up, set
# and kicked.
#
#	make bench-client
#	test/bench/client.sh [PEERS] [RTT_MS] [LIMITS]    less than all, e.g. "10 1000" "0 20" off
#
#	CLIENT_PEERS, CLIENT_RTT_MS, CLIENT_LIMITS   the same ("10 1000 10000", "0 20 100", "off default")
#	RUNS         how often (median of 5)
#
# Prints a table, and writes it to $BUILD/bench/client.tsv. The target is three times the way there and back, and 50 us for
# each peer.
# shellcheck source-path=SCRIPTDIR/../e2e disable=SC1091,SC2154

COUNTS=${1:-${CLIENT_PEERS:-10 1000 10000}}
WAYS=${2:-${CLIENT_RTT_MS:-0 20 100}}
LIMITS=${3:-${CLIENT_LIMITS:-off default}}
CLIENT_PEERS=$COUNTS CLIENT_RTT_MS=$WAYS CLIENT_LIMITS=$LIMITS "$(dirname "$0")/values.sh" client || exit
. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"

RUNS=${RUNS:-5}
OUT=$BUILD/bench/client.tsv
LINES_OUT=$LAB/tsv # goes with the script, however that ends
COLUMNS_OUT="device peers rtt_ms limits wall_us wall_min_us wall_max_us target_us cpu_us setter_kib resolver_kib lost_client lost_server lost_way"
BENCH_ZONE=wg.example.com

missing=$(lab_missing jq)
[ -z "$missing" ] || e2e_skip "not installed: $missing"
[ -c /dev/net/tun ] || e2e_skip "there is no /dev/net/tun"
for program in delay client_device client_time; do
	[ -x "$BUILD/test/$program" ] || e2e_skip "no $BUILD/test/$program: make bench-client"
	cp "$BUILD/test/$program" "$BIN/"
done

# The network: one address of the server's at each distance.
build_network() {
	local ms

	lab_ns client server
	for ms in $WAYS; do
		if [ "$ms" = 0 ]; then
			lab_link client way0 10.1.0.2/24 server way0 10.1.0.1/24
			continue
		fi
		lab_start "delay$ms" - "$BIN/delay" "$ms" /run/netns/client "way$ms" /run/netns/server "way$ms"
		must lab_wait 5 grep -qs ready "$LAB/delay$ms.log"
		for ns in client server; do
			ip -n $ns addr add "10.1.$ms.$([ $ns = client ] && echo 2 || echo 1)/24" dev "way$ms"
			ip -n $ns link set "way$ms" up
		done
	done
	ip -n client route add 198.18.0.0/15 dev lo # an address without a route is passed over
}

# dump PEERS - as of `wg show DEV dump`: any keys, and each peer somewhere else.
make_dump() {
	printf '(none)\t(none)\t51820\toff\n'
	head -c $((33 * $1)) /dev/urandom | base64 -w 44 | awk '{
		n = NR - 1
		printf "%sA=\t(none)\t198.18.%d.%d:%d\t10.%d.%d.%d/32\t0\t0\t0\t25\n", substr($0, 1, 42), n / 250 % 250, n % 250 + 1,
			1024 + n % 60000, n / 62500 + 20, n / 250 % 250, n % 250 + 1
	}'
}

start_server() { # LIMITS
	local ms listen=() limit=()

	for ms in $WAYS; do
		listen+=(--listen "10.1.$ms.1:53")
	done
	[ "$1" = default ] || limit=(--rate-limit 0)
	lab_start wgmeetd server "$BIN/wgmeetd" --zone $BENCH_ZONE --dump-file "$LAB/dump" "${listen[@]}" "${limit[@]}" \
		--name-server "ns1.$BENCH_ZONE 10.1.0.1" --user "$WORKER_UID" --observer-user "$OBSERVER_UID" --verbose
	server_wait wgmeetd
}

# What was lost so far: what the client's sockets had no room for, what the server's, and what the cables had not.
count_lost() {
	local ns ms

	for ns in client server; do
		lab_in $ns cat /proc/net/snmp | awk '/^Udp: [0-9]/ { printf "%d ", $6 + $7 }'
	done
	for ns in client server; do
		for ms in $WAYS; do
			ip -n $ns -j -s link show "way$ms" | jq '.[0].stats64 | .rx.dropped + .tx.dropped'
		done
	done | awk '{ n += $1 } END { print n }'
}

start_device() { # mock|go
	if [ "$1" = mock ]; then
		lab_start device client "$BIN/client_device" wgbench "$LAB/dump" 25
		must lab_wait 10 grep -qs ready "$LAB/device.log"
		return
	fi
	lab_key bench
	lab_wg_create client wgbench
	ip -n client link set wgbench up
	awk 'BEGIN { FS = "\t" } NR > 1 { printf "[Peer]\nPublicKey = %s\nAllowedIPs = %s\nPersistentKeepalive = 25\n", $1, $4 }' \
		"$LAB/dump" >"$LAB/peers.conf"
}

stop_device() {
	lab_stop device
	[ "$1" = mock ] || lab_stop wgbench
	rm -f /run/wireguard/wgbench.sock
}

forgotten() {
	[ "$(lab_in client wg show wgbench endpoints | grep -vc '(none)')" = 0 ]
}

forget() { # mock|go
	if [ "$1" = mock ]; then
		kill -HUP "${lab_pid[device]}"
		must lab_wait 5 forgotten
	else
		lab_in client wg set wgbench private-key "$LAB/bench.key" listen-port 51820
		lab_in client wg syncconf wgbench /dev/null
		lab_in client wg addconf wgbench "$LAB/peers.conf"
	fi
}

all_set() {
	cmp <(tail -n +2 "$LAB/dump" | cut -f 1,3 | sort) <(lab_in client wg show wgbench endpoints | sort)
}

# sync RTT_MS [-m] - what client_time says is in $LAB/took.
sync() {
	local ms=$1

	shift
	lab_in client "$BIN/client_time" "$@" "$BIN/wgmeet" sync wgbench --zone $BENCH_ZONE --server "10.1.$ms.1" --user 65534 \
		3>"$LAB/took" >"$LAB/out" 2>"$LAB/err"
}

# spread N - of the lines of standard input, sorted: the least, the middle, the greatest.
spread() {
	cut -d ' ' -f "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[1], v[int((NR + 1) / 2)], v[NR] }'
}

# measure DEVICE PEERS RTT_MS LIMITS
measure() {
	local run least middle most cpu memory lost

	: >"$LAB/runs"
	lost=$(count_lost)
	for ((run = 0; run <= RUNS; run++)); do
		forget "$1"
		# The limits' buckets are full again after a second, as they are for a client that comes by now and then.
		[ "$4" = off ] || sleep 1.1
		if [ "$run" = "$RUNS" ]; then
			sync "$3" -m
		else
			sync "$3"
			cat "$LAB/took" >>"$LAB/runs"
		fi
		if ! grep -q '^0 ' "$LAB/took" || [ -s "$LAB/err" ]; then
			not_ok "$*: wgmeet failed: $(cat "$LAB/took"; head -3 "$LAB/err")"
			exit 1
		fi
		all_set || { not_ok "$*: the endpoints that are set are not those of the zone" && exit 1; }
	done
	lost=$(awk '{ print $4 - $1, $5 - $2, $6 - $3 }' <<<"$lost $(count_lost)")
	read -r least middle most < <(spread 2 <"$LAB/runs")
	read -r _ cpu _ < <(spread 3 <"$LAB/runs")
	memory=$(cut -d ' ' -f 2,3 "$LAB/took")
	echo "$1 $2 $3 $4 $middle $least $most $(($3 * 3000 + $2 * 50)) $cpu $memory $lost" | tr ' ' '\t' >>"$LINES_OUT"
}

bench_peers() { # PEERS LIMITS
	local ms

	make_dump "$1" >"$LAB/dump"
	chmod 644 "$LAB/dump"
	start_server "$2"
	start_device mock
	for ms in $WAYS; do
		measure mock "$1" "$ms" "$2"
	done
	stop_device mock
	if [ "$1" = 1000 ] && [ "$2" = off ] && [ "$WG_IMPL" = go ]; then
		start_device go
		measure wireguard-go 1000 "${WAYS%% *}" off
		stop_device go
	fi
	lab_stop wgmeetd
}

mkdir -p "${OUT%/*}"
echo "$COLUMNS_OUT" | tr ' ' '\t' >"$LINES_OUT"
build_network
for limits in $LIMITS; do
	for count in $COUNTS; do
		bench_peers "$count" "$limits"
	done
done
cp "$LINES_OUT" "$OUT.new" && mv "$OUT.new" "$OUT" || exit 1
column -t -s $'\t' "$OUT"
