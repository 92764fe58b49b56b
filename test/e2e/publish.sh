#!/bin/bash
# What the registry's owner says is what is published: Publish, Exclude, MaxAge, Name, Endpoint and PrivateEndpoints, as
# --print-zone prints it and as DNS has it, over UDP and TCP, while SIGHUP changes the configuration, the dump file changes
# and time passes.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
. "$(dirname "$0")/publish.bash" || exit 1

# ---- Publish, PrivateEndpoints, Exclude, Endpoint ----

usual_peers
zone <<<'' | configure
start_server
settled "defaults" 0 "alice bob carol"
loads "the defaults"

{ zone <<<'PrivateEndpoints = yes' && peer bob 'Publish = no'; } | reconfigure "PrivateEndpoints = yes, one Publish = no" \
	"alice carol dave"
check "the private one has its address" has_record "$(instance dave)" A 192.168.7.4
zone <<<'PrivateEndpoints = no' | reconfigure "PrivateEndpoints = no" "alice bob carol"
{ zone <<<'Publish = listed' && peer alice && peer bob 'Publish = no' && peer erin; } |
	reconfigure "Publish = listed" "alice"
same "who is not has no name" NXDOMAIN "$(ask_status "$(instance bob)" SRV)"
zone <<<'Publish = listed' | reconfigure "Publish = listed, and nobody is" ""
same "there is no list then" "" "$(ask_short _wireguard._udp PTR)"
loads "a zone with nobody"
{ zone <<<'Publish = all' && peer carol 'Publish = no'; } | reconfigure "Publish = all" "alice bob"

zone <<<'Exclude = 10.20.0.0/16' | reconfigure "Exclude" "alice"
zone <<<'Exclude = 10.20.0.0/28' | reconfigure "Exclude, narrower than what one has" "alice bob"
zone <<-END | reconfigure "Exclude, a list with IPv6" "bob"
	PrivateEndpoints = yes
	Exclude = 10.9.0.11/32, fd00:9::/64
	Exclude = 10.20.0.8/29
END
zone <<<'Exclude = 0.0.0.0/0' | reconfigure "Exclude, everybody" ""

{
	zone <<<''
	peer bob 'Endpoint = 203.0.113.2:2222'
	peer dave 'Endpoint = 10.1.2.3:4444'
	peer erin 'Endpoint = [2001:db8::e]:5555'
} | reconfigure "Endpoint" "alice bob carol dave erin"
check "in place of an observed one" has_record "$(instance bob)" A 203.0.113.2
same "and not beside it" "" "$(ask_short "$(instance bob)" AAAA)"
check "a private one" has_record "$(instance dave)" A 10.1.2.3
check "where none was observed" has_record "$(instance erin)" AAAA 2001:db8::e
check "its port" has_record "$(instance erin)" SRV "0 0 5555 $(instance erin).$ZONE."
loads "fixed endpoints"
unchanged "what is observed does not matter then" write_dump <<-END
	alice 198.51.100.1:1001 10.9.0.11/32 0
	bob 198.51.100.99:99 10.9.0.12/32,10.20.0.0/24 0
	carol 198.51.100.3:1003 10.20.0.13/32 0
	dave (none) 10.9.0.14/32,fd00:9::14/128 0
	erin 198.51.100.98:98 10.9.0.15/32 0
END
{ zone <<<'Exclude = 10.9.0.15/32' && peer erin 'Endpoint = [2001:db8::e]:5555' && peer frank 'Endpoint = 192.0.2.1:1'; } |
	reconfigure "Endpoint of one that is excluded, or not on the device" "alice bob carol"

# The same by options, without a file.
by_options() { # WHAT NAMES OPTION...
	"$BIN/wgmeetd" --zone "$ZONE" --dump-file "$dump" --name-server "ns1.$ZONE $SERVER" --print-zone "${@:3}" >"$LAB/zone"
	same "$1" "$2" "$(printed_peers)"
}

now=$(date +%s)
shook=$((now - 100))
usual_peers
by_options "--publish" "" --publish listed
by_options "--exclude" "alice" --exclude 10.20.0.0/16,192.0.2.0/24
by_options "--private-endpoints" "alice bob carol dave" --private-endpoints
by_options "--max-age" "alice" --max-age 1h
by_options "--max-age, shorter" "" --max-age 90s

# ---- MaxAge ----

