# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154
# bench.bash: the servers of the benchmark, each with what makes it answer fastest with one worker. To be sourced:
#
#	. "${0%/*}/bench.bash"
#	bench_enter "$@"                namespaces with nothing but lo, $LAB for files
#	bench_serve 1000 wgmeetd ...    starts them, with a thousand peers; in the array bench_servers, as load takes them
#	bench_stop

. "${BASH_SOURCE[0]%/*}/../e2e/e2e.bash" || exit 1

# Outside the zone, so that nobody has to add its address.
BENCH_NS=ns.example.net
BENCH_ALL="reflector wgmeetd knot nsd reflector2"
# Who else can take part: wgmeetd on a wildcard address. SERVERS="wgmeetd wildcard"
SERVER_CORE=${SERVER_CORE:-0}
LOAD_CORE=${LOAD_CORE:-1}
declare -A bench_port=([reflector]=5300 [wgmeetd]=5301 [knot]=5302 [nsd]=5303 [reflector2]=5304
	[wildcard]=5305)
bench_servers=()

# bench_missing PROGRAM... - prints the packages of those that are not there.
bench_missing() {
	local prog missing=()

	for prog; do
		command -v "$prog" >/dev/null && continue
		case $prog in
		knotd) missing+=(knot) ;;
		taskset | unshare | setpriv) missing+=(util-linux) ;;
		ip) missing+=(iproute2) ;;
		gnuplot) missing+=(gnuplot-nox) ;;
		*) missing+=("$prog") ;;
		esac
	done
	printf '%s' "${missing[*]}"
}

bench_enter() {
	local missing

	[ "$(id -u)" = 0 ] || e2e_skip "needs root, for a network namespace"
	missing=$(bench_missing unshare setpriv taskset ip knotd nsd)
	[ -z "$missing" ] || e2e_skip "not installed: $missing"
	[ "$(nproc)" -ge 2 ] || e2e_skip "needs two processors, for who asks and who answers"
	lab_enter "$@"
	# A million peers are files of some hundred megabytes.
	mount -n -o remount,size=80% /run || lab_die "cannot make /run larger"
	BIN=$LAB/bin
	mkdir "$BIN"
	cp "$BUILD/wgmeetd" "$BUILD/bench/load" "$BUILD/bench/reflector" "$BIN/" || lab_die "make first, or set BUILD"
	trap 'e2e_exit' EXIT
}

# bench_start NAME COMMAND... - on the servers' core.
bench_start() {
	lab_start "$1" - taskset -c "$SERVER_CORE" "${@:2}"
}

start_reflector() {
	bench_start "$1" "$BIN/reflector" 127.0.0.1 "${bench_port[$1]}"
}

# a_wgmeetd NAME ADDR
a_wgmeetd() {
	bench_start "$1" "$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/dump" --listen "$2:${bench_port[$1]}" \
		--name-server "$BENCH_NS" --workers 1 --rate-limit 0 --user $WORKER_UID --observer-user $OBSERVER_UID
}

start_wgmeetd() {
	a_wgmeetd wgmeetd 127.0.0.1
}

start_wildcard() {
	a_wgmeetd wildcard 0.0.0.0
}

# What is off by default stays so: query modules, rate limits, cookies, statistics, logging of queries.
start_knot() {
	mkdir -p "$LAB/knot"
	cat >"$LAB/knot/conf" <<-END
		server:
		    rundir: "$LAB/knot"
		    listen: 127.0.0.1@${bench_port[knot]}
		    udp-workers: 1
		    tcp-workers: 1
		    background-workers: 1
		    tcp-reuseport: on
		    identity: ""
		    version: ""
		    nsid: ""
		log:
		  - target: stderr
		    any: error
		database:
		    storage: "$LAB/knot"
		zone:
		  - domain: $ZONE
		    file: "$LAB/zone"
		    semantic-checks: off
		    zonefile-sync: -1
		    zonefile-load: whole
		    journal-content: none
	END
	bench_start knot knotd -c "$LAB/knot/conf"
}

start_nsd() {
	mkdir -p "$LAB/nsd"
	cat >"$LAB/nsd/conf" <<-END
		server:
		    server-count: 1
		    ip-address: 127.0.0.1@${bench_port[nsd]}
		    username: ""
		    chroot: ""
		    zonesdir: "$LAB/nsd"
		    pidfile: ""
		    logfile: "$LAB/nsd/log"
		    database: ""
		    zonelistfile: "$LAB/nsd/zone.list"
		    xfrdfile: ""
		    xfrdir: "$LAB/nsd"
		    verbosity: 0
		    tcp-count: 100
		    tcp-query-count: 0
		    receive-buffer-size: 1048576
		    send-buffer-size: 1048576
		    round-robin: no
		    minimal-responses: ${NSD_MINIMAL:-no}
		    rrl-ratelimit: 0
		    rrl-whitelist-ratelimit: 0
		    zonefiles-check: no
		remote-control:
		    control-enable: no
		zone:
		    name: $ZONE
		    zonefile: "$LAB/zone"
	END
	bench_start nsd nsd -d -c "$LAB/nsd/conf"
}

# bench_wait NAME PEERS - until it gives a right answer.
bench_wait() {
	local left=120

	until "$BIN/load" wait "127.0.0.1:${bench_port[$1]}" "$2" 1 2>/dev/null; do
		lab_alive "$1" || lab_die "$1 has ended"
		[ $((left -= 1)) != 0 ] || lab_die "$1 does not serve"
	done
}

# bench_serve PEERS NAME... - the same zone for all; what has been started when this returns has answered.
bench_serve() {
	local peers=$1 name pid kind

	shift
	"$BIN/load" dump "$peers" >"$LAB/dump"
	case " $* " in
	*" knot "* | *" nsd "*)
		"$BIN/wgmeetd" --zone "$ZONE" --dump-file "$LAB/dump" --name-server "$BENCH_NS" --print-zone >"$LAB/zone" ||
			lab_die "no zone"
		;;
	esac
	bench_servers=()
	for name; do
		case $name in
		reflector*) start_reflector "$name" ;;
		*) start_"$name" ;;
		esac
	done
	for name; do
		kind=server
		case $name in reflector*) kind=reflector ;; esac
		if [ $kind = server ]; then
			bench_wait "$name" "$peers"
		fi
		# shellcheck disable=SC2046 # a list
		pid=$(printf '%s\n' "${lab_pid[$name]}" $(lab_children "${lab_pid[$name]}") | paste -sd+)
		bench_servers+=("$name,$kind,127.0.0.1:${bench_port[$name]},$pid")
	done
}

bench_stop() {
	local name

	for name in "${!lab_pid[@]}"; do
		lab_stop "$name"
	done
}

# bench_load OPTION... - the rounds, with the servers that were started.
bench_load() {
	taskset -c "$LOAD_CORE" "$BIN/load" run "$@" "${bench_servers[@]}"
}

