#!/bin/bash
# What the verbs say, against a real wgmeetd: sync, status, browse, lookup, name; as text, exactly, and as JSON, against the
# schemas below. A device's configuration file is all that they need.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/json.bash" || exit 1
e2e_enter "$@"

# The schemas, as for fits.
dns='{"either": [{"status": "string"},
	{"status": "string", "endpoint": "string", "name": "string", "ttl": "number", "allowed_ips": ["string"]}]}'
schema_sync='{"device": "string", "zone": "string", "dry_run": "boolean", "working": "number", "not_in_zone": "number",
	"changes": [{"public_key": "string", "from": "string|null", "to": "string", "kick": "string"}],
	"problems": [{"public_key": "string", "status": "string", "text": "string"}]}'
schema_status='{"device": "string", "zone": "string", "daemon": "boolean", "peers": [{"public_key": "string", "endpoint": "string|null",
	"dns": '$dns', "latest_handshake": "number", "rx_bytes": "number", "tx_bytes": "number",
	"persistent_keepalive": "number", "action": "string", "reason": "string"}]}'
# Without a device.
schema_peers='{"zone": "string", "status": "string", "peers": [{"either": [
	{"status": "string", "name": "string", "public_key": "string|null"},
	{"status": "string", "name": "string", "public_key": "string|null", "endpoint": "string", "ttl": "number",
		"allowed_ips": ["string"]}]}]}'
