#!/bin/bash
# report_test.sh - the report says of each target whether it holds: with figures that meet them all, then with one at a time that
# does not, or that is not there. Then what all.sh makes of a report, and which values are refused. 0: passed, 1: failed.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154,SC2317

. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top"' EXIT
dir=$top/bench
mkdir "$dir"

# tsv NAME LINE... - fields are separated by blanks, or by | where there are empty ones.
tsv() {
	printf '%s\n' "${@:2}" | tr ' ' '\t' >"$dir/$1.tsv"
}

# server PEERS KIND - a round of it, all at a third of the processor: a reflector at 1,000 ns an answer, wgmeetd at 1,020.
server() {
	local who

	for who in reflector:1000 wgmeetd:1020 knot:2000 nsd:2000 reflector2:1010; do
		echo "slice $1 1 $2 ${who%:*} ${who#*:}000 3000000 2000000 500000 1000 0 0 0 300 300 1000 1000"
	done
}

# What meets every target, some of them just so.
good() {
	mapfile -t lines < <(for peers in 1000 100000 1000000; do
		server $peers srv
		server $peers srv-edns
	done)
	tsv server "${lines[@]}"
	tsv answer "peers kind edns runs ns least_ns most_ns harness_ns octets" "1000 known edns 5 80 70 90 9 328" \
		"1000 unknown edns 5 300 70 90 9 176" "100000 known edns 5 100 70 90 9 328" "1000000 known edns 5 119.9 70 90 9 328"
	tsv refresh "peers read_us parse_us same_us zone_us build_us map_us check_us step_max_us unmap_us free_us snapshot_octets \
whole_us observer_us settled_us wall_ms questions mapped_octets pss_octets pss_per_peer" \
		"1000 1 1 1 1 1 1 1 1 1 1 1 900000 1 1 1 1 1 1 200" "100000 1 1 1 1 1 1 1 1 1 1 1 150000 1 1 1 1 1 1 171"
	tsv refresh_load "what p50_us p99_us p99.9_us max_us peers rate seconds files snapshots questions answers lost wrong dropped" \
		"batch_to_send 1 1 2000 9000 100000 20000 60 59 58 1 1 0 0 0" "wait_at_most 1 1 5000 9000 100000 20000 60 59 58 1 1 0 0 0"
	tsv memory "process alone_kib rss_kib pss_kib private_clean_kib private_dirty_kib shared_clean_kib shared_dirty_kib peers" \
		"observer 7168 1 1 1 1 1 1 10" "worker 1024 1 1 1 1 1 1 10" "sum 8192 1 1 1 1 1 1 10"
	tsv client "device peers rtt_ms limits wall_us wall_min_us wall_max_us target_us cpu_us setter_kib resolver_kib lost" \
		"mock 1000 20 off 110000 1 1 110000 1 1 1 0" "wireguard-go 1000 20 off 990000 1 1 110000 1 1 1 0" \
		"mock 10000 100 default 800000 1 1 1 1 1 1 0"
	tsv vm "peers wgmeetd_us observer_us workers wg_show_us wg_start_us ratio" "10000 1000 900 2 1000 10 1.00"
}

# report - in $said and $status.
report() {
	said=$("$ROOT/test/bench/report.sh" "$dir" 2>&1)
	status=$?
}

verdicts() { # WORD
	grep -c "^ *$1 " <<<"$said"
}

last_line() {
	tail -n 1 <<<"$said"
}

# table HEADING - the lines of the table that begins so, without the others.
table() {
	awk -v heading="$1" 'index($0, heading) == 1 { on = 1; print; next } on && /^[A-Z]/ { on = 0 } on' <<<"$said"
}

# misses NAME FROM TO TARGET - with that change of a file one target is missed, and it is that one.
misses() {
	good
	sed -i "s/${2// /\\t}/${3// /\\t}/" "$dir/$1.tsv"
	report
	same "$1: $3 is seen" "1 1 1" "$(verdicts MISSED) $(grep -cE "^ *MISSED .*$4" <<<"$said") $status"
	matches "$1: the last line says which" '^Missed: [^;]+[.]$' "$(last_line)"
}

good
report
same "what meets all targets: exit status 0" 0 $status
same "all hold, none is missed or open" "28 0 0" "$(verdicts holds) $(verdicts MISSED) $(verdicts open)"
same "the last line says so" "No target was missed." "$(last_line)"
matches "the control does not object" "off by at most 1.0 %" "$said"
check "there are all plots" test "$(find "$dir" -name '*.svg' -size +1k | wc -l)" = \
	"$(command -v gnuplot >/dev/null && echo 4 || echo 0)"

