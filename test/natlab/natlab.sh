# shellcheck shell=bash
# natlab.sh: WireGuard peers behind NATs, in network namespaces. A library for bash, to be sourced:
#
#	. test/natlab/natlab.sh
#	lab_enter "$@"                  # the script starts again, in namespaces of its own
#	lab_net masqdrop:masqdrop       # the network below
#	lab_wg hub; lab_wg alice; lab_wg bob
#	lab_join alice; lab_join bob    # each a peer of the hub
#	lab_in alice ping -c1 10.9.0.1
#
#	alice 10.1.0.2 -- nat-a 203.0.113.20 --+
#	                                       +-- inet, a bridge -- hub 203.0.113.10
#	bob   10.2.0.2 -- nat-b 203.0.113.30 --+
#
# The tunnel addresses are 10.9.0.1 (hub), .2 (alice) and .3 (bob), the devices wghub, wgalice and wgbob.
#
# Nothing of it is seen outside, or left behind: the script has a network namespace and a mount namespace of its
# own, with an empty /run, where the named namespaces, the UAPI sockets and all temporary files are ($LAB). They
# go with the last process, and every process started here is ended when the script ends, however it ends.
#
# NAT flavours, as for lab_net:
#	masq        masquerade, and nothing is filtered: an unsolicited packet makes a conntrack entry, and hole
#	            punching then fails. Few real routers are like this
#	masqdrop    masquerade, unsolicited packets dropped: the usual router ("port-restricted cone")
#	random      masquerade with a new port for each destination ("symmetric"), dropped as above
#	fullrandom  the same with the kernel's other choice of ports
#	cone        masqdrop, and WireGuard's port is forwarded to the peer ("full cone")
#	hairpin     for "shared:": both peers' ports are forwarded, from the LAN too
#
# What happens to them later: lab_forget (a NAT loses its mappings), lab_readdress (its address changes), lab_lan with
# lab_move (a peer's cable is plugged in behind another NAT).
#
# WG_IMPL=kernel|go says how WireGuard devices are made. Default: by the kernel if it can, else by wireguard-go.
# LAB_WG_LOG=verbose makes wireguard-go say what it is told and what it sends ($LAB/DEVICE.log).

LAB=
declare -A lab_pid=() lab_addr=([hub]=10.9.0.1 [alice]=10.9.0.2 [bob]=10.9.0.3)
# Of each NAT: its flavour and the peer behind it, and its LAN. Of each peer: the NAT that it is behind, and its own address.
declare -A lab_nat_how=() lab_nat_lan=() lab_behind=() lab_own=()
lab_ports_used=0
lab_all_pids=()
lab_namespaces=()
PATH=$PATH:/usr/sbin:/sbin # su(1) does not give root these

lab_die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Starts the script again in new network and mount namespaces, then prepares them. To be called first of all,
# with the script's own arguments.
lab_enter() {
	# The process id stays the same over exec: a lab that is started from within another is not fooled.
	if [ "${LAB_INSIDE:-}" != $$ ]; then
		[ "$(id -u)" = 0 ] || lab_die "needs root, for network namespaces"
		LAB_INSIDE=$$ exec unshare --net --mount "$BASH" "$0" "$@"
	fi
	set -u
	umask 022
	unset JOURNAL_STREAM NOTIFY_SOCKET
	trap lab_cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
	# Every access to a file shows in its atime (strictatime), so that a test can await a read of it.
	mount -n -t tmpfs -o mode=755,strictatime tmpfs /run || lab_die "cannot mount a private /run"
	[ "$(readlink -f /var/run)" = /run ] || mount -n --bind /run /var/run || lab_die "cannot mount /var/run"
	LAB=/run/lab
	mkdir -p $LAB/ns /run/netns /run/wireguard
	ip link set lo up
	lab_choose_impl
}

lab_choose_impl() {
	case ${WG_IMPL:-} in
	kernel | go) return ;;
	'') ;;
	*) lab_die "WG_IMPL is kernel or go, not $WG_IMPL" ;;
	esac
	if ip link add wgprobe type wireguard 2>/dev/null; then
		ip link del wgprobe
		WG_IMPL=kernel
	else
		WG_IMPL=go
	fi
}

