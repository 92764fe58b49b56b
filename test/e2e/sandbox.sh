#!/bin/bash
# Every process of both programs, as the kernel sees it: its user, what it keeps, its root directory, its seccomp filter; and in
# there they still serve, read their configuration again, say what is wrong, and end.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/mock" ] || e2e_skip "no $BUILD/test/mock: make tests"
cp "$BUILD/test/mock" "$BIN/"

net_admin=0000000000001000
none=0000000000000000

field() { # PID WORD
	awk -v word="$2:" '$1 == word { $1 = ""; print substr($0, 2) }' "/proc/$1/status"
}

# confined WHAT PID UID CAPABILITIES empty|host
confined() {
	same "$1: the user" "$3 $3 $3 $3" "$(field "$2" Uid)"
	[ "$3" = 0 ] || same "$1: no other groups" "" "$(field "$2" Groups)"
	same "$1: the capabilities" "$4 $4 $none $none $none" \
		"$(field "$2" CapEff) $(field "$2" CapPrm) $(field "$2" CapInh) $(field "$2" CapAmb) $(field "$2" CapBnd)"
	same "$1: no new privileges" 1 "$(field "$2" NoNewPrivs)"
	same "$1: a seccomp filter" 2 "$(field "$2" Seccomp)"
	same "$1: of its own" $(($(field $$ Seccomp_filters) + 1)) "$(field "$2" Seccomp_filters)" # a container has one, too
	if [ "$5" = host ]; then
		same "$1: the host's root directory" "$(stat -c %d:%i /)" "$(stat -Lc %d:%i "/proc/$2/root")"
	else
		same "$1: its root directory is empty" "0 0" \
			"$(find "/proc/$2/root/" -mindepth 1 | wc -l) $(stat -Lc %h "/proc/$2/root")"
		same "$1: and it is in it" "$(stat -Lc %d:%i "/proc/$2/root")" "$(stat -Lc %d:%i "/proc/$2/cwd")"
	fi
}

# confined_server WHAT OBSERVER_UID CAPABILITIES - of the observer.
confined_server() {
	local pid n=0

	confined "$1: observer" "${lab_pid[wgmeetd]}" "$2" "$3" host
	for pid in $(lab_children "${lab_pid[wgmeetd]}"); do
		n=$((n + 1))
		confined "$1: worker $n" "$pid" "$WORKER_UID" $none empty
	done
	same "$1: workers" 2 $n
}

answers() { # STATUS
	local transport

	for transport in +notcp +tcp; do
		same "$2: $transport" "$1" "$(ask_status '' SOA "$transport")"
	done
}

said() { # REGEX
	grep -Eq "$1" "$LAB/wgmeetd.log"
}

stops() { # WHAT
	local pid pids

	mapfile -t pids < <(lab_children "${lab_pid[wgmeetd]}")
	lab_stop wgmeetd
	same "$1: SIGTERM ends it with 0" 0 $?
	for pid in "${pids[@]}"; do
		check "$1: worker $pid has ended" lab_gone "$pid"
	done
	same "$1: nothing was forbidden" "" "$(grep seccomp: "$LAB/wgmeetd.log")"
}

# ---- wgmeetd, with a file ----

configure() { # LINE...
	printf '%s\n' "[Server]" "Listen = $SERVER:53" "Workers = 2" "User = $WORKER_UID" "ObserverUser = $OBSERVER_UID" \
		"StateDirectory = $LAB/state" "[Zone]" "Name = $ZONE" "DumpFile = $LAB/dump" "NameServer = ns1.$ZONE $SERVER" "$@" \
		>"$LAB/wgmeetd.conf"
}

lab_ns hub
ip -n hub addr add "$SERVER"/32 dev lo
install -d -o $OBSERVER_UID "$LAB/state"
lab_key device
lab_key alice
printf '(none)\t%s\t51820\toff\n%s\t(none)\t198.51.100.1:1001\t10.9.0.2/32\t0\t0\t0\toff\n' \
	"$(lab_pub device)" "$(lab_pub alice)" >"$LAB/dump"