misses server "1000 1 srv wgmeetd 1020000" "1000 1 srv wgmeetd 1060000" "reflector's +1,000 peers, srv .*1.060"
misses server "100000 1 srv-edns knot 2000000" "100000 1 srv-edns knot 1500000" "Knot DNS's +100,000 peers, srv-edns .*0.680"
misses server "1000 1 srv-edns nsd 2000000" "1000 1 srv-edns nsd 1300000" "NSD's +1,000 peers, srv-edns .*0.785"
misses answer "edns 5 80" "edns 5 80.1" "answer +1,000 peers"
misses answer "edns 5 100" "edns 5 101" "answer +100,000 peers"
misses answer "edns 5 119.9" "edns 5 nan" "answer +1,000,000 peers"
misses refresh "150000" "150001" "served .*100,000 peers"
misses refresh "171$" "201" "PSS .*100,000 peers"
misses refresh_load "batch_to_send 1 1 2000" "batch_to_send 1 1 2001" "batch to send"
misses refresh_load "1 1 0 0 0$" "1 1 1 0 0" "lost or wrong"
misses refresh_load "1 1 0 0 0$" "1 1 0 0 1" "lost or wrong"
misses refresh_load "59 58" "59 50" "without a snapshot"
misses memory "sum 8192" "sum 8193" "all processes"
misses memory "worker 1024" "worker 1025" "a worker"
misses client "110000" "110100" "1,000 peers, 20 ms, off"
misses client "800000" "900000" "10,000 peers, 100 ms, default"
misses vm "10000 1000" "10000 1010" "wg show"

same "the name of what is missed last" "Missed: CPU, to wg show dump, 10,000 peers in the kernel." "$(last_line)"

good
sed -i 's/1010000/1040000/; s/wgmeetd\t1020000/wgmeetd\t3000000/' "$dir/server.tsv"
tsv memory "process alone_kib pss_kib rss_kib private_clean_kib private_dirty_kib peers" "sum 8193 1 1 1 1 10" "worker 1024 1 1 1 1 10"
report
same "a control that is off: exit status 1, and it is said twice" "1 2" \
	"$status $(grep -c '^THIS RUN DOES NOT COUNT: the control is off' <<<"$said")"
same "then the servers' targets are open, and the others are not" "14 13 1" \
	"$(grep -c '^ *open .*(this run does not count), to be' <<<"$said") $(verdicts holds) $(verdicts MISSED)"
same "the last line says both" "THIS RUN DOES NOT COUNT: the control is off; was something else running? \
Missed: memory, all processes, 10 peers (PSS 1). Open: 14." "$(last_line)"

good
again=$(sed -n '/^slice\t100000\t/s/\t1\tsrv\t/\t2\tsrv\t/p' "$dir/server.tsv")
echo "$again" >>"$dir/server.tsv"
report
same "more rounds are said to be so" "    100,000 peers, srv: 2 rounds, since it was off after 1" "$(grep ' rounds, since' <<<"$said")"
same "and the run counts" 0 $status

for zero in "1 1 0 0 0$/1 0 0 0 0" "60 59 58 1 1/x 59 58 0 0"; do
	good
	sed -i "s/${zero// /\\t}/" "$dir/refresh_load.tsv"
	report
	same "no answers meet no target: ${zero#*/}" "3 1" "$(grep -c '^ *MISSED .* refreshed .*no answers' <<<"$said") $status"
done

# Of one round there are no quartiles; servers come in one order, whatever that of the lines; who has answered nothing has no time.
good
for who in nsd wgmeetd reflector; do
	tsv more "pooled 1000 1 srv $who 20000 $([ $who = nsd ] && echo "0 5 0 0 0 0" || echo "9 0 0 1000 2000 3000")" \
		"memory 3 $who 1 1000" "memory 999 $who 1 2000" "memory 1000 $who 1 $([ $who = nsd ] && echo 1000 || echo 1997)"
	cat "$dir/more.tsv" >>"$dir/server.tsv"
done
LC_ALL=C sort -r "$dir/server.tsv" -o "$dir/server.tsv"
rm "$dir/more.tsv"
report
same "one round: no quartiles" 0 "$(grep -c '\[[0-9]' <<<"$(table "Processor time of an answer")")"
same "the order of the servers" "reflector wgmeetd knot nsd reflector2" \
	"$(table "Each server" | awk '/^1,000 peers, srv /{ on = 1; next } /peers/ { on = 0 } on && NF { print $1 }' | paste -sd' ')"
