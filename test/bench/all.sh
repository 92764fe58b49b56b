#!/bin/bash
# all.sh [FOLDER] - everything that is measured, one part after the other, each to $BUILD/bench/*.tsv; then report.sh makes of all
# that is there the tables and the plots. They go to FOLDER, too, as tables.txt and *.svg, if no part is missing and the run
# counts. What PARTS leaves out, and what cannot be measured, keeps its last lines. 1: a part failed, a run does not count, or a
# target was missed; the last line says which. 2: a value that is not possible.
#
#	PARTS    some of: server answer refresh load memory client vm; by default all but vm; "" makes the report again
#	SIZES    the numbers of peers in server, answer and refresh
#	ROUNDS   in those
#
# and what the scripts of the parts say. Needs root, but for the part answer.
# shellcheck disable=SC2317
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-$PWD/build}
export BUILD
out=$BUILD/bench
status=0
failed=()

# At first the name servers: they take longest, and their control tells whether the machine is quiet.
usual="server answer refresh load memory client"
parts=${PARTS-$usual}

# Each writes a file of tsv_of().
part_server() { test/bench/bench.sh; }
part_answer() { test/bench/answer.sh; }
part_refresh() { test/bench/refresh.sh; }
# It fails if queries wait too long, too: that is the report's to say, if any were answered.
part_load() {
	bash test/bench/refresh_load.sh
	[ -s "$out/refresh_load.tsv" ] && awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		"answers" in column && $(column["answers"]) > 0 { some = 1 }
		END { exit !some }' "$out/refresh_load.tsv"
}
part_memory() { bash test/bench/memory.sh; }
part_client() { bash test/bench/client.sh; }
# Of all that is tested there one line is of interest here.
part_vm() {
	local log=$out/vm.log

	test/vm/test.sh | tee "$log"
	[ "${PIPESTATUS[0]}" = 0 ] || return 1
	sed -n 's/^# refresh\t//p' "$log" >"$out/vm.tsv"
	rm "$log"
}

tsv_of() {
	case $1 in
	load) echo "$out/refresh_load.tsv" ;;
	*) echo "$out/$1.tsv" ;;
	esac
}

# What was measured before comes back if there is nothing new.
file=
restore() {
	[ -z "$file" ] || [ ! -e "$file.last" ] || mv "$file.last" "$file"
	file=
}
interrupted() { # STATUS
	echo "interrupted: the last figures stay" >&2
	exit "$1"
}
trap restore EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM HUP

# note PART - which program it was that was measured, and on what.
note() {
	local part=$1 revision

	revision=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
	[ -z "$(git status --porcelain --untracked-files=no -- . ':!contrib/performance' 2>/dev/null)" ] || revision+=" and changes"
	{
		printf 'part\tdate\trevision\tkernel\tprocessor\n'
		[ ! -e "$out/parts.tsv" ] || awk -F '\t' -v part="$part" 'NR > 1 && $1 != part' "$out/parts.tsv"
		printf '%s\t%s\t%s\t%s\t%s\n' "$part" "$(date -u +%Y-%m-%d)" "$revision" "$(uname -r | sed 's/[^0-9.].*//')" \
			"$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1), $(nproc) online"
	} >"$out/parts.tsv.new"
	mv "$out/parts.tsv.new" "$out/parts.tsv"
}

# measure PART
measure() {
	echo "== $1"
	file=$(tsv_of "$1")
	[ ! -e "$file" ] || mv "$file" "$file.last"
	if "part_$1" && [ -s "$file" ]; then
		rm -f "$file.last"
		note "$1"
	else
		echo "$1: not measured"
		rm -f "$file"
		failed+=("$1")
		status=1
	fi
	restore
}

# missing - the parts that a whole report has, and that have not been measured yet.
missing() {
	local part

	for part in $usual; do
		[ -s "$(tsv_of "$part")" ] || echo "$part"
	done | paste -sd' '
}

# copy FOLDER - the report and the plots. One that there is no more goes when the others are there.
copy() {
	local plot

	mkdir -p "$1" || return
	{
		echo "Written by \"make performance\", as are the plots beside it; what the figures mean is in test/bench/README."
		cat "$out/report.txt"
	} >"$1/tables.txt.new" && mv "$1/tables.txt.new" "$1/tables.txt" || return
	compgen -G "$out/*.svg" >/dev/null || return 0
	for plot in "$out"/*.svg; do
		[ ! -s "$plot" ] || cp "$plot" "$1/" || return
	done
	for plot in "$1"/*.svg; do
		[ -e "$out/${plot##*/}" ] || rm -f "$plot"
	done
}

# publish FOLDER - says whether the report is there now, or why not. For the last line.
publish() {
	local name=${1#"$PWD/"} without

	without=$(missing)
	if [ -n "$without" ]; then
		echo " $name is left as it was, because these parts are missing: $without."
	elif [[ $reason == *"DOES NOT COUNT"* ]]; then
		echo " $name is left as it was."
	elif copy "$1"; then
		echo " $name is written anew."
	else
		echo " $name could not be written."
		return 1
	fi
}

# Without an argument it would take PARTS, which may say that there is none.
# shellcheck disable=SC2086 # a list
[ -z "${parts// /}" ] || test/bench/values.sh $parts || exit
mkdir -p "$out" || exit 1
for part in $parts; do
	measure "$part"
done
test/bench/report.sh "$out" >"$out/report.txt" || status=1
reason=$(tail -n 1 "$out/report.txt")
sed '$d' "$out/report.txt"
published=
[ $# = 0 ] || published=$(publish "$1") || status=1
echo "${failed[*]:+Not measured: ${failed[*]}. }$reason$published"
exit $status
