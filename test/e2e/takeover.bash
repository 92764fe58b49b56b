# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2153,SC2154
# takeover.bash: the processes of both programs, taken over one after the other, and made to do what they should not. Behind
# e2e.bash, memory.bash and puppet.bash; security.sh says what it shows.

# ---- a registry, with a device ----

SERVER_NS=hub
state=$LAB/state
many=$(printf '10.9.1.%d/32,' {1..60})
lab_ns hub
ip -n hub addr add "$SERVER"/32 dev lo
lab_wg hub
for n in 1 2; do
	lab_key p$n
	(umask 077 && wg genpsk >"$LAB/p$n.psk")
done
lab_in hub wg set wghub peer "$(lab_pub p1)" preshared-key "$LAB/p1.psk" allowed-ips 10.9.0.11/32 endpoint 198.51.100.1:1001
lab_in hub wg set wghub peer "$(lab_pub p2)" preshared-key "$LAB/p2.psk" allowed-ips "${many%,}" endpoint 198.51.100.2:1002
# A userspace device's socket is root's alone.
user=$OBSERVER_UID
[ "$WG_IMPL" = kernel ] || user=0
mkdir "$state" "$LAB/observers"
chown "$user" "$state" "$LAB/observers"
secrets=("$LAB/hub.key" "$LAB"/p?.psk)

