#!/bin/bash
# The Debian packages: they build, lintian has nothing to say, the same sources give the same bytes, and they do what they shall in a
# fresh system. PARTS="build lintian reproducible fresh" says which of these. Not in check.sh: see README.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1
PARTS=${PARTS:-build lintian reproducible fresh}
CACHE=${DEB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/wgmeet-deb}
deb=$BUILD/deb
work=$(mktemp -d "${TMPDIR:-/tmp}/wgmeet-deb.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$ROOT" || exit 1

wanted() {
	[[ " $PARTS " == *" $1 "* ]]
}

need() { # PROGRAM...
	local program

	for program; do
		command -v "$program" >/dev/null || e2e_skip "not installed: $program (contrib/build/deps.sh check-deb)"
	done
}

# The packages' names, without those that have only what a debugger needs.
packages() {
	find "$1" -name '*.deb' ! -name '*-dbgsym_*' | sort
}

build() {
	need dpkg-buildpackage dh
	check "make deb" contrib/build/deb.sh "$deb"
	same "two packages" "wgmeet wgmeetd" "$(packages "$deb" | sed 's|.*/||; s/_.*//' | xargs)"
}

lint() {
	need lintian
	# Not as root, which it does not like; info and pedantic are hints.
	check "lintian: no error, no warning" lintian --allow-root -I --pedantic --fail-on error,warning "$deb"/*.changes
}

# Elsewhere, later, and by somebody who works in another way.
reproducible() {
	local file

	need dpkg-buildpackage dh
	check "built once more" env TZ=Pacific/Auckland LC_ALL=C.UTF-8 USER=somebody HOME="$work" \
		sh -c "umask 077; contrib/build/deb.sh $work/another/folder/with/a/longer/name"
	for file in "$deb"/*.deb "$deb"/*.tar.*; do
		check "the same bytes: ${file##*/}" cmp "$file" "$work/another/folder/with/a/longer/name/${file##*/}"
	done
}

# What the packages depend on is in the fresh system, so that it needs no network later.
depends() {
	local file

	for file in $(packages "$deb"); do
		dpkg-deb -f "$file" Depends | tr ',' '\n' | sed 's/[(|].*//; s/ //g'
	done
	printf '%s\n' systemd systemd-sysv iproute2 wireguard-tools wireguard-go
}

sources() {
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sort -u
}

# Sets `base` to a folder with a fresh system, which is made if it is not there.
fresh_system() {
	local want codename

	want=$(depends | sort -u | paste -sd ,)
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	base=$CACHE/$codename-$(cksum <<<"$want" | cut -d ' ' -f 1)
	[ ! -d "$base" ] || return 0
	need mmdebstrap apt-get
	[ -n "$(sources)" ] || apt-get update -qq
	mkdir -p "$CACHE"
	echo "# making a fresh $codename in $base (once)"
	sources | mmdebstrap --quiet --variant=minbase --include="$want" "$codename" "$base.$$" - >"$work/mmdebstrap.log" 2>&1 || {
		rm -rf --one-file-system "$base.$$"
		tail -n 5 "$work/mmdebstrap.log"
		e2e_skip "no fresh system could be made"
	}
	mv -T "$base.$$" "$base"
}

fresh() {
	[ "$(id -u)" = 0 ] || e2e_skip "needs root, for a fresh system"
	need dpkg-deb
	fresh_system
	bash test/packages/fresh.sh "$base" "$deb" || e2e_failed=1
}

! wanted build || build
[ -n "$(packages "$deb" 2>/dev/null)" ] || e2e_skip "no packages in $deb: make deb"
! wanted lintian || lint
! wanted reproducible || reproducible
! wanted fresh || fresh
e2e_done
