#!/bin/sh
# dist.sh VERSION FILE - the sources as FILE, a .tar.gz whose only folder is wgmeet-VERSION: what was committed last. Without git,
# as in such an unpacked file, the sources as they are. The same sources give the same bytes.
set -eu
cd "${0%/*}/../.."
name=wgmeet-$1
file=$2
mkdir -p "$(dirname "$file")"
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
	[ -z "$(git status --porcelain)" ] || echo "dist: what is not committed is not in it" >&2
	git -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD >"$file.new"
else
	date=$(sed -n 's/^ -- .*>  //p' contrib/debian/changelog | head -n 1)
	tar -c --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w --mtime="$date" \
		--exclude='./build*' --exclude='./debian' --exclude='./.git' --transform="s|^\\.|$name|" . >"$file.new"
fi
gzip -9n <"$file.new" >"$file.gz.new"
rm "$file.new"
mv "$file.gz.new" "$file"
echo "$file"
