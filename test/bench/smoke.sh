#!/bin/bash
# smoke.sh - the benchmark works: every server answers every kind of question rightly, every figure is there, and a wrong
# answer is noticed. How long anything takes is not looked at. 0: passed, 1: failed, 77: skipped.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2016,SC2086,SC2154,SC2317

. "${0%/*}/bench.bash" || exit 1
bench_enter "$@"

results=$LAB/out
mkdir "$results"
printf 'run\tfor\tthe test\n' >"$results/server.tsv"

# lines WHAT... - how many there are with these first fields.
lines() {
	awk -F '\t' -v what="$*" 'BEGIN { n = split(what, w, " ") }
		{ for (i = 1; i <= n && $i == w[i]; i++); found += i > n }
		END { print found + 0 }' "$results/server.tsv"
}

# round PEERS CPU_S - one round of all servers.
round() {
	must bench_serve "$1" $BENCH_ALL
	check "$1 peers: every answer of every server is right" round_to_file "$@"
	bench_stop
	same "$1 peers: a slice of each kind for each server" 30 "$(lines slice "$1" 1)"
	same "$1 peers: latencies of each" 30 "$(lines latency "$1" 1)"
	same "$1 peers: the latencies of all rounds" 30 "$(lines pooled "$1" 1)"
	same "$1 peers: memory of each server" 5 "$(lines memory "$1")"
}

round_to_file() {
	bench_load --peers "$1" --rounds 1 --cpu-s "$2" --slice-s 0.05 --latency-s 0.005 >>"$results/server.tsv"
}

# none_is DESCRIPTION CONDITION - of the slices.
none_is() {
	same "$1" "" "$(awk -F '\t' "\$1 == \"slice\" && ($2)" "$results/server.tsv")"
}

# notices WHAT EXPECTED - the run with the servers as they are fails, and says why.
notices() {
	local said

	if said=$(bench_load --peers 1000 --rounds 1 --cpu-s 0.1 --slice-s 0.1 --latency-s 0 2>&1); then
		not_ok "$1 are noticed"
	else
		matches "$1 are noticed" "WRONG ANSWER from wgmeetd .*$2" "$said"
	fi
}

# serve_wgmeetd PEERS PORT_SHIFT
serve_wgmeetd() {
	"$BIN/load" dump "$1" "$2" >"$LAB/dump"
	start_wgmeetd
	server_wait wgmeetd
	bench_servers=("wgmeetd,server,127.0.0.1:${bench_port[wgmeetd]},${lab_pid[wgmeetd]}")
}

round 3 0.12
round 1000 0.3
none_is "no slice is without processor time or answers" '$6 <= 0 || $10 <= 0'
none_is "all answers of a kind from one server have one length" '$14 != $15'
none_is "a reflector's answers are as long as wgmeetd's" \
	'$5 == "wgmeetd" && !(len[$4] = $14) || $5 ~ /^reflector/ && len[$4] && len[$4] != $14'
none_is "every name server gives the address with the SRV record" '$4 !~ /^nx/ && $5 !~ /^reflector/ && $10 != $16'
none_is "wgmeetd gives the TXT record, too" '$4 !~ /^nx/ && $5 == "wgmeetd" && $10 != $17'
none_is "of the mixed questions one in ten is over TCP" '$4 ~ /^mix/ && $12 == 0 && ($11 / $10 < 0.08 || $11 / $10 > 0.13)'
none_is "of the others none" '$4 !~ /^mix/ && $11 > 0'

# It fails where the control is off, as it may be here.
said=$("$ROOT/test/bench/report.sh" "$results" 2>&1)
for kind in srv srv-edns nx nx-edns mix mix-edns; do
	same "the report has all ratios for $kind" 2 "$(grep -cE "^ +$kind( +[0-9.]+){4}\$" <<<"$said")"
done
same "the report has the servers' figures, latencies and memory" 130 \
	"$(grep -cE '^ +(reflector2?|wgmeetd|knot|nsd) +([0-9]+([ .]|$)|- )' <<<"$said")"
matches "it says whether the run counts" "DOES NOT COUNT|off by at most" "$said"
same "it says which targets hold" 6 "$(grep -cE '^ +(holds|MISSED|open) .* 1,000 peers, srv(-edns)? +[0-9]' <<<"$said")"

serve_wgmeetd 1000 1
notices "ports that are off by one" "SRV"
bench_stop
serve_wgmeetd 999 0
notices "answers that there is no such peer, one in a thousand," "RCODE"
bench_stop
e2e_done
