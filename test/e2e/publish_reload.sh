#!/bin/bash
# SIGHUP: a wrong configuration keeps the old one and names each problem with its line; zones come and go.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
. "$(dirname "$0")/publish.bash" || exit 1

usual_peers
{ zone <<<'' && peer alice 'Name = alice' && peer erin 'Endpoint = 192.0.2.5:5'; } | configure
start_server
k_alice=$(instance alice).$ZONE.

# ---- wrong configurations ----

lab_wait 2 are_served "alice bob carol erin"
{
	zone <<<'Publish = some # wrong: Publish = some: it must be all or listed'
	cat <<-END
		Exclude = 10.0.0.0/8, here # wrong: Exclude = here: it must be ADDR/BITS
		MaxAge = soon # wrong: MaxAge = soon
		PrivateEndpoints = perhaps # wrong: PrivateEndpoints = perhaps: it must be yes or no
		Self = me # wrong: Self = me
		[Peer]
		Name = nobody # wrong: no PublicKey
		Publish = no
		[Peer]
		PublicKey = $(key alice)
		Name = -a # wrong: Name = -a: .*hyphen
		Endpoint = 198.51.100.1 # wrong: Endpoint = 198.51.100.1
		Publish = all # wrong: Publish = all: it must be yes or no
		[Peer]
		PublicKey = $(key bob)
		Name = a.b # wrong: Name = a.b
		Endpoint = 127.0.0.1:1 # wrong: Endpoint = 127.0.0.1:1: no other host
		[Peer]
		PublicKey = $(key carol)
		Name = 12345678901234567890123456789012345678901 # wrong: Name = 1234.*40
		Nmae = carol # wrong: there is no key Nmae
		[Peer]
		PublicKey = $(key dave)x # wrong: PublicKey = .*no public key
		[Peer]
		PublicKey = short # wrong: PublicKey = short: .*no public key
	END
} | refused "values"
{
	zone <<<'NameServer = ns.far.sub.wg.test'
	cat <<-END
		[Peer]
		PublicKey = $(key bob)
		[Peer]
		PublicKey = $(key bob) # wrong: another \[Peer\] for $(key bob)
		[Peer]
		PublicKey = $(key carol) # wrong: Name = ns1: .*name server
		Name = ns1
		[Peer]
		PublicKey = $(key dave) # wrong: Name = sub: .*name server
		Name = Sub
		[Peer]
		PublicKey = $(key alice)
		Name = twin
		[Peer]
		PublicKey = $(key erin) # wrong: Name = twin: another peer
		Name = TWIN
	END
} | refused "names and keys"
{
	cat <<-END
		[Peer]
		PublicKey = $(key alice) # wrong: stands below the \[Zone\]
		Name = alice
		Publish = no
	END
	zone <<<''
} | refused "a [Peer] above the [Zone]"
refused "a [Peer] without a [Zone]" 1 <<-END
	[Peer]
	PublicKey = $(key alice) # wrong: stands below the \[Zone\]
	Publish = no
	[Peer]
	PublicKey = $(key bob) # wrong: stands below the \[Zone\]
END
check "a [Peer] without a [Zone]: says that there is no zone" has_said 'there is no \[Zone\]'
{ zone <<<'' && peer alice 'Name = other' && zone <<<'' | sed '/^Name =/s/$/ # wrong: there twice/'; } |
	refused "a zone twice"
before=$(serial)
mv "$conf" "$conf.away"
hup "$kept"
matches "a file that is gone is said" "cannot read $conf: No such file" "$(log)"
same "a file that is gone: the serial stays" "$before" "$(serial)"
check "after all that the old one is served" are_served "alice bob carol erin"
check "with its names" has_record alice A "$k_alice
198.51.100.1"
{ zone <<<'' && peer alice 'Name = alice' && peer erin 'Endpoint = 192.0.2.5:5'; } | configure
unchanged "the old configuration again" hup "$reread"

{ zone <<<'' && printf '[Peer] # wrong: .\n' && peer bob 'Name = bob'; } | refused "a [Peer] with nothing in it"

# What was bound and forked at the start stays, and the rest is taken.
before=$(serial)
zone <<<'' | configure
sed -i -e 's/^Listen.*/Listen = 127.0.0.2:5301/' -e 's/^Workers.*/Workers = 2/' "$conf"
hup "$reread"
matches "Listen and Workers need a restart, and are named" \
	'Listen, Workers in the configuration changed: that needs a restart, and stays as it was$' "$(log)"
lab_wait 2 are_served "alice bob carol"
settled "another Listen, and less peers" "$before" "alice bob carol"
same "nobody answers at the new address" none "$(lab_in - dig +tries=1 +time=1 -p 5301 @127.0.0.2 "$ZONE" SOA |
	grep -q status: && echo answered || echo none)"

zone <<<'' | sed '/^NameServer/d' | configure
sed -i 's/^Listen.*/Listen = 127.0.0.2:5301/' "$conf"
hup "$reread"
check "a name server of no name has the address where the server answers" lab_wait 2 has_record ns A "$SERVER"

# ---- zones come and go ----

