#!/bin/bash
# TCP (RFC 7766) is bounded: connections, descriptors, time, the kernel's memory; and who behaves is served all the same.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
missing=$(lab_missing ss)
[ -z "$missing" ] || e2e_skip "not installed: iproute2"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
dump=$LAB/peers
bounds=$BUILD/test/tcp_bounds

{
	printf '(none)\t(none)\t51820\toff\n'
	for n in {1..900}; do
		printf '%s\t(none)\t198.51.%d.%d:%d\t10.9.%d.%d/32\t0\t0\t0\toff\n' "$(printf '%-32s' "k$n" | base64)" \
			$((n / 250 + 100)) $((n % 250 + 1)) $((n + 1000)) $((n / 250)) $((n % 250 + 1))
	done
} >"$dump"
chmod 644 "$dump"

start_server() { # NAME PORT COMMAND-BEFORE...
	lab_start "$1" - "${@:3}" "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$dump" --listen "$SERVER:$2" \
		--name-server "ns1.$ZONE 127.0.0.1" --user "$WORKER_UID" --observer-user "$OBSERVER_UID" --workers 1 --rate-limit 0
	server_wait "$1"
}

helper() { # MODE [ARGUMENT...]
	"$bounds" "$1" "$SERVER" $SERVER_PORT "${@:2}" || e2e_failed=1
}

# What the kernel holds for the server's TCP connections, those without a process among them, in KiB.
kernel_memory() {
	ss -Htanmi "sport = :$SERVER_PORT" | sed -nE 's/.*skmem:\(r([0-9]+),.*,f([0-9]+),w([0-9]+),.*/\1 \2 \3/p' |
		awk '{ sum += $1 + $2 + $3 } END { print int(sum / 1024) }'
}

orphans() {
	ss -Htan state fin-wait-1 state last-ack state closing "sport = :$SERVER_PORT" | wc -l
}

few_orphans() {
	[ "$(orphans)" -le 300 ]
}

"$bounds" nothing "$SERVER" $SERVER_PORT 2>"$LAB/said"
[ $? != 77 ] || e2e_skip "$(cat "$LAB/said")"
start_server wgmeetd $SERVER_PORT env
worker=$(ss -Hulnp "sport = :$SERVER_PORT" | sed -nE 's/.*pid=([0-9]+).*/\1/p')
must kill -0 "$worker"
start_server quiet 5301 env
"$bounds" idle "$SERVER" 5301 &
idle=$!
helper frames
helper crowd "$worker"

# hoard HOW COUNT - so many who ask for 64 KiB each and take nothing of it.
hoard() {
	local fd hoard

	coproc HOARD { "$BUILD/test/tcp_hoard" "$SERVER" $SERVER_PORT "$2" "$1"; }
	hoard=$HOARD_PID
	read -r -t 20 _ <&"${HOARD[0]}" || not_ok "$2 connections"
	check "$1: who does not take an answer, and is cut, leaves nothing in the kernel: $(orphans) connections" lab_wait 3 few_orphans
	memory=$(kernel_memory)
	check "$1: the kernel holds $memory KiB for $2 of them" test "$memory" -lt $((256 * 310))
	check "$1: others are served" test "$(ask_status '' SOA +tcp -b 127.8.0.1)" = NOERROR
	fd=${HOARD[1]}
	exec {fd}>&-
	wait "$hoard" || not_ok "hoarders"
}
hoard leave 1000
hoard finish 1000
hoard stuff 300
wait $idle || e2e_failed=1
lab_stop wgmeetd
same "the server ends well" 0 $?

# The rest by a clock that is moved; a sanitizer's runtime must be the first library, and the shim cannot be.
if grep -q libasan <(ldd "$BIN/wgmeetd"); then
	echo "# deadlines by a clock that is moved: not with a sanitizer"
else
	head -c 8 /dev/zero >"$LAB/shift"
	start_server wgmeetd $SERVER_PORT env "LD_PRELOAD=$BUILD/test/clock_shim.so" "CLOCK_SHIFT=$LAB/shift"
	helper clock "$LAB/shift"
	lab_stop wgmeetd
	same "the server ends well" 0 $?
fi
e2e_done
