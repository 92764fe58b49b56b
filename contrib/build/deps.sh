#!/bin/sh
# deps.sh [--tell] build|demo|check|bench|deb|check-deb - Debian packages that building, the demo or the tests need and that
# are not there are installed, saying so; without root or apt, or with --tell, it only says which they are, and fails.
set -eu

tell=
[ "$1" = --tell ] && { tell=1; shift; }

build="gcc libc6-dev make pkg-config libc-ares-dev libldns-dev libmnl-dev libnl-3-dev libnl-route-3-dev libinih-dev
	libcap-ng-dev libseccomp-dev libjansson-dev libsodium-dev check"
net="wireguard-tools nftables iproute2 iputils-ping bind9-dnsutils util-linux procps"

# The kernel's WireGuard where devices of it can be made, else the one in userspace.
wireguard() {
	if ip link add wgmeet-probe type wireguard 2>/dev/null; then
		ip link del wgmeet-probe
	else
		echo wireguard-go
	fi
}

# Only unpacked: installed, systemd-resolved is the host's resolver.
unpack=
resolved=${BUILD:-build}/resolved
unpack() {
	rm -rf "$resolved.new"
	mkdir -p "$resolved.new"
	for p in $unpack; do
		(cd "$resolved.new" && apt-get download -qq -o APT::Sandbox::User=root "$p")
		dpkg-deb -x "$resolved.new/$p"_*.deb "$resolved.new"
	done
	mkdir -p "$resolved"
	find "$resolved.new" -type f \( -name resolvectl -path '*/bin/*' -o -name 'libsystemd-shared-*.so' -o \
		-name systemd-resolved -path '*/systemd/*' \) -exec mv {} "$resolved" \;
	rm -rf "$resolved.new"
}

# stay_off PACKAGES - what was just installed shall not start with the machine either.
stay_off() {
	command -v systemctl >/dev/null || return 0
	for p in $1; do
		case $p in
		knot | nsd | unbound) units=$p ;;
		bind9) units=named ;;
		knot-resolver) units="kresd.target kres-cache-gc" ;;
		*) continue ;;
		esac
		# shellcheck disable=SC2086 # a list
		systemctl disable -q $units || echo "$p may start with this machine" >&2
	done
}

case $1 in
build) want=$build ;;
demo) want="$build $net $(wireguard)" ;;
check) want="$build $net wireguard-go knot nsd mandoc jq musl-tools libcap2-bin systemd qemu-system-x86 busybox-static cpio kmod gzip
	unbound bind9 knot-resolver dbus-daemon ldnsutils knot-dnsutils conntrack plotutils python3-prometheus-client
	zsh fish"
	unpack="libsystemd-shared systemd-resolved" ;;
bench) want="$build $net $(wireguard) knot nsd gnuplot-nox bsdextrautils jq" ;;
deb) want="$build build-essential debhelper" ;;
check-deb) want="$build build-essential debhelper lintian mmdebstrap systemd-container iproute2" ;;
*) echo "usage: deps.sh [--tell] build|demo|check|bench|deb|check-deb" >&2; exit 2 ;;
esac

missing=
if command -v dpkg-query >/dev/null; then
	for p in $want; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
	done
elif [ -z "$tell" ]; then
	exit 0 # not Debian: the build says what it does not find
else
	# shellcheck disable=SC2086,SC2116 # in one line
	missing=" $(echo $want)"
fi
for f in /usr/lib/systemd/systemd-resolved /lib/systemd/systemd-resolved "$resolved/systemd-resolved"; do
	[ ! -e "$f" ] || unpack=
done
[ -n "$missing$unpack" ] || exit 0

if [ -z "$tell" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:$missing${unpack:+ (only unpacked: $unpack)}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# Name servers and resolvers come for the tests: they shall not start now.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod +x $policy
		trap 'rm -f $policy' EXIT
		trap 'exit 130' INT TERM HUP # dash runs the EXIT trap only for an exit
	fi
	# shellcheck disable=SC2086 # a list
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
	stay_off "$missing"
	[ -z "$unpack" ] || unpack
	exit 0
fi
echo "missing:$missing${unpack:+ $unpack}" >&2
echo "install them as root: apt-get install$missing" >&2
exit 1
