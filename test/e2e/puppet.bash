# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2154
# puppet.bash: a process as it is when somebody has taken it over: what it can be made to do, and what it holds. Behind
# e2e.bash. A function that returns 0 prints nothing; else it prints what was otherwise.

PUPPET=$BUILD/test/puppet
[ -x "$PUPPET" ] || lab_die "make $PUPPET first"

is_asleep() {
	[ "$(awk '/^(Name|State):/ { print $2 }' "/proc/${lab_pid[subject]}/status" | tr '\n' ' ')" = "sleep S " ]
}
lab_start subject - sleep 600
lab_wait 5 is_asleep || lab_die "cannot start sleep"
made=$("$PUPPET" "${lab_pid[subject]}" getpid)
[ "$made" = "= ${lab_pid[subject]}" ] || e2e_skip "no process can be made to do anything here: $made"
# Does the kernel have Landlock? Any process may ask.
landlock=$("$PUPPET" "${lab_pid[subject]}" 444 0 0 1)
[[ $landlock == "= "* ]] && landlock=${landlock#= } || landlock=
# What the sanitizers need is let through for them, and fails otherwise.
sanitized=$(grep -q __asan_init "$BUILD/wgmeetd" && echo yes)

# made PID CALL ARGUMENT... - what comes of it.
made() {
	"$PUPPET" "$@"
}

# cannot PID CALL ARGUMENT... - the call itself is forbidden.
cannot() {
	local got

	got=$(made "$@")
	[ "$got" != forbidden ] || return 0
	[ -z "$sanitized" ] || [[ $got != E* ]] || return 0
	echo "$*: $got" && return 1
}

# fails PID CALL ARGUMENT... - it is forbidden, or an error.
fails() {
	local got

	got=$(made "$@")
	[[ $got != "= "* ]] || { echo "$*: $got" && return 1; }
}

# What no process needs, in the manuals' words.

starts_no_program() { # PID
	cannot "$1" execve :/bin/true 0 0 && cannot "$1" execveat -100 :/bin/true 0 0 0 && cannot "$1" clone 17 0 0 0 0 &&
		cannot "$1" clone3 0 0
}

reads_no_process() { # PID OTHER
	cannot "$1" ptrace 16 "$2" 0 0 && cannot "$1" process_vm_readv "$2" 0 0 0 0 0 && fails "$1" openat -100 ":/proc/$2/mem" 0 &&
		cannot "$1" pidfd_open "$2" 0
}

signals_no_process() { # PID OTHER
	cannot "$1" kill "$2" 0 && cannot "$1" tgkill "$2" "$2" 6 && cannot "$1" tkill "$2" 6 && cannot "$1" 424 0 9 0 0
}

opens_no_file() { # PID
	fails "$1" openat -100 :/etc/passwd 0 && fails "$1" openat -100 :/ 0 && cannot "$1" 437 -100 :/etc/passwd 0 0 &&
		cannot "$1" open_by_handle_at 0 0 0 && cannot "$1" io_uring_setup 1 0
}

# opens_no_socket PID FAMILY... - of any type
opens_no_socket() {
	local pid=$1 family type

	shift
	for family; do
		for type in 1 2 3 5; do
			cannot "$pid" socket "$family" $type 0 || return
		done
	done
}

# descriptors PID - one a line: what it is, with the local port if there is one, and its number.
descriptors() {
	local fd link

	for fd in "/proc/$1/fd/"*; do
		link=$(readlink "$fd")
		case $link in
		socket:*) link=$(socket_of "$1" "${link//[^0-9]/}") ;;
		/memfd:*) link=${link% (deleted)} ;;
		"$LAB"/*) link=log ;;
		esac
		echo "$link #${fd##*/}"
	done | sort
}

# socket_of PID INODE
socket_of() {
	local table found

	for table in udp:10 udp6:10 tcp:10 tcp6:10 raw:10 raw6:10 unix:7 netlink:10 packet:9; do
		found=$(awk -v inode="$2" -v column="${table#*:}" '$column == inode { print $2; exit }' "/proc/$1/net/${table%:*}" \
			2>/dev/null)
		[ -n "$found" ] || continue
		case ${table%:*} in
		udp* | tcp*) echo "${table%:*} $((16#${found##*:}))" ;;
		*) echo "${table%:*}" ;;
		esac
		return
	done
	echo "a socket of another kind"
}

# holds_only PID WHAT... - these are its descriptors, and there is no other.
holds_only() {
	local pid=$1 got want

	shift
	want=$(printf '%s\n' "$@" | sort)
	got=$(descriptors "$pid" | sed 's/ #[0-9]*$//' | sort)
	[ "$got" = "$want" ] || { diff <(echo "$want") <(echo "$got") && return 1; }
}

# descriptor PID WHAT - the number of the first one.
descriptor() {
	descriptors "$1" | sed -n "s/^$2 #//p" | head -n 1
}

value_of() { # PID WORD - in /proc/PID/status
	awk -v word="$2:" '$1 == word { print $2 }' "/proc/$1/status"
}

# is_closed PID - to another process of its user, which may look into one that is not.
is_closed() {
	local user got file

	user="setpriv --reuid=$(value_of "$1" Uid) --regid=$(value_of "$1" Gid) --clear-groups --"
	if [ "$(value_of "$1" Uid)" = 0 ]; then # without root's capabilities
		user="setpriv --bounding-set=-all --inh-caps=-all --"
	fi
	# shellcheck disable=SC2016 # for the shell of that user
	$user bash -c 'sleep 9 & head -c1 "/proc/$!/maps"; status=$?; kill $!; exit $status' >/dev/null || return
	for file in mem environ maps fd/2; do
		! $user head -c1 "/proc/$1/$file" >/dev/null 2>&1 || { echo "/proc/$1/$file can be read" && return 1; }
	done
	got=$($user "$BIN/puppet" "$1" getpid)
	[ "$got" = "may not: EPERM" ] || { echo "$got" && return 1; }
	[ "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$1/limits")" = "0 0" ] || { echo "it may write a core file" && return 1; }
}
