#!/bin/bash
# host.sh NAME DIR - a host of the documentation's beds: process 1 of its namespaces, and the shell that the blocks are typed into.
# Started by hosts.bash, which says through a FIFO which block is next:
#
#	NUMBER         type the block /run/docs/NUMBER.sh; what it prints goes to NUMBER.out
#	NUMBER stays   the same, in the foreground of a terminal that somebody looks at
#	0              Ctrl-C there
#
# The answer is /run/docs/NUMBER.end: the exit status, and the first command that failed. Names begin with docs_, because a
# block's variables are this shell's.

hostname "$1" || exit 1
# What a page does to a host it does not do to this machine: all that is not the host's own is for reading.
mount -n --make-rprivate / || exit 1
while read -r _ docs_to docs_i _; do
	case $docs_i in
	proc | sysfs | dev* | tmpfs | mqueue | cgroup*) continue ;;
	esac
	mount -n -o remount,bind,ro "$docs_to" || [ "$docs_to" != / ] || exit 1
done </proc/self/mounts
for docs_i in etc varlib:/var/lib usrdoc:/usr/share/doc local:/usr/local run; do
	docs_to=${docs_i#*:}
	[ "$docs_to" != "$docs_i" ] || docs_to=/$docs_i
	mount -n --bind "$2/${docs_i%%:*}" "$docs_to" || exit 1
done
mount -n -t tmpfs tmpfs /tmp || exit 1
[ "$(readlink -f /var/run)" = /run ] || mount -n --bind /run /var/run || exit 1
cd "$HOME" || exit 1
docs_stays=

docs_interrupt() {
	[ -n "$docs_stays" ] || return 0
	kill -s INT -- "-$docs_stays"
	wait "$docs_stays"
	docs_stays=
}

echo up >/run/docs/up
while read -r docs_n docs_how <&3; do
	docs_interrupt 2>/dev/null
	[ "$docs_n" != 0 ] || continue
	docs_failed='' docs_status=0
	if [ "$docs_how" = stays ]; then
		# shellcheck disable=SC1090 # the block
		# With job control: only so does a command in the background hear Ctrl-C.
		set -m
		(exec 3>&- && . "/run/docs/$docs_n.sh") >"/run/docs/$docs_n.out" 2>&1 </dev/null &
		docs_stays=$!
		set +m
	else
		trap 'docs_failed=${docs_failed:-$BASH_COMMAND}' ERR
		# shellcheck disable=SC1090 # the block
		. "/run/docs/$docs_n.sh" >"/run/docs/$docs_n.out" 2>&1 </dev/null 3>&-
		docs_status=$?
		trap - ERR
	fi
	echo "$docs_status $docs_failed" >/run/docs/new
	mv /run/docs/new "/run/docs/$docs_n.end"
done 3<>/run/docs/in
