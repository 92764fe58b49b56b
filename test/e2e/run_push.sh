#!/bin/bash
# NOTIFY that somebody made up: over another interface, from another source, for another name, with any ID, and a flood of them.
# None changes anything, and what it costs is a look-up a second at most. Real ones are in run_change.sh.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317,SC2119,SC2120

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
[ -x "$BUILD/test/forge" ] || e2e_skip "no $BUILD/test/forge: make tests"
run_needs
e2e_enter "$@"
cp "$BUILD/test/forge" "$BIN/"

NOTIFY_PORT=5354
FLOOD=1000
FLOOD_S=2

forge() { # NS DEVICE FROM TO NAME COUNT [SECONDS]
	lab_in "$1" "$BIN/forge" "${@:2}"
}

# What came to alice, and what she said to it.
count_messages() {
	lab_in alice nft -f - <<-END || lab_die "cannot count messages"
		table inet came {
			counter requests { }
			counter responses { }
			chain in {
				type filter hook input priority 0
				udp dport $NOTIFY_PORT counter name requests
			}
			chain out {
				type filter hook output priority 0
				udp sport $NOTIFY_PORT counter name responses
			}
		}
	END
}

counted() { # requests|responses
	lab_in alice nft list counter inet came "$1" | awk '/packets/ { print $2 }'
}

mark() {
	was_asked=$(asked alice)
	was_requests=$(counted requests)
	was_responses=$(counted responses)
}

has_come() { # COUNT
	[ $(($(counted requests) - was_requests)) -ge "$1" ]
}

asks_no_more_than() { # COUNT
	[ $(($(asked alice) - was_asked)) -le "$1" ]
}

# unheard WHAT NS DEVICE FROM TO NAME - a few of them reach the host, and there is neither a look-up nor an answer; none later
# either, see below.
unheard() {
	mark
	must forge "${@:2}" 5
	check "$1: they come" lab_wait 3 has_come 5
	check "$1: alice asks nobody" asks_no_more_than 0
	same "$1: and answers none" "$was_responses" "$(counted responses)"
}

# costs WHAT FROM TO NAME COUNT SECONDS LEAST MOST - so many of them over the tunnel, from the registry's host.
costs() {
	local looks

	mark
	must forge hub wghub "$2" "$3" "$4" "$5" "$6"
	# A burst is more than WireGuard's queue takes.
	check "$1: they come" lab_wait 3 has_come $((($5 + 3) / 4))
	# One that waits for its second.
	lasts 2 lab_alive run-alice
	looks=$(($(asked alice) - was_asked))
	echo "# $1: $5 messages in $6 s, $looks look-ups, $(($(counted responses) - was_responses)) answers"
	check "$1: at least $7 look-ups" test "$looks" -ge "$7"
	check "$1: at most $8 look-ups" test "$looks" -le "$8"
}

run_bed masqdrop:masqdrop
bob_name=$(peer_name bob).$ZONE
alice_name=$(peer_name alice).$ZONE
lab_key carol # nobody's peer
# So that it is the daemon that drops them, and not the kernel; and a way from nat-a to alice's tunnel address.
# shellcheck disable=SC2016 # for the shell that is started
lab_in alice sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'
ip -n nat-a route add 10.9.0.2/32 via 10.1.0.2
count_messages
run_daemon alice
run_daemon bob
must lab_wait 20 lab_shook alice bob
check "alice is direct" lab_wait 10 in_state alice bob direct
check "bob is direct" lab_wait 10 in_state bob alice direct
calm() {
	mark
	lasts 1 asks_no_more_than 0
}
must lab_wait 10 calm

ep=$(lab_peer alice bob endpoints)
hub_ep=$(lab_peer alice hub endpoints)
all_sets="$(sets alice bob) $(sets alice hub) $(initiations alice bob)"
lines=$(log_lines alice)
before=$(asked alice)

# Where and whom from ----------------------------------------------------------------------------------------------

unheard "another interface, the peer's own address" nat-a lan0 10.9.0.1:53 10.1.0.2:$NOTIFY_PORT "$bob_name"
unheard "another interface, the tunnel's address" nat-a lan0 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$bob_name"
unheard "another peer" bob wgbob 10.9.0.3:53 10.9.0.2:$NOTIFY_PORT "$bob_name"
unheard "the registry's host, another port" hub wghub 10.9.0.1:5300 10.9.0.2:$NOTIFY_PORT "$bob_name"
mark
must forge bob wgbob 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$bob_name" 5
check "another peer, with the registry's address: WireGuard drops them" lasts 1 not has_come 1
same "for none of these alice asks anybody" "$before" "$(asked alice)"

# What for -----------------------------------------------------------------------------------------------------------

unheard "another zone" hub wghub 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$(peer_name bob).other.test"
unheard "the zone itself" hub wghub 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$ZONE"
unheard "no key" hub wghub 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "nobody._wireguard._udp.$ZONE"
# The resolver knows no keys: it is the setter that does not care.
costs "nobody's peer" 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$(peer_name carol).$ZONE" 5 0 0 0
same "for none of these, either" "$before" "$(asked alice)"

# All as it should be, but for the ID and the truth ------------------------------------------------------------------

costs "one that is right" 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$bob_name" 1 0 1 1
costs "a flood at once" 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$bob_name" $FLOOD 0 1 2
costs "a flood" 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$bob_name" $FLOOD $FLOOD_S 1 $((FLOOD_S + 2))
costs "a flood about alice herself" 10.9.0.1:53 10.9.0.2:$NOTIFY_PORT "$alice_name" $FLOOD $FLOOD_S 1 $((FLOOD_S + 2))

same "alice's endpoints are as they were" "$ep $hub_ep" "$(lab_peer alice bob endpoints) $(lab_peer alice hub endpoints)"
same "none was set, no handshake begun" "$all_sets" "$(sets alice bob) $(sets alice hub) $(initiations alice bob)"
same "alice says nothing" "$lines" "$(log_lines alice)"
same "and is direct" direct "$(state alice bob)"
check "they talk" direct alice bob
run_end alice
same "SIGTERM: exit status" 0 $?
e2e_done
