#!/bin/bash
# The life of "wgmeet run": it waits for its device and for its name server, follows what others do to the device, reads its file
# again, is alone on its device, and leaves that as it is when it ends.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
run_needs
e2e_enter "$@"

RUN_TTL_S=2
conf=$LAB/alice.conf

configure() { # LINE...
	printf '%s\n' '[Client]' "$@" >"$conf.new"
	mv "$conf.new" "$conf"
}

marked=0
mark() {
	marked=$(log_lines alice)
}

has_said() { # REGEX - since the mark
	tail -n "+$((marked + 1))" "$LAB/run-alice.log" | grep -Eiq -e "$1"
}

hup() {
	mark
	kill -s HUP "${lab_pid[run-alice]}"
}

lists() { # OTHER - does the daemon of alice know of it?
	[ -n "$(state alice "$1")" ]
}

alice_device() {
	lab_wg alice
	lab_in alice wg set wgalice peer "$(lab_pub hub)" endpoint $SERVER:51820 allowed-ips "${lab_addr[hub]}/32" \
		persistent-keepalive 1
	lab_know alice bob
}

# forget_bob - alice has no endpoint for bob any more, and neither a session; bob's daemon and his device do not know.
forget_bob() {
	lab_in alice wg set wgalice peer "$(lab_pub bob)" remove
}

shows() { # OCTETS - that alice has received from bob
	[ "$(state alice bob rx_bytes)" -ge "$1" ]
}

settings() { # all of the device but what changes by itself
	lab_in "$1" wg showconf "wg$1" | sort
}

run_devices masqdrop:masqdrop
lab_wg_delete alice wgalice

# Before there is a device, and before there is a name server. --------------------------------------------------------

configure "Zone = $ZONE" "Server = $RUN_SERVER"
run_daemon alice -c "$conf"
check "no device: it waits" lasts 1 lab_alive run-alice
check "and says so" log_says alice 'wgalice.*(wait|not there|no .*device)|wait.*wgalice'
same "once" 1 "$(log_lines alice)"
alice_device
must lab_wait 20 lab_shook alice hub
check "the device is there: it knows of bob" lab_wait 5 lists bob
check "no name server: it looks for him" lab_wait 10 in_state alice bob looking
check "and says why it does not find him" lab_wait 10 state_why alice bob 'reached|no answer'
check "and in its log" log_says alice "registry at $RUN_SERVER:53: .*(no answer|reached)"
same "once" 1 "$(grep -c 'registry at' "$LAB/run-alice.log")"
check "and stays" lab_alive run-alice
run_daemon bob
run_wgmeetd
began=$(day_ms)

# Alone on its device. ---------------------------------------------------------------------------------------------------

mark
out=$(lab_in alice timeout 5 "$BIN/wgmeet" run wgalice -c "$conf" 2>&1)
same "a second one: exit status" 1 $?
matches "it says why" 'wgalice.*(already|another|other)|(already|another|other).*wgalice' "$out"
same "in one line" 1 "$(grep -c . <<<"$out")"
check "the first one lives" lab_alive run-alice
check "and answers" lists bob
check "and has nothing to say about it" not has_said "already|another|$BIN"

# What others do to the device. ------------------------------------------------------------------------------------------

lab_key carol
lab_addr[carol]=10.9.0.4
lab_know alice carol
check "a peer is added: it is looked for" lab_wait 7 in_state alice carol looking
check "the name server is there: alice and bob find each other" lab_wait 30 lab_shook alice bob
check "and her log has where she is seen" lab_wait 15 log_says alice "registry at $RUN_SERVER:53 sees us at $(lab_seen alice)"
echo "# $(($(day_ms) - began)) ms after it was"
check "alice says so" lab_wait 10 in_state alice bob direct
for i in 1 2 3; do
	lab_in alice ping -q -c 3 -i 0.02 -s 1000 "${lab_addr[bob]}" >/dev/null
	received=$(lab_peer alice bob transfer | cut -d ' ' -f 1)
	check "what status shows is of now, time $i: $received octets" lab_wait 1 shows "$received"
done
check "and why carol is not found" lab_wait 15 state_why alice carol 'not in the zone'
lab_in alice wg set wgalice peer "$(lab_pub carol)" remove
forget_bob
check "peers are removed: forgotten" lab_wait 7 not lists bob
check "both of them" not lists carol
lab_know alice bob
check "and added again: found" lab_wait 10 lab_shook alice bob
check "they talk" lab_wait 5 direct alice bob

