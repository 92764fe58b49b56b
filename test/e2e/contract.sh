#!/bin/bash
# The DNS contract against a running wgmeetd: see contract.c. BUILD names the folder with the programs.
# Needs neither root nor namespaces: it takes free ports of the loopback addresses.

cd "${0%/*}/../.." || exit 1
export BUILD=${BUILD:-build}
for program in "$BUILD/wgmeetd" "$BUILD/test/contract"; do
	if [ ! -x "$program" ]; then
		echo "SKIP: $program is not built"
		[ "${CI:-}" != true ] || exit 1
		exit 77
	fi
done
exec "$BUILD/test/contract"
