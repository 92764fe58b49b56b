#!/bin/bash
# The demo: two peers, each behind a NAT of its own, find each other through a registry, and talk directly.
# See README beside this file. To be started by "make demo".
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154,SC2317

HERE=$(cd "${0%/*}" && pwd)
ROOT=${HERE%/*/*}
BUILD=${BUILD:-build}
[ "${BUILD#/}" != "$BUILD" ] || BUILD=$ROOT/$BUILD
# shellcheck source=../../test/natlab/natlab.sh
. "$ROOT/test/natlab/natlab.sh"

ZONE=wg.test
REGISTRY=203.0.113.10
PINGS=20

if [ "$(id -u)" != 0 ]; then
	cat >&2 <<-END
		The demo needs root, because it makes network namespaces: run

		    sudo make demo

		It changes nothing outside of them.
	END
	exit 1
fi
for program in wgmeetd wgmeet; do
	[ -x "$BUILD/$program" ] || lab_die "$BUILD/$program is not there: run make first"
done
packages=$(lab_missing unshare nsenter setpriv ip nft wg dig ping)
[ -n "$packages" ] || lab_enter "$@"
[ "${WG_IMPL:-}" != go ] || packages=$(lab_missing wireguard-go)
[ -z "$packages" ] || lab_die "not installed: $packages (on Debian: apt-get install $packages)"

bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
step_number=0

step() {
	step_number=$((step_number + 1))
	printf '\n%s%s. %s%s\n\n' "$bold" $step_number "$*" "$plain"
}

good() {
	printf '  %s=> %s%s\n' "$green" "$*" "$plain"
}

# fail TEXT [LOG...] - with the last lines that the programs in question said.
fail() {
	local log

	printf '  %s=> FAILED: %s%s\n' "$red" "$1" "$plain" >&2
	shift
	for log; do
		[ ! -s "$LAB/$log.log" ] || tail -n 5 "$LAB/$log.log" | sed "s/^/     $log: /" >&2
	done
	exit 1
}

indent() {
	sed '/./s/^/  /'
}

# show HOST COMMAND... - the command as a user would type it there, and what it prints. Its exit status.
show() {
	local host=$1

	shift
	printf '  %s%s#%s %s\n' "$dim" "$host" "$plain" "${*/#"$BUILD/"/}"
	lab_in "$(namespace "$host")" "$@" 2>&1 | indent
	return "${PIPESTATUS[0]}"
}

namespace() {
	echo "${1/registry/hub}"
}

# What a peer was told: all but its own private key, and the names of the keys' owners beside them.
show_config() {
	printf '  %s%s#%s wg showconf wg%s\n' "$dim" "$1" "$plain" "$1"
	lab_in "$1" wg showconf "wg$1" | sed -e '/^PrivateKey/d' -e '/^$/d' -e 's/^/    /' \
		-e "s|$(lab_pub hub)|&   # the registry|" -e "s|$(lab_pub alice)|&   # Alice|" -e "s|$(lab_pub bob)|&   # Bob|"
}

# What passed through the registry's WireGuard device: for each peer received and sent.
registry_octets() {
	lab_in hub wg show wghub transfer | awk '{ received += $2; sent += $3 } END { print received + 0, sent + 0 }'
}

server_settled() {
	grep -q serving "$LAB/wgmeetd.log" || ! lab_alive wgmeetd
}

bob_published() {
	[ -n "$(lab_in hub dig +short +tries=1 +time=2 @$REGISTRY "$bob_name" SRV)" ]
}

implementation="the kernel's WireGuard"
[ "$WG_IMPL" = kernel ] || implementation="wireguard-go, as this kernel has no WireGuard"
cat <<END
${bold}wgmeet: two WireGuard peers behind two NATs meet${plain}

    alice 10.1.0.2 --- NAT 203.0.113.20 ---+
                                           +--- registry 203.0.113.10, with wgmeetd
    bob   10.2.0.2 --- NAT 203.0.113.30 ---+

Both NATs are port-restricted: they let in only what answers to a packet that went out. Alice and Bob know the
registry's endpoint, and of each other the public key and the tunnel address. The registry's WireGuard sees where
their NATs have put them; wgmeetd publishes that in DNS, and "wgmeet sync" looks it up and sets it.
All this is in network namespaces, which are gone at the end ($implementation).
END
start=$(lab_ms)

