#!/bin/bash
# One process dies, all die, and nothing hangs: workers that are killed, stopped, or alone; standard descriptors that are
# missing; a server whose starter ignores SIGCHLD.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

SERVER=127.0.0.1
SERVER_PORT=5300
SERVER_NS=-
dump=$LAB/peers

printf '%s\t%s\t51820\toff\n' "(none)" "$(lab_key hub && lab_pub hub)" >"$dump"
chmod 644 "$dump"

start_server() { # COMMAND-BEFORE...
	lab_start wgmeetd - "$@" "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$dump" --listen $SERVER:$SERVER_PORT \
		--user $WORKER_UID --observer-user $OBSERVER_UID --workers 2
	server_wait wgmeetd
	observer=${lab_pid[wgmeetd]}
	mapfile -t workers < <(lab_children "$observer")
}

change_dump() {
	printf '%s\t%s\t51820\toff\n%s\t(none)\t198.51.100.%d:7\t(none)\t0\t0\t0\toff\n' "(none)" "$(lab_pub hub)" \
		"$(lab_pub hub)" "$1" >"$dump.new"
	chmod 644 "$dump.new"
	mv "$dump.new" "$dump"
}

all_gone() {
	local pid
	for pid in "$observer" "${workers[@]}"; do
		! kill -0 "$pid" 2>/dev/null || return 1
	done
}

has_address() {
	has_record "$(peer_name hub)" A "$1"
}

start_server env
same "two workers" 2 ${#workers[@]}
kill -STOP "${workers[0]}"
kill -CONT "${workers[0]}"
change_dump 1
check "a worker that was stopped and goes on is no dead one" lab_wait 3 has_address 198.51.100.1
kill -KILL "${workers[1]}"
check "a worker that is killed ends all" lab_wait 3 all_gone
matches "and it is said which, and how" "worker . \\(pid ${workers[1]}\\) was killed by signal 9" "$(cat "$LAB/wgmeetd.log")"
lab_stop wgmeetd
same "the exit status says so" 1 $?

start_server env
kill -KILL "$observer"
check "an observer that is killed takes its workers along" lab_wait 3 all_gone
lab_stop wgmeetd

start_server env
kill -STOP "${workers[0]}"
started=$(lab_ms)
lab_stop wgmeetd
status=$?
took=$(($(lab_ms) - started))
kill -CONT "${workers[0]}"
same "SIGTERM with a stopped worker: exit status" 0 $status
check "does not wait for it for ever: $took ms" test $took -lt 4500
check "which ends when it goes on" lab_wait 3 all_gone

start_server env --ignore-signal=CHLD
kill -KILL "${workers[0]}"
check "started with SIGCHLD ignored, a dead worker is seen all the same" lab_wait 3 all_gone
lab_stop wgmeetd

# shellcheck disable=SC2016 # for the shell that is started
start_server bash -c 'exec "$@" 9</etc 0<&- 1>&-' -
for worker in "${workers[@]}"; do
	held=$(readlink "/proc/$worker/fd/"* | grep -Ev '^(socket|anon_inode|pipe):|^/dev/null$|\.log$' || true)
	same "a worker holds nothing of its starter's" "" "$held"
	same "its standard input is nothing" /dev/null "$(readlink "/proc/$worker/fd/0")"
	same "it has no terminal" 0 "$(awk '{ sub(/.*\) /, ""); print $5 }' "/proc/$worker/stat")"
done
change_dump 2
check "and it serves" lab_wait 3 has_address 198.51.100.2
lab_stop wgmeetd
same "SIGTERM: exit status" 0 $?
e2e_done
