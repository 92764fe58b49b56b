#!/bin/bash
# refresh.sh [PEERS...] - what a change of one endpoint in the registry costs, by the number of peers: each stage by itself, and
# a real wgmeetd from rename(2) of the dump file until the change is in DNS. Processor time, medians of ROUNDS (5). Writes
# $BUILD/bench/refresh.tsv, and prints it as a table. Needs root; a few minutes, most of which are the server's pauses. SIZES may
# say the numbers of peers, too.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154

SIZES="${*:-${SIZES:-}}" "$(dirname "$0")/values.sh" refresh || exit
. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"
SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
ROUNDS=${ROUNDS:-5}
refresh=$BUILD/test/refresh
[ -x "$refresh" ] || lab_die "make $refresh first"
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- ${SIZES:-1000 10000 100000 1000000}
dump=$LAB/peers

# mapped PID FIELD - octets of snapshots in its memory, by a field of /proc/PID/smaps.
mapped() {
	awk -v field="$2:" '/^[0-9a-f]+-[0-9a-f]+ / { ours = /memfd:wgmeet-zone/ }
		ours && $1 == field { sum += $2 } END { print sum * 1024 }' "/proc/$1/smaps"
}

# whole PEERS - a header and a line.
whole() {
	local pids

	"$refresh" dump "$dump" "$1"
	lab_start wgmeetd - "$BIN/wgmeetd" --zone $ZONE --dump-file "$dump" --listen "$SERVER:$SERVER_PORT" --workers 1 \
		--name-server "ns1.$ZONE $SERVER" --ttl 10 --user $WORKER_UID --observer-user $OBSERVER_UID \
		--state-directory "$LAB/state"
	must lab_wait 120 server_settled wgmeetd
	server_serving wgmeetd || lab_die "wgmeetd does not serve: $(tail -3 "$LAB/wgmeetd.log")"
	mapfile -t pids < <(lab_children "${lab_pid[wgmeetd]}")
	"$refresh" whole "$1" "$ROUNDS" "$dump" "$SERVER:$SERVER_PORT" "${lab_pid[wgmeetd]}" "${pids[@]}" >"$LAB/out" ||
		lab_die "the measurement failed"
	paste "$LAB/out" <(printf 'mapped_octets\tpss_octets\tpss_per_peer\n'
		printf '%s\t%s\t' "$(mapped "${pids[0]}" Size)" "$(mapped "${pids[0]}" Pss)"
		echo $(($(mapped "${pids[0]}" Pss) / $1)))
	lab_stop wgmeetd
}

table() {
	awk -F '\t' '
		NR == 1 { for (i = 1; i <= NF; i++) name[i] = $i; next }
		{ rows++; for (i = 1; i <= NF; i++) value[i, rows] = $i }
		END {
			for (i in name) columns++
			for (i = 1; i <= columns; i++) {
				printf "%-16s", name[i]
				for (r = 1; r <= rows; r++)
					printf "%12s", value[i, r]
				print ""
			}
		}' "$1"
}

mkdir -p "$LAB/state" "$BUILD/bench"
chown $OBSERVER_UID "$LAB/state"
lines=2
for peers; do
	"$refresh" stages "$peers" "$ROUNDS" "$LAB/stages.dump" >"$LAB/stages" || lab_die "the stages cannot be measured"
	rm -f "$LAB/stages.dump"
	whole "$peers" >"$LAB/whole" || exit 1
	paste "$LAB/stages" "$LAB/whole" | tail -n "$lines" >>"$LAB/tsv"
	lines=1 # the header stands once
done
cp "$LAB/tsv" "$BUILD/bench/refresh.tsv"
table "$LAB/tsv"
e2e_done
