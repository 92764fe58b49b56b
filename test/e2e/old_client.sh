#!/bin/bash
# Others than wgmeet that ask wgmeetd: the existing client of this naming, as dig plays it (SRV of the padded name in upper
# case, over UDP, without EDNS; the first answer is the SRV, the first additional record the address); and a stock wg(8),
# whose "endpoint NAME:PORT" goes through the C library's resolver: glibc's, and musl's if musl-gcc is here.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
SERVER=127.0.0.1
SERVER_NS=-

key() { # NAME
	printf '%-32s' "$1" | base64 -w0
}

label() { # NAME
	printf '%-32s' "$1" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =
}

# old_client NAME - as the existing client understands what it gets: "ADDRESS PORT KEY".
old_client() {
	local upper

	upper=$(printf '%-32s' "$1" | base32 -w0)
	old_query "$upper"
	awk '
		/^;; ANSWER SECTION/ { section = "answer"; next }
		/^;; ADDITIONAL SECTION/ { section = "additional"; next }
		/^;;/ || /^$/ { section = ""; next }
		{ n[section]++ }
		section == "answer" && n[section] == 1 && $4 == "SRV" { port = $7 }
		section == "additional" && n[section] == 1 && ($4 == "A" || $4 == "AAAA") { address = $5 }
		section == "additional" && n[section] == 2 && $4 == "TXT" {
			key = $0; sub(/.*"pub=/, "", key); sub(/".*/, "", key)
		}
		END { print address, port, key }
	' "$LAB/answer"
}

old_query() { # LABEL
	dig +tries=1 +time=2 +noedns +notcp +ignore +nocookie +norecurse -p 53 "@$SERVER" \
		"${1//=/\\061}._wireguard._udp.$ZONE" SRV >"$LAB/answer"
}

# Allowed IPs of more than a UDP answer without EDNS: then the TXT is what is left out.
many=$(printf '10.%d.0.0/16,' {100..140})
{
	printf '(none)\t%s\t51820\toff\n' "$(key hub)"
	printf '%s\t(none)\t%s\t%s\t0\t0\t0\toff\n' \
		"$(key alice)" 192.0.2.1:1001 10.9.0.2/32 \
		"$(key bob)" '[2001:db8::2]:1002' 10.9.0.3/32,fd00:9::3/128 \
		"$(key carol)" 192.0.2.3:1003 "${many%,}"
} >"$LAB/peers"
mkdir "$LAB/state"
chown "$OBSERVER_UID" "$LAB/state"
lab_start wgmeetd - "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/peers" --listen $SERVER:53 \
	--name-server "ns1.$ZONE $SERVER" --user "$WORKER_UID" --observer-user "$OBSERVER_UID" --state-directory "$LAB/state"
server_wait wgmeetd

# ---- the existing client ----

same "existing client: alice" "192.0.2.1 1001 $(key alice)" "$(old_client alice)"
check "over UDP, whole" grep -q '^;; flags: qr aa; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 2$' "$LAB/answer"
check "its question is echoed in its case" grep -q "^;$(printf '%-32s' alice | base32 -w0 | cut -c1-52)" "$LAB/answer"
same "existing client: bob, over IPv6" "2001:db8::2 1002 $(key bob)" "$(old_client bob)"
matches "existing client: carol, whose TXT does not fit: address and port" '^192\.0\.2\.3 1003' "$(old_client carol)"
check "which is not truncated" grep -q '^;; flags: qr aa; ' "$LAB/answer"
old_client nobody >"$LAB/nothing"
check "existing client: somebody else: NXDOMAIN" grep -q 'status: NXDOMAIN' "$LAB/answer"
old_query "$(label alice)===="
check "in lower case the same" grep -q 'status: NOERROR' "$LAB/answer"

# ---- the C libraries ----

cp -a /etc "$LAB/etc"
mount -n --bind "$LAB/etc" /etc || e2e_skip "no mounts here"
rm -f /etc/resolv.conf /etc/gai.conf
echo "nameserver $SERVER" >/etc/resolv.conf
printf 'hosts: files dns\n' >/etc/nsswitch.conf
ip route add 192.0.2.0/24 dev lo
ip route add 2001:db8::/32 dev lo

lab_key one
lab_wg_create - wgone
wg set wgone private-key "$LAB/one.key" || lab_die "cannot configure wgone"

# stock_wg PEER HOST PORT - the endpoint that it has then.
stock_wg() {
	wg set wgone peer "$(key "$1")" endpoint "$2:$3" 2>"$LAB/wg.log" || cat "$LAB/wg.log"
	wg show wgone endpoints | awk -v key="$(key "$1")" '$1 == key { print $2 }'
}

name=$(label alice)._wireguard._udp.$ZONE
same "a stock wg set ... endpoint NAME:PORT, through glibc" 192.0.2.1:1001 "$(stock_wg alice "$name" 1001)"
same "the name as wgmeet name prints it" 192.0.2.1:7 \
	"$(stock_wg alice "$("$BIN/wgmeet" name "$(key alice)" --zone "$ZONE")" 7)"
same "in upper case" 192.0.2.1:8 "$(stock_wg alice "$(tr '[:lower:]' '[:upper:]' <<<"$name")" 8)"
same "over IPv6" '[2001:db8::2]:1002' "$(stock_wg bob "$(label bob)._wireguard._udp.$ZONE" 1002)"
printf '[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\nEndpoint = %s:9\n' "$(cat "$LAB/one.key")" \
	"$(key alice)" "$name" >"$LAB/wgone.conf"
wg setconf wgone "$LAB/wgone.conf"
same "and from its configuration file" 192.0.2.1:9 "$(wg show wgone endpoints | awk '{ print $2 }')"

if ! command -v musl-gcc >/dev/null; then
	echo "# musl is not looked at: there is no musl-gcc here (musl-tools)"
	e2e_done
fi
cat >"$LAB/resolve.c" <<-'END'
	#include <netdb.h>
	#include <stdio.h>
	#include <sys/socket.h>

	int main(int argc, char *argv[])
	{
		struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
		char host[64], port[8];
		int r = argc == 3 ? getaddrinfo(argv[1], argv[2], &hints, &found) : EAI_FAIL;

		if (r == 0)
			r = getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), port, sizeof(port),
				NI_NUMERICHOST | NI_NUMERICSERV);
		printf("%s %s\n", r == 0 ? host : gai_strerror(r), r == 0 ? port : "");
		return r != 0;
	}
END
must musl-gcc -static -o "$LAB/resolve" "$LAB/resolve.c"
same "getaddrinfo of musl" "192.0.2.1 1001" "$("$LAB/resolve" "$name" 1001)"
same "over IPv6" "2001:db8::2 1002" "$("$LAB/resolve" "$(label bob)._wireguard._udp.$ZONE" 1002)"
check "somebody else: there is none" test "$("$LAB/resolve" "$(label nobody)._wireguard._udp.$ZONE" 1)" != \
	"192.0.2.1 1"
e2e_done