configure
lab_start wgmeetd hub "$BIN/wgmeetd" -c "$LAB/wgmeetd.conf" --verbose
server_wait wgmeetd
confined_server file $OBSERVER_UID $none
answers NOERROR "file"
check "file: the serial is kept" test -s "$LAB/state/$ZONE.serial"
configure 'TTL = soon'
kill -s HUP "${lab_pid[wgmeetd]}"
check "file: an error is said" lab_wait 5 said 'wgmeetd.conf:11: TTL = soon'
configure 'TTL = 11'
kill -s HUP "${lab_pid[wgmeetd]}"
check "file: the configuration is read again" lab_wait 5 said 'the configuration was read again'
mv "$LAB/dump" "$LAB/away"
check "file: it is gone" lab_wait 5 said 'the file is not there'
answers SERVFAIL "file: it is gone"
mv "$LAB/away" "$LAB/dump"
check "file: it is back" lab_wait 5 is_served alice 198.51.100.1 1001
stops file
check "file: --print-zone" lab_in hub "$BIN/wgmeetd" -c "$LAB/wgmeetd.conf" --print-zone

# ---- wgmeetd, with a device ----

lab_wg hub
registry_start_of_two() {
	local observer=$OBSERVER_UID

	[ "$WG_IMPL" = kernel ] || observer=0
	chown -R $observer "$LAB/state"
	lab_start wgmeetd hub "$BIN/wgmeetd" --zone $ZONE --device wghub --listen $SERVER:53 --workers 2 --ttl 10 \
		--name-server "ns1.$ZONE $SERVER" --self auto \
		--user $WORKER_UID --observer-user $observer --state-directory "$LAB/state"
	server_wait wgmeetd
	confined_server device $observer $net_admin
}
registry_start_of_two
answers NOERROR "device"
lab_in hub wg set wghub peer "$(lab_pub alice)" endpoint 198.51.100.1:1001 allowed-ips 10.9.0.2/32
check "device: a peer is served" lab_wait 5 is_served alice 198.51.100.1 1001
ip -n hub link add dummy0 type dummy 2>/dev/null && ip -n hub addr add 198.51.100.77/32 dev dummy0
kill -s HUP "${lab_pid[wgmeetd]}"
check "device: the configuration is read again" lab_wait 5 said 'the configuration was read again'
lab_wg_delete hub wghub
check "device: it is gone" lab_wait 5 said 'is not there'
answers SERVFAIL "device: it is gone"
stops device

# ---- wgmeet, while its name server keeps silent ----

lab_ns one
lab_wg_create one wgone
lab_in one wg set wgone private-key "$LAB/device.key" peer "$(lab_pub alice)" allowed-ips 10.20.0.1/32
lab_in one ip link set wgone up
lab_in one ip route add 198.18.0.0/15 dev lo
owner=$(stat -c %u /run/wireguard/wgone.sock 2>/dev/null || echo 0)

mock() { # MODE
	lab_start mock one "$BIN/mock" 127.0.0.1 5300 0 "$1"
	must lab_wait 3 grep -qs ready "$LAB/mock.log"
}

is_asked() {
	grep -q '^udp ' "$LAB/mock.log"
}

for verb in "sync wgone" "sync wgone --fwmark 77" "status wgone" "browse wgone" "lookup $(lab_pub alice)"; do
	mock silent
	# shellcheck disable=SC2086 # words
	lab_start wgmeet one "$BIN/wgmeet" $verb --zone $ZONE --server 127.0.0.1:5300 --user $WORKER_UID
	must lab_wait 5 is_asked # in the sandbox
	resolver=$(lab_children "${lab_pid[wgmeet]}")
	what="wgmeet ${verb/$(lab_pub alice)/KEY}"
	confined "$what: setter" "${lab_pid[wgmeet]}" "$owner" $net_admin host
	confined "$what: resolver" "$resolver" "$WORKER_UID" $none empty
	lab_stop mock # now it is told at once
	wait "${lab_pid[wgmeet]}"
	same "$what: exit status" 1 $?
	unset "lab_pid[wgmeet]"
	matches "$what: says why" 'cannot be reached' "$(cat "$LAB/wgmeet.log")"
	same "$what: nothing was forbidden" "" "$(grep seccomp: "$LAB/wgmeet.log")"
done

for mode in good truncate; do
	mock $mode
	for verb in "sync wgone" "sync wgone --json" "status wgone" "lookup $(lab_pub alice)"; do
		# shellcheck disable=SC2086 # words
		check "$mode: wgmeet ${verb/$(lab_pub alice)/KEY}" lab_in one "$BIN/wgmeet" $verb --zone $ZONE --server 127.0.0.1:5300 \
			--user $WORKER_UID
	done
	lab_stop mock
done
e2e_done
