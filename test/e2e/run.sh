#!/bin/bash
# run.sh - all end-to-end tests of this folder, two at a time; JOBS=N changes that. Exit 1 if one failed.
# The tests mostly wait, and each has namespaces of its own. Those that measure, and say so, are run one by one behind the others.

cd "${0%/*}" || exit 1
jobs_max=${JOBS:-2}
out=$(mktemp -d)
passed=0 failed=0 skipped=0
declare -A name_of=()

cleanup() {
	local pid
	for pid in "${!name_of[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait
	rm -rf "$out"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

finish_one() {
	local pid status=0 name
	wait -n -p pid "${!name_of[@]}" || status=$?
	name=${name_of[$pid]}
	unset "name_of[$pid]"
	echo "== $name"
	cat "$out/$name"
	case $status in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	124) failed=$((failed + 1)) && echo "not ok - $name took too long" ;;
	*) failed=$((failed + 1)) && echo "not ok - $name: exit status $status" ;;
	esac
}

start() { # TEST JOBS
	while [ ${#name_of[@]} -ge "$2" ]; do
		finish_one
	done
	timeout --kill-after=5 "${TEST_TIMEOUT:-90}" bash "$PWD/$1" >"$out/$1" 2>&1 </dev/null &
	name_of[$!]=$1
}

alone=()
for test in *.sh; do
	[ "$test" != run.sh ] || continue
	if grep -q '^# To be run alone' "$test"; then
		alone+=("$test")
	else
		start "$test" "$jobs_max"
	fi
done
for test in "${alone[@]}"; do
	start "$test" 1
done
while [ ${#name_of[@]} -gt 0 ]; do
	finish_one
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
