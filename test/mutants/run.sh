#!/bin/bash
# run.sh [NAME-PATTERN] - breaks the code on purpose, in many small ways, one at a time, and sees that a test turns red each
# time. The list says what is broken, how, and which test sees it:
#
#	what | file | sed script | test
#
# The test is "unit SUITE", "fuzz TARGET", a program that was built, or a script with its arguments. A change that changes nothing, or that does not
# compile, is an error in the list. Works on copies; JOBS=N of them (2). Exit 1 if a mutant lived.

cd "${0%/*}/../.." || exit 1
jobs=${JOBS:-2}
pattern=${1:-}
trees=$(mktemp -d /tmp/wgmeet-mutants.XXXXXX)
trap 'rm -rf "$trees"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# run_test TREE TEST
run_test() {
	local kind=${2%% *} rest=${2#* }

	cd "$1" || return 1
	case $kind in
	unit) CK_RUN_SUITE=$rest timeout 60 build/test/unit >unit.log 2>&1 && ! grep -q 'Checks: 0,' unit.log ;;
	fuzz) timeout 60 "build/test/fuzz_$rest" "test/fuzz/corpus/$rest" ;;
	build/*) timeout 60 "$2" ;;
	# shellcheck disable=SC2086 # a command with its arguments
	*) BUILD=$1/build timeout 90 bash $2 ;;
	esac
}

# targets TEST - what it needs to be built.
targets() {
	case $1 in
	unit*) echo build/test/unit ;;
	fuzz*) echo "build/test/fuzz_${1#* }" ;;
	*) echo tests ;;
	esac
}

# try TREE WHAT FILE SCRIPT TEST - prints the verdict; 0: caught.
try() {
	local tree=$1 what=$2 file=$3 script=$4 test=$5 status=0

	sed -i "$script" "$tree/$file" || { echo "error - $what: sed"; return 1; }
	if cmp -s "$file" "$tree/$file"; then
		echo "error - $what: $script changes nothing in $file"
		return 1
	fi
	# shellcheck disable=SC2046 # a list
	if ! make -s -C "$tree" CFLAGS="-O1 -g -Wno-error" $(targets "$test") >"$tree/make.log" 2>&1; then
		echo "error - $what: does not compile"
		sed 's/^/#   /' "$tree/make.log" | grep -E 'error|Error' | head -3
		status=1
	elif (run_test "$tree" "$test") >"$tree/test.log" 2>&1; then
		echo "not ok - $what ($file): $test did not see it"
		status=1
	elif [ $? = 77 ]; then
		echo "SKIP - $what: $test cannot run here: $(grep -m 1 SKIP "$tree/test.log")"
		[ "${CI:-}" != true ] || status=1
	else
		echo "ok - $what: $test"
	fi
	cp "$file" "$tree/$file"
	touch "$tree/$file"
	return $status
}

# Each worker has a tree of its own and takes every jobs-th mutant.
work() {
	local tree=$trees/$1 n=0 failed=0 what file script test

	mkdir "$tree"
	git ls-files -z | xargs -0 cp --parents -t "$tree"
	make -s -C "$tree" CFLAGS="-O1 -g -Wno-error" tests >"$tree/make.log" 2>&1 || { echo "error - the tree does not build"; return 1; }
	while IFS='|' read -r what file script test; do
		case $what in '' | \#*) continue ;; esac
		what=${what% } file=$(tr -d ' \t' <<<"$file") test=$(sed 's/^ *//; s/ *$//' <<<"$test")
		script=$(sed 's/^ //; s/ $//' <<<"$script")
		[[ $what == *"$pattern"* ]] || continue
		n=$((n + 1))
		[ $((n % jobs)) = "$1" ] || continue
		try "$tree" "$what" "$file" "${script//¦/|}" "$test" || failed=1
	done <test/mutants/list
	return $failed
}

status=0
pids=()
for ((i = 0; i < jobs; i++)); do
	work $i >"$trees/$i.out" 2>&1 &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || status=1
done
cat "$trees"/*.out
echo "$(cat "$trees"/*.out | grep -c '^ok') caught, $(cat "$trees"/*.out | grep -cE '^(not ok|error)') not"
exit $status
