#!/bin/bash
# fresh.sh SYSTEM FOLDER - the packages in FOLDER in a copy of that fresh Debian: they install, start nothing without a configuration,
# serve with one, keep it when a newer version comes, and leave nothing when they are purged. The system is booted in a container;
# where that does not go (BOOT=no), what the services start is started by hand. Called by deb.sh.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1
lab_enter "$@"
base=$1 packages=$2
root=$LAB/root
peer=$(head -c 32 /dev/urandom | base64)
truth=198.51.100.7:41414
leader=

# ---- the system ----

copy_system() {
	mkdir -p "$LAB/layer" "$root" "$LAB/debs"
	mount -n -t tmpfs tmpfs "$LAB/layer" || lab_die "no tmpfs"
	mkdir "$LAB/layer/upper" "$LAB/layer/work"
	mount -n -t overlay -o "lowerdir=$base,upperdir=$LAB/layer/upper,workdir=$LAB/layer/work" overlay "$root" ||
		e2e_skip "no overlay file system"
	must cp "$packages"/wgmeetd_*.deb "$LAB/debs/wgmeetd.deb"
	must cp "$packages"/wgmeet_*.deb "$LAB/debs/wgmeet.deb"
	newer wgmeetd
	newer wgmeet
	mkdir "$root/debs"
}

# newer PACKAGE - the same once more, with a higher version.
newer() {
	must dpkg-deb -R "$LAB/debs/$1.deb" "$LAB/newer"
	sed -i 's/^Version: .*/&+newer/' "$LAB/newer/DEBIAN/control"
	must dpkg-deb --root-owner-group -Znone -b "$LAB/newer" "$LAB/debs/$1-newer.deb" >/dev/null
	rm -r "$LAB/newer"
}

# A cgroup of its own, in the one tree that systemd wants.
boot() {
	command -v systemd-nspawn >/dev/null || return 1
	umount -l /sys/fs/cgroup 2>/dev/null
	mount -n -t cgroup2 cgroup2 /sys/fs/cgroup || return 1
	cgroup=/sys/fs/cgroup/wgmeet-packages.$$
	mkdir "$cgroup" || return 1
	[ ! -c /dev/net/tun ] || tun=--bind=/dev/net/tun
	# shellcheck disable=SC2016 # the other shell's
	lab_start container - env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$cgroup" \
		systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --console=pipe \
		--bind-ro="$LAB/debs:/debs" ${tun:+"$tun"} -D "$root"
	lab_wait 30 booted
}

booted() {
	lab_alive container || return 0
	leader=$(pgrep -P "${lab_pid[container]}" | head -n 1)
	[ -n "$leader" ] && [[ $(in_system systemctl is-system-running 2>/dev/null) == @(running|degraded) ]]
}

by_hand() {
	leader=
	mount -n --bind "$LAB/debs" "$root/debs"
	mount -n -t proc proc "$root/proc"
	mount -n --rbind /dev "$root/dev"
	mount -n -t tmpfs tmpfs "$root/run"
}

in_system() {
	if [ -n "$leader" ]; then
		nsenter -t "$leader" -m -u -i -n -p -r -w env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
	else
		chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
	fi
}

