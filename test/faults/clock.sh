#!/bin/bash
# The clock is set a day ahead and a day back under a running server: serials never go backwards, also over a restart, and a
# zone with a MaxAge loses those peers whose last handshake is longer ago than that by the clock, and no others.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"
[ -e "$BUILD/test/shim.so" ] || e2e_skip "no $BUILD/test/shim.so: make tests"
cp "$BUILD/test/shim.so" "$BIN/"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
DAY=86400
export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0

set_clock() { # SECONDS - off by so many
	local i bytes=''
	for i in 0 8 16 24 32 40 48 56; do
		bytes+=$(printf '\\x%02x' $((($1 >> i) & 255)))
	done
	# shellcheck disable=SC2059 # octets
	printf "$bytes" 1<>"$LAB/clock"
}

start_server() {
	lab_start wgmeetd - env LD_PRELOAD="$BIN/shim.so" FAULTS_CLOCK="$LAB/clock" "$BIN/wgmeetd" -c "$LAB/conf"
	lab_wait 20 grep -q "zone short.test: serving" "$LAB/wgmeetd.log" || not_ok "the server serves"
}

write_dump() { # PORT HANDSHAKE
	printf '(none)\t(none)\t51820\toff\n%s\t(none)\t198.51.100.1:%s\t10.9.0.11/32\t%s\t0\t0\toff\n' "$(lab_pub a)" "$1" "$2" \
		>"$LAB/dump.new"
	mv "$LAB/dump.new" "$LAB/dump"
}

served() { # ZONE PORT
	local ZONE=$1
	is_served a 198.51.100.1 "$2"
}

gone() { # ZONE
	local ZONE=$1
	[ "$(ask_status "$(peer_name a)" SRV)" = NXDOMAIN ]
}

serial() {
	local ZONE=long.test
	ask_short '' SOA | awk '{ print $3 }'
}

is_after() { # NEW OLD - RFC 1982
	local distance=$((($1 - $2) & 0xffffffff))
	[ "$distance" -gt 0 ] && [ "$distance" -lt $((1 << 31)) ]
}

lab_key a
mkdir "$LAB/state"
chown $OBSERVER_UID "$LAB/state"
cat >"$LAB/conf" <<-END
	[Server]
	Listen = $SERVER:$SERVER_PORT
	User = $WORKER_UID
	ObserverUser = $OBSERVER_UID
	Workers = 1
	StateDirectory = $LAB/state
	[Zone]
	Name = long.test
	DumpFile = $LAB/dump
	NameServer = ns.long.test 192.0.2.1
	MaxAge = 2d
	[Zone]
	Name = short.test
	DumpFile = $LAB/dump
	NameServer = ns.short.test 192.0.2.1
	MaxAge = 1h
END
now=$(date +%s)
set_clock 0
write_dump 1001 "$now"
start_server
check "both zones have the peer" served long.test 1001
check "the one with the short MaxAge, too" served short.test 1001
first=$(serial)

set_clock $DAY
check "a day ahead: a MaxAge of an hour is over" lab_wait 2 gone short.test
check "one of two days is not" served long.test 1001
same "the content is the same: the serial, too" "$first" "$(serial)"
write_dump 1002 $((now + DAY))
check "a handshake by the new clock: there again" lab_wait 2 served short.test 1002
ahead=$(serial)
check "the serial moves ($first to $ahead)" is_after "$ahead" "$first"
check "by about a day" test $((ahead - first)) -ge $DAY

set_clock -$DAY
write_dump 1003 $((now + DAY))
check "two days back: the change is seen" lab_wait 2 served long.test 1003
check "a handshake that lies ahead is no old one" lab_wait 2 served short.test 1003
back=$(serial)
same "the serial moves by one" $((ahead + 1)) "$back"
lab_stop wgmeetd
same "SIGTERM ends wgmeetd with 0" 0 $?
start_server
same "restarted: the same serial" "$back" "$(serial)"
write_dump 1004 $((now - DAY))
check "another change is seen" lab_wait 2 served short.test 1004
same "the serial moves by one again" $((back + 1)) "$(serial)"

set_clock 0
check "the right time: what is a day old leaves where an hour counts" lab_wait 2 gone short.test
check "and stays where two days do" served long.test 1004
e2e_done
