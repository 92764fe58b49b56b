#!/bin/sh
# layers.sh OBJECT... - what a worker links of its own may not reach for: netlink, ldns, the heap, files, new sockets, other
# programs. Shown from the objects' undefined symbols. And no file includes across or up the layers.
set -eu

bad='^(nl_|nla_|nlmsg_|rtnl_|mnl_|ldns_|ares_|ini_|malloc|calloc|realloc|reallocarray|strdup|strndup|free|posix_memalign'
bad="$bad|aligned_alloc|open|open64|openat|openat64|fopen|fopen64|fdopen|opendir|creat|creat64|socket|connect|bind"
bad="$bad|listen|fork|vfork|exec.*|posix_spawn|popen|system|ptrace|dlopen|getpw.*|getaddrinfo|gethostby.*)\$"
# With the sanitizers' own calls this would say nothing about the program.
command -v nm >/dev/null || { echo "check-layers: no nm (binutils)" >&2; exit 1; }
found=$(nm -u "$@" 2>/dev/null | awk 'NF == 2 && $1 == "U" {print $2}' | sed 's/@.*//' | sort -u | grep -E "$bad" || true)
if [ -n "$found" ]; then
	echo "check-layers: the worker's objects reach for: $(echo "$found" | tr '\n' ' ')" >&2
	exit 1
fi

wrong=0
for header in server/*.h client/*.h; do
	name=${header##*/} dir=${header%/*}
	for file in common/*.[ch] server/*.[ch] client/*.[ch]; do
		[ "${file%/*}" = "$dir" ] && continue
		# a header of the same name in its own folder is another file
		[ -e "${file%/*}/$name" ] && continue
		if grep -q "#include \"$name\"" "$file"; then
			echo "check-layers: $file includes $header" >&2
			wrong=1
		fi
	done
done
for lib in seccomp.h:common/seccomp.c libmnl:common/wgdev_kernel.c netlink/netlink.h:common/links.c ares.h:client/dns.c ini.h:common/conf.c; do
	users=$(grep -lE "#include <${lib%%:*}" common/*.[ch] server/*.[ch] client/*.[ch] 2>/dev/null || true)
	if [ "$users" != "${lib#*:}" ]; then
		echo "check-layers: ${lib%%:*} is for ${lib#*:} alone, and is in: $users" >&2
		wrong=1
	fi
done
[ $wrong = 0 ] && echo "layers: fine"
exit $wrong
