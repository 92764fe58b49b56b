# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154
# bed.bash: a small internet for resolvers, behind e2e.bash. One link, a namespace for each host:
#
#	registry   203.0.113.10  wgmeetd: wg.example.net, and wg6.example.net, whose name server has IPv6 only
#	parent     203.0.113.20  NSD: the root, net and example.net, which delegates these two
#	unbound    203.0.113.31  each resolver knows the root's address and nothing else
#	named      203.0.113.32
#	kresd      203.0.113.33
#	resolved   203.0.113.34  no resolver of its own: it forwards to named
#	client     203.0.113.40  where questions come from
#
# In IPv6 they are 2001:db8::10 and so on. None of the zones is signed.

ZONE=wg.example.net
ZONE6=wg6.example.net
TTL_S=2
SERVER=203.0.113.10
SERVER_NS=client
resolvers=(unbound named kresd resolved)
declare -A host_of=([registry]=10 [parent]=20 [unbound]=31 [named]=32 [kresd]=33 [resolved]=34 [client]=40)
SYSTEMD_LIBDIRS=(/usr/lib/systemd /lib/systemd)
unpacked=$BUILD/resolved # by contrib/build/deps.sh

# Programs and packages ----------------------------------------------------------------------------------------

# resolved_find - where systemd-resolved and resolvectl are: $resolved_bin, $resolvectl_bin, $resolved_lib.
resolved_find() {
	local dir

	resolvectl_bin=$(command -v resolvectl) resolved_lib=
	if [ -n "$resolvectl_bin" ]; then
		for dir in "${SYSTEMD_LIBDIRS[@]}"; do
			resolved_bin=$dir/systemd-resolved
			[ ! -x "$resolved_bin" ] || return 0
		done
	fi
	resolvectl_bin=$unpacked/resolvectl resolved_bin=$unpacked/systemd-resolved
	resolved_lib=$(compgen -G "$unpacked/libsystemd-shared-*.so")
	[ -x "$resolvectl_bin" ] && [ -x "$resolved_bin" ] && [ -n "$resolved_lib" ]
}

# bed_missing - the Debian packages of what is not there, in one line.
bed_missing() {
	local program missing=()

	for program in unbound named:bind9 kresd:knot-resolver nsd drill:ldnsutils kdig:knot-dnsutils dbus-daemon; do
		command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
	done
	resolved_find || missing+=(systemd-resolved)
	printf '%s' "${missing[*]}"
}

# Copies are under no policy that a system has for the programs' own paths.
bed_copy_programs() {
	local program

	resolved_find
	for program in unbound named kresd nsd; do
		cp "$(command -v $program)" "$BIN/"
	done
	cp "$resolved_bin" "$resolvectl_bin" ${resolved_lib:+"$resolved_lib"} "$BIN/"
}

# The network --------------------------------------------------------------------------------------------------

bed_net() {
	local ns

	lab_ns inet "${!host_of[@]}"
	lab_bridge inet br0 -
	for ns in "${!host_of[@]}"; do
		lab_link "$ns" eth0 "203.0.113.${host_of[$ns]}/24" inet "$ns" - br0
		# Nobody else is on this link: an address needs no time to be found unique.
		ip -n "$ns" addr add "2001:db8::${host_of[$ns]}/64" dev eth0 nodad
		mkdir "$LAB/$ns"
	done
	dump=$LAB/registry/peers
}

# Processes ----------------------------------------------------------------------------------------------------

# delegation ZONE ADDRESS... - with glue.
delegation() {
	local address

	printf '%s. NS ns1.%s.\n' "$1" "$1"
	for address in "${@:2}"; do
		case $address in
		*:*) printf 'ns1.%s. AAAA %s\n' "$1" "$address" ;;
		*) printf 'ns1.%s. A %s\n' "$1" "$address" ;;
		esac
	done
}

