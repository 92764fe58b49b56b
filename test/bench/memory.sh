#!/bin/bash
# memory.sh [PEERS] - the memory of a wgmeetd with few peers (10) and one worker: PSS of each process, and where it is. Writes
# $BUILD/bench/memory.tsv, a line for each process and the sum; prints that, and the largest mappings. Needs root.
#
# What else runs on a machine shares pages of libraries, and makes PSS smaller. In alone_kib nobody else has them, but for those
# of the C library and its loader, which every process has: these count nothing, and what both processes have of another
# mapping counts half for each.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154

PEERS=${1:-} "$(dirname "$0")/values.sh" memory || exit
. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"
SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
PEERS=${1:-10}
SHOWN=${SHOWN:-14} # mappings
refresh=$BUILD/test/refresh
[ -x "$refresh" ] || lab_die "make $refresh first"

# rollup PID FIELD... - KiB
rollup() {
	local pid=$1 field

	shift
	for field; do
		awk -v field="$field:" '$1 == field { printf "\t%d", $2 }' "/proc/$pid/smaps_rollup"
	done
}

# alone PID OTHER - KiB. Pages that were written to are nobody else's anyway.
alone() {
	awk 'FNR == 1 { file++ }
		/^[0-9a-f]+-[0-9a-f]+ / { mapping = $1; everybody = /\/(libc\.|ld-)/ }
		$1 == "Rss:" && !everybody { rss[file, mapping] = $2 }
		$1 == "Pss:" { pss = $2 }
		$1 == "Anonymous:" && file == 1 && $2 > 0 { written[mapping]; sum += pss }
		END {
			for (key in rss) {
				split(key, part, SUBSEP)
				if (part[1] != 1 || part[2] in written)
					continue
				both = rss[2, part[2]] + 0 < rss[key] ? rss[2, part[2]] + 0 : rss[key]
				sum += rss[key] - both / 2
			}
			printf "%d", sum
		}' "/proc/$1/smaps" "/proc/$2/smaps"
}

line() { # NAME PID OTHER
	printf '%s\t%s' "$1" "$(alone "$2" "$3")"
	rollup "$2" Rss Pss Private_Clean Private_Dirty Shared_Clean Shared_Dirty
	echo
}

# mappings PID - PSS, private dirty pages, name; what has the same name and the same rights is one.
mappings() {
	awk '/^[0-9a-f]+-[0-9a-f]+ / { name = $2 " " (NF > 5 ? $6 : "(anonymous)") }
		$1 == "Pss:" { pss[name] += $2 }
		$1 == "Private_Dirty:" { dirty[name] += $2 }
		END { for (name in pss) printf "%7d %7d  %s\n", pss[name], dirty[name], name }' "/proc/$1/smaps" |
		sort -rn | head -n "$SHOWN"
}

mkdir -p "$LAB/state" "$BUILD/bench"
chown $OBSERVER_UID "$LAB/state"
"$refresh" dump "$LAB/peers" "$PEERS"
lab_start wgmeetd - "$BIN/wgmeetd" --zone $ZONE --dump-file "$LAB/peers" --listen "$SERVER:$SERVER_PORT" --workers 1 \
	--name-server "ns1.$ZONE $SERVER" --user $WORKER_UID --observer-user $OBSERVER_UID --state-directory "$LAB/state"
must lab_wait 20 server_settled wgmeetd
server_serving wgmeetd || lab_die "wgmeetd does not serve: $(tail -3 "$LAB/wgmeetd.log")"
# A worker that has never answered has not touched all that it uses.
for _ in 1 2 3; do
	ask '' SOA >/dev/null
	ask '' SOA +tcp >/dev/null
done
observer=${lab_pid[wgmeetd]}
worker=$(lab_children "$observer")
{
	printf 'process\talone_kib\trss_kib\tpss_kib\tprivate_clean_kib\tprivate_dirty_kib\tshared_clean_kib\tshared_dirty_kib\n'
	line observer "$observer" "$worker"
	line worker "$worker" "$observer"
} >"$LAB/tsv"
awk -F '\t' -v OFS='\t' -v peers="$PEERS" '{ print $0, NR == 1 ? "peers" : peers } NR > 1 { for (i = 2; i <= NF; i++) sum[i] += $i }
	END { $1 = "sum"; for (i = 2; i <= NF; i++) $i = sum[i]; print $0, peers }' "$LAB/tsv" >"$BUILD/bench/memory.tsv"
column -t -s $'\t' "$BUILD/bench/memory.tsv"
for name in observer worker; do
	pid=$observer
	[ $name = observer ] || pid=$worker
	printf '\n%s: PSS and private dirty KiB of mappings\n' $name
	mappings "$pid"
done
e2e_done
