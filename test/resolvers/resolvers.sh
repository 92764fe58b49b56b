#!/bin/bash
# resolvers.sh - a zone can be delegated to wgmeetd, and every resolver gets it right: Unbound, BIND, Knot Resolver, and
# systemd-resolved behind BIND, from the root's address alone. 0: passed, 1: failed, 77: skipped.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1
. "${0%/*}/bed.bash" || exit 1
not_there=$(bed_missing)
[ -z "$not_there" ] || e2e_skip "not installed: $not_there"
e2e_enter "$@"
bed_copy_programs
bed_net

svc=_wireguard._udp.$ZONE
alice=$(label alice).$svc
bob=$(label bob).$svc
long=$(label long).$svc
carol=$(label carol).$svc
dave=$(label dave).$svc
LIST=100 # as many as BIND passes on
ALLOWED=400

# ---- what is asked, and answered through every resolver ----

cidrs() {
	local n

	for ((n = 1; n <= ALLOWED; n++)); do
		echo "10.$((n >> 8)).$((n & 255)).0/24"
	done | paste -sd,
}

usual_peers() {
	echo "alice 198.51.100.1:1001 10.9.0.1/32"
	echo "bob [2001:db8:1::2]:1002 10.9.0.2/32,fd00:9::2/128"
	echo "long 198.51.100.3:1003 $(cidrs)"
	echo "dave 198.51.100.4:1004 10.9.0.4/32"
}

# ptr_list NAME... - the list of peers with those.
ptr_list() {
	local name

	for name; do
		printf '%s.%s.\n' "$(label "$name")" "$svc"
	done
	echo "alice.$svc."
}

joined() {
	LC_ALL=C sort | paste -sd';'
}

# upper TEXT; mixed TEXT - every other letter.
upper() {
	tr '[:lower:]' '[:upper:]' <<<"$1"
}

mixed() {
	sed -E 's/(.)(.)/\1\U\2/g' <<<"$1"
}

# The table: what | name | type | status | data; ";" between several.
questions() {
	local names=(bob long dave) n

	for ((n = 1; n <= LIST - 4; n++)); do
		names+=("fill$n")
	done
	cat <<-END
		SRV|$alice|SRV|NOERROR|0 0 1001 $alice.
		A of an IPv4 peer|$alice|A|NOERROR|198.51.100.1
		TXT|$alice|TXT|NOERROR|"txtvers=1" "pub=$(key alice)" "allowed=10.9.0.1/32"
		SRV of an IPv6 peer|$bob|SRV|NOERROR|0 0 1002 $bob.
		AAAA of an IPv6 peer|$bob|AAAA|NOERROR|2001:db8:1::2
		TXT of an IPv6 peer|$bob|TXT|NOERROR|"txtvers=1" "pub=$(key bob)" "allowed=10.9.0.2/32,fd00:9::2/128"
		a padded name|$(label bob)\\061\\061\\061\\061.$svc|SRV|NOERROR|0 0 1002 $(label bob)====.$svc.
		a padded name's address|$(label alice)====.$svc|A|NOERROR|198.51.100.1
		a name for people|alice.$svc|SRV|NOERROR|0 0 1001 alice.$svc.
		an alias|alice.$ZONE|A|NOERROR|198.51.100.1;CNAME $alice.
		an alias without the type|alice.$ZONE|AAAA|NOERROR|CNAME $alice.
		service enumeration|_services._dns-sd._udp.$ZONE|PTR|NOERROR|$svc.
		domain enumeration|b._dns-sd._udp.$ZONE|PTR|NOERROR|$ZONE.
		NS|$ZONE|NS|NOERROR|ns1.$ZONE.
		the name server's A|ns1.$ZONE|A|NOERROR|203.0.113.10
		the name server's AAAA|ns1.$ZONE|AAAA|NOERROR|2001:db8::10
		SRV of a zone served over IPv6 alone|${alice%"$ZONE"}$ZONE6|SRV|NOERROR|0 0 1001 ${alice%"$ZONE"}$ZONE6.
		NODATA: AAAA of an IPv4 peer|$alice|AAAA|NOERROR|
		NODATA: A of an IPv6 peer|$bob|A|NOERROR|
		NODATA: MX|$alice|MX|NOERROR|
		NODATA: HTTPS|$alice|TYPE65|NOERROR|
		NODATA: A of the zone|$ZONE|A|NOERROR|
		NODATA: DS of the zone|$ZONE|DS|NOERROR|
		NODATA: SRV of the service|$svc|SRV|NOERROR|
		NODATA: the empty _udp|_udp.$ZONE|A|NOERROR|
		NODATA: the empty _udp, PTR|_udp.$ZONE|PTR|NOERROR|
		NODATA: the empty _dns-sd._udp|_dns-sd._udp.$ZONE|TXT|NOERROR|
		NXDOMAIN: an unknown key|$carol|SRV|NXDOMAIN|
		NXDOMAIN: a label that is no key|nobody.$svc|A|NXDOMAIN|
		NXDOMAIN: a label of the zone|nobody.$ZONE|A|NXDOMAIN|
		NXDOMAIN: below a peer|x.$alice|A|NXDOMAIN|
		NXDOMAIN: below an unknown key|x.y.$carol|SRV|NXDOMAIN|
		NXDOMAIN: another transport|_wireguard._tcp.$ZONE|PTR|NXDOMAIN|
		upper case|$(upper "$alice")|A|NOERROR|198.51.100.1
		mixed case|$(mixed "$bob")|AAAA|NOERROR|2001:db8:1::2
		mixed case, SRV|$(mixed "$dave")|SRV|NOERROR|0 0 1004 $dave.
		mixed case, NXDOMAIN|$(mixed "$carol")|TXT|NXDOMAIN|
		mixed case, NODATA|$(mixed "_udp.$ZONE")|SRV|NOERROR|
		a list of $LIST peers|$svc|PTR|NOERROR|$(ptr_list "${names[@]}" | joined)
		SOA|$ZONE|SOA|NOERROR|$soa
		$ALLOWED allowed IPs|$long|TXT|NOERROR|$long_txt
	END
}

