#!/bin/bash
# The zone's serial moves when and only when its content does; not backwards over a restart, nor when the clock is
# set back. With a dump file, a high port and no privilege at all.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
dump=$LAB/dump/peers
state=$LAB/state/$ZONE.serial

start_server() {
	lab_start wgmeetd - setpriv --reuid="$WORKER_UID" --regid="$WORKER_UID" --clear-groups --inh-caps=-all -- \
		"$BIN/wgmeetd" --zone "$ZONE" --dump-file "$dump" --listen $SERVER:$SERVER_PORT \
		--name-server "ns1.$ZONE $SERVER" --ttl 10 --state-directory "$LAB/state" --workers 1
	server_wait wgmeetd
}

restart_server() {
	lab_stop wgmeetd
	same "SIGTERM ends wgmeetd with 0" 0 $?
	"$@"
	start_server
}

serial() {
	ask_short '' SOA | awk '{ print $3 }'
}

# write_dump - the content from a table of peers, one a line: name, endpoint, allowed IPs, handshake, rx, tx, keepalive.
# The lab's file system shows each read in the atime: what it is before is kept in $unread.
write_dump() {
	local name rest

	{
		printf '%s\t%s\t51820\toff\n' "(none)" "$(lab_pub hub)"
		while read -r name rest; do
			printf '%s\t(none)\t%s\n' "$(lab_pub "$name")" "${rest// /$'\t'}"
		done
	} >"$dump.new"
	unread=$(stat -c '%i %x' "$dump.new")
	mv "$dump.new" "$dump"
}

touch_dump() {
	unread=$(stat -c '%i %x' "$dump")
	touch -m "$dump"
}

was_read() {
	[ "$(stat -c '%i %x' "$dump")" != "$unread" ]
}

# after_reading COMMAND... - which changes the file; returns when wgmeetd has read it and has had time to act.
after_reading() {
	"$@"
	lab_wait 10 was_read || not_ok "the file is read again after: $*"
	sleep 0.3
}

stays() { # DESCRIPTION COMMAND...
	local what=$1 before

	shift
	before=$(serial)
	after_reading "$@"
	same "$what: the serial stays" "$before" "$(serial)"
}

# RFC 1982
is_after() { # NEW OLD
	local distance=$((($1 - $2) & 0xffffffff))
	[ "$distance" -gt 0 ] && [ "$distance" -lt $((1 << 31)) ]
}

moves() { # DESCRIPTION COMMAND...
	local what=$1 before after

	shift
	before=$(serial)
	after_reading "$@"
	after=$(serial)
	check "$what: the serial moves ($before to $after)" is_after "$after" "$before"
}

has_state() { # SERIAL
	[ "$(cut -d' ' -f1 "$state")" = "$1" ]
}

for n in hub a b c; do
	lab_key $n
done
mkdir "$LAB/dump" "$LAB/state"
chown "$WORKER_UID" "$LAB/state"
now=$(date +%s)
write_dump <<-END
	a 198.51.100.1:1001 10.9.0.11/32 0 0 0 off
	b 198.51.100.2:1002 10.9.0.12/32 0 0 0 off
END
start_server
check "peers are served" is_served a 198.51.100.1 1001
check "the first serial is the time of day or later" test "$(serial)" -ge "$now"

stays "same file, touched" touch_dump
stays "same content, new file" write_dump <<-END
	a 198.51.100.1:1001 10.9.0.11/32 0 0 0 off
	b 198.51.100.2:1002 10.9.0.12/32 0 0 0 off
END
stays "peers in another order" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32 0 0 0 off
	a 198.51.100.1:1001 10.9.0.11/32 0 0 0 off
END
stays "other handshake, counters, keepalive" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32 $now 4711 42 25
	a 198.51.100.1:1001 10.9.0.11/32 $now 1 2 off
END
stays "a new peer without an endpoint" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32 $now 4711 42 25
	a 198.51.100.1:1001 10.9.0.11/32 $now 1 2 off
	c (none) 10.9.0.13/32 0 0 0 off
END
moves "its endpoint is known" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32 $now 4711 42 25
	a 198.51.100.1:1001 10.9.0.11/32 $now 1 2 off
	c 198.51.100.3:1003 10.9.0.13/32 0 0 0 off
END
moves "other port" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32 $now 4711 42 25
	a 198.51.100.1:2001 10.9.0.11/32 $now 1 2 off
	c 198.51.100.3:1003 10.9.0.13/32 0 0 0 off
END
check "and is served" is_served a 198.51.100.1 2001
moves "other allowed IPs" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32,10.8.0.0/24 $now 4711 42 25
	a 198.51.100.1:2001 10.9.0.11/32 $now 1 2 off
	c 198.51.100.3:1003 10.9.0.13/32 0 0 0 off
END
moves "a peer less" write_dump <<-END
	b 198.51.100.2:1002 10.9.0.12/32,10.8.0.0/24 $now 4711 42 25
	a 198.51.100.1:2001 10.9.0.11/32 $now 1 2 off
END

# Restarts.
before=$(serial)
restart_server true
same "restarted, same content: the same serial" "$before" "$(serial)"
restart_server write_dump <<-END
	a 198.51.100.1:3001 10.9.0.11/32 $now 1 2 off
END
check "restarted, other content: the serial moves ($before to $(serial))" is_after "$(serial)" "$before"

# The clock was ahead when the serial was made, and has been set back since.
future=$((now + 100000))
restart_server sed -i "s/^[0-9]*/$future/" "$state"
same "the clock set back: the same serial" $future "$(serial)"
moves "the clock set back, other port" write_dump <<-END
	a 198.51.100.1:4001 10.9.0.11/32 $now 1 2 off
END
same "by one" $((future + 1)) "$(serial)"
check "it is in the state directory" lab_wait 5 has_state $((future + 1))
restart_server true
same "and there after a restart" $((future + 1)) "$(serial)"

# A disk that is full, and has room again.
restart_server mount -n -t tmpfs -o "size=8k,mode=755,uid=$WORKER_UID" tmpfs "$LAB/state"
dd if=/dev/zero of="$LAB/state/filler" bs=4k 2>/dev/null
write_dump <<-END
	a 198.51.100.1:5001 10.9.0.11/32 $now 1 2 off
END
check "a full disk is said" lab_wait 5 grep -q 'cannot keep its serial' "$LAB/wgmeetd.log"
rm "$LAB/state/filler"
check "with room again the serial is kept" lab_wait 5 has_state "$(serial)"

e2e_done
