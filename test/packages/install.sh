#!/bin/bash
# make install puts everything where it shall be, with the programs' places in the units; make uninstall leaves what was there before,
# and nothing else; make dist has what git has, the same bytes each time. Only /usr/local needs root.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1

# By itself once more, with a /usr/local of its own.
if [ "${1:-}" = local ]; then
	mount -n -t tmpfs -o mode=755 tmpfs /usr/local || e2e_skip "no mounts here"
	exec bash "$0" inside
fi
for program in wgmeetd wgmeet; do
	[ -x "$BUILD/$program" ] || lab_die "make first, or set BUILD"
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$ROOT" || exit 1
version=$(sed -n '1s/.*(\([^-)]*\).*/\1/p' contrib/debian/changelog)

run() { # MAKE'S ARGUMENTS...
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u DESTDIR -u PREFIX make --no-print-directory BUILD="$BUILD" "$@"
}

everything() { # FOLDER
	(cd "$1" && find . -printf '%p %y %m\n' | sort)
}

# one WHAT FOLDER ARGUMENTS... - install and uninstall, and install over an older one, in that folder.
one() {
	local what=$1 folder=$2 before

	before=$(everything "$folder")
	check "$what: make install" run install "${@:3}"
	everything "$folder" >"$dir/first"
	check "$what: once more" run install "${@:3}"
	same "$what: is the same" "$(cat "$dir/first")" "$(everything "$folder")"
	check "$what: there is something" test "$before" != "$(everything "$folder")"
	case $what in *installed) return ;; esac
	check "$what: make uninstall" run uninstall "${@:3}"
	same "$what: nothing else is left" "$before" "$(everything "$folder")"
}

# What a system has that has all of it: empty folders, and others' files.
populate() { # PREFIX
	mkdir -p "$1"/{bin,sbin,lib,share/man/man8,share/zsh/site-functions,share/doc/other}
	touch "$1/bin/other" "$1/share/doc/other/README" "$1/share/man/man8/other.8"
}

if [ "${1:-}" = inside ]; then
	mkdir -p /usr/local/{bin,sbin,lib,share/man,share/zsh/site-functions}
	one "/usr/local, empty" /usr/local
	populate /usr/local
	one "/usr/local, full" /usr/local
	e2e_done
fi

mkdir "$dir/stage"
one "a staging folder" "$dir/stage" DESTDIR="$dir/stage" PREFIX=/usr UNITDIR=/lib/systemd/system
mkdir "$dir/home"
one "a folder of one's own" "$dir/home" PREFIX="$dir/home/it"
populate "$dir/home/it"
rmdir "$dir/home/it/sbin" "$dir/home/it/share/zsh/site-functions" "$dir/home/it/share/zsh" "$dir/home/it/lib"
one "one that others are in" "$dir/home" PREFIX="$dir/home/it"
if [ "$(id -u)" = 0 ]; then
	unshare --mount "$BASH" "$0" local || e2e_failed=1
else
	echo "# /usr/local is not tried: not root"
fi

one "installed" "$dir/stage" DESTDIR="$dir/stage"
staged=$dir/stage/usr/local
same "the units have the programs' places" "/usr/local/bin/wgmeet /usr/local/bin/wgmeet /usr/local/sbin/wgmeetd" \
	"$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$staged"/lib/systemd/system/*.service | sort | xargs)"
check "elsewhere, too" run install DESTDIR="$dir/stage" PREFIX=/opt/wgmeet SBINDIR=/opt/wgmeet/bin
same "elsewhere the units have these" "/opt/wgmeet/bin/wgmeet /opt/wgmeet/bin/wgmeet /opt/wgmeet/bin/wgmeetd" \
	"$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$dir"/stage/opt/wgmeet/lib/systemd/system/*.service | sort | xargs)"
same "no file has another place in it" "" "$(grep -rl -e /usr/local/bin -e /usr/local/sbin "$dir/stage/opt/wgmeet/lib" \
	"$dir/stage/opt/wgmeet/share/doc/wgmeet/examples")"
for file in sbin/wgmeetd bin/wgmeet share/man/man5/wgmeetd.conf.5 share/man/man8/wgmeetd.8 share/man/man8/wgmeet.8 \
	lib/systemd/system/wgmeet@.service lib/systemd/system/wgmeet-sync@.timer lib/sysusers.d/wgmeetd.conf lib/tmpfiles.d/wgmeet.conf \
	lib/tmpfiles.d/wgmeetd.conf share/bash-completion/completions/wgmeet share/bash-completion/completions/wgmeetd \
	share/zsh/site-functions/_wgmeet share/fish/vendor_completions.d/wgmeetd.fish share/doc/wgmeet/examples/wgmeetd.conf; do
	check "there is $file" test -s "$staged/$file"
done
same "the program's version is the changelog's" "wgmeetd $version" "$("$staged/sbin/wgmeetd" --version)"
# The examples, and what is commented out in them.
for example in wgmeetd wg0; do
	sed 's/^#\([A-Z[]\)/\1/' contrib/examples/$example.conf >"$dir/$example-all.conf"
done
for conf in contrib/examples/wgmeetd.conf "$dir/wgmeetd-all.conf"; do
	check "wgmeetd takes ${conf##*/}" "$BUILD/wgmeetd" --check -c "$conf"
done
for conf in contrib/examples/wg0.conf "$dir/wg0-all.conf"; do
	check "wgmeet takes ${conf##*/}" "$BUILD/wgmeet" name sEvcM7+kxP9CCI4xPpCpBEJhJ1JDykKLPnSbC/yEZCE= -c "$conf"
done

# ---- dist ----

git=$(git rev-parse --show-toplevel 2>/dev/null)
contrib/build/dist.sh "$version" "$dir/one.tar.gz" >/dev/null 2>&1
check "dist: once more the same bytes" eval "contrib/build/dist.sh $version $dir/two.tar.gz && cmp $dir/one.tar.gz $dir/two.tar.gz"
same "dist: one folder, with the version" "wgmeet-$version" "$(tar -tzf "$dir/one.tar.gz" | cut -d / -f 1 | sort -u)"
mkdir "$dir/unpacked" && tar -xzf "$dir/one.tar.gz" -C "$dir/unpacked"
if [ "$git" = "$ROOT" ]; then
	same "dist: all that git has" "" "$(cd "$dir/unpacked/wgmeet-$version" && find . ! -type d -printf '%P\n' | LC_ALL=C sort |
		diff <(git -C "$ROOT" ls-tree -r --name-only HEAD) -)"
fi
check "dist: from what was unpacked, too" sh "$dir/unpacked/wgmeet-$version/contrib/build/dist.sh" "$version" "$dir/three.tar.gz"
same "dist: that has the same files" "" "$(diff <(tar -tzf "$dir/one.tar.gz" | sort) <(tar -tzf "$dir/three.tar.gz" | sort))"
e2e_done