zone <<<'MaxAge = 1h' | reconfigure "MaxAge" "alice"
{ zone <<<'MaxAge = 90' && peer erin 'Endpoint = 192.0.2.5:5'; } | reconfigure "MaxAge, in seconds, and a fixed endpoint" "erin"
before=$(serial)
shook=$(date +%s)
usual_peers
check "a handshake, and the peer is there" lab_wait 2 are_served "alice erin"
check "a handshake, and the peer is there: the serial moves" is_after "$(serial)" "$before"
before=$(serial)
zone <<<'MaxAge = 3s' | configure
shook=$(date +%s)
usual_peers
hup "$reread"
check "MaxAge = 3s: a peer whose handshake is now" lab_wait 2 are_served "alice"
sleep 1
check "MaxAge = 3s: a second later it is there" are_served "alice"
check "MaxAge = 3s: then it goes, without a change of the file" lab_wait 5 are_served ""
settled "MaxAge has passed" "$before" ""
before=$(serial)
shook=$(($(date +%s) + 60))
usual_peers
lab_wait 2 are_served "alice"
settled "MaxAge, a handshake of the future" "$before" "alice"

# ---- Name ----

k_alice=$(instance alice).$ZONE.
k_bob=$(instance bob).$ZONE.
named() { # ALICE BOB
	zone <<<'' && peer alice "Name = $1" && peer bob "Name = $2" 'Endpoint = [2001:db8::b]:2222'
}

shook=0
usual_peers
named alice Bob-2 | reconfigure "Name" "alice bob carol"
loads "names"
check "the alias is printed" grep -Eq "^alice\.$ZONE\.	.*CNAME	$k_alice\$" "$LAB/zone"
alias="alice.$ZONE. $ttl IN CNAME $k_alice"
bob_srv="0 0 2222 bob-2._wireguard._udp.$ZONE."
txt='"txtvers=1" "pub='$(key alice)'" "allowed=10.9.0.11/32"'
soa=$(records answer '' SOA)
for via in +notcp +tcp; do
	same "alice A $via" "$alias
$k_alice $ttl IN A 198.51.100.1" "$(records answer alice A $via)"
	same "ALICE A $via" "$k_alice $ttl IN A 198.51.100.1" "$(records answer ALICE A $via | tail -n 1)"
	same "alice AAAA $via" "$alias" "$(records answer alice AAAA $via)"
	same "alice AAAA $via: has the SOA" "$soa" "$(records authority alice AAAA $via)"
	matches "alice AAAA $via: is no error" 'status: NOERROR' "$(ask alice AAAA $via)"
	same "alice CNAME $via" "$alias" "$(records answer alice CNAME $via)"
	same "alice CNAME $via: has no SOA" "" "$(records authority alice CNAME $via)"
	same "alice ANY $via" "$alias" "$(records answer alice ANY $via)"
	same "alice TXT $via" "$alias
$k_alice $ttl IN TXT $txt" "$(records answer alice TXT $via)"
	same "alice SRV $via" "$alias
$k_alice $ttl IN SRV 0 0 1001 $k_alice" "$(records answer alice SRV $via)"
	same "alice SRV $via: its additional section" "$k_alice $ttl IN A 198.51.100.1
$k_alice $ttl IN TXT $txt" "$(records additional alice SRV $via)"
	same "alice MX $via" "$alias" "$(records answer alice MX $via)"
	same "alice MX $via: has the SOA" "$soa" "$(records authority alice MX $via)"
	same "bob-2 AAAA $via" "$k_bob $ttl IN AAAA 2001:db8::b" "$(records answer bob-2 AAAA $via | tail -n 1)"

	at=alice._wireguard._udp
	same "$at SRV $via" "$at.$ZONE. $ttl IN SRV 0 0 1001 $at.$ZONE." "$(records answer $at SRV $via)"
	same "$at SRV $via: its additional section" "$at.$ZONE. $ttl IN A 198.51.100.1
$at.$ZONE. $ttl IN TXT $txt" "$(records additional $at SRV $via)"
	same "$at A $via" 198.51.100.1 "$(ask_short $at A $via)"
	same "$at TXT $via" "$txt" "$(ask_short $at TXT $via)"
	same "$at AAAA $via: has the SOA" "$soa" "$(records authority $at AAAA $via)"
	same "by the padded key $via" "0 0 1001 ${label_of[alice]}====._wireguard._udp.$ZONE." \
		"$(ask_short "${label_of[alice]}====._wireguard._udp" SRV $via)"

	same "the list $via" "$(printf '%s\n' alice bob-2 "${label_of[carol]}" | sed "s/\$/._wireguard._udp.$ZONE./" | sort)" \
		"$(ask_short _wireguard._udp PTR $via | sort)"
	more=$(records additional _wireguard._udp PTR $via)
	for record in "$at.$ZONE. $ttl IN SRV 0 0 1001 $at.$ZONE." "$at.$ZONE. $ttl IN A 198.51.100.1" \
		"$at.$ZONE. $ttl IN TXT $txt" "bob-2._wireguard._udp.$ZONE. $ttl IN SRV $bob_srv" \
		"$(instance carol).$ZONE. $ttl IN A 198.51.100.3"; do
		check "the list $via: comes with ${record/ $ttl IN/}" grep -Fxq -e "$record" <<<"$more"
	done
	same "the list $via: comes with nine records" 9 "$(grep -c . <<<"$more")"