# Between two looks at the device at which nothing came in from bob, or he could have moved there himself.
check "bob is silent" lasts 6 lab_alive run-alice
before=$(sets alice bob)
lab_in alice wg set wgalice peer "$(lab_pub bob)" endpoint 203.0.113.99:9
check "an endpoint that somebody sets: it stays" lasts 6 endpoint_is alice bob 203.0.113.99:9
same "nobody has set another" 1 $(($(sets alice bob) - before))
check "bob, who is told nothing, talks to alice: alice follows him" lab_wait 10 direct bob alice
same "alice has bob where he is" "$(lab_seen bob)" "$(lab_peer alice bob endpoints)"

lab_wg_delete alice wgalice
check "the device is deleted: it stays" lasts 1 lab_alive run-alice
alice_device
lab_know alice carol
check "made anew: they find each other" lab_wait 30 lab_shook alice bob
check "and talk" lab_wait 5 direct alice bob
check "and alice says so" lab_wait 10 in_state alice bob direct

# Its file. ----------------------------------------------------------------------------------------------------------------

configure "Zone = other.test" "Server = $RUN_SERVER"
ep=$(lab_peer alice bob endpoints)
hup
check "SIGHUP: read again" lab_wait 3 has_said 'read the settings again'
check "the other zone is asked, and the server refuses" lab_wait 10 state_why alice carol refuse
check "and the log says that it does" lab_wait 15 has_said "registry at $RUN_SERVER:53: .*refuse"
same "bob's endpoint is as it was" "$ep" "$(lab_peer alice bob endpoints)"

printf '%s\n' '[Client]' 'Zone = two..dots' 'Sever = 10.9.0.1' 'Keepalive = many' >"$conf"
hup
check "a broken file: refused" lab_wait 3 has_said 'stays as it was|stay as they were|3 errors'
for line in 2 3 4; do
	check "line $line is named" has_said "alice.conf:$line: "
done
check "it goes on" lasts 1 in_state alice carol looking
check "with what it had" state_why alice carol refuse

configure "Zone = $ZONE" "Server = $RUN_SERVER"
hup
check "the right zone again" lab_wait 3 has_said 'read the settings again'
forget_bob
lab_know alice bob
check "bob is found" lab_wait 10 lab_shook alice bob
configure "Zone = $ZONE" "Server = 127.0.0.1:5399"
hup
check "another server" lab_wait 3 has_said 'read the settings again'
check "is asked, and nobody is there" lab_wait 20 state_why alice carol 'no answer|reached'
check "bob is direct all the same" in_state alice bob direct

# The system's name servers. -----------------------------------------------------------------------------------------------

echo 'nameserver 127.0.0.9' >"$LAB/resolv.conf"
[ -e /etc/resolv.conf ] || : >"$(readlink -m /etc/resolv.conf)"
mount --bind "$LAB/resolv.conf" "$(readlink -f /etc/resolv.conf)" || lab_die "cannot mount"
configure "Zone = $ZONE"
hup
check "no server is given: the system's" lab_wait 3 has_said 'read the settings again'
check "nobody is there" lab_wait 20 has_said 'registry at 127.0.0.9:53: .*(no answer|reached)'
echo "nameserver $RUN_SERVER" >"$LAB/resolv.conf"
mark
ip -n alice route add 198.51.100.0/24 via "${lab_nat_lan[nat-a]}.1"
check "with a network come other name servers" lab_wait 10 has_said "system's name servers have changed"
check "which are asked" lab_wait 15 state_why alice carol 'not in the zone'

# A device that is down. ---------------------------------------------------------------------------------------------------

ip -n alice link set wgalice down
check "down: status says that nothing passes" lab_wait 7 state_why alice bob 'the device is down'
lab_in alice "$BIN/wgmeet" status wgalice >/dev/null
same "and fails" 1 $?
ip -n alice link set wgalice up
check "up: they talk again" lab_wait 20 direct alice bob
check "and status says so" lab_wait 10 in_state alice bob direct

# The end. -----------------------------------------------------------------------------------------------------------------

before=$(settings alice)
began=$(lab_ms)
run_end alice
same "SIGTERM: exit status" 0 $?
took=$(($(lab_ms) - began))
check "at once: $took ms" test $took -lt 2000
same "the device is as it was" "$before" "$(settings alice)"
check "they still talk" direct alice bob
check "nothing of it is left" not test -e /run/wgmeet/wgalice/status
same "and status says that it does not run" no "$(lab_in alice "$BIN/wgmeet" status wgalice --zone $ZONE \
	--server $RUN_SERVER --json 2>/dev/null | jq -r 'if .peers[0].state then "yes" else "no" end')"
same "--json is refused" 2 "$(lab_in alice timeout 5 "$BIN/wgmeet" run wgalice -c "$conf" --json >/dev/null 2>&1; echo $?)"
run_daemon alice -c "$conf"
check "it starts again" lab_wait 5 lists bob
lab_stop run-alice INT
same "SIGINT: exit status" 0 $?
e2e_done
