#!/bin/bash
# What the manuals claim in SECURITY CONSIDERATIONS: each sentence, and each item of the pictures, is in a table here, with the
# test that shows it. What no other test shows is shown here, by processes that are taken over.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -n "$(command -v mandoc)" ] || e2e_skip "not installed: mandoc"
# shellcheck source=memory.bash
. "${0%/*}/memory.bash"
# shellcheck source=puppet.bash
. "${0%/*}/puppet.bash"
cp "$PUPPET" "$BUILD/test/mock" "$BIN/" || lab_die "make tests first"

passed=()
ok() {
	echo "ok - $*"
	passed+=("$*")
}

# shellcheck source=takeover.bash
. "${0%/*}/takeover.bash"

# ---- the claims ----

# Of each page all sentences, and all items of the picture but those that a check of takeover.bash has in the same words. Behind
# some: what shows each of them, as FILE: WORDS, or "takeover" and the words of a check that has passed now; or that they claim
# nothing.
cat >"$LAB/claims" <<'END'
= wgmeetd.8
observer can: read devices and files
observer can: write serials
observer can: tell metrics
observer holds: the configuration
observer holds: what devices say of peers
worker can: answer and tell on its sockets
worker can: map zones, to read
worker can: count
worker can: log
binder can: log
	test_seccomp.c: what_a_role_is_there_for_it_can_do
observer holds: secret keys while it reads
	takeover: observer: between two reads none of
observer lost: secret keys
observer lost: the network's set-up
observer lost: what is published
observer lost: what its user may read, and ask of other programs
worker lost: who asks what
worker lost: its own answers
worker lost: its own counts
binder lost: what is asked there
binder lost: lines in the log
	- a weakness
worker lost: datagrams to anybody, over IPv6 from any address
	takeover: worker: lost, as is said: datagrams to anybody
worker lost: lines in the log
	takeover: worker: lost, as is said: lines in the log
reader is: what the observer is where all zones come from files
	e2e/sandbox.sh: file: the serial is kept
reader safe: as above
	takeover: reader: opens no IP socket
	takeover: reader: starts no program
	takeover: reader: writes no other file
	takeover: reader: reads no other process
	takeover: reader: signals no other process
worker holds: zones and their rules
	takeover: worker: zones
worker holds: cookies' secrets
	e2e/limits.sh: dig sends one of ours, and it is good
worker holds: what peers asked for
	e2e/push.sh: who asked is told within 2 s
binder can: bind its sockets to devices (CAP_NET_RAW)
	test_sandbox.c: root_becomes_another_user_with_what_the_role_keeps
	e2e/listen_device.sh: a $turn device of that name
What a process can is what it is there for, and it holds what is in its memory.
Lost is what somebody gets who takes it over, by a mistake in it; safe is what stays so even then.
	- a word
Each has a table of the system calls that it needs; any other one ends it, and the log says which one that was.
	test_seccomp.c: what_a_role_does_not_need_is_the_end
	takeover: a call that is not in the table ends it, and all
	takeover: the log says which
Where the kernel has Landlock, which Linux 5.13 and newer may have, files are out of the workers' and the binder's reach a second time, and the observer may read them all, but write only below the state directory; elsewhere its user's rights count.
	test_landlock.c: who_sees_no_files_sees_none
	test_landlock.c: an_observer_writes_in_its_state_directory_alone
No process can be traced or read by others of its user, and none writes a core file.
	takeover: closed to others of its user, without a core file
	test_sandbox.c: its_memory_is_closed_to_others_of_its_user
Of what whoever starts the server left open, only standard error is passed on to the workers and the binder.
	e2e/faults.sh: a worker holds nothing of its starter's
	takeover: binder: the sockets of Listen = %device
If a privilege cannot be given up, nothing is served.
	test_sandbox.c: what_does_not_drop_is_fatal
If one process ends, all end.
	e2e/faults.sh: a worker that is killed ends all
	e2e/faults.sh: an observer that is killed takes its workers along
	takeover: the binder is killed: all end
So they do if a worker or the binder says anything to the observer, or breaks off; but one that was taken over may stay, until the service manager ends it.
	takeover: a worker says something: all end
	takeover: the binder says something: all end
	takeover: a worker breaks off: the others end
An observer that is uid 0, because of a userspace device whose socket is root's, is root to other programs that it asks over their sockets.
Who takes it over is as good as root.
A device of the kernel's needs no such observer.
	- a weakness
