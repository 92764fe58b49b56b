#!/bin/bash
# wgmeetd --init: names what is wrong with a host, by its cause, and what helps; writes a configuration that serves at once, and
# never over another one; takes whatever comes on its standard input. The faults:
#
#	 1 no WireGuard device               8 a peer that was never seen, one that has not been seen for long
#	 2 several of them                   9 no user for the workers
#	 3 a device that is down, without    10 a configuration that is there
#	   key, port or address             11 not root, or root without the capability
#	 4 a port that changes              12 a clock that is not set
#	 5 port 53 held by a resolver       13 peers at private addresses
#	 6 a firewall that drops            14 an address that this host has not
#	 7 a NAT before it                  15 options and answers that are none
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"

missing=$(lab_missing unbound)
[ -z "$missing" ] || e2e_skip "not installed: $missing"
[ -d /etc/wireguard ] || e2e_skip "there is no /etc/wireguard"
mount -n -t tmpfs tmpfs /etc/wireguard || lab_die "cannot mount a private /etc/wireguard"
[ -x "$BUILD/test/clock_shim.so" ] || lab_die "make tests first"

etc=$LAB/etc
conf=$etc/wgmeetd.conf

# users NAME... - the host has these, as far as programs in here can tell, and no others of ours.
users() {
	local name uid=$WORKER_UID

	umount -n /etc/passwd 2>/dev/null
	grep -vE '^(wgmeet|wgmeet-observer):' /etc/passwd >"$LAB/passwd"
	for name; do
		echo "$name:x:$uid:$uid::/:/usr/sbin/nologin" >>"$LAB/passwd"
		uid=$OBSERVER_UID
	done
	mount -n --bind "$LAB/passwd" /etc/passwd || lab_die "cannot mount a private /etc/passwd"
}

# init NS OPTION... - what it says is in $out, its status in $status. Its file is a new one.
init() {
	local ns=$1

	shift
	rm -rf "$etc"
	again "$ns" "$@"
}

# again NS OPTION... - the same, with what is there.
again() {
	local ns=$1

	shift
	status=0
	out=$(lab_in "$ns" timeout 20 "${before[@]}" "$BIN/wgmeetd" --init --config "$conf" "$@" 2>&1 </dev/null) || status=$?
}

# answers TEXT OPTION... - the same in the hub, with a standard input, as printf(1) takes it.
answers() {
	local text=$1

	shift
	rm -rf "$etc"
	status=0
	# shellcheck disable=SC2059 # it is a format
	out=$(printf "$text" | lab_in hub timeout 20 "$BIN/wgmeetd" --init --config "$conf" "$@" 2>&1) || status=$?
}

# says DESCRIPTION REGEX - a line of it.
says() {
	matches "$1" "$2" "$out"
}

says_not() {
	if grep -Eq -e "$2" <<<"$out"; then
		not_ok "$1"
		echo "#   it says: $(grep -E -e "$2" <<<"$out" | head -n 1)"
	else
		ok "$1"
	fi
}

# fault DESCRIPTION CAUSE REMEDY - a finding, and the line below it.
fault() {
	local line

	line=$(grep -En -m 1 -e "^(fail|warn) .*$2" <<<"$out")
	if [ -z "$line" ]; then
		not_ok "$1: it is named"
		printf '%s\n' "$out" | sed 's/^/#   /'
		return
	fi
	ok "$1: it is named"
	matches "$1: and what helps" "^ +-> .*$3" "$(sed -n "$((${line%%:*} + 1)),$((${line%%:*} + 4))p" <<<"$out")"
}

# nothing DESCRIPTION STATUS - it ended with that status, and there is no file.
nothing() {
	same "$1: exit status" "$2" "$status"
	same "$1: no file" "" "$(ls -A "$etc" 2>/dev/null)"
}

before=()
users
lab_net masqdrop:masqdrop
zone=(--yes --zone "$ZONE")

# 1. No device.
init hub "${zone[@]}"
fault "no device" 'no WireGuard device' 'wg-quick up wg0|modprobe wireguard'
nothing "no device" 1

