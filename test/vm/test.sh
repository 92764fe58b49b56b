#!/bin/bash
# test.sh - everything that needs the kernel's WireGuard: kernel_test, e2e.sh and some of test/e2e's beds, in one boot of run.sh,
# where all takes ten times as long and more (PATIENCE). BUILD says where the programs are. Prints "N passed, N failed" at the
# end; exit 0, 1 if one failed, 77 if it cannot run here.
cd "${0%/*}/../.." || exit 1
BUILD=${BUILD:-build}
[ "${BUILD#/}" != "$BUILD" ] || BUILD=$PWD/$BUILD
for file in wgmeetd wgmeet test/kernel_test test/memscan; do
	[ -x "$BUILD/$file" ] || { echo "test.sh: no $BUILD/$file: make tests first" >&2; exit 1; }
done

# shellcheck disable=SC2016 # expanded in the guest
setpriv --pdeathsig TERM test/vm/run.sh env BUILD="$BUILD" CI="${CI:-}" CK_FORK=no bash -c '
	"$BUILD/test/kernel_test"
	status=$?
	test/vm/e2e.sh
	e2e=$?
	[ $status != 0 ] || status=$e2e
	for bed in "run_connect.sh restricted" "run_change.sh address"; do
		PATIENCE=5 bash test/e2e/$bed
		e2e=$?
		[ $status != 0 ] || status=$e2e
	done
	exit $status' |
	awk '{ print; fflush() }
		/^ok / { passed++ }
		/^not ok / { failed++ }
		/^[0-9]+%: Checks: / { passed += $3 - $5 - $7; failed += $5 + $7 }
		END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }'
status=("${PIPESTATUS[@]}")
[ "${status[0]}" = 0 ] || exit "${status[0]}"
exit "${status[1]}"
