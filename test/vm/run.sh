#!/bin/bash
# run.sh COMMAND... - runs COMMAND as root under a stock Debian kernel, which has WireGuard, in QEMU.
#
#   stdout, stderr   both come out here, on stdout, as they are
#   exit status      the command's; 77: something is missing ("SKIP: ..."; 1 where CI is true), 124: out of time,
#                    125: the guest died
#   files            the guest sees the host's, in the same places and the same working folder; what it writes goes
#                    to an overlay in its memory and is gone afterwards
#
# KVM is not needed. The kernel package is downloaded once and only unpacked, into VM_CACHE: nothing is installed.
# Settings: VM_TIMEOUT (300, seconds), VM_MEM (768M), VM_SMP (2), VM_CACHE (~/.cache/wgmeet-vm).
set -u
umask 077
TIMEOUT=${VM_TIMEOUT:-300} MEM=${VM_MEM:-768M} SMP=${VM_SMP:-2}
CACHE=${VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/wgmeet-vm}
VIRTIOFSD=/usr/lib/qemu/virtiofsd
MODULES='virtio_pci virtiofs overlay virtio_console wireguard veth dummy bridge nlmon tun
	nft_chain_nat nft_masq nft_nat nft_ct nft_redir nft_reject_inet nf_conntrack_netlink sch_netem'
PATH=$PATH:/usr/sbin:/sbin

skip() { # skip WHY WHAT-TO-DO
	echo "SKIP: $1; $2"
	[ "${CI:-}" != true ] || exit 1
	exit 77
}

[ $# -gt 0 ] || { echo "usage: run.sh COMMAND..." >&2; exit 2; }
[ "$(id -u)" = 0 ] || skip "not root" "the guest shares the file system with root's rights: run it with sudo"
missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need qemu-system-x86_64 qemu-system-x86
need "$VIRTIOFSD" qemu-system-common
need busybox busybox-static
! ldd "$(command -v busybox)" >/dev/null 2>&1 || missing="$missing busybox-static" # the initramfs has no libc
need cpio cpio
need modprobe kmod
[ -z "$missing" ] || skip "not found:$missing" "install: apt-get install --no-install-recommends$missing"

JOB=$(mktemp -d "${TMPDIR:-/tmp}/wgmeet-vm.XXXXXX") || exit 1
PIDS=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	trap - EXIT INT TERM HUP
	# shellcheck disable=SC2086 # a list of pids
	[ -z "$PIDS" ] || { kill $PIDS; wait $PIDS; } 2>/dev/null
	rm -rf "$JOB"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The kernel: $KERNEL has boot/ and lib/modules/ of one package. Whichever is there is used, the newest first.
newest_kernel() { find "$CACHE" -mindepth 1 -maxdepth 1 -name 'linux-image-*' 2>/dev/null | sort -V | tail -n 1; }
package() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2 }'; }
download() { # into the working folder
	name=$(package)
	[ -n "$name" ] || { echo "run.sh: apt knows no linux-image-cloud-amd64" >&2; return 1; }
	echo "run.sh: downloading $name into $CACHE (once; it is only unpacked)" >&2
	apt-get download -qq -o APT::Sandbox::User=root "$name"
}
download_kernel() (
	mkdir -p "$CACHE" "$JOB/deb" "$JOB/kernel" && cd "$JOB/deb" || exit 1
	download || { apt-get update -qq && download; } || exit 1
	dpkg -x ./*.deb "$JOB/kernel" || exit 1
	# Two steps, because the cache may be on another file system; if somebody else was faster, that is fine too.
	cp -a "$JOB/kernel" "$CACHE/tmp.$$" && mv -T "$CACHE/tmp.$$" "$CACHE/$name"
	rm -rf "$CACHE/tmp.$$"
	[ -d "$CACHE/$name" ]
)
KERNEL=$(newest_kernel)
if [ -z "$KERNEL" ]; then
	for tool in apt-get dpkg; do need $tool $tool; done
	[ -z "$missing" ] || skip "no kernel in $CACHE and no apt" "unpack Debian's linux-image-*-cloud-amd64 there"
	download_kernel || skip "cannot download linux-image-cloud-amd64" "see above; or unpack its .deb into $CACHE/linux-image-VERSION"
	KERNEL=$(newest_kernel)
fi
VERSION=$(ls "$KERNEL/lib/modules")
[ -s "$KERNEL/lib/modules/$VERSION/modules.dep" ] || depmod -b "$KERNEL" "$VERSION" || exit 125

# The initramfs: a static busybox, the modules in the order of loading, and what makes the host's / the guest's.
cat > "$JOB/early" <<'EOI'
#!/bin/busybox sh
set -e
b=/bin/busybox
for m in /m/*.ko; do $b insmod "$m"; done
$b mount -t virtiofs -o ro host /host
$b mount -t tmpfs -o size=75% tmpfs /mem
$b mkdir /mem/upper /mem/work
$b mount -t overlay -o lowerdir=/host,upperdir=/mem/upper,workdir=/mem/work overlay /root
$b mount -t proc proc /root/proc
job=$($b sed 's/.* job=//' /root/proc/cmdline)
exec $b switch_root /root "$job/init"
EOI
make_initramfs() (
	d=$JOB/initramfs
	mkdir -p "$d/bin" "$d/m" "$d/host" "$d/mem" "$d/root"
	cp "$(command -v busybox)" "$d/bin/busybox" && install -m 755 "$JOB/early" "$d/init" || exit 1
	for m in $MODULES; do
		modprobe -d "$KERNEL" -S "$VERSION" --show-depends "$m" || echo "run.sh: no module $m" >&2
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$JOB/modules"
	n=100
	while read -r file; do
		cp "$file" "$d/m/$n-${file##*/}" || exit 1
		n=$((n + 1))
	done < "$JOB/modules"
	set -o pipefail
	(cd "$d" && find . | cpio -o -H newc --quiet | gzip -1) > "$JOB/initramfs.gz" || exit 1
	cp "$JOB/initramfs.gz" "$1.$$" && mv "$1.$$" "$1"
)
RECIPE=$({ echo "$VERSION $MODULES"; cat "$JOB/early"; } | cksum | cut -d ' ' -f 1)
INITRAMFS=$KERNEL/initramfs-$RECIPE.gz
[ -s "$INITRAMFS" ] || make_initramfs "$INITRAMFS" || exit 125