# 3. A device that is nothing yet.
lab_wg_create hub wghub
init hub "${zone[@]}" --self none
fault "no private key" 'wghub has no private key' 'wg genkey'
fault "no address" 'wghub has no address' 'ip address add'
# Userspace ones choose one at once, the kernel's not before they are up.
fault "no port" 'listens on no port|cannot tell whether wghub has the port' 'listen-port 51820|ListenPort = '
lab_key hub
lab_in hub wg set wghub private-key "$LAB/hub.key"
init hub "${zone[@]}" --self none
fault "device down" 'wghub is down' 'ip link set wghub up'
lab_in hub wg set wghub listen-port 51820
ip -n hub addr add 10.9.0.1/24 dev wghub
ip -n hub link set wghub up
init hub "${zone[@]}"
fault "no peers" 'wghub has no peers' 'wg set wghub peer'

# As it should be, but for one who was never there and one who has the address of a LAN.
lab_wg alice
lab_wg bob
lab_join alice
users wgmeet wgmeet-observer
init hub "${zone[@]}"
same "nothing is wrong: exit status" 0 "$status"
says_not "and nothing fails" '^fail'
says "the device" '^ok +device +wghub, .* has 1 peer'
says "the port" '^ok +port +wghub listens on 51820'
says "the address" '^ok +address +peers reach this host at 203.0.113.10'
says "the port to answer at" '^ok +listen .* free'
says "the firewall" '^ok +firewall '
says "the peers" '^ok +peer +all were seen'
says "the file" "^wrote $conf\$"
says "the NS record" "^  $ZONE\. +3600 +IN +NS +ns\.$ZONE\.\$"
says "its glue" "^  ns\.$ZONE\. +3600 +IN +A +203\.0\.113\.10\$"
says "that it is not needed in the tunnel" '^It is needed only if'
says "what else a delegation takes" 'a delegation also takes'
says "the peers' zone" "^  Zone = $ZONE\$"
says "and server" '^  Server = 10\.9\.0\.1$'
same "the file is for all to read" 644 "$(stat -c %a "$conf")"
same "nothing is left beside it" wgmeetd.conf "$(ls -A "$etc")"
check "it is accepted" "$BIN/wgmeetd" --check --config "$conf"
sed '/^#\[Peer\]/,$d' "$conf" >"$LAB/keys"
same "it has all keys" "$("$BIN/wgmeetd" --help | sed -n '/^\[/,$p' | grep -c '^  --')" "$(grep -cE '^#?[A-Z][A-Za-z]+ =' "$LAB/keys")"
same "each with a comment above it" "" "$(awk '/^#?[A-Z][A-Za-z]* =/ && last !~ /^# / { print } { last = $0 }' "$LAB/keys")"
# What is commented out is right, too.
sed -E 's/^#([A-Z][A-Za-z]* = .)/\1/; s/^#(\[Peer\])/\1/' "$conf" >"$LAB/all.conf"
check "what is commented out is accepted, too" "$BIN/wgmeetd" --check --config "$LAB/all.conf"

# 10. A second one refuses, whatever the file is.
sum=$(cksum "$conf")
again hub "${zone[@]}"
same "a configuration is there: exit status" 1 "$status"
says "it is named" "$conf is there already"
says "and what helps" "mv $conf $conf.old"
same "and it is as it was" "$sum" "$(cksum "$conf")"
again hub "${zone[@]}" --dry-run
same "the host is looked at once more" 0 "$status"
says "and what was found is said" "the address and port to listen at is free"
same "and it is as it was, still" "$sum" "$(cksum "$conf")"
rm "$conf"
ln -s "$LAB/nowhere" "$conf"
again hub "${zone[@]}"
says "a link that leads nowhere is there, too" "$conf is there already"
check "and nothing is where it leads" test ! -e "$LAB/nowhere"

# A service that is not root, and a socket that is root's. The file is the service's, and is not written.
if [ "$WG_IMPL" = go ] && [ ! -e /etc/systemd/system/wgmeetd.service.d/wgmeetd-userspace.conf ]; then
	mkdir -p /run/systemd/system # ours
	again hub "${zone[@]}" --dry-run --config /etc/wgmeet/wgmeetd.conf
	# shellcheck disable=SC2016 # as it is printed
	fault "a socket of root's" "its socket is root's, which the service is not" \
		'/etc/systemd/system/wgmeetd\.service\.d.*`systemctl daemon-reload`'
	same "and how to start says it, too" 1 "$(grep -cx '  systemctl daemon-reload' <<<"$out")"
	rmdir /run/systemd/system
