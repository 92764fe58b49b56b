#!/bin/bash
# What those ask who test name servers for compliance: see probes.c; and what dig, kdig and drill make of the answers.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
dump=$LAB/peers

key() { # NAME
	printf '%-32s' "$1" | base64 -w0
}

instance() { # NAME
	echo "$(printf '%-32s' "$1" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =)._wireguard._udp.$ZONE"
}

{
	printf '(none)\t%s\t51820\toff\n' "$(key hub)"
	printf '%s\t(none)\t198.51.100.1:1001\t10.9.0.11/32\t0\t0\t0\toff\n' "$(key alice)"
	printf '%s\t(none)\t[2001:db8::2]:1002\t%s\t0\t0\t0\toff\n' "$(key bob)" "$(printf '10.2.%d.0/24,' {0..39} | sed 's/,$//')"
	for n in {1..40}; do
		printf '%s\t(none)\t198.51.101.%d:51820\t10.9.1.%d/32\t0\t0\t0\toff\n' "$(key "peer$n")" "$n" "$n"
	done
} >"$dump"
chmod 644 "$dump"
lab_start wgmeetd - "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$dump" --listen "127.0.0.1:$SERVER_PORT" \
	--listen "[::1]:$SERVER_PORT" --name-server "ns1.$ZONE 192.0.2.53 2001:db8::53" --name-server ns2.example.net \
	--user "$WORKER_UID" --observer-user "$OBSERVER_UID" --rate-limit 10000
server_wait wgmeetd

"$BUILD/test/probes" 127.0.0.1 $SERVER_PORT "$(instance bob)" || e2e_failed=1
"$BUILD/test/probes" ::1 $SERVER_PORT "$(instance bob)" || e2e_failed=1

# ---- what the usual tools print ----

# dig
answer=$(ask '' SOA +nsid +cookie +nocrypto)
matches "dig +nsid +cookie: status" 'status: NOERROR' "$answer"
matches "dig: its flags" 'flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1' "$answer"
matches "dig: the cookie is good" 'COOKIE: [0-9a-f]{48} \(good\)' "$answer"
check "dig: no NSID" test -z "$(grep -i NSID <<<"${answer#*ANSWER}")"
check "dig: no warning but that of recursion" test -z "$(grep -i warning <<<"$answer" | grep -v recursion)"
matches "dig +edns=1: BADVERS" 'status: BADVERS' "$(ask '' SOA +edns=1 +noednsneg)"
matches "dig goes on with the version that is told" 'status: NOERROR' "$(ask '' SOA +edns=1 +ednsneg)"
matches "dig +bufsize=512 +ignore: truncated" 'flags: qr aa tc' "$(ask _wireguard._udp PTR +bufsize=512 +ignore)"
matches "dig goes to TCP by itself" 'ANSWER: 42' "$(ask _wireguard._udp PTR +bufsize=512)"
matches "dig +ednsopt, +ednsflags: answered" 'status: NOERROR' "$(ask '' SOA +ednsopt=100 +ednsflags=0x40)"
check "dig +ednsflags: not echoed" test -z "$(ask '' SOA +ednsflags=0x40 | grep MBZ)"
matches "dig +subnet: ignored" 'status: NOERROR' "$(ask '' SOA +subnet=192.0.2.0/24)"
matches "dig +header-only: FORMERR" 'status: FORMERR' "$(ask '' SOA +header-only +nocookie)"
matches "dig +opcode=update: NOTIMP" 'status: NOTIMP' "$(ask '' SOA +opcode=update)"
matches "dig axfr: refused" 'Transfer failed|REFUSED' "$(ask '' AXFR)"
matches "dig +keepalive +tcp: told" 'TCP.KEEPALIVE: 10\.0 secs' "$(ask '' SOA +keepalive +tcp)"
matches "dig +zflag +adflag +cdflag: come to nothing" 'flags: qr aa rd; QUERY' "$(ask '' SOA +zflag +adflag +cdflag)"
same "dig 0x20: the case is kept" "Wg.tESt." \
	"$(dig "@$SERVER" -p $SERVER_PORT Wg.tESt SOA +noall +answer | awk '{ print $1 }')"

tool() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null && return
	[ "${CI:-}" != true ] || not_ok "$1 is installed ($2)"
	echo "# without $1: $2 is not installed"
	return 1
}

if tool kdig knot-dnsutils; then
	kdig=(kdig "@$SERVER" -p "$SERVER_PORT" +timeout=3 +retry=0)
	answer=$("${kdig[@]}" +nsid +cookie +edns "$(instance alice)" SRV)
	matches "kdig: status" 'status: NOERROR' "$answer"
	matches "kdig: flags and sections" 'Flags: qr aa rd; QUERY: 1; ANSWER: 1; AUTHORITY: 0; ADDITIONAL: 3' "$answer"
	matches "kdig: the server's cookie" '^;; COOKIE: [0-9a-f]+' "$answer"
	matches "kdig: SRV, then A, then TXT" 'SRV A TXT' "$(awk '!/^;/ && NF { print $4 }' <<<"$answer" | paste -sd' ')"
	matches "kdig +tcp +padding: answered" 'status: NOERROR' "$("${kdig[@]}" +tcp +padding=128 "$ZONE" SOA)"
	matches "kdig over IPv6: AAAA" '2001:db8::2' "$(kdig @::1 -p $SERVER_PORT +timeout=3 "$(instance bob)" AAAA +short)"
	matches "kdig ANY: one set" 'ANSWER: 2' "$("${kdig[@]}" "$ZONE" ANY)"
	matches "kdig of a name that is not there" 'status: NXDOMAIN' "$("${kdig[@]}" "nobody.$ZONE" A)"
	matches "kdig: with the SOA" 'AUTHORITY: 1' "$("${kdig[@]}" "nobody.$ZONE" A)"
	matches "kdig, class CH" 'status: REFUSED' "$("${kdig[@]}" CH version.bind TXT)"
fi
if tool drill ldnsutils; then
	drill=(drill -p "$SERVER_PORT")
	answer=$("${drill[@]}" "@$SERVER" "$(instance alice)" SRV)
	matches "drill: status" 'rcode: NOERROR' "$answer"
	matches "drill: flags and sections" 'flags: qr aa rd ; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 2' "$answer"
	matches "drill -t: TCP" 'ANSWER: 42' "$("${drill[@]}" -t "@$SERVER" "_wireguard._udp.$ZONE" PTR)"
	matches "drill falls back to TCP" 'ANSWER: 42' "$("${drill[@]}" -a "@$SERVER" "_wireguard._udp.$ZONE" PTR)"
	matches "drill over IPv6" 'rcode: NOERROR' "$("${drill[@]}" -6 @::1 "$ZONE" NS)"
	matches "drill -D: DO is echoed" 'EDNS: version 0; flags: do' "$("${drill[@]}" -D "@$SERVER" "$ZONE" SOA)"
	matches "drill of a name that is not there" 'rcode: NXDOMAIN' "$("${drill[@]}" "@$SERVER" "nobody.$ZONE" A)"
	matches "drill of another zone" 'rcode: REFUSED' "$("${drill[@]}" "@$SERVER" example.com A)"
fi
e2e_done
