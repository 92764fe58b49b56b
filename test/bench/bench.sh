#!/bin/bash
# bench.sh - the benchmark of the name server: wgmeetd, Knot DNS, NSD and two reflectors are asked the same in turn, at several
# numbers of peers. README says what the figures mean. What is measured goes to $BUILD/bench/server.tsv; report.sh makes tables
# of it. A run on other terms, for a quick look:
#
#	sudo make bench ROUNDS=2 CPU_S=1 SIZES=1000 KINDS=srv,nx
#
#	ROUNDS      rounds of each size (15)
#	CPU_S       seconds of each server's processor time in a round (5)
#	MORE        times as many rounds again for a kind whose control is off (2; of less than 15 rounds 0)
#	CONTINUE    yes: nothing but these, beside what server.tsv has already
#	SLICE_S     about how many of them at a time (0.25)
#	LATENCY_S   seconds of each server at a fixed rate, for each kind of question in a round (0.04)
#	SIZES       numbers of peers ("3 1000 100000 1000000")
#	KINDS       kinds of questions (srv,srv-edns,nx,nx-edns,mix,mix-edns)
#	SERVERS     who takes part (reflector wgmeetd knot nsd reflector2; without knot and nsd beyond NSD_KNOT_MAX peers: 100000)
#	SERVER_CORE, LOAD_CORE   whose processor which is (0, 1)
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154

"${0%/*}/values.sh" server || exit
. "${0%/*}/bench.bash" || exit 1
bench_enter "$@"
. "${0%/*}/awk.bash" || exit 1

ROUNDS=${ROUNDS:-15} CPU_S=${CPU_S:-5}
KINDS=${KINDS:-srv,srv-edns,nx,nx-edns,mix,mix-edns}
out=$BUILD/bench/server.tsv
mkdir -p "${out%/*}"
lines=$LAB/tsv # goes with the script, however that ends

# What the figures hang on, as lines: run, a word, the rest. all.sh has what is the same for all that is measured.
describe() {
	printf 'run\t%s\t%s\n' \
		knot "$(knotd --version | sed 's/.* //')" \
		nsd "$(nsd -v 2>&1 | sed -n 's/^NSD version //p')" \
		rounds "$ROUNDS" \
		cpu_s "$CPU_S"
}

# who PEERS - takes part.
who() {
	local name

	for name in ${SERVERS:-$BENCH_ALL}; do
		case $name in
		knot | nsd) [ "$1" -gt "${NSD_KNOT_MAX:-100000}" ] || echo "$name" ;;
		*) echo "$name" ;;
		esac
	done
}

# measure PEERS ROUNDS CPU_S KINDS
measure() {
	bench_load --peers "$1" --rounds "$2" --cpu-s "$3" --slice-s "${SLICE_S:-0.25}" --latency-s "${LATENCY_S:-0.04}" --kinds "$4"
}

# off PEERS - the kinds whose control is off by more than the report allows, with commas between.
off() {
	awk -v peers="$1" "$LIB"'
	$1 == "slice" && $2 == peers && $5 ~ /^reflector/ {
		kinds[$4] = 1
		last[$4] = $3 > last[$4] ? $3 : last[$4]
		cpu[$4, $5, $3] += $6
		answers[$4, $5, $3] += $10
	}
	function each(k, s, r) { return cpu[k, s, r] / answers[k, s, r] }
	END {
		for (k in kinds) {
			n = 0
			for (r = 1; r <= last[k]; r++)
				if (answers[k, "reflector", r] > 0 && answers[k, "reflector2", r] > 0)
					v[++n] = each(k, "reflector2", r) / each(k, "reflector", r)
			sort(v, n)
			middle = quantile(v, n, .5)
			if (n > 0 && (middle > 1.03 || middle < .97))
				printf "%s%s", many++ ? "," : "", k
		}
	}' "$lines"
}

# A control that is off says that there was more noise than what shall be seen: so there are more rounds, beside the first ones and
# not in their place.
more() { # PEERS
	local kinds n cpu_s

	for ((n = 1; n <= ${MORE:-$((ROUNDS < 15 ? 0 : 2))}; n++)); do
		kinds=$(off "$1")
		[ -n "$kinds" ] || return 0
		echo "$1 peers: the control is off: $ROUNDS more rounds of $kinds"
		cpu_s=$(awk -v all="$KINDS" -v some="$kinds" -v s="$CPU_S" 'BEGIN { print s * split(some, a, ",") / split(all, b, ",") }')
		measure "$1" "$ROUNDS" "$cpu_s" "$kinds" >"$lines.more" || exit 1
		awk -v peers="$1" "$LIB"'
		FNR == NR { first = $1 == "slice" && $2 == peers && $3 > first ? $3 : first; next }
		$1 == "slice" { $3 += first; print }' "$lines" "$lines.more" >"$lines.added"
		cat "$lines.added" >>"$lines"
	done
}

if [ "${CONTINUE:-}" = yes ]; then
	cp "$out" "$lines" || exit 1
else
	describe >"$lines"
fi
started=$(lab_ms)
for peers in ${SIZES:-3 1000 100000 1000000}; do
	[ "${CONTINUE:-}" != yes ] || [ -n "$(off "$peers")" ] || continue
	echo "$peers peers: starting the servers"
	# shellcheck disable=SC2046 # a list
	bench_serve "$peers" $(who "$peers")
	echo "$peers peers: asking $(who "$peers" | paste -sd' ')"
	[ "${CONTINUE:-}" = yes ] || measure "$peers" "$ROUNDS" "$CPU_S" "$KINDS" >>"$lines" || exit 1
	more "$peers"
	bench_stop
	rm -f "$LAB"/*.log # of no interest now
	echo "$peers peers: $((($(lab_ms) - started) / 1000)) s since the start"
done
cp "$lines" "$out.new" && mv "$out.new" "$out"