# Answers are compared with the table; a second question for the same is answered from the cache.
ask_table() {
	local what name type status data

	while IFS='|' read -r what name type status data; do
		same "$1: $what" "$status${data:+ $data}" "$(asked "$(address "$1")" "$name" "$type")"
	done <"$LAB/questions"
}

write_usual() {
	local n

	{
		usual_peers
		for ((n = 1; n <= LIST - 4; n++)); do
			echo "fill$n 198.51.100.$n:$((2000 + n)) 10.9.1.$n/32"
		done
	} | write_dump
}

# The serial and the long text are wgmeetd's own; what is known of them is looked at here.
learn() {
	soa=$(asked $SERVER $ZONE SOA)
	soa=${soa#NOERROR }
	matches "SOA" "^ns1\.$ZONE\. hostmaster\.$ZONE\. [0-9]+ [0-9]+ [0-9]+ [0-9]+ $TTL_S\$" "$soa"
	long_txt=$(asked $SERVER "$long" TXT +tcp)
	long_txt=${long_txt#NOERROR }
	same "a text of $ALLOWED allowed IPs" "$(cidrs)" "$(sed 's/" "/\n/g; s/"//g' <<<"$long_txt" |
		sed -n 's/^allowed[0-9]*=//p' | paste -sd,)"
}

# ---- the delegation ----

# section ADDRESS SECTION NAME TYPE [DIG-OPTION...] - its records without TTL, sorted.
section() {
	lab_in client dig +tries=1 +time=2 +noall "+$2" "@$1" "$3" "$4" +norecurse "${@:5}" |
		awk '/^[^;]/ { print $1, $4, $5 }' | joined
}

check_delegation() {
	same "the parent's delegation is what the zone says: NS" "$(section "$(address parent)" authority "$alice" SRV)" \
		"$(section $SERVER answer $ZONE NS)"
	same "and glue" "$(section "$(address parent)" additional "$alice" SRV)" \
		"$({ section $SERVER answer ns1.$ZONE A && section $SERVER answer ns1.$ZONE AAAA; } | joined)"
}

# ---- systemd-resolved's own ways to ask ----

check_resolvectl() {
	local said

	said=$(ctl service "$(label alice)" _wireguard._udp $ZONE)
	matches "resolvectl service KEY TYPE ZONE: name and port" "$(label alice)._wireguard._udp.$ZONE:1001 " "$said"
	matches "the address" "^ *198\.51\.100\.1( |\$)" "$said"
	matches "the text" "pub=$(key alice)" "$said"
	said=$(ctl service "$(label bob)" _wireguard._udp $ZONE)
	matches "an IPv6 peer" "^ *2001:db8:1::2( |\$)" "$said"
	said=$(ctl service "$carol")
	matches "an unknown key is not found" "not found" "$said"
	# Two words are a service without instances: an SRV at the type itself. A list of instances is a PTR query.
	said=$(ctl service _wireguard._udp $ZONE)
	matches "without a key there is no such record" "does not have any RR of the requested type" "$said"
	said=$(ctl query --legend=no --type=PTR $svc)
	same "the list of peers" $LIST "$(grep -c " IN PTR .*\.$svc" <<<"$said")"
	said=$(ctl query "$alice")
	matches "resolvectl query" "198\.51\.100\.1( |\$)" "$said"
}

# ---- changes ----

# await_table RESOLVER LIMIT_MS - it answers each line of $LAB/awaited (what | name | type | answer) so, and at the latest to a
# question asked that long after $changed.
await_table() {
	local what name type want got took at pending=() left line

	at=$(address "$1")
	mapfile -t pending <"$LAB/awaited"
	while [ ${#pending[@]} -gt 0 ]; do
		left=()
		for line in "${pending[@]}"; do
			IFS='|' read -r what name type want <<<"$line"
			took=$(($(lab_ms) - changed)) # when it is asked
			got=$(asked "$at" "$name" "$type")
			if [ "$got" = "$want" ]; then
				ok "$1: $what, after $took ms"
			elif [ "$took" -gt "$2" ]; then
				same "$1: $what, within $2 ms" "$want" "$got, after $took ms"
			else
				left+=("$line")
			fi
		done
		pending=("${left[@]}")
		sleep 0.02
	done
}

# What is cached when the change comes.
before_change() {
	local at

	at=$(address "$1")
	same "$1: dave is" "NOERROR 198.51.100.4" "$(asked "$at" "$dave" A)"
	same "$1: alice is where she was" "NOERROR 198.51.100.1" "$(asked "$at" "$alice" A)"
	same "$1: so is her port" "NOERROR 0 0 1001 $alice." "$(asked "$at" "$alice" SRV)"
	same "$1: and the list" "NOERROR $(ptr_list bob long dave | joined)" "$(asked "$at" "$svc" PTR)"
	same "$1: carol is not" NXDOMAIN "$(asked "$at" "$carol" SRV)"
	same "$1: nor has she a text" NXDOMAIN "$(asked "$at" "$carol" TXT)"
}

within_two_ttls() {
	await_table "$1" $((2 * TTL_S * 1000))
}

# That a server failed is kept longer than a TTL, by Unbound for 5 seconds, by systemd-resolved for 10.
within_long() {
	await_table "$1" 15000
}

# served NAME TYPE WANT - by wgmeetd itself.
served() {
	[ "$(asked "$SERVER" "$1" "$2")" = "$3" ]
}

check_changes() {
	usual_peers | write_dump
	changed=$(lab_ms)
	echo "the list is shorter|$svc|PTR|NOERROR $(ptr_list bob long dave | joined)" >"$LAB/awaited"
	each within_two_ttls

	each before_change
	{
		usual_peers | sed -e 's/^alice .*/alice 198.51.100.77:1077 10.9.0.1\/32/' -e /^dave/d
		echo "carol 198.51.100.5:1005 10.9.0.5/32"
	} | write_dump
	changed=$(lab_ms)
	cat >"$LAB/awaited" <<-END
		a peer that comes is found|$carol|SRV|NOERROR 0 0 1005 $carol.
		and has a text|$carol|TXT|NOERROR "txtvers=1" "pub=$(key carol)" "allowed=10.9.0.5/32"
		a peer that goes is NXDOMAIN|$dave|A|NXDOMAIN
		one that moves has its new address|$alice|A|NOERROR 198.51.100.77
		and its new port|$alice|SRV|NOERROR 0 0 1077 $alice.
		the list has them|$svc|PTR|NOERROR $(ptr_list bob long carol | joined)
	END
	each within_two_ttls
}

# The device goes, and comes back.
check_loss() {
	mv "$dump" "$dump.away"
	changed=$(lab_ms)
	cat >"$LAB/awaited" <<-END
		without its device the zone is SERVFAIL|$alice|A|SERVFAIL
		for every name|$dave|A|SERVFAIL
	END
	each within_two_ttls

	mv "$dump.away" "$dump"
	check "wgmeetd has it again" lab_wait 3 served "$alice" A "NOERROR 198.51.100.77"
	changed=$(lab_ms)
	cat >"$LAB/awaited" <<-END
		when it is back it is answered|$alice|A|NOERROR 198.51.100.77
		and what is not in it, too|$dave|A|NXDOMAIN
	END
	each within_long
}

# ---- other tools, against wgmeetd itself ----

# cookies SAID - by dig or kdig: how many in all, how many good ones: of the client's 8 octets and 8 to 32 of the server's.
cookies() {
	echo "$(grep -c '^;.* COOKIE: ' <<<"$1") $(grep -Eic '^;+ COOKIE: [0-9a-f]{32,80}( \(good\))?$' <<<"$1")"
}

check_cookies() { # WHO SAID
	same "$1: one cookie, and a good one" "1 1" "$(cookies "$2")"
}

check_tools() {
	local said

	said=$(lab_in client dig +tries=1 "@$SERVER" "$alice" SRV +cookie +nsid)
	matches "dig +cookie +nsid: status" "status: NOERROR" "$said"
	matches "the answer" "SRV[[:space:]]0 0 1001 $alice" "$said"
	same "NSID is not echoed" 0 "$(grep -c NSID <<<"$said")"
	check_cookies dig "$said"
	same "dig sees named's cookie" "1 1" "$(cookies "$(lab_in client dig "@$(address named)" $ZONE SOA +cookie)")"

	said=$(lab_in client kdig "@$SERVER" "$bob" AAAA +cookie +nsid)
	matches "kdig +cookie +nsid: status" "status: NOERROR" "$said"
	matches "the answer" "AAAA[[:space:]]2001:db8:1::2" "$said"
	same "no warning but that TCP is needed" 0 "$(grep -i warning <<<"$said" | grep -vc truncated)"
	check_cookies kdig "$said"
	same "kdig sees named's cookie" "1 1" "$(cookies "$(lab_in client kdig "@$(address named)" $ZONE SOA +cookie)")"
	said=$(lab_in client kdig "@$SERVER" "$svc" PTR +bufsize=1232 2>&1)
	matches "kdig: a list that is too long for UDP" "truncated" "$said"
	same "comes by TCP" $LIST "$(grep -c "IN[[:space:]]PTR[[:space:]]" <<<"$said")"

	said=$(lab_in client drill "@$SERVER" "$alice" TXT)
	matches "drill: status" "rcode: NOERROR" "$said"
	matches "the answer" "TXT[[:space:]].*pub=$(key alice)" "$said"
	said=$(lab_in client drill -t "@$SERVER" "$carol" SRV)
	matches "drill over TCP: an unknown key" "rcode: NXDOMAIN" "$said"
	said=$(lab_in client drill -D "@$SERVER" "_udp.$ZONE" A)
	matches "drill with DO: nothing at _udp" "rcode: NOERROR" "$said"
	matches "and no answer" "ANSWER: 0" "$said"
}

# ---- what the resolvers said of it ----

check_logs() {
	same "unbound had nothing to doubt" "" "$(grep -Ei 'capsforid|throwaway|lame|servfail' "$LAB/unbound.log")"
	check "it asked over IPv4" grep -qF "<$ZONE.> 203.0.113.10#53" "$LAB/unbound.log"
	check "and IPv6" grep -qF "<$ZONE.> 2001:db8::10#53" "$LAB/unbound.log"
	same "nor had named" "" "$(grep -E ' resolving |lame|broken|FORMERR' "$LAB/named.log")"
}

write_usual
bed_start
learn
questions >"$LAB/questions"
check_delegation
each ask_table
check_resolvectl
check_tools
check_logs
check_changes
check_loss
e2e_done
