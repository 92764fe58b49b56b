#!/bin/bash
# report.sh DIR - the tables of what was measured, whose lines are in DIR/*.tsv, then all targets, and plots as DIR/*.svg. Reads
# nothing else, so it may be called again at any time. 1: a run does not count, or a target was missed; the last line says
# which. 2: there is no DIR. What was not measured is left out, and its targets are said to be open.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2016,SC2034
set -u
here=$(dirname "$0")
[ $# = 1 ] || { echo "usage: report.sh DIR" >&2; exit 2; }
dir=$1
[ -d "$dir" ] || { echo "report.sh: there is no folder $dir" >&2; exit 2; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
status=0
void=    # why the run of the name servers does not count
plots_failed=
: >"$work/pairs"
: >"$work/verdicts"
export VERDICTS=$work/verdicts

. "$here/awk.bash" || exit 1

heading() {
	printf '\n%s\n\n' "$*"
}

# lines_of NAME - the file with these lines; an empty one if nothing was measured.
lines_of() {
	if [ -s "$dir/$1.tsv" ]; then
		printf '%s' "$dir/$1.tsv"
	else
		printf /dev/null
	fi
}

# ---- plots ----

# plot_head NAME TITLE UNIT
plot_head() {
	printf '%s\n' "set terminal svg size 720,460 dynamic background rgb 'white' font 'sans,13'" \
		"set output '$work/svg/$1.svg'" "set title \"$2\"" "set xlabel 'peers'" "set ylabel '$3'" "set logscale x" "set grid" \
		"set key below height 1.5"
}

# plot_ticks FILE... - at the numbers of peers that were measured, which are their first field.
plot_ticks() {
	awk "$LIB"'
	!($1 in seen) { seen[$1] = 1; size[++n] = $1 + 0 }
	END {
		sort(size, n)
		printf "set xrange [%.1f:%.1f]; set xtics (", size[1] * .6, size[n] * 1.6
		for (i = 1; i <= n; i++)
			printf("%s\"%s\" %d", i > 1 ? ", " : "", commas(size[i]), size[i])
		print ")"
	}' "$@"
}

# plot_has NAME... - is there anything to plot? For nothing gnuplot ends with an error.
plot_has() {
	local name

	for name; do
		[ ! -s "$work/plot.$name" ] || return 0
	done
	return 1
}

# plot_lines FIELDS STYLE NAME... - each from its file, a little beside the others; those without a line of data are left
# out.
plot_lines() {
	local name sep="plot " fields=$1 style=$2 beside=84

	shift 2
	for name; do
		beside=$((beside + 8))
		[ -s "$work/plot.$name" ] || continue
		printf "%s'%s' using (\$1 * 0.01 * %d):%s with %s lw 2 pt 7 ps 0.6 title '%s'" "$sep" "$work/plot.$name" $beside \
			"$fields" "$style" "$name"
		sep=", "
	done
	printf '\n'
}

plot_all() {
	local name plots=()

	if ! command -v gnuplot >/dev/null; then
		heading "No plots: gnuplot is not installed"
		return
	fi
	mkdir "$work/svg" || exit 1
	if plot_server && plot_answer && plot_refresh && plot_client; then
		rm -f "$dir"/*.svg
	else
		plots_failed=yes status=1
	fi
	for name in "$work"/svg/*.svg; do
		[ ! -s "$name" ] || { mv "$name" "$dir/" && plots+=("${name##*/}"); }
	done
	[ ${#plots[@]} = 0 ] || heading "Plots: ${plots[*]}"
}

# ---- the whole ----

report_parts() {
	[ -s "$dir/parts.tsv" ] || return 0
	heading "What was measured"
	awk "$LIB"'NR == 1 { names() } {
		printf "    %-8s %-10s %-20s %-12s %s\n", f("part"), f("date"), f("revision"), f("kernel"), f("processor")
	}' "$dir/parts.tsv"
}

# The last line: why the exit status is what it is.
report_end() {
	local missed open

	missed=$(awk -F '\t' '$1 == "MISSED" { printf("%s%s", many++ ? "; " : "", $2) }' "$VERDICTS")
	open=$(grep -c '^open' "$VERDICTS")
	missed=${missed:+Missed: $missed.}
	printf '\n%s%s%s%s\n' "${void:+$void }" "${missed:-No target was missed.}" "$([ "$open" = 0 ] || echo " Open: $open.")" \
		"${plots_failed:+ A plot could not be made.}"
}

. "$here/report_server.bash" || exit 1
. "$here/report_rest.bash" || exit 1

report_parts
report_server
report_answer
report_refresh
report_load
report_memory
report_client
report_vm
heading "The targets"
server_targets
answer_targets
refresh_targets
load_targets
memory_targets
client_targets
vm_targets
plot_all
report_end
exit $status