end() {
	lab_stop container
	[ -z "${cgroup:-}" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
	lab_cleanup
}

apt() {
	in_system env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends "$@"
}

# Everything that is there, but what dpkg, apt and the journal write for themselves. The users stay: what is left of their files
# is compared without them.
everything() {
	(
		cd "$root" || exit 1
		find . -xdev \( -path ./var/log -o -path ./var/cache/apt -o -path ./var/lib/apt -o -path ./debs -o -path ./run -o -path ./tmp \
			-o -path './var/lib/dpkg/status*' -o -path './var/lib/dpkg/lock*' -o -path ./var/lib/dpkg/triggers \
			-o -path './etc/passwd*' -o -path './etc/group*' -o -path './etc/shadow*' -o -path './etc/gshadow*' \
			-o -path ./etc/.pwd.lock \) -prune -o -printf '%p %y %m %U:%G %l\n' | sort
		find ./etc ./var/lib ./usr/lib/systemd -xdev -type f ! -path './var/lib/dpkg/status*' ! -path './var/lib/apt/*' \
			! -path './etc/*passwd*' ! -path './etc/*group*' ! -path './etc/*shadow*' ! -path ./etc/.pwd.lock \
			! -path './var/lib/dpkg/triggers/*' ! -path './var/lib/dpkg/lock*' -exec sha256sum {} + | sort -k 2
		grep -hv '^wgmeet' etc/passwd etc/group etc/shadow etc/gshadow
		find run -path '*wgmeet*'
	)
}

# ---- what is tried ----

is_there() { # PATH...
	local path

	for path; do
		[ -e "$root$path" ] || { echo "missing: $path" && return 1; }
	done
}

property() { # UNIT PROPERTY
	in_system systemctl show -P "$2" "$1"
}

active() { # UNIT
	in_system systemctl is-active "$1"
}

look_up() {
	in_system wgmeet lookup "$peer" --zone wg.test --server 127.0.0.1 2>&1 | sed -n 's/^  endpoint: //p'
}

endpoint() {
	in_system wg show wg0 endpoints | cut -f 2
}

is() { # EXPECTED COMMAND...
	[ "$("${@:2}")" = "$1" ]
}

install_both() {
	must apt install /debs/wgmeetd.deb /debs/wgmeet.deb >"$LAB/apt.log" 2>&1
	ok "they install"
	check "files are in their places" is_there /usr/sbin/wgmeetd /usr/bin/wgmeet /etc/wgmeet /lib/systemd/system/wgmeetd.service \
		/lib/systemd/system/wgmeet@.service /lib/systemd/system/wgmeet-sync@.service /lib/systemd/system/wgmeet-sync@.timer \
		/usr/share/man/man8/wgmeetd.8.gz /usr/share/man/man5/wgmeetd.conf.5.gz /usr/share/man/man8/wgmeet.8.gz \
		/usr/share/bash-completion/completions/wgmeet /usr/share/zsh/vendor-completions/_wgmeetd \
		/usr/share/fish/vendor_completions.d/wgmeet.fish /usr/share/doc/wgmeetd/examples/wgmeetd.conf \
		/usr/share/doc/wgmeet/examples/wg0.conf /usr/lib/sysusers.d/wgmeetd.conf
	same "the units start what is there" "/usr/sbin/wgmeetd /usr/bin/wgmeet /usr/bin/wgmeet" \
		"$(cd "$root/lib/systemd/system" && sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' wgmeetd.service wgmeet@.service wgmeet-sync@.service |
			xargs)"
	same "and so do the drop-ins" "/usr/sbin/wgmeetd" \
		"$(sed -n 's/^ExecStart=\([^ ]\{1,\}\).*/\1/p' "$root/usr/share/doc/wgmeetd/examples/wgmeetd-userspace.conf")"
	check "the users are there" in_system id wgmeet wgmeet-observer
	same "the state is the observer's" wgmeet-observer "$(in_system stat -c %U /var/lib/wgmeet)"
	same "systemd-analyze verify has nothing to say" "" \
		"$(in_system systemd-analyze verify --man=no wgmeetd.service wgmeet@wg0.service wgmeet-sync@wg0.timer 2>&1 | grep wgmeet)"
	same "the versions" "wgmeetd $(version) wgmeet $(version)" "$(in_system wgmeetd --version) $(in_system wgmeet --version)"
	check "the example for wgmeetd is a configuration" in_system wgmeetd --check -c /usr/share/doc/wgmeetd/examples/wgmeetd.conf
	check "the example for wgmeet, too" in_system wgmeet name "$peer" -c /usr/share/doc/wgmeet/examples/wg0.conf
}

version() {
	# shellcheck disable=SC2153 # e2e.bash has it
	sed -n '1s/.*(\([^-)]*\).*/\1/p' "$ROOT/contrib/debian/changelog"
}

configure() {
	printf '%s\n' '# mine' '[Server]' 'Listen = 127.0.0.1' '[Zone]' 'Name = wg.test' 'DumpFile = /srv/peers' \
		'NameServer = ns.wg.test 127.0.0.1' >"$root/etc/wgmeet/wgmeetd.conf"
	printf '%s\n' '# mine, too' '[Client]' 'Zone = wg.test' 'Server = 127.0.0.1' >"$root/etc/wgmeet/wg0.conf"
	printf '(none)\t%s\t51820\toff\n%s\t(none)\t%s\t10.9.0.2/32\t0\t0\t0\toff\n' "$(head -c 32 /dev/urandom | base64)" "$peer" "$truth" \
		>"$root/srv/peers"
}

configuration() {
	cat "$root/etc/wgmeet/wgmeetd.conf" "$root/etc/wgmeet/wg0.conf"
}

# A device with the peer, that does not know where it is.
device() {
	if ! in_system ip link add wg0 type wireguard 2>/dev/null; then
		for unit in wgmeet@ wgmeet-sync@; do
			install -D -m 644 -t "$root/etc/systemd/system/$unit.service.d" "$root/usr/share/doc/wgmeet/examples/wgmeet-userspace.conf"
		done
		in_system systemctl daemon-reload
		in_system systemd-run -q --unit=device wireguard-go -f wg0 || return 1
		lab_wait 5 in_system test -S /var/run/wireguard/wg0.sock || return 1
	fi
	head -c 32 /dev/urandom | base64 >"$root/srv/key"
	in_system wg set wg0 private-key /srv/key peer "$peer" allowed-ips 10.9.0.2/32
	in_system ip link set wg0 up
}