# lab_missing PROGRAM... - prints the Debian packages of those that are not installed, in one line.
lab_missing() {
	local prog missing=()
	for prog; do
		command -v "$prog" >/dev/null && continue
		case $prog in
		wg) missing+=(wireguard-tools) ;;
		nft) missing+=(nftables) ;;
		ip) missing+=(iproute2) ;;
		dig) missing+=(bind9-dnsutils) ;;
		ping) missing+=(iputils-ping) ;;
		*) missing+=("$prog") ;;
		esac
	done
	printf '%s' "${missing[*]}"
}

# Processes ----------------------------------------------------------------------------------------------------

# lab_in NS COMMAND... - "-" is the script's own namespace. Cheaper than ip netns exec.
lab_in() {
	local ns=$1
	shift
	if [ "$ns" = - ]; then
		"$@"
	else
		nsenter --net="/run/netns/$ns" -- "$@"
	fi
}

# lab_start NAME NS COMMAND... - in the background; ${lab_pid[NAME]} is the command's own process, and what it
# says is in $LAB/NAME.log.
lab_start() {
	local name=$1 net=()
	[ "$2" = - ] || net=(nsenter "--net=/run/netns/$2" --)
	shift 2
	# Now, for whoever waits for a word in it may be faster than the new process.
	: >"$LAB/$name.log"
	# --pdeathsig: should this shell be killed outright, nobody else would end the command.
	"${net[@]}" setpriv --pdeathsig KILL -- "$@" >"$LAB/$name.log" 2>&1 &
	lab_pid[$name]=$!
	lab_all_pids+=($!)
}

# lab_stop NAME [SIGNAL] - ends it and waits for it. Returns its exit status.
lab_stop() {
	local pid=${lab_pid[$1]:-}
	[ -n "$pid" ] || return 0
	unset "lab_pid[$1]"
	lab_end_pid "$pid" "${2:-TERM}"
}

# lab_end_pid PID SIGNAL - the signal, and after 5 seconds a stronger one.
lab_end_pid() {
	local status=0
	if kill -s "$2" "$1" 2>/dev/null && [ "$2" != KILL ]; then
		kill -s CONT "$1" 2>/dev/null
		lab_wait 5 lab_gone "$1" || kill -s KILL "$1" 2>/dev/null
	fi
	# Here and not earlier the shell says "Killed", where that is so; nobody needs to know.
	wait "$1" 2>/dev/null || status=$?
	return $status
}

lab_gone() {
	! kill -s 0 "$1" 2>/dev/null
}

# lab_alive NAME
lab_alive() {
	[ -n "${lab_pid[$1]:-}" ] && kill -s 0 "${lab_pid[$1]}" 2>/dev/null
}

