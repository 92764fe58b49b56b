# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154
# parent.bash: the host "parent" of a bed: BIND at 203.0.113.54, primary for the root and for example.com, as a provider's name
# server is; and Unbound at 203.0.113.53, the resolver of all hosts, which knows the root's address and nothing else.

parent_missing() {
	local program missing=()

	for program in named:bind9 named-checkzone:bind9-utils tsig-keygen:bind9-utils rndc:bind9-utils unbound:unbound; do
		command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
	done
	printf '%s' "${missing[*]}"
}

# parent_zone NAME - a master file without delegations.
parent_zone() {
	# shellcheck disable=SC2016 # a directive
	printf '%s\n' '$TTL 300' "$1 SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60" "$1 NS ns.example.com."
}

parent_files() {
	local dir=$1/bind

	rm -rf "$dir" && mkdir -p "$dir"
	{ parent_zone . && printf '%s\n' 'example.com. NS ns.example.com.' 'ns.example.com. A 203.0.113.54'; } \
		>"$dir/db.root"
	{ parent_zone example.com. && echo 'ns.example.com. A 203.0.113.54'; } >"$dir/db.example.com"
	tsig-keygen rndc-key >"$dir/rndc.key" || return
	cat >"$dir/named.conf" <<-END
		include "/etc/bind/rndc.key";
		controls { inet 127.0.0.1 allow { localhost; } keys { rndc-key; }; };
		options {
			directory "/etc/bind";
			listen-on { 203.0.113.54; };
			listen-on-v6 { none; };
			recursion no;
			pid-file none;
			session-keyfile none;
			dnssec-validation no;
		};
		zone "." { type primary; file "/etc/bind/db.root"; };
		zone "example.com" { type primary; file "/etc/bind/db.example.com"; };
	END
	mkdir -p "$1/unbound"
	printf '. 300 NS ns.example.com.\nns.example.com. 300 A 203.0.113.54\n' >"$1/unbound/root.hints"
	cat >"$1/unbound/docs.conf" <<-END
		server:
			interface: 203.0.113.53
			access-control: 203.0.113.0/24 allow
			chroot: ""
			username: ""
			pidfile: ""
			use-syslog: no
			root-hints: "/etc/unbound/root.hints"
			module-config: "iterator"
			do-ip6: no
			cache-max-negative-ttl: 1
			infra-host-ttl: 1
		remote-control:
			control-enable: no
	END
}

# parent_ready - both are started, and answer.
parent_ready() {
	local missing program

	missing=$(parent_missing)
	[ -z "$missing" ] || e2e_skip "not installed: $missing"
	parent_files "$(host_dir parent)/etc"
	# Copies are under no policy that a system has for the programs' own paths.
	for program in named unbound; do
		cp "$(command -v $program)" "$(host_dir parent)/run/docs/bin/"
	done
	host_run parent 'setsid named -g -c /etc/bind/named.conf >/run/docs/named.log 2>&1 3>&- &' || return
	host_run parent 'setsid unbound -d -p -c /etc/unbound/docs.conf >/run/docs/unbound.log 2>&1 3>&- &' || return
	lab_wait 20 parent_answers && return
	tail -n 5 "$(host_dir parent)"/run/docs/{named,unbound}.log
	return 1
}

parent_answers() {
	[ -n "$(lab_in parent dig +short +tries=1 +time=1 @203.0.113.53 example.com SOA)" ]
}
