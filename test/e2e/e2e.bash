# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034
# e2e.bash: what the end-to-end tests share. Each is a script of its own that needs root; 0: passed, 1: failed,
# 77: skipped (which with CI=true counts as failed: there, everything that is needed has been installed).
#
#	. "${0%/*}/e2e.bash"
#	e2e_enter "$@"
#	check "what is so" command...
#	e2e_done

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
BUILD=${BUILD:-build}
[ "${BUILD#/}" != "$BUILD" ] || BUILD=$ROOT/$BUILD

# shellcheck source=../natlab/natlab.sh
. "$ROOT/test/natlab/natlab.sh"

# LeakSanitizer looks at a process as a debugger does, which these do not allow: it hangs. The unit tests have it.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

ZONE=wg.test
SERVER=203.0.113.10
SERVER_NS=hub
SERVER_PORT=53
WORKER_UID=64901   # nobody has them: what runs with them is ours
OBSERVER_UID=64902
e2e_failed=0

e2e_skip() {
	echo "SKIP: $*"
	[ "${CI:-}" != true ] || exit 1
	exit 77
}

# e2e_enter ARGUMENTS... - into the lab's namespaces, with the programs at hand in $BIN. To be called first.
e2e_enter() {
	local missing

	[ "$(id -u)" = 0 ] || e2e_skip "needs root, for network namespaces"
	missing=$(lab_missing unshare nsenter setpriv ip nft wg dig ping)
	[ -z "$missing" ] || e2e_skip "not installed: $missing"
	lab_enter "$@"
	if [ "$WG_IMPL" = go ]; then
		missing=$(lab_missing wireguard-go)
		[ -z "$missing" ] || e2e_skip "not installed: $missing"
		[ -c /dev/net/tun ] || e2e_skip "there is no /dev/net/tun"
	fi
	# Copies, because other users shall be able to start them, wherever the project lies.
	BIN=$LAB/bin
	mkdir "$BIN"
	cp "$BUILD/wgmeetd" "$BUILD/wgmeet" "$BIN/" || lab_die "make first, or set BUILD"
	trap 'e2e_exit' EXIT
}

# What the processes said is worth reading only if something failed.
e2e_exit() {
	local status=$? log said

	[ "$BASHPID" = $$ ] || exit "$status"
	if [ "$status" != 0 ] && [ "$status" != 77 ]; then
		for log in "$LAB"/*.log; do
			[ -e "$log" ] || continue
			# Without wireguard-go's greeting, which is drawn in a box.
			said=$(LC_ALL=C grep -v '[^[:print:][:space:]]' "$log" | tail -n 15 | sed 's/^/#   /')
			[ -z "$said" ] || printf '# %s:\n%s\n' "${log##*/}" "$said"
		done
	fi
	(exit "$status")
	lab_cleanup
}

e2e_done() {
	[ $e2e_failed = 0 ] || exit 1
	exit 0
}

ok() {
	echo "ok - $*"
}

not_ok() {
	echo "not ok - $*"
	e2e_failed=1
}

# check DESCRIPTION COMMAND... - the command's output is shown if it fails.
check() {
	local what=$1 out

	shift
	if out=$("$@" 2>&1); then
		ok "$what"
	else
		not_ok "$what"
		echo "#   failed: $*"
		[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/#   /'
	fi
}

# same DESCRIPTION EXPECTED GOT
same() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		echo "#   expected: $2"
		echo "#   got:      $3"
	fi
}

# matches DESCRIPTION REGEX TEXT - extended, without regard to case.
matches() {
	if grep -Eiq -e "$2" <<<"$3"; then
		ok "$1"
	else
		not_ok "$1"
		echo "#   expected: /$2/"
		printf '%s\n' "$3" | sed 's/^/#   got: /'
	fi
}

# must COMMAND... - what the checks that follow depend on.
must() {
	"$@" && return
	not_ok "$*"
	exit 1
}

# wgmeetd ------------------------------------------------------------------------------------------------------