Whoever may read a device is told its private key and its preshared keys, by the kernel as by userspace daemons.
	e2e/memory_secrets.sh: control: the device has the preshared keys
The observer does not keep them, and wipes the memory that they came in when it has read them.
	takeover: observer: between two reads none of
	takeover: reader: none of 2 secrets in its memory
	test_wgdev_uapi.c: an_answer_octet_by_octet_is_the_same_and_leaves_no_secret_behind
	test_wgdev_kernel.c: one_message_with_everything_is_read_but_for_its_secrets
	test_wgdev_dump.c: what_is_wrong_is_said_with_its_line_and_the_text_is_wiped
That memory is not locked, and may be swapped out.
	- a weakness
The workers and the binder are started before the first device is read, and never have these keys in their memory.
	e2e/memory_secrets.sh: none of ${#secrets[@]} secrets in its memory
	takeover: worker: has no secret key
	takeover: binder: has no secret key
Nor are they in the log or in the state directory.
	takeover: no secret key is in the log or the state directory
A file for --dump-file needs no keys but the public ones.
	test_wgdev_dump.c: secrets_need_not_be_keys
What a stranger sends is answered, dropped or refused, and counted, but never logged.
	takeover: nothing was logged of it
The memory of a worker does not grow with it.
	takeover: the workers' memory is as large as before
What peers ask for in a tunnel is remembered, for 10 minutes, and the memory for that has a bound.
	test_notify.c: after_ten_minutes_nobody_is_told
	test_interest.c: a_subscriber_with_too_many_loses_its_oldest
	test_interest.c: who_has_the_most_gives_way
	test_interest.c: when_subscribers_are_too_many_who_asked_longest_ago_goes
Over TCP, the connections are bounded in number, from one source and in all, and in time.
	e2e/tcp_bounds.c: 500 of one source
	e2e/tcp_bounds.c: 2,000 of as many sources
	e2e/tcp_bounds.c: 10.1 s idle: it is ended
	e2e/tcp_bounds.c: a connection that asks for ever lives for %u s
A worker looks at all of a zone that it is handed before it answers from it, and ends if it is not what the observer builds.
	test_snapshot_check.c: a_block_that_is_not_the_builder_s_is_refused
	test_snapshot_check.c: an_octet_that_changed_is_refused_or_does_no_harm
Nobody can change a zone that was handed over.
	test_snapshot.c: what_was_built_can_never_change_again
	test_snapshot.c: a_block_with_a_seal_less_is_refused
Where a query over UDP comes from may be forged, and the answer then goes to somebody who did not ask.
	- a weakness
No answer over UDP is longer than 1232 octets.
	e2e/limits.sh: and at most 1232
	takeover: but not longer than 1232 octets
While its source has not shown that it is not forged, it is not longer than four times the query, and like answers to one network keep within --rate-limit.
	test_access.c: no_answer_is_longer_than_four_times_the_query
	e2e/limits.sh: an answer has at most 4 octets for each that was asked
	e2e/limits.sh: a question, 2,000 times
	e2e/limits.sh: a neighbour in the /24 shares that
	test_rrl.c: a_network_is_limited_and_no_other
	takeover: an unproven source gets no long answer
With --rate-limit=0 only the first of these three holds.
	e2e/limits.sh: RateLimit = 0: nor is the size of answers
	takeover: with RateLimit = 0 an answer is long
	takeover: but not longer than 1232 octets
What is good for that is a cookie of this server, which only who sees its answers can know, or the zone's own device, through which WireGuard lets only its peers.
	test_cookie.c: every_bit_of_a_cookie_counts
	test_cookie.c: every_bit_of_the_address_counts
	e2e/limits.c: a cookie of another address is not good
	e2e/limits.c: the cookie of another run is not good
	e2e/access.sh: an address that is no peer's does not come in by the tunnel
	e2e/access.sh: nor does another peer's
Changes are told only to peers that have asked in the tunnel, and through it, so to nobody who did not ask; to each of them, and in all, only so many a second.
	e2e/push.sh: who did not come by the tunnel is not told
	e2e/push.sh: the routes lead elsewhere: it is told by the device
	test_notify.c: who_did_not_come_by_the_tunnel_is_not_told
	test_notify.c: one_address_is_told_so_many_a_second
	test_notify.c: all_together_are_told_so_many_a_second
Responses are not answered, nor errors sent to a port whose service would answer them, so that no two servers talk for ever.
	test_query.c: responses_are_dropped
	takeover: from port 7 an error is not answered
Whoever may ask, and has the public key of a peer or its name for people, learns its endpoint and its allowed IPs; a name can be guessed.
Whoever may see lists learns those of all.
	- a weakness
That is everybody who reaches the server, unless --allow and --allow-browse say less.
	e2e/access.sh: all: a stranger
	e2e/access.sh: a stranger does not see $name
	test_access.c: each_gets_what_it_may
tunnel is nobody but the device's peers, told by WireGuard's keys.
	e2e/access.sh: a peer, in the tunnel
	e2e/access.sh: a stranger
	e2e/access.sh: the registry itself, its tunnel address
	e2e/access.sh: a peer's address beside the tunnel, port $port
A network is told by addresses, which over UDP may be forged; but the answer goes there.
	- a weakness
Who may not ask is answered alike for what is there and what is not, and is not told of changes.
	e2e/access.sh: what is and what is not is refused alike
	test_notify.c: who_may_not_ask_is_not_told
There are no zone transfers.
	takeover: a zone transfer is refused
Whoever may ask sees at the serial that something changes, and at "shard=" about how many peers there are.
	- a weakness
A peer that is kept out is answered for as one that does not exist.
	e2e/publish.sh: who is not has no name
	test_zone.c: a_peer_may_be_kept_out_by_its_key
No private key, preshared key, handshake time or traffic counter is published.
	takeover: it has no handshake time, counter, keepalive or secret
Who asks for what is not logged.
	takeover: nothing was logged of it
Outside a tunnel, queries and answers can be read on their way.
The answers are not signed.
Who forges them, or takes over the registry, can send peers to wrong endpoints, where they do not reach each other, and have them send handshakes there, 148 octets every 5 seconds for 90 seconds; and learns who looks for whom.
	- a weakness
That is no way into a tunnel: those are of the keys that both sides have configured, and wgmeet(8) takes nothing but endpoints from DNS.
	takeover: sync sets the endpoint
	takeover: sync sets nothing else
= wgmeet.8
setter can: read the device and files
setter can: set endpoints
setter can: send a packet into the tunnel
setter holds: the configuration
setter holds: what the device says of peers
resolver can: ask name servers over UDP and TCP
resolver can: log
resolver holds: the configuration
resolver holds: public keys that are looked up
	test_seccomp.c: what_a_role_is_there_for_it_can_do
	e2e/sync_mock.sh: all endpoints are set
setter holds: secret keys while it reads
	takeover: setter: none of
setter lost: secret keys
setter lost: the network's set-up
setter lost: datagrams to anybody
setter lost: what its user may read, and ask of other programs
resolver lost: the endpoints of the peers that are looked up
resolver lost: datagrams and connections to anybody
resolver lost: lines in the log
	- a weakness
The words are those of wgmeetd(8).
	- a word
Each process has a table of the system calls that it needs; any other one ends it, and that is said.
	test_seccomp.c: what_a_role_does_not_need_is_the_end
	takeover: a call that is not in the table ends the resolver
	takeover: and that is said of the resolver
Where the kernel has Landlock, which Linux 5.13 and newer may have, files are out of the resolver's reach a second time, and the setter may read them all, but write none; elsewhere its user's rights count.
	test_landlock.c: who_sees_no_files_sees_none
	test_landlock.c: a_setter_writes_nowhere
Neither process can be traced or read by others of its user, and neither writes a core file.
	takeover: wgmeet: closed to others of its user, without a core file
A setter that is uid 0 is root to other programs that it asks over their sockets.
Who takes it over is as good as root.
	- a weakness
Where the device is the kernel's, let wgmeet have a user of its own, with CAP_NET_ADMIN.
	e2e/units.sh: wgmeet-sync@'s command with its powers
The resolver is started before the device is read.
	takeover: resolver: has no secret key
What it says is judged again by the setter: an endpoint where no peer can be, or inside the tunnel, is not set.
	test_ask.c: endpoints_are_judged_again
	test_ask.c: a_lie_ends_the_program
	e2e/lies.sh: inside the tunnel
The setter wipes the memory that secret keys came in when it has read them.
	takeover: setter: none of
It never sends a private key to the device, and never adds a peer that was removed.
	test_wgdev_kernel.c: an_endpoint_is_set_with_update_only_and_nothing_else
	test_wgdev_uapi.c: an_endpoint_is_set_with_update_only_and_nothing_else
	test_wgdev_kernel.c: a_kick_is_the_peer_twice_with_keepalive_0_and_then_n
	vm/kernel_test.c: no_secret_on_the_wire
DNS answers are not authenticated.
	- a weakness
Who forges them, or takes over the registry, can send packets to another endpoint, which keeps the peers apart, but does not open the tunnel: of what DNS says only endpoints are set, and WireGuard authenticates the peers by their keys.
	takeover: sync sets nothing else
A tunnel that works is left alone, unless --force is given.
	e2e/nat_sync.sh: the live endpoint is untouched
	e2e/nat_sync.sh: --force sets the other endpoint
Ask the registry inside the tunnel to be safe from forgers.
	- advice
END

# sentences PAGE - of the section, as they are read.
sentences() {
	mandoc -T ascii -O width=1000 "$ROOT/man/$1" | sed 's/.\x08//g' |
		awk '/^[A-Z]/ { on = $0 == "SECURITY CONSIDERATIONS"; next } on && !/^ ? ? ?[^ ]/ && !/^      /' |
		awk 'BEGIN { RS = "" } { gsub(/[ \n]+/, " "); sub(/^ /, ""); gsub(/\. /, ".\n"); print }'
}

# items PAGE - of the picture, as "PROCESS WORD: ITEM".
items() {
	awk '/^\.Sh/ { on = /SECURITY/ } on && /^\.Bd -literal/ { picture = 1; next } /^\.Ed/ { picture = 0 } on && picture' \
		"$ROOT/man/$1" | awk '
		function flush(n, i, part) {
			n = split(text, part, /; */)
			for (i = 1; i <= n; i++)
				if (process != "" && part[i] != "")
					print process " " word ": " part[i]
			text = ""
		}
		/^ [a-z]+ +(can|holds|lost|safe|what) / {
			flush()
			process = $1
			word = $2 == "what" ? "is" : $2
			sub(/^ [a-z]+ +/, "")
			if (word != "is")
				sub(/^[a-z]+ +/, "")
			text = $0
			next
		}
		process != "" && /^           (can|holds|lost|safe) / {
			flush()
			word = $1
			sub(/^ +[a-z]+ +/, "")
		}
		process != "" {
			sub(/^ +/, "")
			text = text (text == "" ? "" : " ") $0
		}
		END { flush() }'
}

has_passed() { # WORDS - or words that begin so
	local description

	for description in "${passed[@]}"; do
		[ "${description#"$1"}" = "$description" ] || return 0
	done
	return 1
}

# shows FILE WORDS - is there such a check?
shows() {
	local file=$ROOT/test/$1

	if [ "$1" = takeover ]; then
		has_passed "$2"
		return
	fi
	[ -f "$file" ] || { echo "there is no test/$1" && return 1; }
	case $1 in
	test_*.c) grep -q "^START_TEST($2)\$" "$file" ;;
	*) grep -F -e "$2" "$file" | grep -Evq '^[[:space:]]*(#|/?\*)' ;;
	esac
}