# other TYPE [NAME] - the second zone's.
other() {
	lab_in $SERVER_NS dig +tries=1 +time=2 -p $SERVER_PORT "@$SERVER" "${2:+$2.}other.test" "$1"
}

other_status() {
	other "$@" | awk '/status:/ { sub(/,/, "", $6); print $6 }'
}

has_other_status() { # STATUS TYPE [NAME]
	[ "$(other_status "${@:2}")" = "$1" ]
}

second_zone() { # FILE
	printf '[Zone]\nName = other.test\nDumpFile = %s\nNameServer = ns.other.test %s\n' "$1" "$SERVER"
	peer bob 'Name = alice' # the same name, and another zone's
}

# two_zones FILE - the second one from that.
two_zones() {
	zone <<<''
	peer alice 'Name = alice'
	second_zone "$1"
}

is_refused() {
	[ "$(ask_status '' SOA)" = REFUSED ]
}

has_serial() {
	[ "$(serial)" = "$1" ]
}

same "a zone that is not there yet" REFUSED "$(other_status SOA)"
two_zones "$dump" | configure
hup "$reread"
check "a zone more: it is served" lab_wait 2 has_other_status NOERROR SOA
check "a zone more: that is said" lab_wait 2 has_said 'zone other.test: serving 3 peers'
matches "a zone more: its [Peer] is its own" 'AAAA[[:space:]]2001:db8::2$' "$(other AAAA alice)"
check "a zone more: the first one's is, too" has_record alice A "$k_alice
198.51.100.1"
check "it has its serial in the state directory" test -s "$LAB/state/other.test.serial"
before=$(serial)
two_zones "$LAB/nowhere" | configure
hup "$reread"
check "its file is another, which is not there: SERVFAIL" lab_wait 2 has_other_status SERVFAIL SOA
same "the first one goes on" "$before" "$(serial)"
two_zones "$dump" | configure
hup "$reread"
check "its file is there again" lab_wait 2 has_other_status NOERROR SOA
zone <<<'' | configure
hup "$reread"
check "the zone removed: REFUSED" lab_wait 2 has_other_status REFUSED SOA
same "and so are the names in it" REFUSED "$(other_status A alice)"
matches "that is said" 'zone other.test: left the configuration' "$(log)"
two_zones "$dump" | configure
hup "$reread"
check "the zone again" lab_wait 2 has_other_status NOERROR SOA
check "and the first one with a name" lab_wait 2 has_record alice A "$k_alice
198.51.100.1"
before=$(serial)
second_zone "$dump" | configure
hup "$reread"
check "the first zone removed: REFUSED" lab_wait 2 is_refused
same "the other one stays" NOERROR "$(other_status SOA)"
{ zone <<<'' && peer alice 'Name = alice'; } | configure
hup "$reread"
check "the zones exchanged" lab_wait 2 has_other_status REFUSED SOA
check "the first one is back, with its serial" lab_wait 2 has_serial "$before"

# As many zones as there may be, all replaced by others, again and again.
many_zones() { # PREFIX
	local i

	for i in {1..32}; do
		printf '[Zone]\nName = %s%d.test\nDumpFile = %s\nNameServer = ns.example.net\n' "$1" "$i" "$dump"
	done
}

for prefix in a b c; do
	many_zones $prefix | configure
	hup "$reread"
	check "32 other zones ($prefix): wgmeetd goes on" lab_alive wgmeetd
	if ! lab_alive wgmeetd; then # the tests that follow need one
		start_server
	fi
done

served_zones() { # PREFIX
	local i

	for i in {1..32}; do
		echo "$1$i.test SOA"
	done >"$LAB/questions"
	lab_in $SERVER_NS dig "@$SERVER" -p $SERVER_PORT +tries=1 +time=2 +noall +answer -f "$LAB/questions" | grep -c SOA
}

has_served_zones() { # PREFIX COUNT
	[ "$(served_zones "$1")" = "$2" ]
}

check "32 other zones: all are served" lab_wait 5 has_served_zones c 32
same "32 other zones: none of the old ones" 0 "$(served_zones b)"
zone <<<'' | configure
hup "$reread"
check "and the usual one again" lab_wait 2 are_served "alice bob carol"

# ---- a source that cannot be read ----

cp "$dump" "$LAB/good"
printf 'this\tis no peer\n' >>"$LAB/good"
mv "$LAB/good" "$dump"
check "a broken file is said" lab_wait 3 grep -q 'still serving what was last read' "$LAB/wgmeetd.log"
{ zone <<<'Allow = 192.0.2.0/24'; } | configure
hup "$reread"
is_refused() {
	[ "$(ask_status '' SOA)" = REFUSED ]
}
check "what was last read is served, but by the new rules" lab_wait 2 is_refused
{ zone <<<"DumpFile = $LAB/good"; } | sed "\\|DumpFile = $dump|d" | configure
printf 'this\tis no peer\n' >"$LAB/good"
chmod 644 "$LAB/good"
hup "$reread"
is_not_ready() {
	[ "$(ask_status '' SOA)" = SERVFAIL ]
}
check "what was read from another file is not served for one that cannot be read" lab_wait 3 is_not_ready

lab_stop wgmeetd
same "SIGTERM ends it with 0" 0 $?
e2e_done
