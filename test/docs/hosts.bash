# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154
# hosts.bash: the beds of the documentation, behind e2e.bash: hosts that are typed at. See README for what they are.
#
#	bed_make masqdrop:masqdrop ready
#	host_type alice block 20 && cat "$typed_out"
#	bed_end

DOCS=$ROOT/test/docs
declare -A host_ns=([registry]=hub [alice]=alice [bob]=bob [router]=nat-a [router2]=nat-b [parent]=parent)
declare -A host_tunnel=([registry]=10.9.0.1 [alice]=10.9.0.2 [bob]=10.9.0.3)
bed_hosts=()
typed=0

# docs_missing - the Debian packages of what is not there.
docs_missing() {
	local missing

	missing=$(lab_missing jq conntrack wg-quick)
	echo "${missing/wg-quick/wireguard-tools}"
}

host_dir() {
	echo "$LAB/host/$1"
}

# ---- one host ----

# host_files NAME - what is its own, not yet mounted.
host_files() {
	local dir path

	dir=$(host_dir "$1")
	mkdir -p "$dir"/{varlib,usrdoc,local/bin,local/sbin,run/docs,run/home,run/lock}
	cp -a /etc "$dir/etc"
	rm -rf "$dir"/etc/{wireguard,wgmeet,resolv.conf} "$dir"/etc/systemd/system/wg*
	mkdir -m 700 "$dir/etc/wireguard"
	echo 'nameserver 203.0.113.53' >"$dir/etc/resolv.conf"
	echo "$1" >"$dir/etc/hostname"
	! grep -q '^wgmeet' "$dir/etc/passwd" || sed -i '/^wgmeet/d' "$dir"/etc/{passwd,shadow,group,gshadow}
	cp -a "$DOCS/bin" "$dir/run/docs/bin"
	for path in "$ROOT/contrib" "$ROOT/man"; do
		cp -a "$path" "$dir/run/home/"
	done
	mkfifo "$dir/run/docs/in"
	cp "$BUILD/test/manager" "$dir/run/docs/bin/manager"
	cp -a "$DOCS_TREE" "$dir/run/docs/tree"
	cp "$DOCS_PACKAGES"/*.deb "$dir/run/home/"
	cp "$DOCS_INSTALLED" "$dir/run/docs/installed"
}

# host_start NAME - a program that is started in the background does not hear Ctrl-C, nor does what it starts, if not told to.
host_start() {
	local dir

	host_files "$1"
	dir=$(host_dir "$1")
	lab_start "host-$1" "${host_ns[$1]}" unshare --mount --uts --pid --fork --kill-child --mount-proc \
		env -i --default-signal=INT,QUIT PATH=/run/docs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/run/home TERM=dumb LC_ALL=C WG_IMPL="$WG_IMPL" ASAN_OPTIONS="$ASAN_OPTIONS" bash "$DOCS/host.sh" "$1" "$dir"
	lab_wait 10 test -e "$dir/run/docs/up" || lab_die "no host $1: $(tail -3 "$LAB/host-$1.log")"
	bed_hosts+=("$1")
}

typed_end() {
	[ -e "$typed_answer" ] || ! lab_alive "host-$1"
}

# host_type NAME FILE SECONDS [stays] - types what is in the file. Sets typed_out, the file with what it printed, typed_status and
# typed_failed. 1: it took longer than that, or ended the shell.
host_type() {
	local dir

	dir=$(host_dir "$1")/run/docs
	typed=$((typed + 1))
	typed_out=$dir/$typed.out typed_answer=$dir/$typed.end typed_status=- typed_failed=
	cp "$2" "$dir/$typed.sh"
	: >"$typed_out"
	echo "$typed ${4:-}" >"$dir/in"
	lab_wait "$3" typed_end "$1"
	[ -e "$typed_answer" ] || return
	read -r typed_status typed_failed <"$typed_answer"
}

# host_run NAME COMMAND... - in its shell, where nobody looks. What it prints is shown if it fails.
host_run() {
	local name=$1

	shift
	printf '%s\n' "$*" >"$LAB/typed"
	host_type "$name" "$LAB/typed" 30 && [ "$typed_status" = 0 ] && [ -z "$typed_failed" ] && return
	cat "$typed_out" 2>/dev/null
	return 1
}

host_interrupt() {
	echo 0 >"$(host_dir "$1")/run/docs/in"
}

# host_key NAME public|private
host_key() {
	local file

	file=$(host_dir "$1")/etc/wireguard/wg0.key
	[ -s "$file" ] || return
	if [ "$2" = public ]; then wg pubkey <"$file"; else cat "$file"; fi
}

# ---- all of them ----

# bed_make NATS [bare|ready] [parent]
bed_make() {
	local name hosts=(registry alice bob router)

	lab_net "$1"
	[ "${1%%:*}" = shared ] || hosts+=(router2)
	lab_ns parent
	lab_link parent eth0 203.0.113.53/24 inet parent - br0
	ip -n parent addr add 203.0.113.54/24 dev eth0
	for name in "${hosts[@]}" parent; do
		host_start "$name"
	done
	[ "${3:-}" != parent ] || parent_ready || return
	[ "${2:-bare}" = bare ] || bed_ready
}

bed_end() {
	local name

	# Process 1 hears nothing else.
	for name in "${bed_hosts[@]}"; do
		lab_stop "host-$name" KILL
	done
	bed_hosts=()
	lab_destroy
	mkdir -p "$BIN" "$LAB/ns"
}

# device_conf NAME - wg0.conf of the walk-through.
device_conf() {
	local name

	printf '%s\n' '[Interface]' "PrivateKey = $(host_key "$1" private)" "Address = ${host_tunnel[$1]}/24"
	if [ "$1" = registry ]; then
		echo 'ListenPort = 51820'
		for name in alice bob; do
			printf '%s\n' '[Peer]' "PublicKey = $(host_key $name public)" "AllowedIPs = ${host_tunnel[$name]}/32"
		done
		return
	fi
	name=alice
	[ "$1" != alice ] || name=bob
	if [ "$1" = bob ]; then echo "ListenPort = $lab_bob_port"; else echo 'ListenPort = 51820'; fi
	printf '%s\n' '[Peer]' "PublicKey = $(host_key registry public)" 'Endpoint = 203.0.113.10:51820' 'AllowedIPs = 10.9.0.1/32' \
		'PersistentKeepalive = 25' '[Peer]' "PublicKey = $(host_key $name public)" "AllowedIPs = ${host_tunnel[$name]}/32" \
		'PersistentKeepalive = 25'
}

registry_conf() {
	printf '%s\n' '[Server]' 'Listen = 10.9.0.1, 203.0.113.10' '[Zone]' 'Name = wg.example.com' 'Device = wg0' \
		'NameServer = ns.wg.example.com 203.0.113.10' 'Self = 203.0.113.10:51820' 'SelfAllowedIPs = 10.9.0.1/32'
}

# bed_ready - as at the end of the walk-through.
bed_ready() {
	local name dir

	for name in registry alice bob; do
		dir=$(host_dir $name)
		(umask 077 && wg genkey >"$dir/etc/wireguard/wg0.key")
		mkdir -p "$dir/etc/wgmeet"
	done
	for name in registry alice bob; do
		dir=$(host_dir $name)
		(umask 077 && device_conf $name >"$dir/etc/wireguard/wg0.conf")
		printf '%s\n' '[Client]' 'Zone = wg.example.com' 'Server = 10.9.0.1' >"$dir/etc/wgmeet/wg0.conf"
		host_run $name 'systemctl enable --now wg-quick@wg0' || return
	done
	rm "$(host_dir registry)/etc/wgmeet/wg0.conf"
	registry_conf >"$(host_dir registry)/etc/wgmeet/wgmeetd.conf"
	host_run registry 'apt install ./wgmeetd_*.deb && systemctl enable --now wgmeetd' || return
	for name in alice bob; do
		host_run $name 'apt install ./wgmeet_*.deb && systemctl enable --now wgmeet@wg0' || return
	done
	case $bed_nats in
	*random* | shared:masqdrop) return ;; # there is no way between them
	esac
	lab_wait 30 bed_connected
}

bed_connected() {
	host_run alice 'ping -q -c1 -W1 10.9.0.3' >/dev/null && host_run bob 'ping -q -c1 -W1 10.9.0.2' >/dev/null
}
