#!/bin/bash
# run.sh [SECONDS [ANSWERS [RATE [SEED]]]] - wgmeetd under load, and under all faults together: each answer is compared with
# the versions of the zone that were right at that moment. The stated bounds: no answer is older than 2 s and the pause
# between two looks at the source, and there is no outage of more than 3 s. See judge.c for what is judged. The sources and
# the clock are the judge's to disturb; here are the processes, the configuration, memory and the disk.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
seconds=${1:-75}
answers=${2:-100000}
rate=${3:-4000}
seed=${4:-$((SRANDOM % 1000000))}
outage_ms=${OUTAGE_MS:-3000}
e2e_enter "$seconds" "$answers" "$rate" "$seed"
[ -x "$BUILD/test/judge" ] || e2e_skip "no $BUILD/test/judge: make tests"
cp "$BUILD/test/judge" "$BUILD/test/shim.so" "$BUILD/test/shim_memory.so" "$BIN/"
echo "# seed $seed"

SOURCES=$LAB/sources
CONF=$LAB/wgmeetd.conf
sanitized=
! grep -q __asan_init "$BIN/wgmeetd" || sanitized=1
limited=
! "$BIN/wgmeetd" --help 2>&1 | grep -q -e --rate-limit || limited=1

say() { # to the judge
	printf '%s\n' "$*" >&9
}

between() { # FROM TO - milliseconds, as a number of seconds
	local ms=$(($1 + RANDOM % ($2 - $1 + 1)))
	printf '%d.%03d' $((ms / 1000)) $((ms % 1000))
}

going_on() { # [end]
	[ ! -e "$LAB/${1:-stop}" ] && kill -s 0 $$ 2>/dev/null
}

# The server, as a service manager would run it: always again, a moment later -----------------------------------

children_of() { # PID
	cat "/proc/$1/task/$1/children" 2>/dev/null
}