same "the same, of latencies, and none without an answer" "reflector 1.0 wgmeetd 1.0 nsd -" \
	"$(table "Time to the answer" | awk 'NF == 6 && $1 ~ /^[a-z]/ { print $1, $2 }' | paste -sd' ')"
same "memory of a peer, from 1,000 peers on, if it grew" "- - - - - - 1,024 1,024 -" \
	"$(table "Memory after" | awk 'NF == 4 && $1 ~ /^(reflector|wgmeetd|nsd)$/ { print $4 }' | paste -sd' ')"
good
for round in 2 3; do
	server 1000 srv | awk -v round=$round '{ $3 = round; print }' | tr ' ' '\t' >>"$dir/server.tsv"
done
report
same "three rounds: quartiles, where they are" 4 "$(grep -o '\[[0-9.]* [0-9.]*\]' <<<"$(table "Processor time of an answer")" | wc -l)"

said=$("$ROOT/test/bench/report.sh" "$top/nothing" 2>&1)
same "a folder that is not there: exit status 2, and it is said" "2 report.sh: there is no folder $top/nothing" "$? $said"
said=$("$ROOT/test/bench/report.sh" 2>&1)
same "no folder: exit status 2, and the usage" "2 usage: report.sh DIR" "$? $said"

# publish - what all.sh makes of it, without a measurement.
publish() {
	said=$(PARTS='' BUILD=$top "$ROOT/test/bench/all.sh" "$top/folder" 2>&1)
	status=$?
}

# kept - is what was in the folder as it was?
kept() {
	[ "$(cat "$top/folder/tables.txt" "$top/folder/old.svg")" = "as it was" ] && [ "$(find "$top/folder" -type f | wc -l)" = 2 ]
}

mkdir "$top/folder"
echo "as it was" >"$top/folder/tables.txt"
: >"$top/folder/old.svg"
good
rm "$dir/client.tsv" "$dir/answer.tsv"
publish
check "without all parts the folder is left as it was" kept
same "the last line says so" \
	"0 No target was missed. Open: 4. $top/folder is left as it was, because these parts are missing: answer client." \
	"$status $(last_line)"
good
sed -i 's/1010000/1040000/' "$dir/server.tsv"
publish
check "so it is by a run that does not count" kept
matches "the last line says so, too" "^THIS RUN DOES NOT COUNT.* $top/folder is left as it was[.]$" "$(last_line)"
good
publish
matches "else it is written" "$top/folder is written anew" "$(last_line)"
check "with the tables" grep -q "holds .*wgmeet sync" "$top/folder/tables.txt"
if command -v gnuplot >/dev/null; then
	check "and the plots, and no old one" test "$(cd "$top/folder" && echo *.svg)" = \
		"answer.svg client.svg refresh.svg server-cpu.svg"
fi

# refuses WHAT NAME=VALUE... - for the part answer, which needs no root; PARTS= says others.
refuses() {
	said=$(env PARTS=answer "${@:2}" "$ROOT/test/bench/values.sh" 2>&1)
	same "$1: exit status 2" 2 $?
	matches "$1: what is allowed is said" "allowed|two processors" "$said"
}

refuses "no such part" PARTS="answer nothing"
refuses "no number of peers" SIZES="1000 x"
refuses "too many peers" SIZES=1000001
refuses "no peers" SIZES=0
refuses "no rounds" ROUNDS=0
refuses "no such processor" "SERVER_CORE=$(nproc)"
if [ "$(nproc)" -gt 1 ]; then
	refuses "no such kind" PARTS=server KINDS=srv,ns
	refuses "no such server" PARTS=server SERVERS="wgmeetd bind"
	refuses "no time" PARTS=server CPU_S=0
	refuses "one processor for both" PARTS=server LOAD_CORE=0 SERVER_CORE=0
	refuses "no length of a run" PARTS=load SECONDS_LONG=x
fi
refuses "no distance" PARTS=client CLIENT_RTT_MS="20 300"
refuses "no such limits" PARTS=client CLIENT_LIMITS=on
check "what is possible is not refused" env PARTS=answer SIZES="3 1000000" ROUNDS=2 "$ROOT/test/bench/values.sh"

for name in server answer refresh refresh_load memory client vm; do
	good
	rm "$dir/$name.tsv"
	report
	same "without $name.tsv its targets are open, no other is" "0 0" "$(verdicts MISSED) $status"
	check "without $name.tsv: some" test "$(verdicts open)" -gt 0
done
e2e_done