fi

# It serves at once, what it says that it does.
init hub "${zone[@]}"
lab_start wgmeetd hub "$BIN/wgmeetd" --config "$conf"
server_wait wgmeetd
SERVER=10.9.0.1
check "dig finds the peer" lab_wait 10 is_served alice 203.0.113.20 51820
matches "and the hub" '^203\.0\.113\.10$' "$(ask_short "$(peer_name hub)" A)"
printf '[Client]\n%s\n' "$(grep -E '^  (Zone|Server) = ' <<<"$out")" >"$LAB/alice.conf"
lab_know alice hub
check "a peer's lines are accepted, and the server found" lab_in alice "$BIN/wgmeet" lookup "$(lab_pub alice)" \
	-c "$LAB/alice.conf"
# 5. Its own port is held now.
init hub "${zone[@]}"
fault "wgmeetd runs" '10\.9\.0\.1:53 \(UDP and TCP\) is held by wgmeetd' 'systemctl stop wgmeetd'
same "and the exit status says it" 1 "$status"
init hub "${zone[@]}" --dry-run
says "it holds that port itself" "10\.9\.0\.1:53 \(UDP and TCP\) is held by wgmeetd itself"
same "which is no fault" 0 "$status"
check "and no file is written" test ! -e "$conf"
lab_stop wgmeetd

printf 'server:\n  interface: 0.0.0.0\n  do-ip6: no\n  chroot: ""\n  username: ""\n  directory: "%s"\n  pidfile: ""\n  use-syslog: no\n' \
	"$LAB" >"$LAB/unbound.conf"
lab_start unbound hub unbound -d -c "$LAB/unbound.conf"
unbound_listens() {
	grep -q 'start of service' "$LAB/unbound.log"
}
must lab_wait 10 unbound_listens
init hub "${zone[@]}"
fault "port 53 held" "10\.9\.0\.1:53 \(UDP and TCP\) is held by unbound \(pid ${lab_pid[unbound]}\)" 'interface: in unbound.conf'
same "which is one line" 1 "$(grep -c 'is held by' <<<"$out")"
lab_stop unbound
# As systemd-resolved does it.
sed -i 's/0\.0\.0\.0/127.0.0.53/' "$LAB/unbound.conf"
lab_start unbound hub unbound -d -c "$LAB/unbound.conf"
must lab_wait 10 unbound_listens
init hub "${zone[@]}"
says_not "a stub at 127.0.0.53 is not in the way" '^fail'
says "and that is said" '^ok +listen +unbound .* answers at 127\.0\.0\.53 only'
# In both orders, for the kernel lists the newer one first, or by a hash of the address: so there are some.
lab_stop unbound
for i in {1..9}; do
	echo "  interface: 127.0.1.$i"
done >>"$LAB/unbound.conf"
lab_start unbound hub unbound -d -c "$LAB/unbound.conf"
must lab_wait 10 unbound_listens
lab_start wgmeetd hub "$BIN/wgmeetd" --config "$conf"
server_wait wgmeetd
for order in newer older; do
	init hub "${zone[@]}"
	same "the $order one of two programs with that port is named" 1 "$(grep -c '^fail .* is held by wgmeetd' <<<"$out")"
	[ $order = newer ] || break
	lab_stop unbound
	lab_start unbound hub unbound -d -c "$LAB/unbound.conf"
	must lab_wait 10 unbound_listens
done
lab_stop wgmeetd
init hub "${zone[@]}" --listen 0.0.0.0 --listen 203.0.113.10:5300
fault "but of all addresses" '0\.0\.0\.0:53 \(UDP and TCP\) is held by unbound' '.'
says_not "and not of another port" ':5300.*held'
lab_stop unbound

# 6. A firewall; and what is said to help does.
lab_in hub nft -f - <<-END
	table inet filter {
		chain input {
			type filter hook input priority 0; policy drop;
			ct state vmap { invalid : drop, established : accept, related : accept }
			iif lo accept
			meta l4proto icmp accept
			tcp dport { 22, 80 } accept
		}
	}
