#!/bin/bash
# check.sh - all tests: units, fuzz corpus, end to end, through resolvers, under faults, what the documentation tells to type, the
# benchmark in small, what packages are made of, and in a virtual machine what needs the kernel's WireGuard. Prints a line "N passed,
# N failed, N skipped" over all of them at the end, and fails if one failed. The packages themselves are for "make check-deb": it would
# double what is downloaded.
cd "${0%/*}/.." || exit 1
BUILD=${BUILD:-$PWD/build}
export BUILD
passed=0 failed=0 skipped=0
failures=

# run NAME COMMAND...
run() {
	local name=$1 status=0

	shift
	echo "== $name"
	"$@" || status=$?
	case $status in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) failures="$failures $name" ;;
	esac
}

run unit "$BUILD/test/unit"
for target in query worker dump uapi netlink reply push conf; do
	run "fuzz-$target" "$BUILD/test/fuzz_$target" test/fuzz/corpus/$target
done
run sim "$BUILD/test/sim/sim"
run short "$BUILD/test/short"
run e2e test/e2e/run.sh
run resolvers test/resolvers/resolvers.sh
for test in run clock device; do
	run "faults-$test" test/faults/$test.sh
done
run docs test/docs/run.sh
run bench test/bench/smoke.sh
run report test/bench/report_test.sh
run log test/docs/log_test.sh
run pictures test/docs/pictures_test.sh
for test in completions install openwrt; do
	run "packages-$test" bash test/packages/$test.sh
done
run vm test/vm/test.sh
[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
