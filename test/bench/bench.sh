#!/bin/bash
# bench.sh - the benchmark of the name server: wgmeetd, Knot DNS, NSD and two reflectors are asked the same in turn, at several
# numbers of peers. README says what the figures mean. What is measured goes to $BUILD/bench/server.tsv; report.sh makes tables
# of it. A run on other terms, for a quick look:
#
#	sudo make bench ROUNDS=2 CPU_S=1 SIZES=1000 KINDS=srv,nx
#
#	ROUNDS      rounds of each size (15)
#	CPU_S       seconds of each server's processor time in a round (5)
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

out=$BUILD/bench/server.tsv
mkdir -p "${out%/*}"
lines=$LAB/tsv # goes with the script, however that ends

# What the figures hang on, as lines: run, a word, the rest. all.sh has what is the same for all that is measured.
describe() {
	printf 'run\t%s\t%s\n' \
		knot "$(knotd --version | sed 's/.* //')" \
		nsd "$(nsd -v 2>&1 | sed -n 's/^NSD version //p')" \
		rounds "${ROUNDS:-15}" \
		cpu_s "${CPU_S:-5}"
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

describe >"$lines"
started=$(lab_ms)
for peers in ${SIZES:-3 1000 100000 1000000}; do
	echo "$peers peers: starting the servers"
	# shellcheck disable=SC2046 # a list
	bench_serve "$peers" $(who "$peers")
	echo "$peers peers: asking $(who "$peers" | paste -sd' ')"
	bench_load --peers "$peers" --rounds "${ROUNDS:-15}" --cpu-s "${CPU_S:-5}" --slice-s "${SLICE_S:-0.25}" \
		--latency-s "${LATENCY_S:-0.04}" ${KINDS:+--kinds "$KINDS"} >>"$lines" || exit 1
	bench_stop
	rm -f "$LAB"/*.log # of no interest now
	echo "$peers peers: $((($(lab_ms) - started) / 1000)) s since the start"
done
cp "$lines" "$out.new" && mv "$out.new" "$out"