# The job: the guest's first process. Its output and the command's status leave over two virtio ports.
{
	echo '#!/bin/bash'
	printf 'export PATH=%q HOME=/root TERM=dumb LC_ALL=C.UTF-8; cd %q\n' "$PATH" "$PWD"
	cat <<-'EOI'
		mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
		ln -s /proc/self/fd /dev/fd
		for i in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${i%:*}" "/dev/${i#*:}"; done
		mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run
		mkdir -p -m 755 /run/netns /run/wireguard; ip link set lo up
		port=$(echo /dev/vport*p1); port=${port%1}
	EOI
	printf '%q ' "$@"
	# shellcheck disable=SC2016 # expanded in the guest
	echo ' < /dev/null > "${port}1" 2>&1; echo $? > "${port}2"; exec busybox poweroff -f'
} > "$JOB/init"
chmod 755 "$JOB/init"

setpriv --pdeathsig TERM "$VIRTIOFSD" --socket-path="$JOB/fs" -o source=/ -o sandbox=chroot -o cache=always -o xattr \
	2> "$JOB/virtiofsd.log" &
PIDS=$!
for ((i = 0; i < 500; i++)); do
	[ ! -S "$JOB/fs" ] || break
	sleep 0.01
done
mkfifo "$JOB/stdin" && exec 3<> "$JOB/stdin" # at the end of its stdin QEMU would close stdout's port too
# rcu_expedited: without it the end of a device with 10,000 peers takes two minutes.
setpriv --pdeathsig TERM timeout -k 5 "$TIMEOUT" qemu-system-x86_64 \
	-accel tcg -cpu Nehalem,+rdrand -smp "$SMP" -m "$MEM" -nodefaults -no-user-config -display none -vga none -no-reboot \
	-kernel "$KERNEL/boot/vmlinuz-$VERSION" -initrd "$INITRAMFS" \
	-append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off init_on_alloc=0 norandmaps rcupdate.rcu_expedited=1 random.trust_cpu=on job=$JOB" \
	-serial file:"$JOB/console" \
	-object memory-backend-memfd,id=mem,size="$MEM",share=on -numa node,memdev=mem \
	-chardev socket,id=fs,path="$JOB/fs" -device vhost-user-fs-pci,chardev=fs,tag=host \
	-device virtio-serial-pci -chardev stdio,id=out,signal=off -device virtserialport,chardev=out,nr=1 \
	-chardev file,id=status,path="$JOB/status" -device virtserialport,chardev=status,nr=2 \
	<&3 2> "$JOB/qemu.log" &
QEMU=$!
PIDS="$PIDS $QEMU"
wait "$QEMU"
rc=$?
[ ! -s "$JOB/status" ] || exit "$(cat "$JOB/status")"
[ "$rc" != 124 ] || echo "run.sh: still running after $TIMEOUT s, ended (VM_TIMEOUT)" >&2
tail -n 30 "$JOB/qemu.log" "$JOB/virtiofsd.log" "$JOB/console" >&2
[ "$rc" = 124 ] || { echo "run.sh: the guest died (qemu: $rc)" >&2; rc=125; }
exit "$rc"