# lab_children PID - its children, their children and so on; one process id a line. Without ps(1), which a small
# system does not have.
lab_children() {
	local status line pid ppid all=() parents=" $1 " found=1
	for status in /proc/[0-9]*/status; do
		pid='' ppid=''
		while read -r line; do
			case $line in
			Pid:*) pid=${line#*[[:space:]]} ;;
			PPid:*) ppid=${line#*[[:space:]]} && break ;;
			esac
		done 2>/dev/null <"$status"
		[ -z "$ppid" ] || all+=("$pid $ppid")
	done
	while [ $found = 1 ]; do
		found=0
		for line in "${all[@]}"; do
			pid=${line% *} ppid=${line#* }
			[[ $parents == *" $ppid "* && $parents != *" $pid "* ]] || continue
			parents+="$pid "
			echo "$pid"
			found=1
		done
	done
}

# lab_wait SECONDS COMMAND... - until the command succeeds. 1: it did not in that time.
lab_wait() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# Milliseconds, for measuring. Not the time of day.
lab_ms() {
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

# Takes the network down again, so that another can be built. Ends every process that was started.
lab_destroy() {
	local pid ns
	# All of them first, so that they end side by side.
	for pid in "${lab_all_pids[@]}"; do
		kill -s TERM "$pid" 2>/dev/null && kill -s CONT "$pid" 2>/dev/null
	done
	for pid in "${lab_all_pids[@]}"; do
		lab_end_pid "$pid" TERM
	done
	lab_all_pids=()
	lab_pid=()
	for ns in "${lab_namespaces[@]}"; do
		ip netns del "$ns"
	done
	lab_namespaces=()
	lab_nat_how=() lab_nat_lan=() lab_behind=() lab_own=()
	# Whatever a test has mounted there is somebody else's.
	rm -rf --one-file-system /run/wireguard/* "${LAB:?}"/*
}

lab_cleanup() {
	local status=$?
	# A child that gets a signal before it has become another program has our traps, but nothing to clean up.
	[ "$BASHPID" = $$ ] || exit $status
	# A second Ctrl-C shall not interrupt this.
	trap '' HUP INT PIPE TERM
	trap - EXIT
	lab_destroy >/dev/null 2>&1
	exit $status
}

# The network --------------------------------------------------------------------------------------------------

lab_ns() {
	local ns
	for ns; do
		ip netns add "$ns" || lab_die "cannot make the network namespace $ns"
		lab_namespaces+=("$ns")
		ip -n "$ns" link set lo up
		# br_netfilter, where it is there, would run NAT on the frames of a bridge.
		lab_in "$ns" sh -c "f=/proc/sys/net/bridge/bridge-nf-call-iptables; [ ! -e \$f ] || echo 0 >\$f"
	done
}

# lab_link NS1 IF1 ADDR1|- NS2 IF2 ADDR2|- [BRIDGE] - a cable. IF2 becomes a port of BRIDGE, if one is given.
lab_link() {
	ip link add "$2" netns "$1" type veth peer name "$5" netns "$4" || lab_die "cannot link $1 and $4"
	[ "$3" = - ] || ip -n "$1" addr add "$3" dev "$2"
	[ "$6" = - ] || ip -n "$4" addr add "$6" dev "$5"
	[ -z "${7:-}" ] || ip -n "$4" link set "$5" master "$7"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

lab_bridge() { # NS NAME ADDR|-
	ip -n "$1" link add name "$2" type bridge
	[ "$3" = - ] || ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" link set "$2" up
}

# lab_nat NS FLAVOUR INSIDE [PORT] - "wan" is its outer interface, INSIDE the peer that ports are forwarded to. PORT is what
# WireGuard's own port becomes outside, for all destinations; without it, it stays as it is where the flavour lets it. Once more
# for a NAT that is there: for what has no mapping yet.
lab_nat() {
	local drop='iifname "wan" drop' pre='' how='' lan='' own=''
	lab_nat_how[$1]="$2 $3"
	[ -z "${4:-}" ] || own="oifname \"wan\" udp sport 51820 masquerade to :$4"
	case $2 in
	masq) drop='' ;;
	masqdrop) ;;
	random) how=random ;;
	fullrandom) how=fully-random ;;
	cone) pre="iifname \"wan\" udp dport ${4:-51820} dnat ip to $3:51820" ;;
	hairpin)
		pre='ip daddr 203.0.113.20 udp dport { 51820, 51821 }'
		pre+=' dnat ip to udp dport map { 51820 : 10.1.0.2, 51821 : 10.1.0.3 }'
		lan='iifname "lan*" oifname "lan*" masquerade'
		;;
	*) lab_die "no such NAT flavour: $2" ;;
	esac
	lab_in "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	case $2 in
	random | fullrandom) own='' ;; # each mapping is another one as it is
	esac
	lab_in "$1" nft -f - <<-END || lab_die "cannot set up NAT in $1"
		table ip nat
		delete table ip nat
		table ip nat {
			chain pre {
				type nat hook prerouting priority dstnat
				$pre
			}
			chain post {
				type nat hook postrouting priority srcnat
				$own
				oifname "wan" masquerade $how
				$lan
			}
			chain in {
				type filter hook input priority 0
				ct state established,related accept
				$drop
			}
		}
	END
}

# lab_net A:B       alice behind a NAT of flavour A, bob behind one of flavour B
# lab_net shared:F  both behind nat-a, of flavour F, in one LAN; bob's WireGuard listens on 51821 then
lab_net() {
	local a=${1%%:*} b=${1#*:}
	lab_bob_port=51820
	lab_ns inet hub nat-a alice bob
	lab_bridge inet br0 -
	lab_link hub eth0 203.0.113.10/24 inet hub - br0
	lab_link nat-a wan 203.0.113.20/24 inet nat-a - br0
	if [ "$a" = shared ]; then
		lab_bob_port=51821
		lab_bridge nat-a lan 10.1.0.1/24
		lab_link alice eth0 10.1.0.2/24 nat-a lan0 - lan
		lab_link bob eth0 10.1.0.3/24 nat-a lan1 - lan
		ip -n bob route add default via 10.1.0.1
		lab_nat nat-a "$b" 10.1.0.2
	else
		lab_ns nat-b
		lab_link nat-b wan 203.0.113.30/24 inet nat-b - br0
		lab_link alice eth0 10.1.0.2/24 nat-a lan0 10.1.0.1/24
		lab_link bob eth0 10.2.0.2/24 nat-b lan0 10.2.0.1/24
		ip -n bob route add default via 10.2.0.1
		lab_nat nat-a "$a" 10.1.0.2
		lab_nat nat-b "$b" 10.2.0.2
		lab_nat_lan=([nat-a]=10.1.0 [nat-b]=10.2.0)
		lab_behind=([alice]=nat-a [bob]=nat-b)
		lab_own=([alice]=10.1.0.2 [bob]=10.2.0.2)
	fi
	ip -n alice route add default via 10.1.0.1
}

# What happens to it -------------------------------------------------------------------------------------------

# lab_lan NAT ADDRESS LAN FLAVOUR - one more NAT, and the LAN behind it, in which nobody is yet:
# lab_lan nat-c 203.0.113.40 10.3.0 masqdrop
lab_lan() {
	lab_ns "$1"
	lab_link "$1" wan "$2/24" inet "$1" - br0
	lab_nat "$1" "$4" "$3.2"
	lab_nat_lan[$1]=$3
}

# lab_live PEER NAT - a peer of its own namespace in the LAN behind NAT.
lab_live() {
	local lan=${lab_nat_lan[$2]}
	lab_link "$1" eth0 "$lan.2/24" "$2" lan0 "$lan.1/24"
	ip -n "$1" route add default via "$lan.1"
	lab_behind[$1]=$2
	lab_own[$1]=$lan.2
}

# lab_forget NAT - it loses its mappings, and has other ports from then on: what was sent to the old ones does not arrive.
lab_forget() {
	local how
	read -ra how <<<"${lab_nat_how[$1]}"
	lab_ports_used=$((lab_ports_used + 1))
	lab_nat "$1" "${how[@]}" $((40000 + lab_ports_used))
	lab_flush "$1"
}

# lab_readdress NAT ADDRESS - it has another public address from now on, and its mappings are gone.
lab_readdress() {
	printf '%s\n' 'addr flush dev wan scope global' "addr add $2/24 dev wan" | ip -n "$1" -batch - ||
		lab_die "cannot change the address of $1"
	lab_flush "$1"
}

# lab_move PEER NAT - its cable is pulled out and plugged in behind the other NAT: no link for a moment, another address, another
# default route.
lab_move() {
	local lan=${lab_nat_lan[$2]} from=${lab_behind[$1]}
	ip -n "$from" link set lan0 netns "$2" || lab_die "cannot move $1 behind $2"
	printf '%s\n' "addr add $lan.1/24 dev lan0" 'link set lan0 up' | ip -n "$2" -batch -
	printf '%s\n' "addr del ${lab_own[$1]}/24 dev eth0" "addr add $lan.2/24 dev eth0" "route add default via $lan.1" |
		ip -n "$1" -batch - || lab_die "cannot give $1 another address"
	lab_behind[$1]=$2
	lab_own[$1]=$lan.2
}

lab_flush() { # NAT
	lab_in "$1" conntrack -F 2>"$LAB/conntrack.log" || lab_die "conntrack: $(cat "$LAB/conntrack.log")"
}

# WireGuard ----------------------------------------------------------------------------------------------------

# lab_key NAME - a new key pair: $LAB/NAME.key, $LAB/NAME.pub.
lab_key() {
	(umask 077 && wg genkey >"$LAB/$1.key")
	wg pubkey <"$LAB/$1.key" >"$LAB/$1.pub"
}

lab_pub() {
	cat "$LAB/$1.pub"
}

# lab_wg_create NS DEVICE - the device and nothing else.
lab_wg_create() {
	if [ "$WG_IMPL" = kernel ]; then
		lab_in "$1" ip link add "$2" type wireguard || lab_die "cannot make the device $2"
	else
		lab_start "$2" "$1" env LOG_LEVEL="${LAB_WG_LOG:-error}" wireguard-go -f "$2"
		lab_wait 10 test -S "/run/wireguard/$2.sock" || lab_die "wireguard-go did not start: $(tail -3 "$LAB/$2.log")"
	fi
}

lab_wg_delete() { # NS DEVICE
	if [ "$WG_IMPL" = kernel ]; then
		lab_in "$1" ip link del "$2"
	else
		lab_stop "$2"
	fi
}

# lab_wg NAME - the device wgNAME in the namespace NAME, up, with a key, a tunnel address and a port.
lab_wg() {
	local port=51820
	[ "$1" != bob ] || port=$lab_bob_port
	[ -e "$LAB/$1.key" ] || lab_key "$1"
	lab_wg_create "$1" "wg$1"
	lab_in "$1" wg set "wg$1" private-key "$LAB/$1.key" listen-port "$port" || lab_die "cannot configure wg$1"
	ip -n "$1" addr add "${lab_addr[$1]}/24" dev "wg$1"
	ip -n "$1" link set "wg$1" up
}

# lab_join NAME [KEEPALIVE] - makes it and the hub peers of each other, and waits until they are connected.
lab_join() {
	lab_in hub wg set wghub peer "$(lab_pub "$1")" allowed-ips "${lab_addr[$1]}/32"
	lab_in "$1" wg set "wg$1" peer "$(lab_pub hub)" endpoint 203.0.113.10:51820 allowed-ips "${lab_addr[hub]}/32" \
		persistent-keepalive "${2:-25}"
	lab_wait 20 lab_shook "$1" hub || lab_die "$1 and the hub do not get connected"
	lab_wait 10 lab_seen "$1" >/dev/null || lab_die "the hub does not see $1"
}

# lab_know NAME OTHER - tells NAME the other's key and tunnel address, but no endpoint.
lab_know() {
	lab_in "$1" wg set "wg$1" peer "$(lab_pub "$2")" allowed-ips "${lab_addr[$2]}/32"
}

# lab_peer NAME OTHER FIELD - what NAME's device says of the other: latest-handshakes, endpoints, transfer, ...
lab_peer() {
	lab_in "$1" wg show "wg$1" "$3" | awk -v key="$(lab_pub "$2")" '$1 == key { $1 = ""; print substr($0, 2) }'
}

# lab_shook NAME OTHER - have the two had a handshake?
lab_shook() {
	[ "$(lab_peer "$1" "$2" latest-handshakes)" -gt 0 ] 2>/dev/null
}

# lab_seen NAME - the endpoint where the hub sees it.
lab_seen() {
	local ep
	ep=$(lab_peer hub "$1" endpoints)
	[ -n "$ep" ] && [ "$ep" != '(none)' ] && echo "$ep"
}

# lab_label NAME - its key as it stands in DNS names: base32, lower case, no padding.
lab_label() {
	base64 -d "$LAB/$1.pub" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =
}
