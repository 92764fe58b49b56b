#!/bin/bash
# What is different with kernel WireGuard, end to end: the observer's and the workers' rights, hole punching with one
# "wgmeet sync" on each side, secrets in memory, a device that comes and goes, and how fast a change in a device of
# 10,000 peers reaches DNS. Runs where the kernel has WireGuard (run.sh); needs what test/e2e needs.
#
# A process that is started costs 50 ms here and more, dig ten times that. Hence busybox's nslookup for what is
# asked often, and the shell's own means where test/e2e would start a program.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

BIG_PEERS=10000
BIG_DUMP_MS=40 # what "wg show DEV dump" of so many takes on hardware: tells how much slower all is here
PATIENCE=15    # seconds for what should take one
WG_IMPL=kernel
. "$(dirname "$0")/../e2e/e2e.bash" || exit 1
e2e_enter "$@"
ip link add probe type wireguard 2>/dev/null || e2e_skip "this kernel has no WireGuard"
ip link del probe

# lookup OWNER - SRV and A of a name in the zone; what nslookup says without the blanks, or the error's name.
lookup() {
	lab_in hub busybox nslookup -type=srv -type=a "$1.$ZONE" "$SERVER" 2>&1
}

# answers OWNER TEXT... - is each of them in the answer?
answers() {
	local text out

	out=$(lookup "$1")
	shift
	for text; do
		[[ $out == *"$text"* ]] || { echo "$out" && return 1; }
	done
}

serves() { # NAME ADDRESS PORT
	answers "${owner[$1]}" "service = 0 0 $3 " "Address: $2"
}

# status_of PID FIELD - of /proc/PID/status, blanks folded.
status_of() {
	local key value

	while read -r key value; do
		[ "$key" != "$2:" ] || { echo "${value//[[:space:]]/ }" && return; }
	done <"/proc/$1/status"
}

# rights WHAT PID UID CAPABILITIES - its own user and group, those capabilities, and no way to more.
rights() {
	same "$1: user, group, capabilities (effective, permitted, bounding), no_new_privs" \
		"$3 $3 $3 $3, $3 $3 $3 $3, $4 $4 0000000000000000, 1" \
		"$(status_of "$2" Uid), $(status_of "$2" Gid), $(status_of "$2" CapEff) $(status_of "$2" CapPrm) $(status_of "$2" CapBnd), $(status_of "$2" NoNewPrivs)"
}

fd_count() { # PID
	local fds=("/proc/$1/fd/"*)

	echo ${#fds[@]}
}

cpu_ms() { # PID
	local stat

	read -ra stat <"/proc/$1/stat"
	echo $(((stat[13] + stat[14]) * 10))
}

# cpu_us PID... - what they have taken until now; in $cpu_us, for a process that is started costs more than what is measured.
cpu_us() {
	local pid ns

	cpu_us=0
	for pid; do
		read -r ns _ <"/proc/$pid/schedstat"
		cpu_us=$((cpu_us + ns / 1000))
	done
}

# rest PID... - until they have taken nothing for a while.
rest() {
	local last=-1

	cpu_us "$@"
	while [ "$cpu_us" != $last ]; do
		last=$cpu_us
		read -rt 0.4 -u "$never"
		cpu_us "$@"
	done
}

# takes_since US PID... - more than a look whether there is something to do.
takes_since() {
	cpu_us "${@:2}"
	[ $((cpu_us - $1)) -gt 20000 ]
}

# refresh_cost KEY PORT - what all processes take to read the device and publish that change; and one "wg show" of it. The
# server reads all the time, and then pauses: so the change is made in a pause, and what is taken until the next one is it.
refresh_cost() {
	local before observer_before

	rest "${big[@]}"
	lab_in hub wg set wgbig peer "$1" endpoint "203.0.113.99:$2"
	cpu_us "$observer"
	observer_before=$cpu_us
	cpu_us "${big[@]}"
	before=$cpu_us
	lab_wait 60 takes_since "$before" "${big[@]}" || return
	rest "${big[@]}"
	whole_us=$((cpu_us - before))
	cpu_us "$observer"
	observer_us=$((cpu_us - observer_before))
	read -r wg_us start_us < <(lab_in hub bash -c 'TIMEFORMAT="%3U %3S"
		{ time wg show wgbig dump >/dev/null; } 2>&1
		{ time wg show wgnone dump >/dev/null 2>&1; } 2>&1' |
		awk '{ printf "%d ", ($1 + $2) * 1000000 } END { print "" }')
}

median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# hex_forms KEYFILE - its octets and its base64 text in hexadecimal, each in two halves: half a secret is a leak too.
hex_forms() {
	local form

	for form in "$(base64 -d "$1" | busybox xxd -p -c 64)" "$(busybox xxd -p -c 64 <"$1")"; do
		echo "${form:0:32}"
		echo "${form:32:32}"
	done
}

# no_secret WHAT PID PUBLIC-KEY-FILE SECRET-HEX... - the public key must be found, or the search was worth nothing. A worker has
# it as text only.
no_secret() {
	local what=$1 pid=$2 public text line control=0 found=0

	public=$(base64 -d "$3" | busybox xxd -p -c 64)
	text=$(tr -d '\n' <"$3" | busybox xxd -p -c 64)
	shift 3
	while read -r line; do
		case $line in
		'0 '* | '1 '*) control=1 ;;
		[2-9]* | [1-9][0-9]*) found=$((found + 1)) ;;
		esac
	done < <("$BUILD/test/memscan" "$pid" "$public" "$text" "$@")
	same "$what: control: a public key is found in its memory" 1 $control
	same "$what: parts of secrets found there" 0 $found
}

