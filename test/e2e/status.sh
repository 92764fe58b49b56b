#!/bin/bash
# wgmeet status, where a daemon reports how the paths are: as text, exactly, as JSON, against a schema, and with --watch; and what
# it does where the daemon does not answer, or is not to be trusted. The daemon is a stand-in, with paths that it plays.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/json.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/teller" ] || e2e_skip "no $BUILD/test/teller: make tests"
cp "$BUILD/test/teller" "$BUILD/test/drip" "$BIN/"

schema='{"device": "string", "zone": "string", "daemon": "boolean", "present": "boolean", "up": "boolean", "public_key": "string|null",
	"running": "number", "keepalive": "number", "servers": [{"server": "string|null", "status": "string",
	"sees": "string|null", "age": "number|null"}], "mapping": "string", "notify_port": "number", "latest_push": "number", "peers": [{
	"public_key": "string", "endpoint": "string|null", "dns": {"either": [{"status": "string"},
	{"status": "string", "age": "number"}, {"status": "string", "endpoint": "string", "age": "number"}]},
	"latest_handshake": "number", "rx_bytes": "number", "tx_bytes": "number", "persistent_keepalive": "number",
	"action": "string", "reason": "string", "state": "string", "since": "number", "why": "string", "trials": "number",
	"registry": "boolean", "unanswered": "number|null", "next_lookup": "number|null"}]}'

key() { # NAME
	printf '%-32s' "$1" | base64 -w0
}

# run ARGUMENT... - wgmeet status; sets status, and $LAB/out and $LAB/err are what it said.
run() {
	status=0
	lab_in one timeout 15 "$BIN/wgmeet" status wgone "$@" >"$LAB/out" 2>"$LAB/err" </dev/null || status=$?
}

# Nobody is at that server.
without=(--zone "$ZONE" --server 127.0.0.1:5300 --user "$WORKER_UID")

# goes_on WHAT REGEX - it looks up by itself, and has said why.
goes_on() {
	run "${without[@]}"
	matches "$1: status says why it goes on without" "^wgmeet: wgone: $2" "$(cat "$LAB/err")"
	same "$1: status goes on" 1 "$(grep -c '^  sync would: ' "$LAB/out")"
}

# timeless FILE - without the spans of time, which are those of a moment.
timeless() {
	sed -E 's/: ([0-9]+ [a-z]+,? )+ago$/: T ago/; s/\(([0-9]+ [a-z]+,? )+ago\)/(T ago)/; s/[0-9]+ (s|min)\b/T/g' "$1"
}

teller() {
	lab_start teller one "$BIN/teller" wgone
	must lab_wait 5 grep -q ready "$LAB/teller.log"
}

lab_ns one
lab_wg_create one wgone
lab_key one
lab_in one wg set wgone private-key "$LAB/one.key" peer "$(key erin)" allowed-ips 10.9.0.5/32

# ---- nobody is there, or somebody who must not ----

run "${without[@]}"
check "without a daemon: it looks up itself" grep -q '^  sync would: ' "$LAB/out"
same "without a daemon: and does not speak of it" "" "$(cat "$LAB/err")"
run --watch "${without[@]}"
same "--watch without a daemon: exit status" 1 $status
same "--watch without a daemon: says why" "wgmeet: wgone: --watch shows what wgmeet run reports: it does not run" \
	"$(cat "$LAB/out" "$LAB/err")"
mkdir -p /run/wgmeet/wgone
chmod 777 /run/wgmeet
goes_on "a place that is open to all" 'going on without wgmeet run: who answers in its place is not to be trusted'
rm -r /run/wgmeet

# ---- as text ----

teller
run --zone "$ZONE"
same "status, a peer does not answer: exit status" 1 $status
same "status: nothing on standard error" "" "$(cat "$LAB/err")"
nat='it does not look for us yet, or its NAT or ours gives each destination another port'
expected="interface: wgone
  public key: $(key self)
  wgmeet run: for T
  zone: $ZONE
  registry: 10.9.0.1:53, sees us at 203.0.113.20:51820 (T ago)
  news: on port 5354, latest: never

peer: $(key alice) (the registry)
  endpoint: 192.0.2.1:1001
  allowed ips: 10.9.0.1/32
  in DNS: not in the zone, where it need not be
  latest handshake: T ago
  transfer: 0 B received, 0 B sent
  path: direct for T

peer: $(key bob)
  endpoint: 192.0.2.2:1002
  allowed ips: 10.9.0.2/32
  in DNS: 192.0.2.2:1002 (T ago)
  latest handshake: never
  transfer: 0 B received, 0 B sent
  path: no answer at 192.0.2.2:1002 for T: tried once; the registry last saw it there, as it said T ago: $nat

peer: $(key carol)
  endpoint: (none)
  allowed ips: 10.9.0.3/32
  in DNS: not in the zone: the registry has not seen it, or not published it (T ago)
  latest handshake: never
  transfer: 0 B received, 1.21 KiB sent
  path: not in the zone: has it ever reached the registry?