END
init hub "${zone[@]}"
fault "firewall: DNS" 'UDP and TCP port 53 over wghub.*inet filter input: its policy is drop' 'nft insert rule'
fault "firewall: WireGuard" 'UDP port 51820 over eth0.*inet filter input' 'nft insert rule'
# shellcheck disable=SC2016 # a regular expression
while read -r command; do
	check "$command" lab_in hub sh -c "$command"
done < <(sed -nE 's/^ +-> `(nft insert[^`]*)`.*/\1/p' <<<"$out")
init hub "${zone[@]}"
says_not "what was said to help does" '^fail +firewall'
lab_in hub nft insert rule inet filter input udp dport 51820 reject
init hub "${zone[@]}"
fault "firewall: a rule" 'UDP port 51820.*its rule with the handle [0-9]+ drops it' 'nft insert rule'
lab_in hub nft flush chain inet filter input
lab_in hub nft add rule inet filter input meta mark 7 accept
init hub "${zone[@]}"
fault "firewall: what cannot be judged" 'cannot tell whether UDP and TCP port 53' 'nft list chain inet filter input'
lab_in hub nft flush ruleset

# 4. A port that is another one after each start.
printf '[Interface]\nPrivateKey = x\n[Peer]\n' >/etc/wireguard/wghub.conf
init hub "${zone[@]}"
fault "port at random" 'port 51820 of wghub was chosen at random' 'ListenPort = 51820'
printf '[Interface]\nListenPort = 51820\n' >/etc/wireguard/wghub.conf
init hub "${zone[@]}"
says "port fixed" '^ok +port '
rm /etc/wireguard/wghub.conf
lab_in bob wg set wgbob listen-port 40123
init bob "${zone[@]}" --self none
fault "port of which nothing is known" 'cannot tell whether wgbob has the port 40123' 'ListenPort = 40123'
lab_in bob wg set wgbob listen-port "$lab_bob_port"

# 7. Behind a NAT.
init bob "${zone[@]}"
nothing "behind a NAT" 2
says "it is named, and what helps" 'no public address.*--self'
init bob "${zone[@]}" --self 203.0.113.30
fault "behind a NAT that is known" '203\.0\.113\.30:51820 is no address of this host: it is behind a NAT' \
	'forward its UDP port 51820 to 10\.2\.0\.2'
check "its address is in the file, with the port" grep -qx 'Self = 203.0.113.30:51820' "$conf"
says "and in the glue" "^  ns\.$ZONE\. .* A +203\.0\.113\.30\$"
init bob "${zone[@]}" --self auto
fault "auto behind a NAT" 'Self = auto, but' '--self'
init bob "${zone[@]}" --self 10.2.0.2
fault "a private address of its own" '10\.2\.0\.2 is a private address' '--self'

# 8, 13. Peers.
lab_in hub wg set wghub peer "$(lab_pub bob)" allowed-ips 10.9.0.3/32
init hub "${zone[@]}"
fault "a peer that was never seen" "$(lab_pub bob | sed 's/[+]/[+]/g') \(10\.9\.0\.3/32\) was never seen" \
	"Endpoint = 203\.0\.113\.10:51820 and PersistentKeepalive = 25"
lab_in hub wg set wghub peer "$(lab_pub bob)" remove
# A sanitizer's runtime must be the first library, and the shim cannot be.
if grep -q libasan <(ldd "$BIN/wgmeetd"); then
	echo "# another time of day: not with a sanitizer"
else
	# Ten minutes, little endian.
	printf '\xc0\x27\x09\x00\x00\x00\x00\x00' >"$LAB/shift"
	before=(env "LD_PRELOAD=$BUILD/test/clock_shim.so" "CLOCK_SHIFT=$LAB/shift")
	init hub "${zone[@]}"
	fault "a peer that has not been seen for long" "was last seen (9|10|11) minutes ago" 'PersistentKeepalive = 25'

	# 12. The clock: 40 years back.
	printf '\x00\x20\x51\x4c\xda\xfe\xff\xff' >"$LAB/shift"
	init hub "${zone[@]}"
	fault "a clock that is not set" 'it says 19[89][0-9]-' 'timedatectl set-ntp true'
	before=()
fi