sync_dev() { # NAME OPTION...
	local name=$1

	shift
	lab_in "$name" "$BIN/wgmeet" sync "wg$name" --zone "$ZONE" "$@" 2>&1
}

pings() {
	lab_in "$1" ping -q -c1 -W1 "$2"
}

# up NS LINE... - for ip(8)
up() {
	local ns=$1

	shift
	printf '%s\n' "$@" 'link set lo up' | lab_in "$ns" ip -batch -
}

wg_up() { # NAME SETTING... - as for "wg set"
	owner[$1]=$(peer_name "$1")
	lab_in "$1" wg set "wg$1" private-key "$LAB/$1.key" listen-port 51820 "${@:2}"
}

wg_lines() { # NAME
	printf '%s\n' "link add wg$1 type wireguard" "addr add ${lab_addr[$1]}/24 dev wg$1" "link set wg$1 up"
}

# The registry and two peers behind two NATs. ------------------------------------------------------------------

# As lab_net masqdrop:masqdrop, lab_wg and lab_join make it, but with a tenth of the processes.
ip -batch - <<-END || lab_die "cannot make the network"
	netns add inet
	netns add hub
	netns add nat-a
	netns add nat-b
	netns add alice
	netns add bob
	link add eth0 netns hub type veth peer name hub netns inet
	link add wan netns nat-a type veth peer name nat-a netns inet
	link add wan netns nat-b type veth peer name nat-b netns inet
	link add eth0 netns alice type veth peer name lan0 netns nat-a
	link add eth0 netns bob type veth peer name lan0 netns nat-b
END
lab_in inet ip -batch - <<-END
	link add name br0 type bridge
	link set hub master br0 up
	link set nat-a master br0 up
	link set nat-b master br0 up
	link set br0 up
END

declare -A owner
up hub 'addr add 203.0.113.10/24 dev eth0' 'link set eth0 up' "$(wg_lines hub)"
up nat-a 'addr add 203.0.113.20/24 dev wan' 'addr add 10.1.0.1/24 dev lan0' 'link set wan up' 'link set lan0 up'
up nat-b 'addr add 203.0.113.30/24 dev wan' 'addr add 10.2.0.1/24 dev lan0' 'link set wan up' 'link set lan0 up'
up alice 'addr add 10.1.0.2/24 dev eth0' 'link set eth0 up' 'route add default via 10.1.0.1' "$(wg_lines alice)"
up bob 'addr add 10.2.0.2/24 dev eth0' 'link set eth0 up' 'route add default via 10.2.0.1' "$(wg_lines bob)"
lab_nat nat-a masqdrop 10.1.0.2
lab_nat nat-b masqdrop 10.2.0.2
(umask 077 && wg genpsk >"$LAB/psk")
for n in hub alice bob; do
	lab_key $n
done
wg_up hub peer "$(lab_pub alice)" preshared-key "$LAB/psk" allowed-ips 10.9.0.2/32 \
	peer "$(lab_pub bob)" allowed-ips 10.9.0.3/32
hub_peer=(peer "$(lab_pub hub)" endpoint "$SERVER:51820" allowed-ips 10.9.0.1/32 persistent-keepalive 25)
wg_up alice "${hub_peer[@]}" preshared-key "$LAB/psk" peer "$(lab_pub bob)" allowed-ips 10.9.0.3/32
wg_up bob "${hub_peer[@]}" peer "$(lab_pub alice)" allowed-ips 10.9.0.2/32
for n in alice bob; do
	must lab_wait $PATIENCE lab_shook $n hub
	must lab_wait $PATIENCE lab_seen $n >/dev/null
done
alice_ep=$(lab_seen alice)
bob_ep=$(lab_seen bob)
registry_start
observer=${lab_pid[wgmeetd]}
mapfile -t workers < <(lab_children "$observer")