# is_shown - the lines behind a statement, which come in.
is_shown() {
	local line some=

	while read -r line; do
		case $line in
		'- a weakness' | '- a word' | '- advice') ;;
		*': '*) shows "${line%%: *}" "${line#*: }" || { echo "$line: that shows nothing" && return 1; } ;;
		*) echo "$line: what is that?" && return 1 ;;
		esac
		some=1
	done
	[ -n "$some" ] || { echo "nothing shows it" && return 1; }
}

# evidence PAGE STATEMENT - what the table has behind it, or behind those that it stands among.
evidence() {
	awk -v page="= $1" -v statement="$2" '
		/^= / { on = $0 == page; next }
		!on { next }
		/^\t/ { if (here) print substr($0, 2); behind = 1; next }
		behind { here = behind = 0 }
		$0 == statement { here = 1 }' "$LAB/claims"
}

for page in wgmeetd.8 wgmeet.8; do
	{ items $page && sentences $page; } >"$LAB/said"
	check "$page: there is a picture" grep -q ' safe: starts no program$' "$LAB/said"
	while IFS= read -r statement; do
		process=${statement%% *}
		! has_passed "$process: ${statement#*: }" || continue
		if ! why=$(evidence $page "$statement" | is_shown); then
			not_ok "$page: $statement"
			echo "#   $why"
		fi
	done <"$LAB/said"
	ok "$page: $(wc -l <"$LAB/said") statements"
	# And nothing in the table that is not said.
	while IFS= read -r statement; do
		grep -Fxq -e "$statement" "$LAB/said" || not_ok "$page does not say: $statement"
	done < <(awk -v page="= $page" '/^= / { on = $0 == page; next } on && !/^\t/' "$LAB/claims")
done
e2e_done
