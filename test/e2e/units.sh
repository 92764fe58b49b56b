#!/bin/bash
# contrib/systemd: the units are in order, and do what they say with the powers that they give; the lines for cron, wg-quick
# and ifupdown in its README work as they stand there.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/mock" ] || e2e_skip "no $BUILD/test/mock: make tests"
cp "$BUILD/test/mock" "$BIN/"
contrib=$ROOT/contrib/systemd
program=/usr/local/bin/wgmeet

setting() { # KEY - the last value
	sed -n "s/^$1=//p" "$LAB/units/wgmeet-sync@.service" | tail -n 1
}

# line_of REGEX - the README's.
line_of() {
	sed -nE "s/^    ($1)\$/\\1/p" "$contrib/README"
}

mkdir "$LAB/units"
for unit in wgmeet-sync@.service wgmeet-sync@.timer; do
	sed "s|$program|$BIN/wgmeet|" "$contrib/$unit" >"$LAB/units/$unit"
done
same "the units name the program as make install does" "$program sync %I" \
	"$(sed -n 's/^ExecStart=//p' "$contrib/wgmeet-sync@.service")"

# ---- systemd's judgement ----

if command -v systemd-analyze >/dev/null; then
	# Of what it says, that which is about these.
	said=$(cd "$LAB/units" && SYSTEMD_UNIT_PATH="$LAB/units:" systemd-analyze verify --man=no \
		./wgmeet-sync@wg0.service ./wgmeet-sync@wg0.timer 2>&1 | grep wgmeet-sync)
	same "systemd-analyze verify has nothing to say" "" "$said"
	score=$(SYSTEMD_UNIT_PATH="$LAB/units:" systemd-analyze security --offline=yes --no-pager \
		"$LAB/units/wgmeet-sync@.service" 2>&1 | sed -nE 's/.*level for .*: ([0-9.]+) .*/\1/p')
	if [ -n "$score" ]; then
		check "systemd-analyze security: $score, at most 1.9" awk "BEGIN { exit !($score <= 1.9) }"
	else
		echo "# systemd-analyze security says nothing here"
	fi
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

# The unit's own command, with the unit's powers: a user who is nobody, CAP_NET_ADMIN and nothing else.
same "the unit has one capability" "CAP_NET_ADMIN CAP_NET_ADMIN" \
	"$(setting AmbientCapabilities) $(setting CapabilityBoundingSet)"
same "and no root" "yes" "$(setting DynamicUser)"
command=$(setting ExecStart)
capabilities=-all,+net_admin
powers=(setpriv --reuid="$WORKER_UID" --regid="$WORKER_UID" --clear-groups --bounding-set="$capabilities"
	--inh-caps="$capabilities" --ambient-caps="$capabilities" --no-new-privs --)
if [ "$WG_IMPL" = kernel ]; then
	# shellcheck disable=SC2086 # words
	works "the unit's command with the unit's powers" "${powers[@]}" ${command//%I/wg0}
else
	echo "# a userspace device is root's, and not for the unit: its powers are tried on a look-up alone"
	check "a look-up with the unit's powers" lab_in one "${powers[@]}" "$BIN/wgmeet" lookup "$peer" -c /etc/wgmeet/wg0.conf
fi
e2e_done