parent_start() {
	local dir=$LAB/parent zone ns='ns.example.net. A 203.0.113.20
ns.example.net. AAAA 2001:db8::20'

	for zone in . net. example.net.; do
		# shellcheck disable=SC2016 # a directive
		printf '$TTL 300\n%s SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 300\n%s NS ns.example.net.\n%s\n' \
			"$zone" "$zone" "$ns" >"$dir/zone-$zone"
	done
	echo 'net. NS ns.example.net.' >>"$dir/zone-."
	echo 'example.net. NS ns.example.net.' >>"$dir/zone-net."
	{
		delegation $ZONE 203.0.113.10 2001:db8::10
		delegation $ZONE6 2001:db8::10
	} >>"$dir/zone-example.net."
	cat >"$dir/nsd.conf" <<-END
		server:
			ip-address: 203.0.113.20
			ip-address: 2001:db8::20
			server-count: 1
			username: ""
			chroot: ""
			zonesdir: "$dir"
			database: ""
			pidfile: ""
			xfrdfile: "$dir/xfrd"
			zonelistfile: "$dir/zonelist"
		remote-control:
			control-enable: no
	END
	for zone in . net. example.net.; do
		printf 'zone:\n\tname: "%s"\n\tzonefile: "zone-%s"\n' "$zone" "$zone"
	done >>"$dir/nsd.conf"
	# The resolvers' root hints.
	printf '. 300 NS ns.example.net.\n%s\n' "${ns//. A/. 300 A}" >"$LAB/root.hints"
	lab_start nsd parent "$BIN/nsd" -d -c "$dir/nsd.conf"
}

registry_conf() {
	cat <<-END
		[Server]
		Listen = $SERVER:53, [2001:db8::10]:53
		User = $WORKER_UID
		ObserverUser = $OBSERVER_UID
		Workers = 2
		StateDirectory = $LAB/registry/state
		[Zone]
		Name = $ZONE
		DumpFile = $dump
		NameServer = ns1.$ZONE $SERVER 2001:db8::10
		TTL = $TTL_S
		[Peer]
		PublicKey = $(key alice)
		Name = alice
		[Zone]
		Name = $ZONE6
		DumpFile = $dump
		NameServer = ns1.$ZONE6 2001:db8::10
		TTL = $TTL_S
	END
}

registry_serve() {
	mkdir "$LAB/registry/state"
	registry_conf >"$LAB/registry/wgmeetd.conf"
	lab_start wgmeetd registry "$BIN/wgmeetd" -c "$LAB/registry/wgmeetd.conf"
}

unbound_start() {
	cat >"$LAB/unbound/unbound.conf" <<-END
		server:
			interface: 203.0.113.31
			access-control: 203.0.113.0/24 allow
			chroot: ""
			username: ""
			directory: "$LAB/unbound"
			pidfile: ""
			use-syslog: no
			verbosity: 2
			root-hints: "$LAB/root.hints"
			module-config: "validator iterator" # without an anchor: no zone is expected to be signed
			do-ip6: yes
			qname-minimisation: yes
			qname-minimisation-strict: yes
			use-caps-for-id: yes
			harden-below-nxdomain: yes
			harden-referral-path: yes
			aggressive-nsec: yes
		remote-control:
			control-enable: no
	END
	lab_start unbound unbound "$BIN/unbound" -d -p -c "$LAB/unbound/unbound.conf"
}

named_start() {
	cat >"$LAB/named/named.conf" <<-END
		options {
			directory "$LAB/named";
			listen-on { 203.0.113.32; };
			listen-on-v6 { none; };
			allow-recursion { 203.0.113.0/24; };
			pid-file none;
			session-keyfile none;
			qname-minimization strict;
			dnssec-validation no;
		};
		controls { };
		zone "." { type hint; file "$LAB/root.hints"; };
	END
	lab_start named named "$BIN/named" -g -n 1 -c "$LAB/named/named.conf"
}

# Minimisation and mixed case are how it always asks.
kresd_start() {
	cat >"$LAB/kresd/kresd.conf" <<-END
		net.ipv6 = true
		net.listen('203.0.113.33', 53)
		modules = { 'hints > iterate' }
		hints.root_file('$LAB/root.hints')
		trust_anchors.remove('.')
		cache.open(10 * MB, 'lmdb://$LAB/kresd/cache')
		cache.min_ttl(0) -- without this it keeps everything for 5 seconds at least
	END
	lab_start kresd kresd "$BIN/kresd" -n -c "$LAB/kresd/kresd.conf" "$LAB/kresd"
}

