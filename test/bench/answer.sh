#!/bin/bash
# answer.sh - what an answer costs in user space: answer_loop.c, for keys that are known and that are not, without and with
# EDNS, by the number of peers. Each in a process of its own, in turn, ROUNDS times, because what memory a process gets counts,
# too. Writes $BUILD/bench/answer.tsv: of the processes' medians the median, the least and the greatest. Five minutes.
#
#	ROUNDS      (5)
#	SIZES       numbers of peers ("1000 100000 1000000")
#	ANSWERS     in each of a process's own 15 rounds (1000000)
#	SERVER_CORE which processor (0)
set -u
"$(dirname "$0")/values.sh" answer || exit
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
loop=$BUILD/test/answer_loop
runs=$(mktemp) || exit 1
trap 'rm -f "$runs"' EXIT
[ -x "$loop" ] || { echo "answer.sh: make $loop first" >&2; exit 1; }

run_all() {
	local peers kind edns

	for peers in ${SIZES:-1000 100000 1000000}; do
		for kind in known unknown; do
			for edns in "" edns; do
				# shellcheck disable=SC2086 # no argument where there is none
				taskset -c "${SERVER_CORE:-0}" "$loop" "$peers" $kind $edns "${ANSWERS:-1000000}" || return
			done
		done
	done
}

for ((round = 1; round <= ${ROUNDS:-5}; round++)); do
	run_all >>"$runs" || exit 1
	echo "answer.sh: round $round of ${ROUNDS:-5}"
done
mkdir -p "$BUILD/bench"
# Lines of a process: peers, kind, edns or plain, its median, its least, what the harness costs, octets.
sort -t $'\t' -k 1,1n -k 2,2 -k 3,3r -k 4,4n "$runs" | awk '
	function flush() {
		if (n > 0)
			print key, n, (at[int((n + 1) / 2)] + at[int(n / 2) + 1]) / 2, at[1], at[n], harness / n, octets
		n = harness = 0
	}
	BEGIN {
		FS = OFS = "\t"
		print "peers", "kind", "edns", "runs", "ns", "least_ns", "most_ns", "harness_ns", "octets"
	}
	$1 OFS $2 OFS $3 != key { flush(); key = $1 OFS $2 OFS $3 }
	{ at[++n] = $4; harness += $6; octets = $7 }
	END { flush() }' >"$BUILD/bench/answer.tsv.new" && mv "$BUILD/bench/answer.tsv.new" "$BUILD/bench/answer.tsv" || exit 1
cat "$BUILD/bench/answer.tsv"
