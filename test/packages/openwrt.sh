#!/bin/bash
# contrib/openwrt: the init scripts, run by the shell that a router has, make command lines and files of a configuration that the
# programs take; and each setting of the programs has its option. Needs neither root nor a network.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1

command -v busybox >/dev/null || e2e_skip "not installed: busybox-static"
busybox ash -c : 2>/dev/null || e2e_skip "this busybox has no ash"
for program in wgmeetd wgmeet; do
	[ -x "$BUILD/$program" ] || lab_die "make first, or set BUILD"
done
files=$ROOT/contrib/openwrt/wgmeet/files
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
key=sEvcM7+kxP9CCI4xPpCpBEJhJ1JDykKLPnSbC/yEZCE=

procd() { # NAME [reload]
	(cd "$dir" && busybox ash "$ROOT/test/packages/procd.sh" "$files/$1.init" "$dir" "${2:-}") 2>&1
}

check_with() { # COMMAND LINE... - of an instance, without the verb: are its options such?
	"$BUILD/wgmeet" name "$key" "${@:4}"
}

for name in wgmeetd wgmeet; do
	check "$name.init: sh takes it" sh -n "$files/$name.init"
	check "$name.init: ash takes it" busybox ash -n "$files/$name.init"
	cp "$files/$name.config" "$dir/$name"
	same "$name: as it comes, nothing is started" "" "$(procd $name)"
	sed -i "s/option enabled '0'/option enabled '1'/; s|/var/lib/wgmeet|$dir/state|" "$dir/$name"
done

# ---- wgmeet ----

same "wgmeet: enabled, and nothing else" "wg0: /usr/sbin/wgmeet run wg0 --zone wg.example.com --server 10.9.0.1
  respawn 3600 5 0
  stderr 1" "$(procd wgmeet)"
cat >"$dir/wgmeet" <<END
config device 'home'
	option enabled '1'
	option device 'wg0'
	option zone 'wg.example.com'
	list server '10.9.0.1:5300'
	list server '[fd00:9::1]:53'
	option keepalive '25'
	option fwmark '0xca6c'
	option notify_port '0'
	option family 'amneziawg'
	option user 'network'
	option verbose '1'

config device 'off'
	option zone 'off.example.com'

config device wg1
	option enabled 'true'
	option zone 'other.example.com'
END
got=$(procd wgmeet | grep -v '^  ')
same "wgmeet: an instance for each device" \
	"home: /usr/sbin/wgmeet run wg0 --zone wg.example.com --server 10.9.0.1:5300 --server '[fd00:9::1]:53' --keepalive 25 --fwmark 0xca6c --notify-port 0 --family amneziawg --user network --verbose
wg1: /usr/sbin/wgmeet run wg1 --zone other.example.com" "$got"
while read -r line; do
	eval "words=(${line#*: })"
	check "wgmeet takes: ${words[*]:3:2} ..." check_with "${words[@]}"
done <<<"$got"
for option in $("$BUILD/wgmeet" run --help | sed -nE '/^\[/,$s/^  --([a-z-]+).*/\1/p'); do
	check "wgmeet: $option has an option" grep -qE "section\" ${option//-/_}( |\$)" "$files/wgmeet.init"
	check "wgmeet: $option is in the configuration that comes" grep -qE "(option|list) ${option//-/_} " "$files/wgmeet.config"
done

# ---- wgmeetd ----

procd wgmeetd >"$dir/said"
made=$dir/made/wgmeetd.conf
same "wgmeetd: enabled, and nothing else" "instance1: /usr/sbin/wgmeetd -c $made" "$(head -n 1 "$dir/said")"
check "wgmeetd: a changed file is a signal" grep -qx "  reload_signal HUP" "$dir/said"
check "wgmeetd: it takes the file" "$BUILD/wgmeetd" --check -c "$made"
check "wgmeetd: the state has its folder" test -d "$dir/state"
sed -i "s/#option ttl '10'/option ttl '30'/" "$dir/wgmeetd"
same "wgmeetd: another zone is no restart" "$(head -n 1 "$dir/said")" "$(procd wgmeetd reload | head -n 1)"
check "wgmeetd: and is in the file" grep -qx 'TTL = 30' "$made"
sed -i "s/%wg0:5300/10.9.0.1:53/" "$dir/wgmeetd"
same "wgmeetd: another address is one" restart "$(procd wgmeetd reload)"

cat >"$dir/wgmeetd" <<END
config server 'main'
	option enabled '1'
	list listen '10.9.0.1'
	list listen '[fd00:9::1]:53'
	option workers '2'
	option verbose '0'

config zone 'one'
	option name 'wg.example.com'
	option device 'wg0'
	list name_server 'ns1.wg.example.com 192.0.2.1 2001:db8::1'
	list name_server 'ns2.example.net'
	option self 'auto'
	list self_allowed_ips '10.9.0.1/32'
	list allow 'tunnel'
	list allow "all\${newline}MaxAge = 1"
	list allow '192.0.2.0/24'
	option private_endpoints '1'
	option max_age '1d'

config zone 'two'
	option name 'lab.example.com'
	option device 'wg1'
	option publish 'listed'

config peer
	option zone 'two'
	option public_key '$key'
	option name 'alice'

config peer
	option zone 'one'
	option public_key '$key'
	option publish '0'
END
procd wgmeetd >"$dir/said"
same "wgmeetd: the whole file" "# Made from /etc/config/wgmeetd at each start.
[Server]
Listen = 10.9.0.1
Listen = [fd00:9::1]:53
Workers = 2
Verbose = no

[Zone]
Name = wg.example.com
Device = wg0
NameServer = ns1.wg.example.com 192.0.2.1 2001:db8::1
NameServer = ns2.example.net
Self = auto
SelfAllowedIPs = 10.9.0.1/32
Allow = tunnel
Allow = 192.0.2.0/24
MaxAge = 1d
PrivateEndpoints = yes

[Peer]
PublicKey = $key
Publish = no

[Zone]
Name = lab.example.com
Device = wg1
Publish = listed

[Peer]
PublicKey = $key
Name = alice" "$(cat "$made")"
check "wgmeetd: it takes that, too" "$BUILD/wgmeetd" --check -c "$made"
for option in $("$BUILD/wgmeetd" --help | sed -nE '/^\[/,$s/^  --([a-z-]+).*/\1/p'); do
	[ "$option" != zone ] || option=name # the zone's
	check "wgmeetd: $option has an option" grep -qE "put(_bool|_list)? ${option//-/_} [A-Z]" "$files/wgmeetd.init"
done

# ---- the package ----

for library in $(sed -nE 's/.*CLIENT_LIBS := (.*)/\1/p; s/^COMMON_LIBS := (.*)/\1/p' "$ROOT/Makefile" | tr ' ' '\n' | grep -v '[$]'); do
	case $library in
	libnl-route-3.0) library=libnl-route ;;
	inih) library=libinih ;;
	esac
	check "the package takes $library" grep -q "+$library\b" "$files/../Makefile"
done
while read -r file; do
	check "the package's $file is there" test -e "$files/$file"
done < <(sed -n 's|.*\./files/\([^ ]*\) .*|\1|p' "$files/../Makefile")
e2e_done