done
same "below an alias is nothing" NXDOMAIN "$(ask_status x.alice A)"
same "no alias for who has none" NXDOMAIN "$(ask_status carol A)"

# What people do with it: a name that is asked for without a thought of DNS-SD.
named Bob-2 alice | reconfigure "names exchanged" "alice bob carol"
check "alice is the other one" has_record alice AAAA "$k_bob
2001:db8::b"
named alicia alice | reconfigure "names moved on" "alice bob carol"
same "the name that nobody has is gone" NXDOMAIN "$(ask_status bob-2 A)"
same "and so is its instance" NXDOMAIN "$(ask_status bob-2._wireguard._udp SRV)"
{ zone <<<'PaddedNames = no' && peer alice 'Name = a'; } | reconfigure "a name of one letter, no padded names" "alice bob carol"
same "the padded key is no name" NXDOMAIN "$(ask_status "${label_of[alice]}====._wireguard._udp" SRV)"
{ zone <<<'ListMax = 2' && peer alice 'Name = alice' && peer bob 'Publish = no' 'Name = bob'; } |
	reconfigure "one with a name kept out" "alice carol"
same "its name is no name" NXDOMAIN "$(ask_status bob A)"
same "those listed are as many as may be" 2 "$(ask_short _wireguard._udp PTR | grep -c .)"
unchanged "the device knows the peer in another order" write_dump <<-END
	carol 198.51.100.3:1003 10.20.0.13/32 0
	alice 198.51.100.1:1001 10.9.0.11/32 0
END
before=$(serial)
write_dump <<-END
	alice 198.51.100.1:1999 10.9.0.11/32 0
	carol 198.51.100.3:1003 10.20.0.13/32 0
END
lab_wait 2 has_record alice SRV "$k_alice
0 0 1999 $k_alice"
settled "one with a name has another port" "$before" "alice carol"

# ---- a key that is removed ----

{ zone <<<'' && peer alice 'Name = alice' && peer erin 'Endpoint = 192.0.2.5:5'; } | configure
usual_peers
hup "$reread"
lab_wait 2 are_served "alice bob carol erin"
before=$(serial)
started=$(lab_ms)
write_dump <<-END
	bob [2001:db8::2]:1002 10.9.0.12/32,10.20.0.0/24 0
END
check "keys removed: they are gone" lab_wait 5 are_served "bob"
took=$(($(lab_ms) - started))
check "keys removed: within the second ($took ms)" test "$took" -lt 1000
settled "keys removed" "$before" "bob"
for name in alice alice._wireguard._udp "$(instance alice)" "${label_of[alice]}====._wireguard._udp" "$(instance erin)"; do
	same "keys removed: $name" NXDOMAIN "$(ask_status "$name" A)"
done
usual_peers

# ---- 300 names ----

for i in {1..300}; do
	echo "peer-$i 198.51.100.$((i % 250 + 1)):$((i + 1000)) 10.9.$((i / 250)).$((i % 250))/32 0"
done >"$LAB/table"
usual_peers
{ write_dump <"$LAB/table" && tail -n +2 "$dump"; } >/dev/null
{ zone <<<'' && for i in {1..300}; do peer "peer-$i" "Name = p$i"; done; } | configure
hup "$reread"
has_list() { # COUNT
	[ "$(ask_short _wireguard._udp PTR +tcp | grep -c .)" = "$1" ]
}

check "300 names: all are listed" lab_wait 5 has_list 300
same "300 names: by name alone" 300 "$(ask_short _wireguard._udp PTR +tcp | grep -Ec "^p[0-9]+\._wireguard\._udp\.$ZONE\.\$")"
check "300 names: what is printed is served" is_served_as_printed
same "300 names: an alias, and three names with four records each" $((300 * 10)) \
	"$(grep -Ec '	(CNAME|SRV|A|TXT)	.*' <(grep -Ev "^(ns1|_wireguard._udp)?\.?$ZONE|^ns1|^_wireguard" "$LAB/zone"))"
loads "300 names"
for i in 1 42 300; do
	same "300 names: p$i" "198.51.100.$((i % 250 + 1))" "$(ask_short "p$i" A | tail -n 1)"
	same "300 names: p$i's instance" "0 0 $((i + 1000)) p$i._wireguard._udp.$ZONE." "$(ask_short "p$i._wireguard._udp" SRV)"
done
matches "300 names: the list does not fit into UDP" 'flags:[^;]* tc' "$(ask _wireguard._udp PTR +notcp +ignore)"
{ zone <<<'ListMax = 299' && for i in {1..300}; do peer "peer-$i" "Name = p$i"; done; } | configure
hup "$reread"
check "300 names, and 299 may be listed: none is" lab_wait 5 has_list 0
same "300 names, and 299 may be listed: they are found" 198.51.100.51 "$(ask_short p300 A | tail -n 1)"

lab_stop wgmeetd
same "SIGTERM ends it with 0" 0 $?
e2e_done
