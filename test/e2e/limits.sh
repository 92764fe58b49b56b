#!/bin/bash
# What a forged source address is good for: rate limits, amplification, cookies.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2016,SC2034,SC2046,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
conf=$LAB/wgmeetd.conf
dump=$LAB/peers
limits=$BUILD/test/limits

key() { # NUMBER
	printf '%-32s' "k$1" | base64 -w0
}

label() { # NUMBER
	printf '%-32s' "k$1" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =
}

# Peer 0 has hundreds of allowed IPs, "long" some, peer 1 a name of one letter. 900 are listed.
write_dump() {
	printf '(none)\t%s\t51820\toff\n' "$(key hub)"
	printf '%s\t(none)\t198.51.100.1:1\t%s\t0\t0\t0\toff\n' "$(key 0)" "$(printf '10.1.%d.0/24,' {0..255} | sed 's/,$//')"
	printf '%s\t(none)\t198.51.100.1:1\t%s\t0\t0\t0\toff\n' "$(key long)" "$(printf '10.2.%d.0/24,' {0..39} | sed 's/,$//')"
	for n in {1..898}; do
		printf '%s\t(none)\t198.51.%d.%d:%d\t10.9.%d.%d/32\t0\t0\t0\toff\n' "$(printf '%-32s' "k$n" | base64)" \
			$((n / 250 + 100)) $((n % 250 + 1)) $((n + 1000)) $((n / 250)) $((n % 250 + 1))
	done
}

configure() { # RATE SLIP
	cat >"$conf.new" <<-END
		[Server]
		Listen = 0.0.0.0:$SERVER_PORT, [::]:$SERVER_PORT
		User = $WORKER_UID
		ObserverUser = $OBSERVER_UID
		Workers = ${workers:-1}
		RateLimit = $1
		RateLimitSlip = $2
		[Zone]
		Name = $ZONE
		DumpFile = $dump
		NameServer = ns1.$ZONE 127.0.0.1
		[Zone]
		Name = z
		DumpFile = $dump
		NameServer = n.z 127.0.0.1 ::1
		[Peer]
		PublicKey = $(key 1)
		Name = a
	END
	mv "$conf.new" "$conf"
}

reread() {
	local before

	before=$(grep -c 'was read again' "$LAB/wgmeetd.log")
	kill -s HUP "${lab_pid[wgmeetd]}"
	must lab_wait 5 read_more_often "$before"
}

read_more_often() {
	[ "$(grep -c 'was read again' "$LAB/wgmeetd.log")" -gt "$1" ]
}

start_server() {
	lab_start wgmeetd - "$BIN/wgmeetd" -c "$conf"
	server_wait wgmeetd
	must lab_wait 5 test "$(grep -c serving "$LAB/wgmeetd.log")" = 2
}

# ---- rates ----

# flood TRANSPORT FROM COUNT TYPE NAME... - sets full, tc, none, ms.
flood() {
	said=$("$limits" flood "$1" "$2" "${to:-$SERVER}" $SERVER_PORT "${@:3}") || not_ok "flood $*"
	read -r _ full _ tc _ none _ ms _ <<<"$said"
}

# at_most RATE - so many answers in the time of the last flood: RATE at once, and as many a second, by a clock of some ms.
at_most() {
	echo $(($1 + $1 * (ms + 20) / 1000 + 2))
}

# limited WHAT RATE [REST] - was the last flood? The others are truncated, or as REST says.
limited() {
	local most

	most=$(at_most "$2")

	check "$1: $full of $((full + tc + none)) in $ms ms" test "$full" -ge "$2" -a "$full" -le "$most"
	case ${3:-tc} in
	tc) same "$1: the others are truncated" "$((tc + none)) 0" "$tc $none" ;;
	half) check "$1: half of the others is truncated, half is dropped" test $((tc - none)) -ge -1 -a $((tc - none)) -le 1 ;;
	none) same "$1: the others are dropped" "0 $((tc + none))" "$tc $none" ;;
	esac
}

# free WHAT - of the last flood: all were answered.
free() {
	same "$1: none is limited" "0 0" "$tc $none"
}

write_dump >"$dump"
chmod 644 "$dump"
printf '%s\n' ::1 2001:db8:1::1 2001:db8:1:0:8000::1 2001:db8:1:100::1 | while read -r six; do
	ip addr add "$six/128" dev lo nodad 2>/dev/null
done
peer=$(label 5)._wireguard._udp.$ZONE
configure 200 1
start_server