# A system bus and the daemon, in this script's own /run. It is not started as root, and so does not look for its own
# user, which may not exist; the bus wants one that does.
resolved_start() {
	local caps=+setpcap,+net_raw,+net_bind_service # its unit's
	mkdir -p /run/dbus /run/systemd/resolve /run/systemd/resolved.conf.d
	chown nobody /run/systemd/resolve
	cat >/run/systemd/resolved.conf.d/zz-bed.conf <<-END
		[Resolve]
		DNS=203.0.113.32
		FallbackDNS=
		DNSSEC=no
		DNSOverTLS=no
		LLMNR=no
		MulticastDNS=no
		ReadEtcHosts=no
		DNSStubListener=no
		DNSStubListenerExtra=203.0.113.34
	END
	cat >"$LAB/resolved/bus.conf" <<-END
		<busconfig>
			<type>system</type>
			<listen>unix:path=/run/dbus/system_bus_socket</listen>
			<auth>EXTERNAL</auth>
			<policy context="default">
				<allow own="*"/>
				<allow send_destination="*"/>
				<allow receive_sender="*"/>
				<allow user="*"/>
			</policy>
		</busconfig>
	END
	lab_start dbus resolved dbus-daemon --nofork --nopidfile --config-file="$LAB/resolved/bus.conf"
	lab_wait 10 test -S /run/dbus/system_bus_socket || not_ok "a bus starts"
	lab_start resolved resolved setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups \
		--inh-caps=$caps --ambient-caps=$caps -- env LD_LIBRARY_PATH="$BIN" "$BIN/systemd-resolved"
	# A server of the link, as network managers say it: with one that is global alone, version 252 finds a service, but then
	# no server to ask for its address.
	lab_wait 10 ctl dns eth0 203.0.113.32 >/dev/null || not_ok "systemd-resolved is on the bus"
	ctl domain eth0 '~.'
}

# ctl ARGUMENTS... - resolvectl, where systemd-resolved is.
ctl() {
	lab_in resolved env LD_LIBRARY_PATH="$BIN" "$BIN/resolvectl" --no-pager "$@" 2>&1
}

bed_start() {
	local r

	parent_start
	registry_serve
	server_wait wgmeetd
	lab_wait 10 answers "$(address parent)" . SOA || not_ok "the parent's server starts"
	# A resolver that starts before the server above it remembers that for a while.
	unbound_start
	named_start
	kresd_start
	for r in named unbound kresd; do
		lab_wait 20 answers "$(address $r)" . SOA || not_ok "$r starts"
	done
	resolved_start
	lab_wait 20 answers "$(address resolved)" . SOA || not_ok "systemd-resolved starts"
}

address() { # HOST
	echo "203.0.113.${host_of[$1]}"
}

# answers ADDRESS NAME TYPE - is the answer there, and NOERROR?
answers() {
	lab_in client dig +tries=1 +time=1 "@$1" "$2" "$3" | grep -q 'status: NOERROR'
}

# Peers --------------------------------------------------------------------------------------------------------

# Keys that are easily made: what is published does not depend on their being good ones.
key() { # NAME
	printf '%-32s' "$1" | base64 -w0
}

label() { # NAME
	printf '%-32s' "$1" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =
}

# write_dump - from a table of peers, one a line: name, endpoint, allowed IPs.
write_dump() {
	local name endpoint allowed

	{
		printf '(none)\t%s\t51820\toff\n' "$(key hub)"
		while read -r name endpoint allowed; do
			printf '%s\t(none)\t%s\t%s\t0\t0\t0\toff\n' "$(key "$name")" "$endpoint" "$allowed"
		done
	} >"$dump.new"
	chmod 644 "$dump.new"
	mv "$dump.new" "$dump"
}

# Questions ----------------------------------------------------------------------------------------------------

# asked ADDRESS NAME TYPE [DIG-OPTION...] - "STATUS DATA;DATA...", sorted; without data "STATUS". In data that is no text,
# upper and lower case are the same: a resolver may ask in both, and get names as it wrote them.
asked() {
	lab_in client dig +tries=1 +time=5 +noall +comments +answer "@$1" "$2" "$3" "${@:4}" | LC_ALL=C awk -v type="$3" '
		/status:/ { status = $6; sub(/,/, "", status) }
		/^[^;]/ && ($4 == type || $4 == "CNAME") {
			data = $4 == type ? "" : "CNAME "
			for (i = 5; i <= NF; i++)
				data = data (i > 5 ? " " : "") (type == "TXT" ? $i : tolower($i))
			print data | "LC_ALL=C sort"
		}
		END {
			close("LC_ALL=C sort")
			print "status", status == "" ? "none" : status
		}' | awk '$1 == "status" { status = $2; next } { all = all sep $0; sep = ";" } END { print status (all == "" ? "" : " " all) }'
}

# each FUNCTION - for every resolver, side by side; what they say is printed one after the other.
each() {
	local r status=0 pids=()

	for r in "${resolvers[@]}"; do
		(e2e_failed=0; "$1" "$r"; exit $e2e_failed) >"$LAB/$r/said" 2>&1 &
		pids+=($!)
	done
	for r in "${resolvers[@]}"; do
		wait "${pids[0]}" || e2e_failed=1
		pids=("${pids[@]:1}")
		cat "$LAB/$r/said"
	done
}
