#!/bin/bash
# What is wrong with a set-up is said aloud: what it is, where, and what to do; with exit status 2 if options or
# configuration are wrong (nothing has been touched then), 1 if the world is.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
NOBODY=(setpriv "--reuid=$WORKER_UID" "--regid=$WORKER_UID" --clear-groups --inh-caps=-all --)

# wrong DESCRIPTION STATUS REGEX COMMAND... - it ends by itself with that status, and says that.
wrong() {
	local what=$1 expected=$2 regex=$3 out status=0

	shift 3
	out=$(timeout 20 "$@" 2>&1 >/dev/null </dev/null) || status=$?
	same "$what: exit status" "$expected" $status
	matches "$what: message" "$regex" "${out:-nothing}"
}

# wrong_option DESCRIPTION STATUS REGEX OPTION VALUE - wgmeetd with what is right, but for that.
wrong_option() {
	local i options=("${good[@]}")

	for ((i = 0; i < ${#options[@]}; i += 2)); do
		[ "${options[i]}" = "$4" ] && options[i + 1]=$5 && break
	done
	[ $i -lt ${#options[@]} ] || options+=("$4" "$5")
	wrong "$1" "$2" "$3" "$BIN/wgmeetd" "${options[@]}"
}

lab_key hub
printf '(none)\t%s\t51820\toff\n' "$(lab_pub hub)" >"$LAB/peers"
good=(--zone "$ZONE" --dump-file "$LAB/peers" --listen "$SERVER:$SERVER_PORT" --name-server "ns1.$ZONE $SERVER"
	--user "$WORKER_UID" --observer-user "$OBSERVER_UID" --state-directory "$LAB/state")
mkdir "$LAB/state"
chown "$OBSERVER_UID" "$LAB/state"
to=(--zone "$ZONE" --server "$SERVER:$SERVER_PORT")

# What stands in a file that somebody else wrote does nothing to a terminal.
printf '[\033[2J]\nZone\302\233 = a\n' >"$LAB/evil.conf"
out=$("$BIN/wgmeet" sync wgx -c "$LAB/evil.conf" 2>&1)
matches "controls in a file: what is said of them" '\[\?\[2J\]' "$out"
check "controls in a file: none is printed" test -z "$(LC_ALL=C tr -d '\n\040-\176' <<<"${out//$'\302?'/}")"

# Options.
wrong "wgmeetd: unknown option" 2 'no-such-option' "$BIN/wgmeetd" --no-such-option
wrong "wgmeet: unknown option" 2 'no-such-option' "$BIN/wgmeet" --no-such-option
wrong "wgmeet sync: unknown option" 2 'no-such-option' "$BIN/wgmeet" sync wgx --no-such-option
for program in wgmeetd wgmeet; do
	out=$("$BIN/$program" --help)
	same "$program --help exits 0" 0 $?
	matches "$program --help says how to use it" "^usage: $program" "$out"
	out=$("$BIN/$program" --version)
	same "$program --version exits 0" 0 $?
	matches "$program --version says which" "^$program [0-9]+\.[0-9]" "$out"
done
wrong "wgmeetd: no zone" 2 'zone' "$BIN/wgmeetd" -c /dev/null
wrong "wgmeetd: neither device nor dump file" 2 'device' "$BIN/wgmeetd" -c /dev/null --zone "$ZONE"
wrong_option "wgmeetd: TTL is no number" 2 'ttl.*soon' --ttl soon
wrong_option "wgmeetd: TTL out of range" 2 'ttl.*99999999999' --ttl 99999999999
wrong_option "wgmeetd: listen address" 2 'listen.*here:53' --listen here:53
wrong_option "wgmeetd: zone is no name" 2 'zone.*a\.\.b' --zone a..b
wrong_option "wgmeetd: user that is not there" 2 'no-such-user' --user no-such-user
wrong "wgmeetd: an option twice" 2 'ttl.*twice' "$BIN/wgmeetd" "${good[@]}" --ttl 1 --ttl 2
wrong "wgmeet: no verb" 2 'usage|verb|command' "$BIN/wgmeet"
wrong "wgmeet: unknown verb" 2 'dance' "$BIN/wgmeet" dance
wrong "wgmeet: sync without a device" 2 'device' "$BIN/wgmeet" sync --zone "$ZONE"
wrong "wgmeet: sync without a zone" 2 'zone' "$BIN/wgmeet" sync wgx
wrong "wgmeet: server is no address" 2 'server.*1\.2\.3\.4\.5' "$BIN/wgmeet" sync wgx --zone "$ZONE" --server 1.2.3.4.5

# The file: all that is wrong with it, with the lines.
cat >"$LAB/wrong.conf" <<-END
	[Server]
	Listen = $SERVER:$SERVER_PORT
	Lisp = yes
	[Zone]
	Name = $ZONE
	DumpFile = $LAB/peers
	NameServer = ns1.$ZONE $SERVER
	TTL = soon
END
wrong "wgmeetd: file, first mistake" 2 'wrong.conf:3:.*Lisp' "$BIN/wgmeetd" -c "$LAB/wrong.conf"
wrong "wgmeetd: file, second mistake" 2 'wrong.conf:8:.*TTL' "$BIN/wgmeetd" -c "$LAB/wrong.conf"
wrong "wgmeetd: --check says the same" 2 'wrong.conf:8:.*TTL' "$BIN/wgmeetd" -c "$LAB/wrong.conf" --check
wrong "wgmeetd: file not there" 2 'nowhere.conf.*No such file' "$BIN/wgmeetd" -c "$LAB/nowhere.conf"
sed -i -e '/Lisp/d' -e 's/soon/10/' "$LAB/wrong.conf"
check "wgmeetd: --check of a file that is right" "$BIN/wgmeetd" -c "$LAB/wrong.conf" --check

# Port taken: by another program, by another wgmeetd.
lab_wg_create - wgx
lab_key wgx
wg set wgx private-key "$LAB/wgx.key" listen-port $SERVER_PORT peer "$(lab_pub hub)" allowed-ips 10.9.0.1/32
ip link set wgx up
if [ "$WG_IMPL" = go ]; then
	wrong "port taken by another program" 1 "$SERVER_PORT.*wireguard-go \(pid ${lab_pid[wgx]}\)" \
		"$BIN/wgmeetd" "${good[@]}"
else
	wrong "port taken by the kernel" 1 "$SERVER_PORT.*taken" "$BIN/wgmeetd" "${good[@]}"
fi
wg set wgx listen-port 5400
lab_start first - "$BIN/wgmeetd" "${good[@]}"
server_wait first
# The sockets are its workers'.
mapfile -t children < <(lab_children "${lab_pid[first]}")
first="(${lab_pid[first]}$(printf '|%s' "${children[@]}"))"
wrong "port taken by another wgmeetd" 1 "$SERVER_PORT.*wgmeetd \(pid $first\)" "$BIN/wgmeetd" "${good[@]}"
check "the first one goes on" lab_alive first
lab_stop first

# Device missing.
wrong "wgmeet: device missing" 1 'nosuchdev' "$BIN/wgmeet" sync nosuchdev "${to[@]}"
wrong "wgmeet: a device, but not WireGuard's" 1 'no WireGuard device' "$BIN/wgmeet" sync lo "${to[@]}"
wrong "wgmeet: no server answers" 1 'name server cannot be reached' "$BIN/wgmeet" sync wgx --zone "$ZONE" --server 127.0.0.1:9

# wgmeetd waits for what is not there yet, says so once, and answers that it is not ready.
waits_for() { # DESCRIPTION REGEX OPTION VALUE
	lab_start waiting - "$BIN/wgmeetd" --zone "$ZONE" --listen "$SERVER:$SERVER_PORT" --user "$WORKER_UID" \
		--observer-user "$OBSERVER_UID" --name-server "ns1.$ZONE $SERVER" "$3" "$4"
	lab_wait 10 grep -q SERVFAIL "$LAB/waiting.log"
	matches "$1: message" "$2" "$(cat "$LAB/waiting.log")"
	same "$1: one line" 1 "$(grep -c SERVFAIL "$LAB/waiting.log")"
	check "$1: SERVFAIL" lab_wait 10 is_not_ready
	lab_stop waiting
	same "$1: SIGTERM ends it with 0" 0 $?
}

is_not_ready() {
	[ "$(ask_status '' SOA)" = SERVFAIL ]
}

waits_for "wgmeetd: device missing" 'device nosuchdev is not there' --device nosuchdev
waits_for "wgmeetd: dump file missing" "$LAB/nowhere.*the file is not there" --dump-file "$LAB/nowhere"
printf '(none)\t(none)\t0\toff\nthis\tis no peer\n' >"$LAB/wrong.dump"
waits_for "wgmeetd: dump file wrong" 'wrong.dump:2:' --dump-file "$LAB/wrong.dump"

# A state directory is made over only if nothing in it is anybody else's.
mkdir "$LAB/home"
: >"$LAB/home/.profile"
chmod 755 "$LAB/home"
wrong "wgmeetd: a state directory with another's files" 2 'another user.*other files' "$BIN/wgmeetd" "${good[@]/#$LAB\/state/$LAB/home}"
same "it stays whose it was" 0 "$(stat -c %u "$LAB/home")"
mkdir "$LAB/old"
: >"$LAB/mine"
ln "$LAB/mine" "$LAB/old/$ZONE.serial"
chown 64999 "$LAB/old"
lab_start first - "$BIN/wgmeetd" "${good[@]/#$LAB\/state/$LAB/old}"
server_wait first
same "a state directory of an earlier observer is made over" $OBSERVER_UID "$(stat -c %u "$LAB/old")"
same "but no file that is in it, which may have another name elsewhere" 0 "$(stat -c %u "$LAB/mine")"
lab_stop first

# Capability missing.
wrong "wgmeetd: a listener of a device" 1 'Listen = %lo needs CAP_NET_RAW' "${NOBODY[@]}" "$BIN/wgmeetd" --zone "$ZONE" \
	--dump-file "$LAB/peers" --listen %lo:5301 --name-server "ns1.$ZONE $SERVER"
if [ "$WG_IMPL" = kernel ]; then
	wrong "wgmeet: no capability" 1 'setcap cap_net_admin' "${NOBODY[@]}" "$BIN/wgmeet" sync wgx "${to[@]}"
else
	# Here it is not the capability that is missing, but the right to open the socket.
	wrong "wgmeet: not allowed" 1 'wgx.sock.*root' "${NOBODY[@]}" "$BIN/wgmeet" sync wgx "${to[@]}"
fi
# Of a device without a UAPI socket it is clear that only the capability helps.
wrong "wgmeetd: no capability" 1 'setcap cap_net_admin' "${NOBODY[@]}" "$BIN/wgmeetd" --zone "$ZONE" --device wgk \
	--listen "$SERVER:$SERVER_PORT" --name-server "ns1.$ZONE $SERVER"
wrong "wgmeetd: no right to the port" 1 '53.*cap_net_bind_service' "${NOBODY[@]}" "$BIN/wgmeetd" --zone "$ZONE" \
	--dump-file "$LAB/peers" --listen $SERVER:53 --name-server "ns1.$ZONE $SERVER"

e2e_done