# What the program itself writes is readable by its user; where the program can.
set_up() {
	in_system wgmeetd --help | grep -q -e --init || return 0
	check "wgmeetd --init writes a configuration" in_system wgmeetd --init --yes --zone wg.test --device wg0 --listen 127.0.0.1 \
		--self 192.0.2.1:51820
	check "with it: systemctl start wgmeetd" in_system systemctl start wgmeetd
	same "it runs with it" active "$(active wgmeetd)"
	check "systemctl reload wgmeetd" in_system systemctl reload wgmeetd
	check "systemctl stop wgmeetd" in_system systemctl stop wgmeetd
	rm -f "$root/etc/wgmeet/wgmeetd.conf"
}

start() {
	same "wgmeetd is enabled, and was not started" "enabled inactive no" \
		"$(in_system systemctl is-enabled wgmeetd) $(active wgmeetd) $(property wgmeetd ConditionResult)"
	must in_system ip route add 198.51.100.0/24 dev lo # what has no route is not told
	check "without a configuration it is no failure to start it" in_system systemctl start wgmeetd
	check "there is a device" device
	set_up
	configure
	check "with one: systemctl start wgmeetd" in_system systemctl start wgmeetd
	same "it runs" active "$(active wgmeetd)"
	same "and serves" "$truth" "$(look_up)"
	check "systemctl enable --now wgmeet@wg0" in_system systemctl enable -q --now wgmeet@wg0
	check "it sets the endpoint" lab_wait 10 is "$truth" endpoint
	matches "wgmeet status asks it" '^  wgmeet run: for' "$(in_system wgmeet status wg0)"
	check "the timer, too" in_system systemctl enable -q --now wgmeet-sync@wg0.timer
	same "no unit failed" "" "$(in_system systemctl --failed --plain --no-legend | grep wgmeet)"
}

upgrade() {
	local before servers

	before=$(configuration)
	[ -z "$leader" ] || servers="$(property wgmeetd MainPID) $(property wgmeet@wg0 MainPID)"
	check "a newer version comes" apt install /debs/wgmeetd-newer.deb /debs/wgmeet-newer.deb
	# shellcheck disable=SC2016 # dpkg's
	same "it is there" "$(version)-1+newer" "$(in_system dpkg-query -W -f '${Version}' wgmeetd)"
	same "the configuration is what it was" "$before" "$(configuration)"
	[ -n "$leader" ] || return 0
	same "both services run" "active active active" "$(active wgmeetd) $(active wgmeet@wg0) $(active wgmeet-sync@wg0.timer)"
	check "wgmeetd was started anew" test "$(property wgmeetd MainPID)" != "${servers% *}"
	check "wgmeet@wg0 was started anew" test "$(property wgmeet@wg0 MainPID)" != "${servers#* }"
	same "the path is as it was" "$truth" "$(endpoint)"
	same "wgmeetd serves" "$truth" "$(look_up)"
}

remove() {
	local before

	before=$(configuration)
	check "they are removed" apt remove wgmeetd wgmeet
	same "the configuration stays" "$before" "$(configuration)"
	[ -z "$leader" ] ||
		same "nothing runs" "inactive inactive inactive" "$(active wgmeetd) $(active wgmeet@wg0) $(active wgmeet-sync@wg0.timer)"
	check "they are purged" apt purge wgmeetd wgmeet
	rm -rf "$root/srv/peers" "$root/srv/key"
	[ -z "$leader" ] || in_system systemctl daemon-reload
	everything >"$LAB/after"
	same "nothing is left" "" "$(diff "$LAB/before" "$LAB/after")"
	[ -z "$leader" ] || same "nothing failed" "" "$(in_system systemctl --failed --plain --no-legend | grep wgmeet)"
}

# As the services would.
start_by_hand() {
	configure
	ip route add 198.51.100.0/24 dev lo
	lab_start wgmeetd - chroot "$root" "$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/wgmeetd.service")"
	check "wgmeetd, started by hand, serves" lab_wait 10 is "$truth" look_up
	lab_stop wgmeetd
}

trap end EXIT
copy_system
if [ "${BOOT:-}" = no ] || ! boot; then
	[ "${BOOT:-}" = no ] || echo "# not booted: $(tail -n 3 "$LAB/container.log" 2>/dev/null)"
	lab_stop container
	by_hand
fi
everything >"$LAB/before"
install_both
if [ -n "$leader" ]; then
	start
else
	start_by_hand
fi
upgrade
remove
e2e_done
