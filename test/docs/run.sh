#!/bin/bash
# run.sh [PAGE...] - all that the documentation tells to type, typed; see README. Without a page: all of them, and what else is
# to be right about them. 0: passed, 1: failed, 77: skipped.

cd "${0%/*}/../.." || exit 1
failed=0 skipped=0
jobs_max=${JOBS:-2}
out=$(mktemp -d)
declare -A page_of=() out_of=()
started=0

cleanup() {
	local pid

	for pid in "${!page_of[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait
	rm -rf "$out"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

judge() { # STATUS NAME
	case $1 in
	0) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) && echo "not ok - $2" ;;
	esac
}

finish_one() {
	local pid status=0

	wait -n -p pid "${!page_of[@]}" || status=$?
	echo "== ${page_of[$pid]}"
	cat "$out/${out_of[$pid]}"
	judge $status "${page_of[$pid]}"
	unset "page_of[$pid]"
}

# Pages mostly wait, and each has namespaces of its own.
start() {
	while [ ${#page_of[@]} -ge "$jobs_max" ]; do
		finish_one
	done
	started=$((started + 1))
	timeout --kill-after=10 "${TEST_TIMEOUT:-300}" bash test/docs/page.sh "$1" >"$out/$started" 2>&1 </dev/null &
	page_of[$!]=$1
	out_of[$!]=$started
}

page_path() { # NAME
	local path

	for path in "$1" "contrib/guide/$1" "contrib/guide/$1.md" "contrib/$1/README"; do
		[ ! -f "$path" ] || { echo "$path" && return; }
	done
	echo "run.sh: there is no page $1" >&2
	exit 2
}

if [ $# -gt 0 ]; then
	for name; do
		path=$(page_path "$name") || exit 2
		start "$path"
	done
else
	for test in test/docs/*_test.sh test/docs/selftest.sh test/docs/links.sh; do
		[ -e "$test" ] || continue
		echo "== $test"
		status=0
		bash "$test" || status=$?
		judge $status "$test"
	done
	for path in contrib/guide/*.md README contrib/*/README; do
		start "$path"
	done
fi
while [ ${#page_of[@]} -gt 0 ]; do
	finish_one
done
[ $failed = 0 ] || exit 1
[ $skipped = 0 ] || exit 77