step "Alice and Bob are connected to the registry, and have no endpoint of each other"
lab_net masqdrop:masqdrop
for host in hub alice bob; do
	lab_wg $host
done
lab_join alice
lab_join bob
lab_know alice bob
lab_know bob alice
show_config alice
echo
show_config bob
[ "$(lab_peer alice bob endpoints)$(lab_peer bob alice endpoints)" = '(none)(none)' ] ||
	fail "Alice and Bob should not know each other's endpoint yet"

step "So Alice does not reach Bob"
! show alice ping -c1 -W1 10.9.0.3 || fail "the ping should not have got through yet"
good "no answer, as expected"

step "The registry publishes what its WireGuard device sees"
# A userspace device's socket is root's alone; the kernel asks for a capability, which any user can be given.
observer=64902
[ "$WG_IMPL" = kernel ] || observer=0
mkdir "$LAB/state"
chown $observer "$LAB/state"
lab_start wgmeetd hub "$BUILD/wgmeetd" --zone $ZONE --device wghub --listen $REGISTRY:53 \
	--name-server "ns1.$ZONE $REGISTRY" --self $REGISTRY:51820 --self-allowed-ips 10.9.0.1/32 --ttl 10 \
	--user 64901 --observer-user $observer --state-directory "$LAB/state"
bob_name=$(lab_label bob)._wireguard._udp.$ZONE
lab_wait 20 server_settled
lab_alive wgmeetd || fail "wgmeetd did not start" wgmeetd
lab_wait 20 bob_published || fail "wgmeetd does not publish Bob" wgmeetd
for type in SRV TXT A; do
	show alice dig +short @$REGISTRY "$bob_name" $type || fail "dig got no answer" wgmeetd
done
bob_endpoint=$(lab_seen bob)
[ "$(lab_in alice dig +short @$REGISTRY "$bob_name" A)" = "${bob_endpoint%:*}" ] ||
	fail "the address in DNS is not $bob_endpoint, where the registry sees Bob" wgmeetd
good "Bob's name is his key; his NAT has put him at $bob_endpoint"

step "One wgmeet sync on each side"
for host in alice bob; do
	show $host "$BUILD/wgmeet" sync wg$host --zone $ZONE --server $REGISTRY || fail "wgmeet sync failed" wgmeetd
done
[ "$(lab_peer alice bob endpoints)" = "$bob_endpoint" ] || fail "wgmeet did not set Bob's endpoint on Alice's side"
good "each has the other's endpoint"

step "Now Alice reaches Bob"
if ! lab_shook alice bob && [ "$WG_IMPL" = go ]; then
	# It counts the vain try of the first ping.
	echo "  (wireguard-go tries a handshake every 5 seconds)"
fi
lab_wait 20 lab_shook alice bob || fail "no handshake between Alice and Bob" wgalice wgbob
show alice ping -c1 -W3 10.9.0.3 || fail "no answer to the ping"
good "an answer"

step "And directly: nothing of it passes the registry"
# Their keepalives to the registry are all that it would see; they are off while we count.
for host in alice bob; do
	lab_in $host wg set wg$host peer "$(lab_pub hub)" persistent-keepalive 0
done
read -r bob_before _ < <(lab_peer bob alice transfer)
before=$(registry_octets)
show alice ping -q -c$PINGS -i0.02 -W1 10.9.0.3 || fail "the pings got lost"
after=$(registry_octets)
read -r bob_after _ < <(lab_peer bob alice transfer)
echo
printf '  %-44s %14s %14s\n' "octets through WireGuard" received sent
printf '  %-44s %14s %14s\n' "the registry, before $PINGS pings" "${before% *}" "${before#* }"
printf '  %-44s %14s %14s\n' "the registry, after" "${after% *}" "${after#* }"
printf '  %-44s %14s\n' "Bob, from Alice, meanwhile" "+$((bob_after - bob_before))"
[ "$before" = "$after" ] || fail "the registry's counters moved: the pings went through it"
[ $((bob_after - bob_before)) -ge $((PINGS * 84)) ] || fail "Bob's counters did not move: where did the pings go?"
good "the registry's counters stood still: the path is direct"

elapsed=$(($(lab_ms) - start))
printf '\nDone in %d.%d s; nothing is left behind.\n' $((elapsed / 1000)) $((elapsed % 1000 / 100))