# start_registry OPTION... - its processes are in observer, workers and binder.
start_registry() {
	local pid

	lab_start wgmeetd hub "$BIN/wgmeetd" --zone "$ZONE" --device wghub --name-server "ns1.$ZONE $SERVER" --workers 2 \
		--user "$WORKER_UID" --observer-user "$user" --state-directory "$state" --verbose "$@"
	server_wait wgmeetd
	observer=${lab_pid[wgmeetd]}
	workers=()
	binder=
	for pid in $(lab_children "$observer"); do
		if [ "$(value_of "$pid" CapPrm)" = 0000000000002000 ]; then
			binder=$pid
		else
			workers+=("$pid")
		fi
	done
	worker=${workers[0]}
	must test ${#workers[@]} = 2
}

# all_gone [PID] - but that one.
all_gone() {
	local pid

	for pid in "$observer" "${workers[@]}" $binder; do
		[ "$pid" = "${1:-}" ] || ! kill -0 "$pid" 2>/dev/null || return 1
	done
}

# end_registry WHAT COMMAND... - after that command all are gone, but for $stays.
stays=
end_registry() {
	local what=$1

	shift
	"$@" >/dev/null
	check "$what" lab_wait 3 all_gone "$stays"
	lab_stop wgmeetd
	[ -z "$stays" ] || { kill -KILL "$stays" && lab_wait 5 lab_gone "$stays"; }
	stays=
}

start_registry --listen "$SERVER:53,%lo:5300"
must test -n "$binder"
check "it serves" lab_wait 5 is_served p1 198.51.100.1 1001
listeners=("udp 53" "tcp 53" "udp 5300" "tcp 5300" "udp6 5300" "tcp6 5300")
device_listeners=("udp 5300" "tcp 5300" "udp6 5300" "tcp6 5300")
sister=${workers[1]}
unconnected=$(printf '02000035%02x%02x%02x%02x0000000000000000' 203 0 113 10)

check "control: what is forbidden here, another process may" test "$(made "${lab_pid[subject]}" openat -100 :/etc/passwd 0)" = "= 3"

# ---- the workers ----

connects_to_nobody() {
	cannot "$worker" connect "$(descriptor "$worker" "udp 53")" "=$unconnected" 16 &&
		fails "$worker" sendto "$(descriptor "$worker" "tcp 53")" :x 1 0x20000000 "=$unconnected" 16 # MSG_FASTOPEN
}

changes_no_zone() {
	local zone mode=0

	zone=$(awk '/memfd:wgmeet-zone/ { sub(/-.*/, ""); print "0x" $1; exit }' "/proc/$worker/maps")
	[ -n "$zone" ] || return
	! awk '/memfd:wgmeet-zone/ && $2 != "r--p" { print; bad = 1 } END { exit !bad }' "/proc/$worker/maps" || return
	[ -n "$sanitized" ] || cannot "$worker" mprotect "$zone" 4096 3 || return
	cannot "$worker" mremap "$zone" 4096 8192 1 0
}

for pid in "${workers[@]}"; do
	check "worker: its sockets" holds_only "$pid" /dev/null /dev/null log 'anon_inode:[eventpoll]' unix "${listeners[@]}"
done
check "worker: has no secret key" holds_none "$worker" "${secrets[@]}"
check "worker: zones" holds "$worker" "$LAB/p1.pub"
check "worker: opens no file" opens_no_file "$worker"
check "worker: opens no socket" opens_no_socket "$worker" 1 2 10 16 17
check "worker: connects to nobody" connects_to_nobody
check "worker: starts no program" starts_no_program "$worker"
check "worker: changes no zone" changes_no_zone
check "worker: reads no other process" reads_no_process "$worker" "$sister"
check "worker: signals no other process" signals_no_process "$worker" "$sister"
check "worker: lost, as is said: datagrams to anybody" test \
	"$(made "$worker" sendto "$(descriptor "$worker" "udp 53")" :x 1 0 =02000035cb00710a0000000000000000 16)" = "= 1"
check "worker: lost, as is said: lines in the log" test "$(made "$worker" write 2 ":wgmeetd: all is well" 20)" = "= 20"
same "worker: its root directory is empty" "" "$(ls -A "/proc/$worker/root/")"

# ---- the binder ----

sends_nothing() {
	local fd

	for call in sendto sendmsg sendmmsg; do
		cannot "$binder" $call 0 0 0 0 0 0 || return
	done
	for fd in $(descriptors "$binder" | sed -nE 's/^(udp|tcp)6? .*#//p'); do
		fails "$binder" write "$fd" :x 1 || return
	done
}

check "binder: the sockets of Listen = %device" holds_only "$binder" /dev/null /dev/null log unix \
	"${device_listeners[@]}" "${device_listeners[@]}"
check "binder: has no secret key" holds_none "$binder" "${secrets[@]}"
has_no_zone() {
	! holds "$binder" "$LAB/p1.pub" && ! grep memfd: "/proc/$binder/maps"
}
check "binder: has no zone" has_no_zone
check "binder: sends nothing to the network" sends_nothing
check "binder: opens no file" opens_no_file "$binder"
check "binder: opens no socket" opens_no_socket "$binder" 1 2 10 16 17
check "binder: starts no program" starts_no_program "$binder"
check "binder: reads no other process" reads_no_process "$binder" "$worker"
check "binder: signals no other process" signals_no_process "$binder" "$worker"
same "binder: its root directory is empty" "" "$(ls -A "/proc/$binder/root/")"

# ---- the observer ----

has_no_inet_socket() {
	! descriptors "$1" | grep -E '^(udp|tcp|raw|packet|a socket of)'
}

writes_nothing_else() {
	made "$observer" openat -100 ":$state/new" 65 384 | grep -q '^= ' || { echo "not in the state directory" && return 1; }
	if [ -n "$landlock" ]; then # its user may
		fails "$observer" openat -100 ":$LAB/observers/new" 65 384 || return
	fi
	fails "$observer" openat -100 :/etc/passwd 1 && cannot "$observer" mkdirat -100 ":$state/d" 448 &&
		cannot "$observer" fchmodat -100 ":$state/new" 511
}

same "observer: its user" "$user" "$(value_of "$observer" Uid)"
same "observer: set up the network (CAP_NET_ADMIN)" 0000000000001000 "$(value_of "$observer" CapPrm)"
check "observer: opens no IP socket" opens_no_socket "$observer" 2 10 17
check "observer: and has none" has_no_inet_socket "$observer"
check "observer: starts no program" starts_no_program "$observer"
check "observer: writes no other file" writes_nothing_else
check "observer: reads no other process" reads_no_process "$observer" "$worker"
check "observer: signals no other process" signals_no_process "$observer" "${lab_pid[subject]}"
check "observer: between two reads none of ${#secrets[@]} secrets in its memory" lab_wait 10 holds_none "$observer" "${secrets[@]}"
check "observer: control: the search finds a public key there" holds "$observer" "$LAB/p1.pub"
is_nowhere() { # KEYFILE...
	local file

	for file; do
		! grep -rF -e "$(tr -d '\n' <"$file")" -e "$(base64 -d "$file" | hex_of)" "$state" "$LAB/wgmeetd.log" || return
	done
}
check "no secret key is in the log or the state directory" is_nowhere "${secrets[@]}"
check "control: the state directory has a serial" test -s "$state/$ZONE.serial"

for pid in "$observer" "$worker" "$binder"; do
	check "closed to others of its user, without a core file: $(value_of "$pid" Uid)" is_closed "$pid"
done

# ---- what strangers send ----

size_of_workers() {
	value_of "$worker" VmSize
	value_of "$sister" VmSize
}

junk() {
	local i

	# shellcheck disable=SC2016 # for the other shell
	lab_in hub bash -c '
		for i in {1..300}; do
			head -c $((i * 5)) /dev/urandom >/dev/udp/$0/53
			exec {fd}<>/dev/tcp/$0/53 && printf "\0\377junk" >&$fd
		done' "$SERVER" 2>/dev/null
	for i in {1..20}; do
		ask "x$i" A +noedns >/dev/null
	done
}

before=$(size_of_workers)
lines=$(wc -l <"$LAB/wgmeetd.log")
junk
check "after junk it serves" is_served p1 198.51.100.1 1001
same "the workers' memory is as large as before" "$before" "$(size_of_workers)"
same "nothing was logged of it" "$lines" "$(wc -l <"$LAB/wgmeetd.log")"
same "a zone transfer is refused" 0 "$(ask "" AXFR +noall +answer | grep -c 'IN')"
matches "and that is said" "Transfer failed" "$(ask "" AXFR)"
size_rcvd() {
	ask "$(peer_name p2)" TXT "$@" | sed -n 's/.*MSG SIZE  rcvd: //p'
}
matches "an unproven source gets no long answer" 'flags:[^;]* tc' "$(ask "$(peer_name p2)" TXT +bufsize=1232 +ignore +nocookie)"
same "from port 7 an error is not answered" none "$(ask_status "" SOA +opcode=status -b "$SERVER#7")"
same "control: from another port it is" NOTIMP "$(ask_status "" SOA +opcode=status)"

# ---- one ends, all end ----

end_registry "the binder is killed: all end" kill -KILL "$binder"
start_registry --listen "$SERVER:53"
end_registry "a worker says something: all end" made "$worker" sendto "$(descriptor "$worker" unix)" :x 1 0 0 0
start_registry --listen "$SERVER:53"
stays=$worker # it has no channel to hear of the end by
end_registry "a worker breaks off: the others end" made "$worker" close "$(descriptor "$worker" unix)"
start_registry --listen "$SERVER:53,%lo:5300"
end_registry "the binder says something: all end" made "$binder" write "$(descriptor "$binder" unix)" :x 1
start_registry --listen "$SERVER:53" --rate-limit 0
check "with RateLimit = 0 an answer is long" test "$(size_rcvd +bufsize=4096 +nocookie +ignore)" -gt 800
check "but not longer than 1232 octets" test "$(size_rcvd +bufsize=4096 +nocookie +ignore)" -le 1232
end_registry "a call that is not in the table ends it, and all" made -e "$worker" listen 0 1
matches "the log says which" "system call listen \\([0-9]+\\) is not for the worker" "$(cat "$LAB/wgmeetd.log")"

# ---- a registry with files ----

printf '%s\t%s\t51820\toff\n%s\t%s\t198.51.100.1:1001\t10.9.0.11/32\t1700000123\t987654321\t123454321\t25\n' \
	"$(cat "$LAB/hub.key")" "$(lab_pub hub)" "$(lab_pub p1)" "$(cat "$LAB/p1.psk")" >"$LAB/dump"
chmod 644 "$LAB/dump"
chown "$OBSERVER_UID" "$state" "$state"/* "$LAB/observers"
lab_start wgmeetd hub "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/dump" --listen "$SERVER:53" --user "$WORKER_UID" \
	--observer-user "$OBSERVER_UID" --state-directory "$state"
server_wait wgmeetd
reader=${lab_pid[wgmeetd]} observer=$reader
same "reader: sets up no network" 0000000000000000 "$(value_of "$reader" CapPrm)"
same "reader: its user" "$OBSERVER_UID" "$(value_of "$reader" Uid)"
check "reader: opens no IP socket" opens_no_socket "$reader" 2 10 17
check "reader: starts no program" starts_no_program "$reader"
check "reader: writes no other file" writes_nothing_else
check "reader: reads no other process" reads_no_process "$reader" "${lab_pid[subject]}"
check "reader: signals no other process" signals_no_process "$reader" "${lab_pid[subject]}"
check "reader: closed to others of its user, without a core file" is_closed "$reader"
check "reader: none of 2 secrets in its memory" lab_wait 10 holds_none "$reader" "$LAB/hub.key" "$LAB/p1.psk"
check "reader: control: the search finds a public key there" holds "$reader" "$LAB/p1.pub"
printed=$("$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/dump" --listen "$SERVER:53" --print-zone)
check "control: the zone has the peer" grep -q "$(lab_label p1)" <<<"$printed"
same "it has no handshake time, counter, keepalive or secret" "" \
	"$(grep -F -e 1700000123 -e 987654321 -e 123454321 -e "$(cat "$LAB/p1.psk")" -e "$(cat "$LAB/hub.key")" <<<"$printed")"
lab_stop wgmeetd

# ---- wgmeet, while it waits for a name server that is behind a cable and silent ----

lab_wg_create hub wgone
lab_key one
lab_in hub wg set wgone private-key "$LAB/one.key" peer "$(lab_pub p1)" preshared-key "$LAB/p1.psk" allowed-ips 10.20.0.1/32
ip -n hub link add eth0 type veth peer name eth1
for n in 0 1; do
	ip -n hub link set eth$n up
done
ip -n hub addr add 192.0.2.2/24 dev eth0
ip -n hub neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
lab_start wgmeet hub "$BIN/wgmeet" sync wgone --zone "$ZONE" --server 192.0.2.1
setter=${lab_pid[wgmeet]}
resolver_has_keys() {
	resolver=$(lab_children "$setter") && [ -n "$resolver" ] && holds "$resolver" "$LAB/p1.pub"
}
must lab_wait 10 resolver_has_keys
secrets=("$LAB/one.key" "$LAB/p1.psk")

writes_no_file() {
	[ -z "$landlock" ] || fails "$setter" openat -100 ":$LAB/new" 65 384 || return # root may
	cannot "$setter" mkdirat -100 :/run/d 448 && cannot "$setter" unlinkat -100 ":$LAB/dump" 0
}
same "setter: set up the network (CAP_NET_ADMIN)" 0000000000001000 "$(value_of "$setter" CapPrm)"
check "setter: opens no TCP socket" cannot "$setter" socket 2 1 0
check "setter: nor one of IPv6" cannot "$setter" socket 10 1 0
check "setter: starts no program" starts_no_program "$setter"
check "setter: writes no file" writes_no_file
check "setter: reads no other process" reads_no_process "$setter" "$resolver"
check "setter: signals no other process" signals_no_process "$setter" "$resolver"
check "setter: none of ${#secrets[@]} secrets in its memory" lab_wait 5 holds_none "$setter" "${secrets[@]}"
check "setter: control: the search finds a public key there" holds "$setter" "$LAB/p1.pub"
check "resolver: has no secret key" holds_none "$resolver" "${secrets[@]}"
check "resolver: opens no file" opens_no_file "$resolver"
check "resolver: opens no local socket" opens_no_socket "$resolver" 1 16 17
check "resolver: starts no program" starts_no_program "$resolver"
check "resolver: reads no other process" reads_no_process "$resolver" "$setter"
check "resolver: signals no other process" signals_no_process "$resolver" "$setter"
for pid in "$setter" "$resolver"; do
	check "wgmeet: closed to others of its user, without a core file: $(value_of "$pid" Uid)" is_closed "$pid"
done
check "it was still waiting" lab_alive wgmeet
made -e "$resolver" listen 0 1 >/dev/null
check "a call that is not in the table ends the resolver" lab_wait 3 lab_gone "$resolver"
lab_stop wgmeet
matches "and that is said of the resolver" "system call listen \\([0-9]+\\) is not for the resolver" "$(cat "$LAB/wgmeet.log")"

# What a name server's answer changes.
settings_of() {
	lab_in hub wg showconf wgone | grep -v ^Endpoint
}
ip -n hub link set wgone up
ip -n hub route add 198.18.0.0/15 dev lo
before=$(settings_of)
lab_start mock hub "$BIN/mock" 127.0.0.1 5300 0 good
must lab_wait 3 grep -qs ready "$LAB/mock.log"
check "sync, with an answer" lab_in hub "$BIN/wgmeet" sync wgone --zone "$ZONE" --server 127.0.0.1:5300
matches "sync sets the endpoint" '^Endpoint = 198\.18\.' "$(lab_in hub wg showconf wgone)"
same "sync sets nothing else" "$before" "$(settings_of)"
