#!/bin/bash
# What --print-zone writes is a master file that other name servers load: Knot and NSD check it, if they are installed.
# Needs no root.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1

LAB=$(mktemp -d)
trap 'rm -rf "$LAB"' EXIT
dump=$LAB/peers
PATH=$PATH:/usr/sbin:/sbin

# key N - the public key of peer N: 32 octets as base64.
key() {
	# shellcheck disable=SC2059 # octets are what is wanted
	printf "$(printf '\\x%02x' $(($1 >> 8 & 255)) $(($1 & 255)) {1..30})" | base64 -w 0
}

# write_dump PEERS ALLOWED... - as `wg show DEV dump` does it; every fifth peer has IPv6.
write_dump() {
	local n ep peers=$1 allowed

	shift
	allowed=$(IFS=, && echo "$*")
	printf '(none)\t%s\t51820\toff\n' "$(key 0)"
	for ((n = 1; n <= peers; n++)); do
		ep=198.51.$((n >> 8)).$((n & 255)):$((1000 + n))
		[ $((n % 5)) != 0 ] || ep="[2001:db8::$n]:$((1000 + n))"
		printf '%s\t(none)\t%s\t10.9.%d.%d/32%s\t0\t0\t0\toff\n' "$(key $n)" "$ep" $((n >> 8)) $((n & 255)) \
			"${allowed:+,$allowed}"
	done
}

# print_zone ZONE OPTION... - of the peers in $dump, to $LAB/zone.
print_zone() {
	"$BUILD/wgmeetd" --zone "$1" --dump-file "$dump" --print-zone --self 192.0.2.1:51820 \
		--self-allowed-ips 10.9.0.0/16 "${@:2}" >"$LAB/zone"
}

# loads WHAT ZONE OPTION...
loads() {
	local what=$1 zone=$2 judge

	shift
	must print_zone "$@"
	for judge in "${judges[@]}"; do
		check "$judge loads $what" "${judge}_loads" "$zone"
	done
}

e2e_judges
[ ${#judges[@]} != 0 ] || e2e_skip "not installed: knot nsd"

write_dump 0 >"$dump"
loads "a zone with nobody but the registry" wg.test --name-server "ns1.wg.test 192.0.2.1"
write_dump 50 >"$dump"
loads "fifty peers" wg.test --name-server "ns1.wg.test 192.0.2.1 2001:db8::1" --name-server "ns.example.net"
check "they are all there" test "$(grep -c 'SRV' "$LAB/zone")" = 102
loads "fifty peers, too many to list" wg.test --list-max 10 --name-server "ns1.wg.test 192.0.2.1"
loads "fifty peers without padded names" wg.test --padded-names=no --name-server "ns1.wg.test 192.0.2.1"
loads "a zone with the server that is the default" wg.test --listen 192.0.2.1
loads "a zone with an odd name" 'a\061b.c\040d.test' --name-server "ns1.wg.test"
long=$(printf 'x.%.0s' {1..90})
loads "a zone with the longest name there may be" "${long%.}" --name-server "ns.example.net"
write_dump 900 >"$dump"
loads "a list of 900 peers" wg.test --name-server "ns1.wg.test 192.0.2.1" --list-max 900 --ttl 0
# A TXT in several strings, and one of 16 KiB.
# shellcheck disable=SC2046 # a list
write_dump 3 $(printf '10.%d.0.0/16 ' {1..40}) >"$dump"
loads "lists of 40 allowed IPs" wg.test --name-server "ns1.wg.test 192.0.2.1"
# shellcheck disable=SC2046
write_dump 2 $(printf '2001:db8:1111:2222:3333:4444:5555:%x/128 ' {1..700}) >"$dump"
loads "lists of 700 allowed IPs" wg.test --name-server "ns1.wg.test 192.0.2.1"
check "which are cut, and say so" grep -q '"more=1"' "$LAB/zone"

# They can also refuse: a raw "=" Knot does not take, a record without a name neither.
sed 's/\\061/=/g' "$LAB/zone" >"$LAB/raw" && mv "$LAB/raw" "$LAB/zone"
echo 'nonsense' >>"$LAB/zone"
for judge in "${judges[@]}"; do
	if "${judge}_loads" wg.test >/dev/null 2>&1; then
		not_ok "$judge refuses nonsense"
	else
		ok "$judge refuses nonsense"
	fi
done
e2e_done
