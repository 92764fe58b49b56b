#!/bin/bash
# wgmeet sync against a name server that lies about one of three peers, in every way: one clear line for that peer, the other
# two are set, exit status 1. And what is odd but true: all are set, without a word, exit status 0.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/mock" ] || e2e_skip "no $BUILD/test/mock: make tests"
cp "$BUILD/test/mock" "$BIN/"

# peers N - a device of N peers, without endpoints; their keys, which need not be anybody's, are in the array keys.
peers() {
	local i

	keys=()
	for ((i = 0; i < $1; i++)); do
		keys+=("$(head -c 32 /dev/urandom | base64)")
	done
	{
		echo "[Interface]"
		echo "PrivateKey = $(cat "$LAB/one.key")"
		for ((i = 0; i < $1; i++)); do
			printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.20.0.%d/32, fd20::%x/128\n' "${keys[i]}" $i $i
		done
		printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.20.0.77/32, fd20::77/128\n' "$(lab_pub one)"
	} >"$LAB/one.conf"
	# The last one is nobody's, and the mock says so; it has the address that the lies about the tunnel are about.
	sed -i "s|^PublicKey = $(lab_pub one)\$|PublicKey = $(lab_pub two)|" "$LAB/one.conf"
	lab_in one wg setconf wgone "$LAB/one.conf"
}

mock() { # DELAY_MS MODE [KEY MODE]...
	lab_start mock one "$BIN/mock" 127.0.0.1 5300 "$@" "$(lab_pub two)" nxdomain
	must lab_wait 3 grep -qs ready "$LAB/mock.log"
}

sync() {
	status=0
	lab_in one "$BIN/wgmeet" sync wgone --zone "$ZONE" --server 127.0.0.1:5300 --user 65534 \
		>"$LAB/out" 2>"$LAB/err" || status=$?
}

endpoint_of() { # KEY
	lab_in one wg show wgone endpoints | awk -v key="$1" '$1 == key { print $2 }'
}

# truth_of KEY - the endpoint that the mock has for it.
truth_of() {
	local o

	read -ra o < <(base64 -d <<<"$1" | od -An -tu1 -N3)
	echo "198.18.${o[0]}.${o[1]}:$((1024 + o[2]))"
}

truth6_of() {
	local o

	read -ra o < <(base64 -d <<<"$1" | od -An -tu1 -N3)
	printf '[2001:db8::%x:%x]:%d\n' "${o[0]}" "${o[1]}" $((1024 + o[2]))
}

# The liars come first: they are asked for first, and what they do has most to spoil.
are_true() { # KEY...
	local key

	for key; do
		[ "$(endpoint_of "$key")" = "$(truth_of "$key")" ] && continue
		echo "$key is at $(endpoint_of "$key"), not at $(truth_of "$key")"
		return 1
	done
}

# says_of KEY REGEX - that is all that is said of the peer.
says_of() {
	local lines

	lines=$(grep -F "$1" "$LAB/err")
	[ "$(grep -c . <<<"$lines")" = 1 ] && grep -Eq -e "^wgmeet: wgone: .{44}: .*($2)" <<<"$lines" && return
	cat "$LAB/err"
	return 1
}

# lie MODE REGEX
lie() {
	peers 3
	mock 0 good "${keys[0]}" "$1"
	sync
	same "$1: exit status" 1 $status
	check "$1: one line says why" says_of "${keys[0]}" "$2"
	same "$1: and nothing else is said" 1 "$(grep -c . "$LAB/err")"
	same "$1: the peer is not touched" "(none)" "$(endpoint_of "${keys[0]}")"
	check "$1: the others are set" are_true "${keys[@]:1}"
	lab_stop mock
}

# truth MODE [TRUTH-OF-THE-PEER]
truth() {
	peers 3
	mock 0 good "${keys[0]}" "$1"
	sync
	same "$1: exit status" 0 $status
	same "$1: nothing is said" "" "$(cat "$LAB/err")"
	same "$1: the peer is set" "$("${2:-truth_of}" "${keys[0]}")" "$(endpoint_of "${keys[0]}")"
	check "$1: the others too" are_true "${keys[@]:1}"
	lab_stop mock
}

lab_ns one
lab_key one
lab_key two
lab_wg_create one wgone
lab_in one ip link set wgone up
lab_in one ip route add 198.18.0.0/15 dev lo # an address without a route is passed over

for mode in good bare upper foreign notruth typefirst several cname cnamebare hostcname both truncate big; do
	truth $mode
done
malformed='malformed, or none to the question'
nobody='where no peer can be'
for mode in otherowner typeonly cnameself cnameloop cnameround pointerloop rdata junk bigjunk always; do
	lie $mode "$malformed"
done
for mode in otherkey twokeys; do
	lie $mode 'for another key'
done
for mode in port0 loopback any multicast broadcast linklocal loopback6 multicast6 mapped; do
	lie $mode "$nobody"
done
lie noaddress 'a port but no address'
lie servfail 'SERVFAIL'
lie refused 'the name server refused'
lie v6 'no route to its address'
lab_in one ip route add 2001:db8::/32 dev lo
lab_in one ip route add 10.20.0.0/16 dev wgone
lab_in one ip route add fd20::/16 dev wgone
lie tunnel6 'inside the tunnel'
lie tunnel 'inside the tunnel'
lab_in one ip addr add 10.20.0.1/32 dev wgone
lie own 'inside the tunnel'
truth v6 truth6_of

# A server whose TCP is of no use: what comes over UDP is none the worse for it, also if it comes later.
no_tcp() { # WHAT MODE
	peers 9
	mock 0 slow "${keys[0]}" "$2"
	sync
	same "$1: exit status" 1 $status
	check "$1: one line says why" says_of "${keys[0]}" 'cannot be reached|no answer'
	same "$1: and nothing else is said" 1 "$(grep -c . "$LAB/err")"
	check "$1: the others are set" are_true "${keys[@]:1}"
	lab_stop mock
}

no_tcp "tcpclose" tcpclose
lab_in one nft -f - <<-END
	table inet filter {
		chain in {
			type filter hook input priority 0
			tcp dport 5300 reject with tcp reset
		}
	}
END
no_tcp "TCP is rejected on the way" truncate
lab_in one nft flush ruleset

# What takes the time-out takes it once, for all.
waits=(silent late wrongid garbage tcpsilent)
peers 11
liars=()
for i in "${!waits[@]}"; do
	liars+=("${keys[i]}" "${waits[i]}")
done
mock 0 good "${liars[@]}" "${keys[5]}" slow
started=$(lab_ms)
sync
took=$(($(lab_ms) - started))
same "no answer, in several ways: exit status" 1 $status
for i in "${!waits[@]}"; do
	check "${waits[i]}: one line says why" says_of "${keys[i]}" 'no answer from the name server'
	same "${waits[i]}: the peer is not touched" "(none)" "$(endpoint_of "${keys[i]}")"
done
same "nothing else is said" ${#waits[@]} "$(grep -c . "$LAB/err")"
check "an answer after 1.5 s is one" are_true "${keys[5]}"
check "the others are set" are_true "${keys[@]:6}"
check "all of it in one time-out: $took ms" test "$took" -lt 8500
lab_stop mock
e2e_done
