#!/bin/bash
# contrib/systemd: the units are in order, and do what they say with the powers that they give; the lines for cron, wg-quick
# and ifupdown in its README work as they stand there.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/mock" ] || e2e_skip "no $BUILD/test/mock: make tests"
cp "$BUILD/test/mock" "$BUILD/test/confine" "$BIN/" || lab_die "make tests first"
contrib=$ROOT/contrib/systemd
program=/usr/local/bin/wgmeet
server_program=/usr/local/sbin/wgmeetd

setting() { # KEY [UNIT] - the last value
	sed -n "s/^$1=//p" "$LAB/units/${2:-wgmeet-sync@.service}" | tail -n 1
}

# line_of REGEX - the README's.
line_of() {
	sed -nE "s/^    ($1)\$/\\1/p" "$contrib/README"
}

mkdir -p "$LAB/units"
for unit in wgmeet@.service wgmeet-sync@.service wgmeet-sync@.timer wgmeet-userspace.conf wgmeetd.service \
	wgmeetd-userspace.conf; do
	sed "s|$program|$BIN/wgmeet|; s|$server_program|$BIN/wgmeetd|" "$contrib/$unit" >"$LAB/units/$unit"
done
same "the units name the program as make install does" "$program run %i" \
	"$(sed -n 's/^ExecStart=//p' "$contrib/wgmeet@.service")"
same "all of them" "$program sync %i" "$(sed -n 's/^ExecStart=//p' "$contrib/wgmeet-sync@.service")"
same "and wgmeetd's, too" "$server_program" "$(sed -n 's/^ExecStart=//p' "$contrib/wgmeetd.service")"

# ---- systemd's judgement ----

analyze() {
	SYSTEMD_UNIT_PATH="$LAB/units:" systemd-analyze "$@" 2>&1
}

# exposed WHAT UNIT LIMIT - at most.
exposed() {
	local score

	score=$(analyze security --offline=yes --no-pager "$LAB/units/$2" | sed -nE 's/.*level for .*: ([0-9.]+) .*/\1/p')
	if [ -n "$score" ]; then
		check "systemd-analyze security: $1: $score, at most $3" awk "BEGIN { exit !($score <= $3) }"
	else
		echo "# systemd-analyze security says nothing here"
	fi
}

# Of what it says, that which is about these.
verify() {
	(cd "$LAB/units" && analyze verify --man=no ./wgmeet@wg0.service ./wgmeet-sync@wg0.service ./wgmeet-sync@wg0.timer \
		./wgmeetd.service | grep wgmeet)
}

# drop_in FILE UNIT... - as the README has it.
drop_in() {
	local unit

	for unit in "${@:2}"; do
		mkdir "$LAB/units/$unit.d"
		cp "$LAB/units/$1" "$LAB/units/$unit.d/"
	done
}

# expand WORD... - the system calls of a SystemCallFilter=.
expand() {
	local word

	for word; do
		if [[ $word == @* ]]; then
			# shellcheck disable=SC2046 # words
			expand $(systemd-analyze syscall-filter --no-pager "$word" | sed -n 's/^ *\([-@a-z_0-9]*\)$/\1/p' | grep -vx "$word")
		else
			echo "$word"
		fi
	done
}