# registry_start - wgmeetd for the device of the hub, and waits until it serves.
registry_start() {
	local observer=$OBSERVER_UID

	# A userspace device's socket is root's alone.
	[ "$WG_IMPL" = kernel ] || observer=0
	mkdir -p "$LAB/state"
	chown $observer "$LAB/state"
	lab_start wgmeetd hub "$BIN/wgmeetd" --zone $ZONE --device wghub --listen $SERVER:53 \
		--name-server "ns1.$ZONE $SERVER" --self $SERVER:51820 --self-allowed-ips 10.9.0.1/32 --ttl 10 \
		--rate-limit 0 --user $WORKER_UID --observer-user $observer --state-directory "$LAB/state"
	server_wait wgmeetd
}

# server_wait NAME - until the log says that it serves. The limits of such waits are for slow machines.
server_wait() {
	lab_wait 20 server_settled "$1"
	server_serving "$1" || { not_ok "$1 serves" && exit 1; }
}

server_serving() {
	grep -q serving "$LAB/$1.log"
}

server_settled() {
	server_serving "$1" || ! lab_alive "$1"
}

# manager_start - a service manager, which hears at the socket $NOTIFY what programs tell it, see told.
manager_start() {
	NOTIFY=$LAB/notify
	[ -x "$BUILD/test/manager" ] || lab_die "make tests first"
	rm -f "$NOTIFY"
	lab_start manager - "$BUILD/test/manager" "$NOTIFY"
	must lab_wait 5 test -S "$NOTIFY"
}

# told REGEX [TIMES] - has it been told that, and that often?
told() {
	[ "$(grep -Ecx "$1" "$LAB/manager.log")" = "${2:-1}" ]
}

# DNS ----------------------------------------------------------------------------------------------------------

# ask NAME TYPE [DIG-OPTION...] - the whole answer, as dig prints it. NAME is completed with the zone.
ask() {
	local name=$1 type=$2

	shift 2
	lab_in $SERVER_NS dig +tries=1 +time=2 -p $SERVER_PORT "@$SERVER" "${name:+$name.}$ZONE" "$type" "$@"
}

ask_short() {
	ask "$@" +short
}

peer_name() { # NAME - of a key pair of the lab
	echo "$(lab_label "$1")._wireguard._udp"
}

# ask_status NAME TYPE - NOERROR, NXDOMAIN, SERVFAIL, ...; "none" without an answer.
ask_status() {
	ask "$@" | awk '/status:/ { sub(/,/, "", $6); print $6; found = 1 } END { if (!found) print "none" }'
}

# has_record NAME TYPE RDATA - is that the RRset?
has_record() {
	[ "$(ask_short "$1" "$2")" = "$3" ]
}

# is_served NAME ADDRESS PORT
is_served() {
	local owner
	owner=$(peer_name "$1")
	has_record "$owner" A "$2" && has_record "$owner" SRV "0 0 $3 $owner.$ZONE."
}

# Master files -------------------------------------------------------------------------------------------------

# e2e_judges - the name servers' checkers at hand, in the array judges: nsd, knot. With CI=true both have to be.
e2e_judges() {
	judges=()
	if command -v nsd-checkzone >/dev/null; then
		judges+=(nsd)
	fi
	if command -v kzonecheck >/dev/null || command -v knotc >/dev/null; then
		judges+=(knot)
	fi
	if [ ${#judges[@]} != 2 ] && [ "${CI:-}" = true ]; then
		not_ok "knot and nsd are both installed (only: ${judges[*]})"
	fi
}

# nsd_loads ZONE, knot_loads ZONE - from the master file $LAB/zone.
nsd_loads() {
	nsd-checkzone "$1" "$LAB/zone"
}

knot_loads() {
	if command -v kzonecheck >/dev/null; then
		kzonecheck -o "$1" "$LAB/zone"
		return
	fi
	# Older ones leave it to the control program, with a configuration.
	{
		printf 'server:\n  rundir: "%s"\ndatabase:\n  storage: "%s"\n' "$LAB" "$LAB"
		printf 'zone:\n  - domain: "%s"\n    file: "%s"\n    semantic-checks: on\n' "$1" "$LAB/zone"
	} >"$LAB/knot.conf"
	knotc --config "$LAB/knot.conf" zone-check "$1"
}