rights observer "$observer" "$OBSERVER_UID" 0000000000001000 # CAP_NET_ADMIN
check "there are workers" test ${#workers[@]} -gt 0
for pid in "${workers[@]}"; do
	rights "worker $pid" "$pid" "$WORKER_UID" 0000000000000000
	files=("/proc/$pid/root/"*)
	same "worker $pid: its root is empty" "/proc/$pid/root/*" "${files[*]}"
done

check "alice is served" lab_wait 5 serves alice "${alice_ep%:*}" "${alice_ep##*:}"
check "bob is served" lab_wait 5 serves bob "${bob_ep%:*}" "${bob_ep##*:}"
check "the registry is served" lab_wait 5 serves hub $SERVER 51820

# One sync on each side. ---------------------------------------------------------------------------------------

out=$(sync_dev alice --server $SERVER)
same "sync on alice's side exits 0" 0 $?
same "it says one line, about bob" "1 1" "$(grep -c . <<<"$out") $(grep -cF "$bob_ep" <<<"$out")"
out=$(sync_dev bob --server $SERVER --keepalive 25)
same "sync on bob's side exits 0" 0 $?
same "alice has bob's endpoint" "$bob_ep" "$(lab_peer alice bob endpoints)"
same "bob has alice's endpoint" "$alice_ep" "$(lab_peer bob alice endpoints)"
check "they get a handshake, with nothing else done" lab_wait 12 lab_shook alice bob
check "ping alice -> bob" pings alice 10.9.0.3
check "ping bob -> alice" pings bob 10.9.0.2
same "bob's keepalive is what --keepalive said" 25 "$(lab_peer bob alice persistent-keepalive)"
same "alice's is off as before" off "$(lab_peer alice bob persistent-keepalive)"
before=$(lab_in hub wg show wghub transfer)
check "20 pings" lab_in alice ping -q -c20 -i0.01 -W1 10.9.0.3
same "the registry's counters stand still meanwhile" "$before" "$(lab_in hub wg show wghub transfer)"
out=$(sync_dev alice --server $SERVER)
same "a second sync has nothing to do and to say" "0 " "$? $out"

# Secrets. -----------------------------------------------------------------------------------------------------

mapfile -t secrets < <(for key in hub.key alice.key psk; do hex_forms "$LAB/$key"; done)
held=$(<"$LAB/psk")
same "control: the search finds a secret that this shell holds" 2 \
	"$("$BUILD/test/memscan" $$ "${secrets[@]: -2}" | grep -c '^[01] ')"
for pid in "${workers[@]}"; do
	no_secret "worker $pid" "$pid" "$LAB/alice.pub" "${secrets[@]}"
done
# nat-b drops what it did not ask for: a name server that is silent. The resolver is halted while it waits for it.
lab_start wgmeet alice "$BIN/wgmeet" sync wgalice --zone "$ZONE" --server 203.0.113.30 --force
public=$(base64 -d "$LAB/bob.pub" | busybox xxd -p -c 64)
resolver_has_keys() {
	resolver=$(lab_children "${lab_pid[wgmeet]}")
	[ -n "$resolver" ] && [ -n "$("$BUILD/test/memscan" "$resolver" "$public")" ] && kill -s STOP "$resolver"
}
must lab_wait 5 resolver_has_keys
same "resolver: its capabilities" "0000000000000000 0000000000000000" \
	"$(status_of "$resolver" CapEff) $(status_of "$resolver" CapPrm)"
no_secret resolver "$resolver" "$LAB/bob.pub" "${secrets[@]}"
kill -s CONT "$resolver"
lab_stop wgmeet

# What came in through the tunnel, and what did not. -----------------------------------------------------------

lab_start tunneld hub "$BIN/wgmeetd" --zone $ZONE --device wghub --allow tunnel --listen 0.0.0.0:5353 --listen %wghub:5354 \
	--name-server "ns1.$ZONE $SERVER" --user $WORKER_UID --observer-user $OBSERVER_UID --workers 1
server_wait tunneld
tunnel_status() { # NAMESPACE ADDRESS PORT [DIG-OPTION]
	lab_in "$1" dig +tries=1 +time=3 "@$2" -p "$3" $ZONE SOA "${@:4}" |
		awk '/status:/ { sub(/,/, "", $6); print $6; found = 1 } END { if (!found) print "none" }'
}
same "through the tunnel: an answer" NOERROR "$(tunnel_status alice 10.9.0.1 5353)"
same "over TCP, too" NOERROR "$(tunnel_status alice 10.9.0.1 5353 +tcp)"
same "not through it: none" REFUSED "$(tunnel_status alice $SERVER 5353)"
same "nor over TCP" REFUSED "$(tunnel_status alice $SERVER 5353 +tcp)"
same "nor to the registry itself" REFUSED "$(tunnel_status hub 10.9.0.1 5353)"
same "a listener of the device: through it" NOERROR "$(tunnel_status alice 10.9.0.1 5354)"
same "and not beside it" none "$(tunnel_status alice $SERVER 5354)"
mapfile -t children < <(lab_children "${lab_pid[tunneld]}")
rights binder "${children[-1]}" "$WORKER_UID" 0000000000002000 # CAP_NET_RAW
lab_stop tunneld
same "SIGTERM with a binder: exit status" 0 $?

# The device goes and comes. -----------------------------------------------------------------------------------

fds_before=$(fd_count "$observer")
lab_in hub ip link del wghub
check "device deleted: SERVFAIL" lab_wait $PATIENCE answers "${owner[bob]}" SERVFAIL
matches "with the extended error" 'EDE: 14' "$(ask "${owner[bob]}" SRV)"
lab_in hub ip link add wghub type wireguard
wg_up hub peer "$(lab_pub bob)" endpoint 198.51.100.7:777
check "created again: served" lab_wait $PATIENCE serves bob 198.51.100.7 777
has_fds() { # PID COUNT
	[ "$(fd_count "$1")" = "$2" ]
}
# It keeps the zone that was for a while.
check "the observer has as many descriptors as before" lab_wait $PATIENCE has_fds "$observer" "$fds_before"
ended=$(lab_ms)
lab_stop wgmeetd
same "SIGTERM: exit status" 0 $?
check "SIGTERM: at once" test $(($(lab_ms) - ended)) -lt 2000

# 10,000 peers. ------------------------------------------------------------------------------------------------

awk -v n=$BIG_PEERS 'BEGIN {
	for (i = 0; i < n; i++) {
		printf "[Peer]\nPublicKey = %08d%034dA=\n", i, 0
		printf "Endpoint = 198.51.%d.%d:%d\nAllowedIPs = 10.%d.%d.0/24\n", i / 250, i % 250, 1024 + i, i / 250, i % 250
	}
}' >"$LAB/big.conf"
lab_in hub ip link add wgbig type wireguard
lab_in hub wg setconf wgbig "$LAB/big.conf"
lab_start wgmeetd hub "$BIN/wgmeetd" --zone $ZONE --device wgbig --listen $SERVER:53 \
	--name-server "ns1.$ZONE $SERVER" --ttl 10 --user $WORKER_UID --observer-user $OBSERVER_UID \
	--state-directory "$LAB/state"