# calls_of UNIT - what its SystemCallFilter= lines come to, one after another.
calls_of() {
	local line calls=''

	while read -r line; do
		if [[ $line == '~'* ]]; then
			# shellcheck disable=SC2086 # words
			calls=$(comm -23 <(sort -u <<<"$calls") <(expand ${line#'~'} | sort -u))
		else
			# shellcheck disable=SC2046,SC2086 # words
			calls=$(printf '%s\n' $calls $(expand $line) | sort -u)
		fi
	done < <(sed -n 's/^SystemCallFilter=//p' "$LAB/units/$1")
	echo "$calls"
}

# with_filter UNIT COMMAND... - sets `confined` to the command, with the unit's filter if systemd is there to tell which it is.
with_filter() {
	confined=("${@:2}")
	# shellcheck disable=SC2207 # words
	! command -v systemd-analyze >/dev/null || confined=("$BIN/confine" $(calls_of "$1") -- "${@:2}")
}

if command -v systemd-analyze >/dev/null; then
	said=$(verify)
	same "systemd-analyze verify has nothing to say" "" "$said"
	exposed "wgmeet run" wgmeet@.service 1.8
	exposed "wgmeet sync" wgmeet-sync@.service 1.8
	exposed wgmeetd wgmeetd.service 2.0
	drop_in wgmeet-userspace.conf wgmeet@.service wgmeet-sync@.service
	drop_in wgmeetd-userspace.conf wgmeetd.service
	same "nor has it to the drop-ins for userspace devices" "" "$(verify)"
	for unit in wgmeet@.service wgmeet-sync@.service wgmeetd.service; do
		exposed "$unit for a userspace device" "$unit" 2.5
	done
elif [ "${CI:-}" = true ]; then
	not_ok "systemd-analyze is there"
else
	echo "# systemd is not asked: there is no systemd-analyze here"
fi

# ---- what they start ----

lab_ns one
lab_key one
lab_in one ip route add 198.18.0.0/15 dev lo
lab_start mock one "$BIN/mock" 127.0.0.1 53 0 good
must lab_wait 3 grep -qs ready "$LAB/mock.log"
cp -a /etc "$LAB/etc"
mount -n --bind "$LAB/etc" /etc || e2e_skip "no mounts here"
mkdir -p /etc/wgmeet "$LAB/local/bin"
printf '[Client]\nZone = %s\nServer = 127.0.0.1\n' "$ZONE" >/etc/wgmeet/wg0.conf
# At its own place, so that the README's lines are run as they are.
cp "$BIN/wgmeet" "$LAB/local/bin/"
mount -n --bind "$LAB/local" /usr/local || e2e_skip "no mounts here"

# fresh_device - one peer, without an endpoint.
fresh_device() {
	lab_in one wg set wg0 private-key "$LAB/one.key" peer "$peer" remove
	lab_in one wg set wg0 private-key "$LAB/one.key" peer "$peer" allowed-ips 10.20.0.1/32
}

endpoint() {
	lab_in one wg show wg0 endpoints | awk '{ print $2 }'
}

# works DESCRIPTION COMMAND... - the command sets the peer's endpoint.
works() {
	local what=$1

	shift
	fresh_device
	check "$what: runs" lab_in one "$@"
	same "$what: the endpoint is set" "$truth" "$(endpoint)"
}

peer=$(head -c 32 /dev/urandom | base64)
read -ra octets < <(base64 -d <<<"$peer" | od -An -tu1 -N3)
truth=198.18.${octets[0]}.${octets[1]}:$((1024 + octets[2]))
lab_wg_create one wg0
lab_in one ip link set wg0 up

cron=$(line_of '(\* ){5}root .*')
check "README has a line for cron" test -n "$cron"
works "cron" sh -c "${cron#\* \* \* \* \* root }"
wgquick=$(line_of 'PostUp = .*')
check "README has a line for wg-quick" test -n "$wgquick"
command=${wgquick#PostUp = }
works "wg-quick's PostUp" bash -c "${command//%i/wg0}" # as wg-quick does
ifupdown=$(line_of 'post-up .*')
check "README has a line for ifupdown" test -n "$ifupdown"
works "ifupdown's post-up" env IFACE=wg0 sh -c "${ifupdown#post-up }"

# Without the server, the tunnel comes up all the same.
lab_stop mock
fresh_device
for line in "${command//%i/wg0}" "IFACE=wg0; ${ifupdown#post-up }"; do
	check "no registry: $line exits 0" lab_in one bash -c "$line"
done
lab_start mock one "$BIN/mock" 127.0.0.1 53 0 good
must lab_wait 3 grep -qs ready "$LAB/mock.log"

# The units' own commands, with the units' powers: a user who is nobody, CAP_NET_ADMIN, some system calls, and nothing else.
for unit in wgmeet@.service wgmeet-sync@.service; do
	same "$unit has one capability" "CAP_NET_ADMIN CAP_NET_ADMIN" \
		"$(setting AmbientCapabilities $unit) $(setting CapabilityBoundingSet $unit)"
	same "$unit: and no root" "yes" "$(setting DynamicUser $unit)"
	cat "$LAB/units/$unit" "$LAB/units/wgmeet-userspace.conf" >"$LAB/units/userspace-$unit"
done

# with_powers UNIT USER - sets `powers` to what starts a command as the unit does.
with_powers() {
	local capabilities

	capabilities=-all$(sed -n 's/^CapabilityBoundingSet=//p' "$LAB/units/$1" | tr '\n' ' ' |
		sed 's/ $//; s/\(^\| \)CAP_/,+/g' | tr '[:upper:]' '[:lower:]')
	powers=(setpriv --reuid="$2" --regid="$2" --clear-groups --bounding-set="$capabilities" --inh-caps="$capabilities"
		--ambient-caps="$capabilities" --no-new-privs --)
}

# A userspace device is root's.
if [ "$WG_IMPL" = kernel ]; then
	prefix='' user=$WORKER_UID
else
	prefix=userspace- user=0
	with_powers wgmeet-sync@.service $WORKER_UID
	with_filter wgmeet-sync@.service "$BIN/wgmeet" lookup "$peer" -c /etc/wgmeet/wg0.conf
	check "a look-up with the powers for a kernel's device" lab_in one "${powers[@]}" "${confined[@]}"
fi

command=$(setting ExecStart wgmeet-sync@.service)
with_powers ${prefix}wgmeet-sync@.service $user
# shellcheck disable=SC2086 # words
with_filter ${prefix}wgmeet-sync@.service ${command//%i/wg0}
works "wgmeet-sync@'s command with its powers" "${powers[@]}" "${confined[@]}"

# reload WHAT UNIT PID - as the unit does it.
reload() {
	local command

	command=$(setting ExecReload "$2")
	# shellcheck disable=SC2086 # words
	check "$1: ExecReload" "${powers[@]}" ${command/\$MAINPID/$3}
	check "$1: the manager hears of it" lab_wait 5 told 'RELOADING=1 MONOTONIC_USEC=[0-9]+'
	check "$1: and that it is done" lab_wait 10 told READY=1 2
}

# stop WHAT NAME
stop() {
	lab_stop "$2"
	same "$1: SIGTERM ends it with 0" 0 $?
	check "$1: the manager hears of it" lab_wait 5 told STOPPING=1
	lab_stop manager
}

has_truth() {
	[ "$(endpoint)" = "$truth" ]
}

# wgmeet run, as its unit has it.
stays() {
	local command

	install -d -o "$user" /run/wgmeet/wg0 # as RuntimeDirectory= does
	fresh_device
	manager_start
	command=$(setting ExecStart wgmeet@.service)
	with_powers ${prefix}wgmeet@.service $user
	# shellcheck disable=SC2086 # words
	with_filter ${prefix}wgmeet@.service ${command//%i/wg0}
	lab_start run one env NOTIFY_SOCKET="$NOTIFY" "${powers[@]}" "${confined[@]}"
	check "wgmeet@: is ready" lab_wait 10 told READY=1
	check "wgmeet@: the endpoint is set" lab_wait 10 has_truth
	reload wgmeet@ wgmeet@.service "${lab_pid[run]}"
	stop wgmeet@ run
	check "wgmeet@: the endpoint stays" has_truth
}

same "wgmeet@ waits for the word, and for nothing else" "notify main 2" \
	"$(setting Type wgmeet@.service) $(setting NotifyAccess wgmeet@.service) $(setting RestartPreventExitStatus wgmeet@.service)"
same "wgmeet@ has the directory of its socket, for itself alone" "wgmeet/%i 0700" \
	"$(setting RuntimeDirectory wgmeet@.service) $(setting RuntimeDirectoryMode wgmeet@.service)"
stays

# ---- wgmeetd's ----

if command -v systemd-sysusers >/dev/null; then
	check "the users are made" systemd-sysusers "$contrib/wgmeet.sysusers" # in our own /etc
else
	useradd --system --no-create-home wgmeet-observer && useradd --system --no-create-home wgmeet
fi
same "the unit's user is the observer" wgmeet-observer "$(setting User wgmeetd.service)"
same "its capabilities are those that it may have" "$(setting CapabilityBoundingSet wgmeetd.service)" \
	"$(setting AmbientCapabilities wgmeetd.service)"
same "nothing keeps it down" "always 0" \
	"$(setting Restart wgmeetd.service) $(setting StartLimitIntervalSec wgmeetd.service)"
same "it is waited for until it is ready" "notify main" "$(setting Type wgmeetd.service) $(setting NotifyAccess wgmeetd.service)"
lab_ns hub
ip -n hub addr add "$SERVER"/32 dev lo
lab_key alice
state=$LAB/state

configure() { # SOURCE
	printf '%s\n' "[Server]" "Listen = $SERVER" "Workers = 2" "StateDirectory = $state" "[Zone]" "Name = $ZONE" "$1" \
		"NameServer = ns1.$ZONE $SERVER" >/etc/wgmeet/wgmeetd.conf
}

uid_of() { # PID
	awk '/^Uid:/ { print $2 }' "/proc/$1/status"
}

# runs WHAT USER COMMAND... - as that user, with the unit's powers, it serves a peer.
runs() {
	local what=$1 user=$2 pid

	install -d -o "$user" "$state" # as StateDirectory= does
	manager_start
	with_powers wgmeetd.service "$user"
	with_filter wgmeetd.service "${@:3}"
	lab_start wgmeetd hub env NOTIFY_SOCKET="$NOTIFY" "${powers[@]}" "${confined[@]}"
	check "$what: is ready" lab_wait 20 told READY=1
	check "$what: and serves" lab_wait 5 is_served alice 198.51.100.1 1001
	check "$what: and tells the manager what" lab_wait 5 told "STATUS=$ZONE: 1 peer"
	check "$what: keeps the serial" test -s "$state/$ZONE.serial"
	same "$what: the observer's user" "$(id -u "$user")" "$(uid_of "${lab_pid[wgmeetd]}")"
	for pid in $(lab_children "${lab_pid[wgmeetd]}"); do
		same "$what: a worker's user" "$(id -u wgmeet)" "$(uid_of "$pid")"
		same "$what: it has no powers" 0000000000000000 "$(awk '/^CapPrm:/ { print $2 }' "/proc/$pid/status")"
	done
	reload "$what" wgmeetd.service "${lab_pid[wgmeetd]}"
	check "$what: reads its configuration again" grep -q 'was read again' "$LAB/wgmeetd.log"
	same "$what: and what is as before is not told again" 1 "$(grep -c ^STATUS= "$LAB/manager.log")"
	stop "$what" wgmeetd
}

printf '(none)\t%s\t51820\toff\n%s\t(none)\t198.51.100.1:1001\t10.9.0.2/32\t0\t0\t0\toff\n' \
	"$(lab_pub one)" "$(lab_pub alice)" >"$LAB/dump"
configure "DumpFile = $LAB/dump"
runs "the unit, with a file" wgmeet-observer "$(setting ExecStart wgmeetd.service)"

# A device that is not there yet does not keep it from being ready: it says so, and answers SERVFAIL.
configure "Device = wghub"
manager_start
lab_start wgmeetd hub env NOTIFY_SOCKET="$NOTIFY" "$BIN/wgmeetd" --user $WORKER_UID --observer-user $OBSERVER_UID
check "without the device: is ready" lab_wait 20 told READY=1
check "without the device: the manager hears of it" lab_wait 5 told "STATUS=$ZONE; SERVFAIL: device wghub is not there"
same "without the device: answers" SERVFAIL "$(ask_status '' SOA)"
same "without the device: says so" "zone $ZONE: device wghub is not there; answering SERVFAIL until it is" \
	"$(sed -n 's/^wgmeetd: //p' "$LAB/wgmeetd.log")"
stop "without the device" wgmeetd

lab_wg hub
lab_in hub wg set wghub peer "$(lab_pub alice)" endpoint 198.51.100.1:1001 allowed-ips 10.9.0.2/32
configure "Device = wghub"
if [ "$WG_IMPL" = kernel ]; then
	runs "the unit, with a device" wgmeet-observer "$(setting ExecStart wgmeetd.service)"
else
	# shellcheck disable=SC2046 # words
	runs "the unit, with a userspace device" "$(setting User wgmeetd-userspace.conf)" \
		$(setting ExecStart wgmeetd-userspace.conf)
fi
e2e_done