peer: $(key dora)
  endpoint: [2001:db8::4]:1004
  allowed ips: 10.9.0.4/32
  in DNS: not looked up
  latest handshake: T ago
  transfer: 0 B received, 0 B sent
  path: idle for T: nothing was sent since, so there is nothing to repair"
same "status, as text" "$expected" "$(timeless "$LAB/out")"

# ---- for programs ----

run --json
same "status --json, without a zone: exit status" 1 $status
check "status --json: the schema" fits "$schema" "$LAB/out"
server='{"server":"10.9.0.1:53","status":"found","sees":"203.0.113.20:51820"}'
json_is "status --json: the device" '[.device, .zone, .daemon, .present, .up, (.servers | map(del(.age))), .mapping, .latest_push]' \
	"[\"wgone\",\"$ZONE\",true,true,true,[$server],\"unknown\",0]"
json_is "status --json: the states" '[.peers[] | [.state, .registry, .trials, .dns.status, .action]]' \
	'[["direct",true,0,"not-in-zone","none"],["looking",false,1,"found","kick"],["looking",false,0,"not-in-zone","none"],'\
'["idle",false,0,"not-asked","none"]]'
json_is "status --json: since when" '[.peers[] | now - .since | . >= 49 and . < 70]' '[true,true,true,true]'

# ---- not that one ----

run --zone elsewhere.test "${without[@]:2}"
matches "status of another zone: says so" "^wgmeet: wgone: wgmeet run is in another zone, $ZONE\$" "$(cat "$LAB/err")"
check "status of another zone: looks up itself" grep -q '^  sync would: ' "$LAB/out"
kill -s STOP "${lab_pid[teller]}"
goes_on "a stopped daemon" 'going on without wgmeet run: it does not answer: is it stopped\?'
kill -s CONT "${lab_pid[teller]}"

# One that never comes to an end must not keep root waiting.
lab_stop teller
[ -d /run/wgmeet/wgone ] || mkdir -p /run/wgmeet/wgone
lab_start drip one "$BIN/drip" wgone
must lab_wait 5 grep -q ready "$LAB/drip.log"
lab_in one timeout 40 "$BIN/wgmeet" doctor wgone "${without[@]}" >"$LAB/out" 2>"$LAB/err"
matches "doctor and a daemon that reports without end: it is left" 'cannot be told how wgmeet run is: it does not answer' "$(cat "$LAB/out")"
lab_stop drip KILL
rm /run/wgmeet/wgone/status
teller

# ---- --watch ----

# watched N - has it written so many objects?
watched() {
	[ "$(wc -l <"$LAB/watch.log")" -ge "$1" ]
}

lab_start watch one "$BIN/wgmeet" status wgone --watch --json
check "--watch --json: an object at once" lab_wait 2 watched 1
kill -s USR1 "${lab_pid[teller]}"
check "--watch --json: another one when something changes" lab_wait 2 watched 2
head -n 2 "$LAB/watch.log" | tail -n 1 >"$LAB/out"
json_is "--watch --json: carol is tried" ".peers[] | select(.public_key == \"$(key carol)\") | [.state, .why]" \
	'["trying","being tried at 192.0.2.3:1003 for a moment"]'
check "--watch --json: another one when it has grown old" lab_wait 8 watched 3
for i in 1 2 3; do
	sed -n ${i}p "$LAB/watch.log" >"$LAB/line"
	check "--watch --json: line $i is an object with the schema" fits "$schema" "$LAB/line"
done
lab_in one timeout 15 "$BIN/wgmeet" status wgone --watch 2>"$LAB/err" | head -n 1 >"$LAB/out"
same "--watch, and nobody reads it: it ends" "0 interface: wgone" "${PIPESTATUS[0]} $(cat "$LAB/out" "$LAB/err")"
if command -v script >/dev/null; then
	lab_start terminal one script -qefc "$BIN/wgmeet status wgone --watch" "$LAB/typescript"
	check "--watch on a terminal draws in one place" lab_wait 10 grep -q $'\e\\[H\e\\[J.*interface' "$LAB/typescript"
	lab_stop terminal
fi
kill -s USR2 "${lab_pid[teller]}"
run
check "a device that is gone: said" grep -q '^interface: wgone (it is not there' "$LAB/out"
lab_stop teller
wait "${lab_pid[watch]}"
same "--watch, and the daemon ends: exit status" 1 $?
unset "lab_pid[watch]"
same "--watch: says so" "wgmeet: wgone: wgmeet run has ended" "$(tail -n 1 "$LAB/watch.log")"
same "the socket is gone, too" "" "$(ls /run/wgmeet/wgone)"
run "${without[@]}"
same "afterwards it is without" 1 "$(grep -c '^  sync would: ' "$LAB/out")"
e2e_done