# 9. Users, and others than the usual ones.
users
init hub "${zone[@]}"
fault "no user" 'there is no user wgmeet$' 'useradd --system .* wgmeet`'
same "no user: exit status" 1 "$status"
check "the file is there all the same" test -s "$conf"
init hub "${zone[@]}" --user $WORKER_UID --ttl 30
same "a user by its number" 0 "$status"
check "other options are in the file" grep -qx 'TTL = 30' "$conf"
users wgmeet wgmeet-observer

# 11. Not root; root without the capability.
before=(setpriv "--reuid=$WORKER_UID" "--regid=$WORKER_UID" --clear-groups --inh-caps=-all --)
init hub "${zone[@]}"
nothing "not root" 1
# shellcheck disable=SC2016 # as it is printed
says "not root: it is named, and what helps" 'run it as root \(`sudo wgmeetd --init`\)'
before=(setpriv --bounding-set=-net_admin --inh-caps=-all --)
init hub "${zone[@]}"
fault "root without a capability" 'without CAP_NET_ADMIN' 'cap-add=NET_ADMIN'
before=()

# 14. An address that is not there; in public.
init hub "${zone[@]}" --listen 10.9.0.99
fault "an address that this host has not" 'this host has no address 10\.9\.0\.99' '--listen'
for i in {1..12}; do # as many as containers' bridges bring
	lab_in hub ip address add "172.16.$i.1/24" dev lo
done
init hub "${zone[@]}" --listen 172.16.12.1
says_not "one of many that it has" 'this host has no address'
for i in {1..12}; do
	lab_in hub ip address del "172.16.$i.1/24" dev lo
done
init hub "${zone[@]}" --listen 10.9.0.1,203.0.113.10
same "in public: exit status" 0 "$status"
check "it has both addresses" grep -qx 'Listen = 10.9.0.1, 203.0.113.10' "$conf"
check "its name server" grep -qx "NameServer = ns.$ZONE 203.0.113.10" "$conf"
check "and no lists for strangers" grep -qx 'AllowBrowse = tunnel' "$conf"
init hub "${zone[@]}" --listen 203.0.113.10:5300
fault "in public, at another port" 'cannot be delegated' 'port 53'

# 2. Two devices.
lab_wg_create hub wgtwo
init hub "${zone[@]}"
nothing "two devices" 2
says "two devices: it is named, and what helps" 'Which one.*give --device'
init hub "${zone[@]}" --device wghub
same "one of them is given" 0 "$status"
init hub "${zone[@]}" --device wgthree
nothing "one that is not there" 2
answers "wgthree\nwghub\n$ZONE\n\n\n"
same "asked for it: exit status" 0 "$status"
says "all are listed" '2 WireGuard devices: (wghub wgtwo|wgtwo wghub)\.$'
check "the answer is in the file" grep -qx 'Device = wghub' "$conf"
lab_wg_delete hub wgtwo

# 15. What is no answer.
long=$(printf '%2000s' '' | tr ' ' a)
answers "$long\n\$(reboot)\nno name\n\033[2J\nb\303\274cher.example\n"
nothing "five answers that will not do" 2
says "a line too long" 'the line is too long'
says "control characters" 'control characters'
says "no name" 'it is no domain name: letters'
says "another script" 'xn--'
says "and then no more" 'No answer of 5 would do: give --zone'
says_not "nothing of it is said again" 'reboot|'$'\033'
answers "$long\n$ZONE\nhere, there\n10.9.0.1,,\n 10.9.0.1 \n\n"
same "and then one that will do: exit status" 0 "$status"
says "no address" 'it must be ADDR'
check "it is in the file" grep -qx 'Listen = 10.9.0.1' "$conf"
answers "$ZONE"
nothing "an answer without an end of line" 2
answers ''
nothing "an end of file" 2
says "an end of file: what helps" 'There was no answer: give --zone; nothing done'
status=0
rm -rf "$etc"
out=$(lab_in hub timeout 20 "$BIN/wgmeetd" --init --config "$conf" 2>&1 </dev/zero) || status=$?
nothing "no end at all" 2
# An address that this host has not is taken when it is given again.
answers "$ZONE\n10.9.0.77\n10.9.0.1\n\n"
same "a slip: exit status" 0 "$status"
says "a slip: it is named, and what there is" \
	'no address 10\.9\.0\.77 now \(it has 10\.9\.0\.1, 203\.0\.113\.10\): give it once more to take it nevertheless'