has_workers() { # PID
	# shellcheck disable=SC2046 # counted
	set -- "$1" $(children_of "$1")
	[ $# = 3 ] || ! kill -s 0 "$1" 2>/dev/null
}

# One that nobody has waited for yet is gone, too.
are_gone() {
	local pid stat
	for pid; do
		read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
		[[ ${stat##*) } == Z* ]] || return 1
	done
}

run_server() {
	local preload=$BIN/shim.so asan=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0

	[ -n "$sanitized" ] || preload+=":$BIN/shim_memory.so"
	exec setpriv --pdeathsig KILL -- env LD_PRELOAD="$preload" FAULTS_MEMORY="$LAB/memory" \
		FAULTS_CLOCK="$LAB/clock" FAULTS_KERNEL="$SOURCES/kernel.sock" ASAN_OPTIONS="$asan" \
		"$BIN/wgmeetd" -c "$CONF" 2>>"$LAB/wgmeetd.log"
}

# Whoever changes its user is no longer ended with its parent: so the server is told.
end_server() {
	local pid

	for pid in $server $workers; do
		kill -s CONT "$pid" 2>/dev/null
	done
	kill -s TERM "$server" 2>/dev/null
}

supervise() {
	local server='' workers='' status

	trap 'end_server; exit 143' HUP INT TERM
	while going_on end; do
		say up
		run_server &
		server=$!
		lab_wait 5 has_workers "$server"
		workers=$(children_of "$server")
		echo "$server $workers" >"$LAB/pids.new"
		mv "$LAB/pids.new" "$LAB/pids"
		status=0
		wait "$server" 2>/dev/null || status=$?
		rm -f "$LAB/pids"
		echo "$status" >>"$LAB/statuses"
		# shellcheck disable=SC2086 # a list
		lab_wait 10 are_gone $workers
		say gone
		sleep 0.1
	done
}

# What is done to it --------------------------------------------------------------------------------------------

# The server's processes, in $observer and ${workers[@]}; false while there are none.
processes() {
	local pids

	read -r -a pids 2>/dev/null <"$LAB/pids" && [ ${#pids[@]} = 3 ] || return 1
	observer=${pids[0]}
	workers=("${pids[@]:1}")
	worker=${workers[RANDOM % 2]}
}

stop_for_a_moment() { # PID
	kill -s STOP "$1" 2>/dev/null
	sleep 0.5
	kill -s CONT "$1" 2>/dev/null
}

# Of its allocations one in so many fails.
shorten_memory() { # observer|worker PID
	local one_in=(1 2 5 20 100)

	say "note memory: short for the $1"
	say shuffle
	say "memory $1 $2 ${one_in[RANDOM % 5]}"
	sleep "$(between 300 900)"
	say "memory $1 0 0"
	! kill -s 0 "$2" 2>/dev/null || say settle
}

# draw - one of ${kinds[@]}, in $kind: each once in random order, then each once more.
draw() {
	local at
	[ ${#deck[@]} != 0 ] || deck=("${kinds[@]}")
	at=$((RANDOM % ${#deck[@]}))
	kind=${deck[at]}
	unset "deck[at]"
	deck=("${deck[@]}")
}

disturb_processes() {
	local observer worker workers kind deck=() kinds=(kill-worker kill-observer stop-worker stop-observer)

	RANDOM=$((seed + 1))
	[ -n "$sanitized" ] || kinds+=(memory-observer memory-observer memory-worker)
	while going_on; do
		sleep "$(between 700 3500)"
		going_on || return
		processes || continue
		draw
		case $kind in
		kill-worker)
			say "note process: a worker killed"
			say shuffle
			kill -s KILL "$worker" 2>/dev/null
			;;
		kill-observer)
			say "note process: the observer killed"
			say shuffle
			kill -s KILL "$observer" 2>/dev/null
			;;
		stop-worker)
			say "note process: a worker stopped for 0.5 s"
			stop_for_a_moment "$worker"
			;;
		stop-observer)
			say "note process: the observer stopped for 0.5 s"
			stop_for_a_moment "$observer"
			;;
		memory-observer)
			shorten_memory observer "$observer"
			;;
		memory-worker)
			shorten_memory worker "$worker"
			;;
		esac
	done
}

make_conf() { # VERBOSE [extra]
	printf '[Server]\nListen = 127.0.0.1:5300, [::1]:5300\nUser = %s\nObserverUser = %s\nWorkers = 2\n' \
		$WORKER_UID $OBSERVER_UID
	printf 'StateDirectory = %s\nVerbose = %s\n' "$LAB/state" "$1"
	[ -z "$limited" ] || echo "RateLimit = 0"
	shift
	"$BIN/judge" conf "$SOURCES" "$seed" "$@"
}

put_conf() { # FILE
	cp "$1" "$CONF.new"
	mv "$CONF.new" "$CONF"
	! processes || kill -s HUP "$observer" 2>/dev/null
}

# configure FILE - until it is read; a server that is short of memory may have to be told again.
configure() {
	local before

	before="$(grep -c 'configuration was read again' "$LAB/wgmeetd.log") $(wc -l <"$LAB/statuses")"
	put_conf "$1"
	until [ "$(grep -c 'configuration was read again' "$LAB/wgmeetd.log") $(wc -l <"$LAB/statuses")" != "$before" ]; do
		going_on || return
		sleep 0.2
		! processes || kill -s HUP "$observer" 2>/dev/null
	done
}

# At most half a second: a server that is killed meanwhile does not start.
break_conf() {
	local said

	said=$(grep -c 'stays as it was' "$LAB/wgmeetd.log")
	put_conf "$LAB/conf.broken"
	for _ in 1 2 3 4 5 6 7 8; do
		[ "$(grep -c 'stays as it was' "$LAB/wgmeetd.log")" = "$said" ] || break
		sleep 0.05
	done
	put_conf "$1"
}

disturb_configuration() {
	local observer worker workers kind deck=() kinds=(broken same other other) now=$LAB/conf.plain

	RANDOM=$((seed + 2))
	while going_on; do
		sleep "$(between 500 3000)"
		going_on || return
		draw
		case $kind in
		broken)
			say "note configuration: broken, restored"
			break_conf "$now"
			;;
		same)
			say "note configuration: read again"
			put_conf "$now"
			;;
		other)
			if [ "$now" = "$LAB/conf.plain" ]; then
				say "note configuration: a zone more"
				now=$LAB/conf.extra
				say "extra comes"
				configure "$now"
				say "extra is there"
			else
				say "note configuration: a zone less"
				now=$LAB/conf.plain
				say "extra leaves"
				configure "$now"
				say "extra is gone"
			fi
			;;
		esac
	done
}

disturb_disk() {
	RANDOM=$((seed + 3))
	while going_on; do
		sleep "$(between 3000 9000)"
		going_on || return
		say "disk full"
		say "note disk: full"
		head -c 1M /dev/zero >"$LAB/state/fill" 2>/dev/null
		sleep "$(between 300 2500)"
		rm "$LAB/state/fill"
		say "disk ok"
	done
}

# The run -------------------------------------------------------------------------------------------------------

in_background() {
	"$@" >>"$LAB/loops.log" 2>&1 &
	lab_all_pids+=($!)
}

prepare() {
	mkdir "$LAB/state" "$SOURCES"
	mount -n -t tmpfs -o size=64k,mode=755 tmpfs "$LAB/state" || lab_die "cannot mount a small file system"
	chown $OBSERVER_UID "$LAB/state"
	mkfifo "$LAB/said"
	exec 9<>"$LAB/said"
	: >"$LAB/wgmeetd.log"
	: >"$LAB/statuses"
	make_conf no >"$LAB/conf.plain"
	make_conf yes extra >"$LAB/conf.extra"
	sed 's/^Workers.*/Wrokers = 2/' "$LAB/conf.plain" >"$LAB/conf.broken"
	cp "$LAB/conf.plain" "$CONF"
}

# When nobody disturbs it any more. The judge has ended, who would have given it its memory back.
told_to_end() {
	touch "$LAB/stop"
	head -c 16 /dev/zero 1<>"$LAB/memory"
	lab_wait 15 are_gone "${disturbers[@]}"
	lab_wait 5 processes || return 1
	touch "$LAB/end"
	kill -s TERM "$observer"
	lab_wait 5 are_gone "$observer" "${workers[@]}" && lab_wait 5 are_gone "$supervisor" &&
		[ "$(tail -n 1 "$LAB/statuses")" = 0 ]
}

no_ill_end() {
	! grep -E 'seccomp|signal (4|5|6|7|8|11|31) |Sanitizer|runtime error|ssertion|is a bug' "$LAB/wgmeetd.log" &&
		! grep -Evx '0|1|2|137' "$LAB/statuses"
}

disturbers=()
prepare
setpriv --pdeathsig KILL -- "$BIN/judge" run --dir "$SOURCES" --observer $OBSERVER_UID --server 127.0.0.1:5300 \
	--server '[::1]:5300' --seed "$seed" --answers "$answers" --seconds "$seconds" --at-most $((seconds * 3 + 60)) \
	--rate "$rate" --outage-ms "$outage_ms" --clock "$LAB/clock" --memory "$LAB/memory" ${limited:+--small-udp} \
	<&9 >"$LAB/judge.out" 2>&1 &
judge=$!
lab_all_pids+=("$judge")
must lab_wait 10 grep -qx ready "$LAB/judge.out"
in_background supervise
supervisor=$!
must lab_wait 10 server_serving wgmeetd
say begin
for disturb in disturb_processes disturb_configuration disturb_disk; do
	in_background $disturb
	disturbers+=($!)
done
status=0
wait "$judge" || status=$?
check "told to end, the server does, and says that all is well" told_to_end
sed '/^ready$/d; s/^/# /; s/^# not ok/not ok/' "$LAB/judge.out"
echo "# the server was started $(wc -l <"$LAB/statuses") times"
same "every answer is of one zone version that was right at that time, no outage of more than $outage_ms ms (seed $seed)" 0 $status
check "no process of the server ended otherwise than it was made to" no_ill_end
e2e_done
