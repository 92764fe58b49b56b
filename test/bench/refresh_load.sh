#!/bin/bash
# refresh_load.sh - do queries wait for a refresh? One worker alone on a processor, PEERS (100000) peers, RATE (20000) queries a
# second for SECONDS (60), and a new dump file each second, with one endpoint changed or with 1,000, in turn. Prints the
# times that queries spend in the worker (batch_shim.c), and writes them to $BUILD/bench/refresh_load.tsv, each line with what
# the run was and what came of it. Fails if an answer is lost or wrong, or if one in a thousand may wait for LIMIT_US (2000) or
# more. Needs root and two processors.
#
# After a reading the server pauses for twenty times what it cost. So that there is a snapshot each second all the same, it gets
# SIGHUP with each file, and then reads at once; RELOAD=no leaves that out.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2016,SC2034,SC2154

"$(dirname "$0")/values.sh" load || exit
. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"
SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
PEERS=${PEERS:-100000} RATE=${RATE:-20000} SECONDS_LONG=${SECONDS_LONG:-60} LIMIT_US=${LIMIT_US:-2000}
refresh=$BUILD/test/refresh
for file in refresh pace batch_shim.so; do
	[ -x "$BUILD/test/$file" ] || lab_die "make $BUILD/test/$file first"
done
[ "$(nproc)" -ge 2 ] || e2e_skip "needs two processors"
dump=$LAB/peers

udp_drops() { # of all sockets here, those that have been closed included
	awk '/^Udp: [0-9]/ { print $6 + $7 }' /proc/net/snmp
}

# What else runs on this machine shall not keep the worker waiting: that would not be the server's doing.
alone() { # PID
	taskset -p -c 0 "$1" >/dev/null && { chrt -f -p 1 "$1" || echo "# no real-time priority for the worker"; }
}

mkdir -p "$LAB/state" "$BUILD/bench"
chown $OBSERVER_UID "$LAB/state"
for i in 0 1 2 3; do
	"$refresh" dump "$LAB/variant.$i" "$PEERS" $((i % 2 == 0 ? 1 : 1000)) $((i + 1))
done
"$refresh" dump "$dump" "$PEERS"
taskset -p -c 1 $$ >/dev/null || e2e_skip "cannot choose a processor"
lab_start wgmeetd - env BATCH_FILE="$LAB/batches" LD_PRELOAD="$BUILD/test/batch_shim.so" "$BIN/wgmeetd" --zone $ZONE \
	--dump-file "$dump" --listen "$SERVER:$SERVER_PORT" --workers 1 --name-server "ns1.$ZONE $SERVER" --rate-limit 0 \
	--user $WORKER_UID --observer-user $OBSERVER_UID --state-directory "$LAB/state"
must lab_wait 60 server_settled wgmeetd
server_serving wgmeetd || lab_die "wgmeetd does not serve: $(tail -3 "$LAB/wgmeetd.log")"
worker=$(lab_children "${lab_pid[wgmeetd]}")
must alone "$worker"
# The log says "serving" when the workers begin to look at the zone.
serial() {
	ask_short '' SOA | awk '{ print $3 }'
}
served() {
	[ -n "$(serial)" ]
}
must lab_wait 20 served
first=$(serial)
# What came until now was asked while the server started.
dd status=none if=/dev/zero of="$LAB/batches" bs="$(stat -c %s "$LAB/batches")" count=1 conv=notrunc
lab_start pace - "$BUILD/test/pace" "$SERVER:$SERVER_PORT" "$PEERS" "$RATE" "$SECONDS_LONG"
files=0
while lab_alive pace; do
	ln -f "$LAB/variant.$((files % 4))" "$dump.next"
	mv "$dump.next" "$dump"
	[ "${RELOAD:-yes}" = no ] || kill -s HUP "${lab_pid[wgmeetd]}"
	files=$((files + 1))
	sleep 1 # between two files
done
check "no answer is lost or wrong" lab_stop pace
cat "$LAB/pace.log"
serials=$(($(serial) - first))
lab_stop wgmeetd
drops=$(udp_drops)
"$refresh" batches "$LAB/batches" >"$LAB/out" || lab_die "batch_shim.so has counted nothing"
# pace: "N questions, N answers, N lost, N wrong, N to no question, N not sent"
read -r questions _ answers _ lost _ wrong _ <"$LAB/pace.log"
[ "${answers:-0}" -gt 0 ] 2>/dev/null || lab_die "nothing was answered, so there is nothing to say"
grep -v '^#' "$LAB/out" | awk -v OFS='\t' -v run="$PEERS $RATE $SECONDS_LONG $files $serials $questions $answers $lost $wrong $drops" '
	BEGIN { split("peers rate seconds files snapshots questions answers lost wrong dropped", name, " "); many = split(run, value, " ") }
	{ for (i = 1; i <= many; i++) $0 = $0 OFS (NR == 1 ? name[i] : value[i]); print }' >"$LAB/tsv"
cp "$LAB/tsv" "$BUILD/bench/refresh_load.tsv"
cut -f 1-5 "$LAB/tsv" | column -t -s $'\t'
grep '^#' "$LAB/out"
echo "# $files files in $SECONDS_LONG s, the serial moved by $serials, $drops packets were dropped by a socket"
check "one in a thousand waits for less than $LIMIT_US us" \
	awk -F '\t' -v limit="$LIMIT_US" '$1 == "wait_at_most" { exit !($4 > 0 && $4 < limit) }' "$BUILD/bench/refresh_load.tsv"
e2e_done
