#!/bin/sh
# deb.sh DIR - the Debian packages, into DIR, which is made anew: from the tarball of dist.sh, with contrib/debian as debian/.
# The same sources give the same bytes, wherever and whenever (the changelog's last date is the files').
set -eu
umask 022
cd "${0%/*}/../.."
changelog=contrib/debian/changelog
version=$(sed -n '1s/.*(\([^-)]*\).*/\1/p' $changelog)
command -v dpkg-buildpackage >/dev/null || { echo "deb: no dpkg-buildpackage: contrib/build/deps.sh deb" >&2; exit 1; }
# The tarball has what was committed, and the version must be that of its changelog. Looked at before the old packages go.
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ] && ! git show HEAD:$changelog | cmp -s - $changelog; then
	echo "deb: $changelog is edited, and the packages have only what is committed; commit it first: git commit $changelog" >&2
	exit 1
fi
rm -rf "$1"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
contrib/build/dist.sh "$version" "$dir/wgmeet_$version.orig.tar.gz" >/dev/null
cd "$dir"
tar -xzf "wgmeet_$version.orig.tar.gz"
cd "wgmeet-$version"
cp -r contrib/debian debian
# What the calling make was told is not for this one.
unset MAKEFLAGS MFLAGS MAKELEVEL BUILD VERSION CFLAGS CPPFLAGS LDFLAGS CC V SAN PREFIX DESTDIR
if ! dpkg-buildpackage -us -uc -jauto >../build.log 2>&1 </dev/null; then
	tail -n 30 ../build.log >&2
	echo "deb: see $dir/build.log" >&2
	exit 1
fi
cd ..
rm -rf "wgmeet-$version"
ls "$dir"/*.deb