observer=${lab_pid[wgmeetd]}
check "a device of $BIG_PEERS peers is served" lab_wait 30 server_serving wgmeetd
served=$(lab_ms)
cpu=$(cpu_ms "$observer")
lab_in hub wg show wgbig dump >/dev/null
slower=$((($(lab_ms) - served) / BIG_DUMP_MS + 1))
for n in 0 9999; do
	printf -v key '%08d%034dA=' $n 0
	echo "$key" >"$LAB/big.pub"
	name=$(peer_name big)
	lab_in hub wg set wgbig peer "$key" endpoint 203.0.113.99:$((40000 + n))
	start=$(lab_ms)
	lab_wait 60 answers "$name" "service = 0 0 $((40000 + n)) " 'Address: 203.0.113.99' >/dev/null
	took=$(($(lab_ms) - start))
	check "a change in peer $n reaches DNS in 1 s, times $slower: that much slower than hardware it is here, times 2" \
		test $took -lt $((slower * 2000))
	echo "# it took $took ms"
done
# A twentieth is promised; the last change has been paid for and the pause for it has not been.
cpu=$((($(cpu_ms "$observer") - cpu) * 100 / ($(lab_ms) - served)))
check "the observer takes little of a core ($cpu %)" test "$cpu" -lt 10

# What that costs, against a "wg show" of the same device.
mapfile -t big < <(lab_children "$observer")
big+=("$observer")
mkfifo "$LAB/never"
exec {never}<>"$LAB/never"
whole=() observers=() wg=() starts=()
for port in 50001 50002 50003; do
	must refresh_cost "$key" $port
	check "a change that was measured is served" answers "$name" "service = 0 0 $port " 'Address: 203.0.113.99'
	whole+=("$whole_us") observers+=("$observer_us") wg+=("$wg_us") starts+=("$start_us")
done
printf '# refresh\tpeers\twgmeetd_us\tobserver_us\tworkers\twg_show_us\twg_start_us\tratio\n'
awk -v OFS='\t' -v peers=$BIG_PEERS -v all="$(median "${whole[@]}")" -v observer="$(median "${observers[@]}")" \
	-v workers=$((${#big[@]} - 1)) -v wg="$(median "${wg[@]}")" -v start="$(median "${starts[@]}")" \
	'BEGIN { print "# refresh", peers, all, observer, workers, wg, start, sprintf("%.2f", all / wg) }'
lab_stop wgmeetd

e2e_done