flood udp 127.1.1.1 2000 SRV "$peer"
limited "a question, 2,000 times" 200
flood udp 127.1.1.2 300 SRV "$peer"
check "a neighbour in the /24 shares that: $full of 300" test "$full" -le $((200 * ms / 1000 + 150))
flood udp 127.1.2.1 190 SRV "$peer"
free "another /24"
flood udp 127.1.3.1,127.1.3.2,127.1.3.3 2000 SRV "$peer"
limited "three sources of one network" 200
flood udp 127.1.4.1 900 SRV $(for n in {1..898}; do echo "$(label "$n")._wireguard._udp.$ZONE"; done)
free "different questions"
flood udp 127.1.5.1 4000 SRV $(for n in {1..898}; do echo "$(label "$n")._wireguard._udp.$ZONE"; done)
check "but ten times as many in all are: $full of 4000 in $ms ms" test "$full" -ge 1900 -a "$full" -le "$(at_most 2000)"
flood udp 127.1.6.1 2000 A "#.$ZONE"
limited "names that there are not, each another" 200
flood udp 127.1.7.1 2000 A "#.example.com"
limited "REFUSED, each another name" 200
flood udp 127.1.8.1 2000 AAAA "ns1.$ZONE"
limited "no such type" 200
flood udp 127.1.9.1 2000 PTR "_wireguard._udp.$ZONE"
same "what is truncated anyway stays so" "0 2000 0" "$full $tc $none"
COOKIE=1 flood udp 127.1.1.1 2000 SRV "$peer"
free "with a cookie"
COOKIE=1 flood udp 127.1.1.1 2000 A "#.example.com"
free "with a cookie, REFUSED"
flood tcp 127.1.1.1 2000 SRV "$peer"
free "TCP"
to=::1
flood udp 2001:db8:1::1 2000 SRV "$peer"
limited "IPv6" 200
flood udp 2001:db8:1:0:8000::1 300 SRV "$peer"
check "IPv6: a neighbour in the /56 shares that: $full of 300" test "$full" -le $((200 * ms / 1000 + 150))
flood udp 2001:db8:1:100::1 190 SRV "$peer"
free "IPv6: another /56"
to=

configure 200 2
reread
flood udp 127.2.1.1 2000 SRV "$peer"
limited "RateLimitSlip = 2" 200 half
configure 200 0
reread
flood udp 127.2.2.1 1000 SRV "$peer"
limited "RateLimitSlip = 0" 200 none
configure 5 1
reread
flood udp 127.2.3.1 500 SRV "$peer"
limited "RateLimit = 5" 5
configure 0 1
reread
flood udp 127.2.4.1 5000 SRV "$peer"
free "RateLimit = 0"
check "RateLimit = 0: nor is the size of answers" test -z "$(ask "$(label long)._wireguard._udp" TXT +ignore |
	grep 'flags:.* tc')"

# ---- amplification ----

configure 10000 1
reread
{
	printf '%s\n' z n.z a.z _udp.z _wireguard._udp.z _services._dns-sd._udp.z b._dns-sd._udp.z x.z . x
	printf '%s._wireguard._udp.z\n' "$(label 0)" "$(label 0)====" "$(label long)" "$(label 1)" "$(label 7)" "$(label nobody)"
	printf '%s\n' "$ZONE" "ns1.$ZONE" "_wireguard._udp.$ZONE" "$(label 0)._wireguard._udp.$ZONE" "$peer"
	printf '%063d.%063d.%063d.%055d.z\n' 1 2 3 4
} | "$limits" amplify 127.3 "$SERVER" $SERVER_PORT >"$LAB/amplified" || not_ok "amplify"
echo "# $(cat "$LAB/amplified")"
check "an answer has at most 4 octets for each that was asked" awk '{ exit !($8 > 1.5 && $8 <= 4) }' "$LAB/amplified"
check "and at most 1232" awk '{ exit !($6 <= 1232) }' "$LAB/amplified"
check "every question was tried" awk '{ exit !($2 > 10000 && $4 > $2 * 0.99) }' "$LAB/amplified"

# ---- cookies ----

lab_stop wgmeetd
workers=2 configure 200 1
start_server
"$limits" cookie 127.4.1.1 127.4.1.2 "$SERVER" $SERVER_PORT >"$LAB/cookie" || e2e_failed=1
grep -v '^[0-9a-f]*$' "$LAB/cookie"
cookie=$(tail -n 1 "$LAB/cookie")
matches "dig takes it for a good one" 'COOKIE: [0-9a-f]{48} \(good\)' "$(ask '' SOA +cookie)"
matches "dig sends one of ours, and it is good" "COOKIE: $cookie \\(good\\)" "$(ask '' SOA -b 127.4.1.1 +cookie="$cookie")"
long=$(label long)._wireguard._udp
matches "without a cookie a long answer is truncated" 'flags:.* tc' "$(ask "$long" TXT -b 127.4.1.1 +ignore +nocookie)"
matches "with a forged one, too" 'flags:.* tc' "$(ask "$long" TXT -b 127.4.1.2 +ignore +cookie="$cookie")"
matches "with a good one it comes" 'ANSWER: 1' "$(ask "$long" TXT -b 127.4.1.1 +ignore +cookie="$cookie")"
matches "and over TCP" 'ANSWER: 1' "$(ask "$long" TXT +tcp +nocookie)"
lab_stop wgmeetd
start_server
"$limits" cookie 127.4.1.1 127.4.1.2 "$SERVER" $SERVER_PORT "$cookie" || e2e_failed=1
answer=$(ask '' SOA -b 127.4.1.1 +nocmd +cookie="$cookie")
matches "with the cookie of another run a question is answered" 'status: NOERROR' "$answer"
matches "and a new one comes" 'COOKIE: [0-9a-f]{48} \(good\)' "$answer"
check "another" test -z "$(grep "$cookie" <<<"$answer")"

e2e_done