check "a slip: it is mended" grep -qx 'Listen = 10.9.0.1' "$conf"
answers "$ZONE\n10.9.0.77\n10.9.0.77\n198.51.100.99\n"
same "meant: exit status" 0 "$status"
check "meant: it is taken" grep -qx 'Listen = 10.9.0.77' "$conf"
says "meant: with a warning" '^warn +listen +this host has no address 10\.9\.0\.77 now'
says "meant: peers ask there" '^  Server = 10\.9\.0\.77$'
says "meant: and so does dig" '^  dig @10\.9\.0\.77 '
answers "$ZONE\n\n10.0.0.1.2\n127.0.0.1\n198.51.100.9:7\n"
same "an endpoint of its own: exit status" 0 "$status"
says "an endpoint that is none" 'it must be ADDR or'
says "one that nobody reaches" 'no other host can reach'
check "it is in the file" grep -qx 'Self = 198.51.100.9:7' "$conf"
wrong_option() { # DESCRIPTION REGEX OPTION...
	local what=$1 regex=$2

	shift 2
	init hub --yes "$@"
	nothing "$what" 2
	says "$what: it is named" "$regex"
}
wrong_option "a zone that is none" 'zone.*no domain name' --zone 'a..b'
wrong_option "a line break" 'zone.*control characters' --zone $'a\nUser = root'
wrong_option "no zone" 'give --zone'
wrong_option "a file for a device" 'dump-file' --zone "$ZONE" --dump-file /etc/passwd
wrong_option "an option that is none" 'no-such-option' --no-such-option
# Right as an option, and too long for a line of the file.
wrong_option "a long line" 'longer than 198' --zone "$ZONE" --self none --name-server \
	"ns1.example.net$(printf ' 2001:db8:1111:2222:3333:4444:5555:%d' 1001 1002 1003 1004 1005 1006 1007 1008)"
wrong_option "a word" 'what is that' --zone "$ZONE" wg0
status=0
out=$(lab_in hub "$BIN/wgmeetd" --yes --zone "$ZONE" 2>&1) || status=$?
same "--yes alone: exit status" 2 "$status"
says "--yes alone: it is named" '--yes goes with --init'
status=0
out=$(lab_in hub "$BIN/wgmeetd" --dry-run --zone "$ZONE" 2>&1) || status=$?
same "--dry-run alone: exit status" 2 "$status"
says "--dry-run alone: it is named" '--dry-run goes with --init'
init hub "${zone[@]}" --name-server "ns1.example.net" --name-server "ns.$ZONE 203.0.113.10" --listen 10.9.0.1,203.0.113.10
says "name servers that are given" "^  $ZONE\. .* NS +ns1\.example\.net\.\$"
says "with glue for those in the zone" "^  ns\.$ZONE\. .* A +203\.0\.113\.10\$"
check "and the file is accepted" "$BIN/wgmeetd" --check --config "$conf"

# As wgmeet has it.
for option in '' --init; do
	same "$option -h is $option --help" "$("$BIN/wgmeetd" $option --help 2>&1)" "$("$BIN/wgmeetd" $option -h 2>&1)"
done

# Where no file can be.
rm -rf "$etc"
status=0
out=$(lab_in hub "$BIN/wgmeetd" --init "${zone[@]}" --config "$etc/not/there/wgmeetd.conf" 2>&1) || status=$?
nothing "no directory above" 1
says "no directory above: it is named" "cannot make the directory $etc/not/there: No such file"
# shellcheck disable=SC2016 # for the shell that is started
before=(unshare --mount -- sh -c 'mkdir "$0" && mount -n -t tmpfs -o size=4k,nr_inodes=2 tmpfs "$0" && echo >"$0/full" && exec "$@"' "$etc")
init hub "${zone[@]}"
same "a full disk: exit status" 1 "$status"
says "a full disk: it is named" "cannot write $conf: No space"
before=()

# A name for the host gives one for the zone.
before=(unshare --uts -- sh -c 'echo registry.example.com >/proc/sys/kernel/hostname && exec "$@"' -)
init hub --yes
same "a host with a domain: exit status" 0 "$status"
check "its zone is below it" grep -qx 'Name = wg.example.com' "$conf"
before=()

e2e_done