schema_peers_device=${schema_peers//'"public_key"'/'"on_device": "boolean", "public_key"'}
schema_name='{"public_key": "string", "name": "string", "padded_name": "string"}'
schema_name_only='{"name": "string"}'

# Keys that are easily made, in this order on the device: wireguard-go has none.
key() { # NAME
	printf '%-32s' "$1" | base64 -w0
}

label() { # NAME
	printf '%-32s' "$1" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =
}

instance() { # NAME [ZONE]
	echo "$(label "$1")._wireguard._udp.${2:-$ZONE}"
}

dump() { # FILE: from a table of name, endpoint, allowed IPs
	local name endpoint allowed

	printf '(none)\t%s\t51820\toff\n' "$(key hub)"
	while read -r name endpoint allowed; do
		printf '%s\t(none)\t%s\t%s\t0\t0\t0\toff\n' "$(key "$name")" "$endpoint" "$allowed"
	done
}

crowd() { # N
	local i

	for ((i = 0; i < $1; i++)); do
		echo "peer$i 192.0.2.$((i % 250)):$((1000 + i)) 10.9.$((i / 256 + 1)).$((i % 256))/32"
	done | dump
}

zone() { # NAME DUMP-FILE
	cat <<-END
		[Zone]
		Name = $1
		DumpFile = $LAB/$2
		NameServer = ns.example.net
	END
}

# run VERB [ARGUMENT...] - sets status; $LAB/out and $LAB/err are what it said. In the namespace "one".
run() {
	status=0
	lab_in one timeout 9 "$BIN/wgmeet" "$@" >"$LAB/out" 2>"$LAB/err" </dev/null || status=$?
}

# peer_text NAME - what status or browse says of it.
peer_text() {
	awk -v RS= -v key="$(key "$1")" 'index($0, key)' "$LAB/out"
}

reason_of() { # NAME - in JSON: action, reason
	jq -r --arg key "$(key "$1")" '.peers[] | select(.public_key == $key) | .action + ": " + .reason' "$LAB/out"
}

endpoints() {
	lab_in one wg show wgone endpoints | sort
}

host=0

# ---- the set-up ----

lab_ns one two
lab_link one eth0 198.51.100.1/24 two eth0 198.51.100.2/24
lab_in one ip route add 192.0.2.0/24 dev lo
for n in one two; do
	lab_key $n
	lab_wg_create $n wg$n
	lab_in $n wg set wg$n private-key "$LAB/$n.key" listen-port 51820
	ip -n $n link set wg$n up
done
lab_in one ip addr add 10.9.0.1/16 dev wgone
lab_in two ip addr add 10.9.0.2/16 dev wgtwo

dump >"$LAB/peers" <<-END
	alice 192.0.2.1:1001 10.9.0.11/32,fd00:9::11/128
	bob 192.0.2.2:1002 10.9.0.12/32
	carol 192.0.2.3:1003 10.9.0.13/32
	grace 192.0.2.7:1007 (none)
END
printf '%s\t(none)\t192.0.2.9:9\t10.9.0.2/32\t0\t0\t0\toff\n' "$(lab_pub two)" >>"$LAB/peers"
dump </dev/null >"$LAB/none"
dump >"$LAB/three" <<-END
	alice 192.0.2.1:1001 10.9.0.11/32
	bob [2001:db8::2]:1002 10.9.0.12/32
	erin 192.0.2.200:1005 10.9.0.14/32
END
crowd 900 >"$LAB/many"
crowd 901 >"$LAB/more"
mkdir "$LAB/state"
chown "$OBSERVER_UID" "$LAB/state"
{
	printf '[Server]\nListen = 127.0.0.1:5300\nWorkers = 1\nUser = %s\nObserverUser = %s\nStateDirectory = %s\n' \
		"$WORKER_UID" "$OBSERVER_UID" "$LAB/state"
	zone "$ZONE" peers
	printf '[Peer]\nPublicKey = %s\nName = Alice\n' "$(key alice)"
	zone none.test none
	zone three.test three
	zone many.test many
	zone more.test more
} >"$LAB/wgmeetd.conf"
lab_start wgmeetd one "$BIN/wgmeetd" -c "$LAB/wgmeetd.conf"
server_wait wgmeetd

# The system's own /etc is out of the way, where the device's configuration shall be.
cp -a /etc "$LAB/etc"
mount -n --bind "$LAB/etc" /etc || e2e_skip "no mounts here"
mkdir -p /etc/wgmeet
cat >/etc/wgmeet/wgone.conf <<-END
	[Client]
	Zone = $ZONE
	Server = 127.0.0.1:5300
	User = $WORKER_UID
END

# The device: a tunnel that works, and each other case.
lab_in two wg set wgtwo peer "$(lab_pub one)" endpoint 198.51.100.1:51820 allowed-ips 10.9.0.1/32
lab_in one wg set wgone peer "$(lab_pub two)" endpoint 198.51.100.2:51820 allowed-ips 10.9.0.2/32 persistent-keepalive 25
for n in alice bob carol erin; do
	lab_in one wg set wgone peer "$(key $n)" allowed-ips "10.9.0.$((++host + 10))/32"
done
lab_in one wg set wgone peer "$(key bob)" endpoint 192.0.2.2:1002
lab_in one wg set wgone peer "$(key carol)" endpoint 192.0.2.33:33
must lab_wait 10 lab_shook one two

# ---- status ----

# status_is NAME ENDPOINT IN-DNS WOULD - of a peer that never had a handshake.
status_is() {
	local text

	text=$(printf 'peer: %s\n  endpoint: %s\n  in DNS: %s\n  latest handshake: never\n' "$(key "$1")" "$2" "$3"
		printf '  transfer: 0 B received, 0 B sent\n  sync would: %s\n' "$4")
	same "status: $1" "$text" "$(peer_text "$1")"
}

elsewhere='not in the zone: the registry has not seen it, or not published it'
before=$(endpoints)
run status wgone
same "status, with the device's file alone: exit status" 0 $status
same "status: nothing on standard error" "" "$(cat "$LAB/err")"
same "status: five peers, with a blank line between" "5 4" "$(grep -c '^peer: ' "$LAB/out") $(grep -c '^$' "$LAB/out")"
status_is alice '(none)' 192.0.2.1:1001 'set the endpoint (it has no endpoint yet)'
status_is bob 192.0.2.2:1002 192.0.2.2:1002 'start a handshake (it has this endpoint, but never had a handshake)'
status_is carol 192.0.2.33:33 192.0.2.3:1003 'set the endpoint (DNS has another endpoint)'
status_is erin '(none)' "$elsewhere" "leave it alone ($elsewhere)"
two=$(awk -v RS= -v key="$(lab_pub two)" 'index($0, key)' "$LAB/out")
for line in 'endpoint: 198\.51\.100\.2:51820' 'in DNS: 192\.0\.2\.9:9' 'latest handshake: (now|[0-9]+ seconds? ago)' \
	'transfer: [0-9.]+ (B|KiB) received, [0-9.]+ (B|KiB) sent' 'sync would: leave it alone \(it has a working tunnel\)'; do
	matches "status: a tunnel that works" "^  $line\$" "$two"
done
run status wgone --json
same "status --json: exit status" 0 $status
check "status --json: the schema" fits "$schema_status" "$LAB/out"
json_is "status --json: device and zone" '[.device, .zone, .daemon, (.peers | length)]' "[\"wgone\",\"$ZONE\",false,5]"
same "status --json: alice" "set-endpoint: it has no endpoint yet" "$(reason_of alice)"
same "status --json: bob" "kick: it has this endpoint, but never had a handshake" "$(reason_of bob)"
same "status --json: carol" "set-endpoint: DNS has another endpoint" "$(reason_of carol)"
same "status --json: erin" "none: $elsewhere" "$(reason_of erin)"
json_is "status --json: the tunnel that works" ".peers[] | select(.public_key == \"$(lab_pub two)\") |
	[.action, .reason, .endpoint, .persistent_keepalive, .rx_bytes > 0, .tx_bytes > 0, now - .latest_handshake < 60]" \
	'["none","it has a working tunnel","198.51.100.2:51820",25,true,true,true]'
json_is "status --json: what DNS says of alice" ".peers[] | select(.public_key == \"$(key alice)\") | .dns" \
	"{\"status\":\"found\",\"endpoint\":\"192.0.2.1:1001\",\"name\":\"$(instance alice)\",\"ttl\":10,\
\"allowed_ips\":[\"10.9.0.11/32\",\"fd00:9::11/128\"]}"
json_is "status --json: what DNS says of erin" ".peers[] | select(.public_key == \"$(key erin)\") | .dns" \
	'{"status":"not-in-zone"}'
run status wgone --zone elsewhere.test
same "status: a problem with the look-ups: exit status" 1 $status
matches "status: and the peer's line says it" '^  in DNS: the name server refused' "$(peer_text alice)"
check "status: a tunnel that works is one all the same" grep -q 'leave it alone (it has a working tunnel)' "$LAB/out"
same "status changes nothing" "$before" "$(endpoints)"

# ---- sync ----

change_alice="wgone: $(key alice) endpoint (none) -> 192.0.2.1:1001"
change_carol="wgone: $(key carol) endpoint 192.0.2.33:33 -> 192.0.2.3:1003"
run sync wgone --dry-run
same "sync --dry-run: exit status" 0 $status
same "sync --dry-run: says what it would do" \
	"$(printf '%s (not done: --dry-run)\n' "$change_alice" "$change_carol" | sort)" "$(sort "$LAB/out")"
run sync wgone --dry-run --json
same "sync --dry-run --json: exit status" 0 $status
check "sync --dry-run --json: the schema" fits "$schema_sync" "$LAB/out"
json_is "sync --dry-run --json: the counts" '[.device, .zone, .dry_run, .working, .not_in_zone, .problems]' \
	"[\"wgone\",\"$ZONE\",true,1,1,[]]"
changes="[{\"public_key\":\"$(key carol)\",\"from\":\"192.0.2.33:33\",\"to\":\"192.0.2.3:1003\",\"kick\":\"packet\"},\
{\"public_key\":\"$(key alice)\",\"from\":null,\"to\":\"192.0.2.1:1001\",\"kick\":\"packet\"}]"
json_is "sync --dry-run --json: the changes" '.changes | sort_by(.public_key)' "$changes"
run sync wgone --dry-run --force --keepalive 7
check "sync --dry-run --force: the tunnel that works, too" grep -qxF \
	"wgone: $(lab_pub two) endpoint 198.51.100.2:51820 -> 192.0.2.9:9 (not done: --dry-run)" "$LAB/out"
same "sync --dry-run changes no endpoint" "$before" "$(endpoints)"
same "nor a keepalive" 0 "$(lab_in one wg show wgone persistent-keepalive | grep -c '[^0-9]7$')"
same "nor sends it anything" 1 "$(lab_in one wg show wgone transfer | awk '$3 > 0' | grep -c .)"

run sync wgone --json
same "sync --json: exit status" 0 $status
check "sync --json: the schema" fits "$schema_sync" "$LAB/out"
json_is "sync --json: it was done" '[.dry_run, .working, .not_in_zone, .problems]' '[false,1,1,[]]'
json_is "sync --json: the changes" '.changes | sort_by(.public_key)' "$changes"
same "sync: they are on the device" "192.0.2.1:1001 192.0.2.3:1003" \
	"$(endpoints | awk -v a="$(key alice)" -v c="$(key carol)" '$1 == a || $1 == c { print $2 }' | sort | xargs)"
run sync wgone --json
same "sync --json again: exit status" 0 $status
json_is "sync --json again: no changes" '.changes' '[]'
run sync wgone
same "sync again: not a word" "0 " "$status $(cat "$LAB/out" "$LAB/err")"
lab_in one wg set wgone peer "$(key alice)" endpoint 192.0.2.111:1
run sync wgone
same "sync, as text" "wgone: $(key alice) endpoint 192.0.2.111:1 -> 192.0.2.1:1001" "$(cat "$LAB/out" "$LAB/err")"

# An address that the device itself carries: a problem.
lab_in one wg set wgone peer "$(key frank)" allowed-ips 192.0.2.200/32 peer "$(key erin)" remove
lab_in one wg set wgone peer "$(key erin)" allowed-ips 10.9.0.14/32
run sync wgone --zone three.test --json
same "sync --json with problems: exit status" 1 $status
check "sync --json with problems: the schema" fits "$schema_sync" "$LAB/out"
json_is "sync --json: the problems" '.problems | sort_by(.status) | map([.public_key, .status])' \
	"[[\"$(key erin)\",\"in-tunnel\"],[\"$(key bob)\",\"no-route\"]]"
matches "which standard error has, too" "^wgmeet: wgone: $(key erin): the answer has an address inside the tunnel" \
	"$(cat "$LAB/err")"
run status wgone --zone three.test --json
same "status --json with problems: exit status" 1 $status
check "status --json with problems: the schema" fits "$schema_status" "$LAB/out"
matches "status --json with problems: the reason" '^none: .*inside the tunnel' "$(reason_of erin)"
lab_in one wg set wgone peer "$(key frank)" remove peer "$(key erin)" remove

# ---- browse ----

# browsed NAME INSTANCE ENDPOINT ALLOWED [MARK]
browsed() {
	printf '%s%s\n  public key: %s\n  endpoint: %s\n  allowed ips: %s\n' "$2" "${5:+  $5}" "$1" "$3" "$4"
}

run browse wgone
same "browse: exit status" 0 $status
same "browse: nothing on standard error" "" "$(cat "$LAB/err")"
expected=$({
	browsed "$(key alice)" "alice._wireguard._udp.$ZONE" 192.0.2.1:1001 10.9.0.11/32,fd00:9::11/128 '(on the device)'
	browsed "$(key bob)" "$(instance bob)" 192.0.2.2:1002 10.9.0.12/32 '(on the device)'
	browsed "$(key carol)" "$(instance carol)" 192.0.2.3:1003 10.9.0.13/32 '(on the device)'
	browsed "$(key grace)" "$(instance grace)" 192.0.2.7:1007 '(none)'
	browsed "$(lab_pub two)" "$(lab_label two)._wireguard._udp.$ZONE" 192.0.2.9:9 10.9.0.2/32 '(on the device)'
} | paste -d '|' - - - - | LC_ALL=C sort | tr '|' '\n')
same "browse: the friendly name, the marks, by name" "$expected" "$(cat "$LAB/out")"
run browse wgone --json
same "browse --json: exit status" 0 $status
check "browse --json: the schema" fits "$schema_peers_device" "$LAB/out"
json_is "browse --json: alice" ".peers[] | select(.public_key == \"$(key alice)\") | [.status, .endpoint, .name, .ttl,
	.allowed_ips, .on_device]" \
	"[\"found\",\"192.0.2.1:1001\",\"alice._wireguard._udp.$ZONE\",10,[\"10.9.0.11/32\",\"fd00:9::11/128\"],true]"
json_is "browse --json: who is on the device" '[.peers[] | select(.on_device == false) | .public_key]' "[\"$(key grace)\"]"
options=(--zone "$ZONE" --server 127.0.0.1:5300 --user "$WORKER_UID")
run browse "${options[@]}" --json
check "browse --json without a device: the schema" fits "$schema_peers" "$LAB/out"
run browse "${options[@]}"
same "browse without a device: no marks" 0 "$(grep -c 'on the device' "$LAB/out")"

run browse wgone --zone three.test
same "browse: one has no route: exit status" 1 $status
check "browse: and its line says so" grep -qx '  endpoint: this host has no route to its address' "$LAB/out"
run browse wgone --zone three.test --json
check "browse --json: the schema of that" fits "$schema_peers_device" "$LAB/out"
json_is "browse --json: three peers" '[.status, (.peers | length)]' '["found",3]'

for zone in none.test more.test; do
	run browse wgone --zone $zone
	same "browse $zone: exit status" 1 $status
	same "browse $zone: nothing on standard output" "" "$(cat "$LAB/out")"
	matches "browse $zone: says why" '^wgmeet: the zone has no list of its peers: it has none, more than the registry lists' \
		"$(cat "$LAB/err")"
	run browse wgone --zone $zone --json
	check "browse $zone --json: the schema" fits "$schema_peers_device" "$LAB/out"
	json_is "browse $zone --json: no peers" '[.zone, .status, .peers]' "[\"$zone\",\"not-in-zone\",[]]"
done
run browse wgone --zone many.test --json
same "browse 900 peers: exit status" 0 $status
json_is "browse 900 peers: all are found" '[.peers[] | select(.status == "found") | .public_key] | unique | length' 900
same "browse 900 peers: in order" "" "$(jq -r '.peers[].name' "$LAB/out" | LC_ALL=C sort -c 2>&1)"

# ---- lookup ----

expected=$(browsed "$(key bob)" "$(instance bob)" 192.0.2.2:1002 10.9.0.12/32 '(on the device)')
for subject in "$(key bob)" "$(label bob)" "$(instance bob)." "$(instance bob | tr '[:lower:]' '[:upper:]')"; do
	run lookup "$subject" wgone
	same "lookup $subject" "0 $expected" "$status $(cat "$LAB/out" "$LAB/err")"
done
for subject in alice ALICE alice._wireguard._udp.$ZONE alice.$ZONE; do
	run lookup "$subject" wgone
	same "lookup $subject: exit status" 0 $status
	check "lookup $subject: alice's key" grep -qx "  public key: $(key alice)" "$LAB/out"
done
run lookup alice "${options[@]}"
same "lookup without a device" "alice._wireguard._udp.$ZONE" "$(head -n 1 "$LAB/out")"
run lookup nobody wgone
same "lookup of a name that none has: exit status" 1 $status
matches "lookup of a name that none has: says so" 'not in the zone.*or none has that name' "$(cat "$LAB/err")"
run lookup "$(key bob)" wgone --json
check "lookup --json: the schema" fits "$schema_peers_device" "$LAB/out"
json_is "lookup --json: one peer" '[.status, (.peers | length), .peers[0].endpoint]' '["found",1,"192.0.2.2:1002"]'
run lookup "$(key bob)" "${options[@]}" --json
check "lookup --json without a device: the schema" fits "$schema_peers" "$LAB/out"
for subject in nobody "$(key nobody)" nobody.example.com; do
	run lookup "$subject" wgone
	same "lookup $subject: exit status" 1 $status
	same "lookup $subject: nothing on standard output" "" "$(cat "$LAB/out")"
	same "lookup $subject: one line says why" 1 "$(grep -c '^wgmeet: ' "$LAB/err")"
	run lookup "$subject" wgone --json
	check "lookup $subject --json: the schema" fits "$schema_peers_device" "$LAB/out"
done

# ---- name ----

run name "$(key bob)" wgone
same "name" "0 $(instance bob)" "$status $(cat "$LAB/out" "$LAB/err")"
run name "$(key bob)" wgone --json
check "name --json: the schema" fits "$schema_name" "$LAB/out"
padded="$(label bob)\\\\061\\\\061\\\\061\\\\061._wireguard._udp.$ZONE"
json_is "name --json" '[.public_key, .name, .padded_name]' "[\"$(key bob)\",\"$(instance bob)\",\"$padded\"]"
run name Alice --zone "$ZONE"
same "name of a name" "alice._wireguard._udp.$ZONE" "$(cat "$LAB/out")"
run name alice wgone --json
check "name --json of a name: the schema" fits "$schema_name_only" "$LAB/out"
lab_stop wgmeetd
run name "$(key bob)" wgone
same "name asks nobody" "$(instance bob)" "$(cat "$LAB/out")"

# ---- what is no use ----

# refused REGEX ARGUMENT... - with status 2, and nothing on standard output.
refused() {
	local regex=$1

	shift
	run "$@"
	same "wgmeet $*: exit status" 2 $status
	same "wgmeet $*: nothing on standard output" "" "$(cat "$LAB/out")"
	matches "wgmeet $*: says why" "$regex" "$(cat "$LAB/err")"
}

refused 'which device' sync
refused 'which device' status
refused 'which peer' lookup
refused 'which peer' name
refused 'neither a public key nor a name' lookup a..b wgone
refused 'which zone.*wgother\.conf' sync wgother
refused 'which zone.*is that the device' sync wgother
refused "wgmeet status: (unrecognized|unknown) option" status --hlep
same "help VERB is VERB --help" "$("$BIN/wgmeet" status --help)" "$("$BIN/wgmeet" help status)"
refused 'which zone' name "$(key bob)"
refused 'what is that' status wgone wgtwo
refused 'which zone.*wgother\.conf' status wgother
for verb in status browse "lookup x" "name x"; do
	# shellcheck disable=SC2086 # two words
	refused 'for wgmeet sync' $verb wgone --dry-run
done
for verb in sync browse "lookup x" "name x"; do
	# shellcheck disable=SC2086 # two words
	refused 'for wgmeet status' $verb wgone --watch
done

# ---- colours ----

refused_colours() {
	! grep -q $'\e' "$1"
}

on_terminal() { # COMMAND...
	lab_in one script -qec "$*" "$LAB/typescript" </dev/null >/dev/null 2>&1
}

lab_start wgmeetd one "$BIN/wgmeetd" -c "$LAB/wgmeetd.conf"
server_wait wgmeetd
for args in "status wgone" "browse wgone" "sync wgone --dry-run --force"; do
	# shellcheck disable=SC2086
	run $args
	check "$args: no colours in a pipe" refused_colours "$LAB/out"
	command -v script >/dev/null || continue
	on_terminal "$BIN/wgmeet $args"
	if [ "${args%% *}" != sync ]; then
		check "$args: colours on a terminal" grep -q $'\e\\[1m' "$LAB/typescript"
	fi
	on_terminal "NO_COLOR=1 $BIN/wgmeet $args"
	check "$args: no colours with NO_COLOR" refused_colours "$LAB/typescript"
	on_terminal "$BIN/wgmeet $args --json"
	check "$args: no colours in JSON" refused_colours "$LAB/typescript"
done
e2e_done
