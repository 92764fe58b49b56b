#!/bin/bash
# Metrics agree with what was sent: a load of known composition, of types, results and transports, with what is malformed and what
# is limited. Who may read them, where, and what becomes of the socket of a server that was killed. And those of wgmeet run.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2119,SC2120,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
. "$(dirname "$0")/run.bash" || exit 1
run_needs
e2e_enter "$@"
limits=$BUILD/test/limits
[ -x "$limits" ] || e2e_skip "no $limits: make tests"

PORT=5300
ADDRESS=127.0.0.1
conf=$LAB/wgmeetd.conf
dump=$LAB/peers
socket=/run/wgmeetd/metrics
python=/usr/bin/python3 # for which the package is

label() { # NUMBER
	printf '%-32s' "k$1" | base32 -w0 | tr '[:upper:]' '[:lower:]' | tr -d =
}

write_dump() { # PEERS
	{
		printf '(none)\t(none)\t51820\toff\n'
		for ((n = 1; n <= $1; n++)); do
			printf '%s\t(none)\t198.51.100.%d:%d\t10.9.0.%d/32\t0\t0\t0\toff\n' "$(printf '%-32s' "k$n" | base64)" \
				"$n" $((n + 1000)) $((n + 1))
		done
	} >"$dump.new"
	mv "$dump.new" "$dump"
}

configure() { # RATE SLIP WORKERS [LINE]
	cat >"$conf.new" <<-END
		[Server]
		Listen = 0.0.0.0:$PORT
		User = $WORKER_UID
		ObserverUser = $OBSERVER_UID
		RateLimit = $1
		RateLimitSlip = $2
		Workers = $3
		${4:-}
		[Zone]
		Name = $ZONE
		DumpFile = $dump
		NameServer = ns1.$ZONE $ADDRESS
		[Zone]
		Name = absent.test
		DumpFile = $LAB/nothing
		NameServer = ns1.absent.test $ADDRESS
		[Zone]
		Name = closed.test
		DumpFile = $dump
		NameServer = ns1.closed.test $ADDRESS
		Allow = 192.0.2.0/24
		[Zone]
		Name = secret.test
		DumpFile = $dump
		NameServer = ns1.secret.test $ADDRESS
		AllowBrowse = none
	END
	mv "$conf.new" "$conf"
}

start() {
	lab_start wgmeetd - "$BIN/wgmeetd" -c "$conf"
	server_wait wgmeetd
}

metrics() { # [OPTION...]
	"$BIN/wgmeetd" --print-metrics "$@"
}

# value SERIES - as it stands there, but for the value.
value() {
	metrics | awk -v series="$1" '$1 == series { print $2; found = 1 } END { if (!found) print "none" }'
}

has_value() { # SERIES VALUE
	[ "$(value "$1")" = "$2" ]
}

# ---- the load ----

declare -A sent=()

# expect TRANSPORT TYPE RESULT COUNT
expect() {
	[ "$4" = 0 ] || sent["$1 $2 $3"]=$((${sent["$1 $2 $3"]:-0} + $4))
}

expected() {
	for what in "${!sent[@]}"; do
		echo "$what ${sent[$what]}"
	done | sort
}

counted() {
	metrics | sed -nE 's/^wgmeetd_queries_total\{transport="([a-z]+)",type="([A-Za-z]+)",result="([a-z]+)"\} ([1-9][0-9]*)$/\1 \2 \3 \4/p' |
		sort
}

agrees() {
	[ "$(expected)" = "$(counted)" ]
}

# ask COUNT TRANSPORT TYPE NAME RESULT [NUMBER-OF-TYPE] - so many questions, and each is answered.
ask() {
	local said

	said=$("$limits" flood "$2" $ADDRESS $ADDRESS $PORT "$1" "${6:-$3}" "$4")
	[[ " $said " == *" none 0 "* ]] || not_ok "$1 $3 over $2: all are answered: $said"
	expect "$2" "$3" "$5" "$1"
}

# octets TRANSPORT HEX - as they are, in one datagram or on a connection of their own. The shell's printf would write a line at a
# time.
octets() {
	printf '%b' "$(sed 's/../\\x&/g' <<<"${2//[^0-9a-f]/}")" >"$LAB/octets"
	cat "$LAB/octets" >"/dev/$1/$ADDRESS/$PORT"
}

# The root's A, in the class IN, without the header's ten first octets.
question="0000 0000 0000 00 0001 0001"
load() {
	local service=_wireguard._udp.$ZONE peer=

	peer=$(label 1).$service
	ask 70 udp SRV "$peer" noerror
	ask 11 udp A "$peer" noerror
	ask 12 udp AAAA "$peer" noerror # without a record
	ask 13 udp TXT "$peer" noerror
	ask 14 udp SRV "$(label 99).$service" nxdomain
	ask 5 udp A nothing.$ZONE nxdomain
	ask 6 udp SOA $ZONE noerror
	ask 7 udp NS $ZONE noerror
	ask 8 udp PTR $service truncated
	ask 9 udp ANY "$peer" noerror
	ask 3 udp AXFR $ZONE refused 252
	ask 2 udp IXFR $ZONE refused 251
	ask 4 udp other "$peer" noerror 257
	ask 4 udp other "$peer" noerror 65535
	ask 5 udp A example.org refused
	ask 15 udp SRV x.absent.test servfail
	ask 16 udp A closed.test prohibited
	ask 17 udp PTR _wireguard._udp.secret.test prohibited
	ask 1 udp SOA secret.test noerror
	ask 40 tcp SRV "$peer" noerror
	ask 9 tcp PTR $service noerror
	ask 3 tcp A closed.test prohibited
	ask 2 tcp AXFR $ZONE refused 252
	# Malformed ones. What has no header, or is an answer, is dropped.
	octets udp 00
	octets udp 0001020304
	expect udp none dropped 2
	octets udp "0001 8000 0001 $question"
	expect udp none dropped 1
	octets udp "0001 0000 0000 0000 0000 0000"
	octets udp "0001 0000 0002 $question 00 0001 0001"
	octets udp "0001 0000 0001 0000 0000 0000 3f61"
	expect udp none formerr 3
	octets udp "0001 0000 0001 $question ffff" # octets behind it
	expect udp A formerr 1
	octets udp "0001 1000 0001 $question"
	expect udp A notimp 1
	octets udp "0001 0000 0001 0000 0000 0001 00 0001 0001 00 0029 0400 00010000 0000"
	expect udp A badvers 1
	octets udp "0001 0000 0001 0000 0000 0000 00 0010 0003" # class CH
	expect udp TXT refused 1
	# A cookie that is none of ours, and no question.
	octets udp "0001 0000 0000 0000 0000 0001 00 0029 0400 00000000 0014 000a 0010 00112233445566778899aabbccddeeff"
	expect udp none badcookie 1
	octets tcp "000c 0001 0000 0000 0000 0000 0000"
	expect tcp none formerr 1
	octets tcp "000c 0001 8000 0000 0000 0000 0000"
	expect tcp none dropped 1
	octets tcp "0005 0001020304" # too short to be a message
	octets tcp "ffff 0001"
}

write_dump 30
configure 0 1 3
mkdir /run/wgmeetd
chown $OBSERVER_UID /run/wgmeetd
start
same "the socket is there by default, and whose it is" "660 $OBSERVER_UID $OBSERVER_UID" "$(stat -c '%a %u %g' $socket)"
load
check "each message is counted once, as what it was" lab_wait 10 agrees
same "by type, transport and result" "$(expected)" "$(counted)"
answers=$(expected | awk '$3 != "dropped" { n += $4 } END { print n }')
same "what the workers have answered" "$answers" "$(metrics | awk '/^wgmeetd_worker_answers_total/ { n += $2 } END { print n }')"
same "connections: of 4 floods, and 4 of one message" 8 "$(value wgmeetd_tcp_connections_total)"
check "and those are closed" lab_wait 5 has_value wgmeetd_tcp_connections_open 0
same "two of them were ended for a length that no query has" 2 "$(value wgmeetd_tcp_connections_malformed_total)"
same "none was cut" 0 "$(value wgmeetd_tcp_connections_cut_total)"
same "nothing was unsent" 0 "$(value wgmeetd_unsent_total)"
same "three workers" 3 "$(value wgmeetd_workers)"

# ---- zones ----

zone() { # METRIC [ZONE] [LABELS]
	value "wgmeetd_zone_$1{zone=\"${2:-$ZONE}\"${3:-}}"
}

zone_has() { # VALUE METRIC [ZONE] [LABELS]
	[ "$(zone "${@:2}")" = "$1" ]
}

same "peers of the device" 30 "$(zone device_peers)"
same "peers published" 30 "$(zone published_peers)"
same "the serial" "$(dig +short +tcp -p $PORT @$ADDRESS $ZONE SOA | awk '{ print $3 }')" "$(zone serial)"
same "the zone is served" "1 0" "$(zone state $ZONE ',state="serving"') $(zone state $ZONE ',state="absent"')"
same "the other one's source is not there" "0 1" "$(zone state absent.test ',state="serving"') $(zone state absent.test ',state="absent"')"
same "it has no peers" "0 0" "$(zone device_peers absent.test) $(zone published_peers absent.test)"
same "one snapshot, one refresh" "1 1" "$(zone changes_total) $(zone refresh_duration_seconds_count)"
same "all workers have it" 0 "$(zone workers_behind)"
read_at=$(zone last_read_timestamp_seconds)
check "it was read just now" test $((EPOCHSECONDS - read_at)) -le 5
write_dump 31
check "a new peer is counted" lab_wait 10 zone_has 31 published_peers
same "and another snapshot" "2 2" "$(zone changes_total) $(zone refresh_duration_seconds_count)"
rm "$dump"
check "the source goes: no peers" lab_wait 10 zone_has 0 published_peers
same "nor of the device" 0 "$(zone device_peers)"
write_dump 31
check "it comes back" lab_wait 10 zone_has 31 published_peers
same "a serial is not kept: there is no StateDirectory" 0 "$(zone serial_unsaved)"

kill -s HUP "${lab_pid[wgmeetd]}"
check "a configuration was read again" lab_wait 5 has_value 'wgmeetd_reloads_total{result="success"}' 1
echo nonsense >>"$conf"
kill -s HUP "${lab_pid[wgmeetd]}"
check "and one that is wrong was not" lab_wait 5 has_value 'wgmeetd_reloads_total{result="failure"}' 1
same "the first is counted once" 1 "$(value 'wgmeetd_reloads_total{result="success"}')"

# ---- the text ----

# judge FILE - strictly: what prometheus_client reads, of families that are described once, each sample once.
judge() {
	"$python" - "$1" <<-'END'
		import re, sys
		from prometheus_client.parser import text_string_to_metric_families
		text = open(sys.argv[1]).read()
		assert text.endswith("\n") and "\n\n" not in text
		lines = text.splitlines()
		names = [l.split()[2] for l in lines if l.startswith("# TYPE")]
		assert len(names) == len(set(names)), "a family is there twice"
		assert names == [l.split()[2] for l in lines if l.startswith("# HELP")]
		samples = [l.rsplit(" ", 1)[0] for l in lines if not l.startswith("#")]
		assert len(samples) == len(set(samples)), "a sample is there twice"
		now = None
		for l in lines:
		    if l.startswith("#"):
		        now = l.split()[2]
		    else:
		        assert re.fullmatch(re.escape(now) + r'(_bucket|_sum|_count)?(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [0-9]+(\.[0-9]+)?', l), l
		n = 0
		for f in text_string_to_metric_families(text):
		    assert f.documentation and f.type in ("counter", "gauge", "histogram"), f
		    assert re.fullmatch("wgmeetd?_[a-z_]+", f.name), f.name
		    whole = f.name + ("_total" if f.type == "counter" else "")
		    assert whole in names, (whole, "counters end in _total, others do not")
		    n += len(f.samples)
		    if f.type == "histogram":
		        series = {}
		        for s in f.samples:
		            labels = tuple(sorted((k, v) for k, v in s.labels.items() if k != "le"))
		            series.setdefault(labels, []).append(s)
		        for s in series.values():
		            buckets = [(float(x.labels["le"]), x.value) for x in s if x.name.endswith("_bucket")]
		            count = [x.value for x in s if x.name.endswith("_count")]
		            assert buckets == sorted(buckets) and buckets[-1] == (float("inf"), count[0]), buckets
		            assert [b for _, b in buckets] == sorted(b for _, b in buckets)
		assert n == len(samples), (n, len(samples))
	END
}

# is_sound WHAT FILE
is_sound() {
	if "$python" -c 'import prometheus_client' 2>/dev/null; then
		check "$1: it is Prometheus's text" judge "$2"
	elif [ "${CI:-}" = true ]; then
		not_ok "python3-prometheus-client is installed"
	else
		echo "# $1: not judged: no python3-prometheus-client"
	fi
	if command -v promtool >/dev/null; then
		same "$1: promtool has nothing to say" "" "$(promtool check metrics <"$2" 2>&1)"
	fi
}

metrics >"$LAB/text"
is_sound "wgmeetd" "$LAB/text"
check "no key is in it, and no address" not grep -E "$(label 1)|198\\.51\\.100" "$LAB/text"
metrics --output "$LAB/wgmeetd.prom"
same "a file can be read by all" 644 "$(stat -c %a "$LAB/wgmeetd.prom")"
same "with the same families" "$(grep '^# TYPE' "$LAB/text")" "$(grep '^# TYPE' "$LAB/wgmeetd.prom")"
same "nothing else is left there" wgmeetd.prom "$(cd "$LAB" && echo wgmeetd.prom*)"

# ---- contrib/prometheus ----

contrib=$ROOT/contrib/prometheus

# names_of FILE... - the metrics that it speaks of.
names_of() {
	grep -ohE '\bwgmeetd?_[a-z_]+' "$@" | sed -E 's/_(bucket|sum|count)$//' | sort -u
}

# known FILE... - the metrics that there are.
known() {
	sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$@" | sort -u
}

http() { # LINE...
	printf '%s\r\n' "$@" '' | PATH=$BIN:$PATH timeout 10 "$contrib/serve-metrics" "$BIN/wgmeetd" --print-metrics 2>/dev/null |
		tr -d '\r'
}

http "GET /metrics HTTP/1.1" "Host: localhost" >"$LAB/http"
same "by HTTP: the answer" "HTTP/1.1 200 OK" "$(head -n 1 "$LAB/http")"
sed '1,/^$/d' "$LAB/http" >"$LAB/body"
same "by HTTP: the same metrics" "$(known "$LAB/wgmeetd.prom")" "$(known "$LAB/body")"
same "by HTTP: its length" "$(wc -c <"$LAB/body")" "$(sed -n 's/^Content-Length: //p' "$LAB/http")"
same "by HTTP: another page" "HTTP/1.1 404 Not Found" "$(http "GET / HTTP/1.1" | head -n 1)"
same "by HTTP: another method" "HTTP/1.1 405 Method Not Allowed" "$(http "POST /metrics HTTP/1.1" | head -n 1)"
same "by HTTP: no server" "HTTP/1.1 503 Service Unavailable" "$(printf 'GET /metrics HTTP/1.0\r\n\r\n' |
	"$contrib/serve-metrics" "$BIN/wgmeetd" --print-metrics --metrics-socket /run/nowhere 2>/dev/null | head -n 1 | tr -d '\r')"
check "by HTTP: who says nothing gets nothing" test -z "$("$contrib/serve-metrics" true </dev/null)"
check "the dashboard is JSON" jq -e '.panels | length > 15' "$contrib/dashboard.json"
if command -v promtool >/dev/null; then
	check "promtool: the alerts" promtool check rules "$contrib/alerts.yml"
fi

# The units, with the programs where they are here.
mkdir "$LAB/units"
for unit in "$contrib"/*.service "$contrib"/*.timer "$contrib"/*.socket; do
	sed "s|/usr/local/s\?bin|$BIN|; s|/usr/local/lib/wgmeet|$contrib|" "$unit" >"$LAB/units/${unit##*/}"
done
if command -v systemd-analyze >/dev/null; then
	# The socket's service is looked for as an instance.
	cp "$LAB/units/wgmeetd-http@.service" "$LAB/units/wgmeetd-http@1.service"
	said=$(cd "$LAB/units" && SYSTEMD_UNIT_PATH="$LAB/units:" systemd-analyze verify --man=no ./wgmeetd-metrics.timer \
		./wgmeetd-metrics.service ./wgmeet-metrics@wg0.timer ./wgmeet-metrics@wg0.service ./wgmeetd-http.socket \
		./wgmeetd-http@1.service 2>&1 | grep wgmeet)
	same "systemd-analyze verify has nothing to say" "" "$said"
elif [ "${CI:-}" = true ]; then
	not_ok "systemd-analyze is there"
fi

# ---- the socket ----

as() { # UID GID COMMAND...
	setpriv --reuid="$1" --regid="$2" --clear-groups -- "${@:3}"
}

check "the observer's group may ask" as 64990 $OBSERVER_UID "$BIN/wgmeetd" --print-metrics
check "the workers' user may not" not as $WORKER_UID $WORKER_UID "$BIN/wgmeetd" --print-metrics
matches "and is told so" "may not ask" "$(as $WORKER_UID $WORKER_UID "$BIN/wgmeetd" --print-metrics 2>&1)"
same "a worker has no file of it, and no descriptor" "" "$(for pid in $(lab_children "${lab_pid[wgmeetd]}"); do
	readlink "/proc/$pid"/fd/* | grep -vE 'socket|eventpoll|null|lab|pipe'
done)"

# second WHAT STATUS REGEX OPTION... - another server, elsewhere, does not start so.
second() {
	local out status=0

	out=$(timeout 10 "$BIN/wgmeetd" --zone $ZONE --dump-file "$dump" --listen $ADDRESS:5301 --user $WORKER_UID --workers 1 \
		--observer-user $OBSERVER_UID "${@:4}" 2>&1) || status=$?
	same "$1: exit status" "$2" $status
	matches "$1: says why" "$3" "$out"
}

second "a socket that is another's" 2 "another program listens there" --metrics-socket $socket
check "the first one has it still" metrics
echo precious >/run/wgmeetd/file
chown $OBSERVER_UID /run/wgmeetd/file
second "a file" 2 "is no socket" --metrics-socket /run/wgmeetd/file
same "it is still there" precious "$(cat /run/wgmeetd/file)"
second "no directory" 2 "its directory must be there" --metrics-socket /run/nowhere/metrics
mkdir -m 755 /run/roots
second "a directory of root's" 2 "its directory must be there, and user $OBSERVER_UID's" --metrics-socket /run/roots/metrics
second "a path that is none" 2 "begins with a slash" --metrics-socket here

# Without being asked for it, it is no reason not to start.
lab_start second - "$BIN/wgmeetd" --zone $ZONE --dump-file "$dump" --listen $ADDRESS:5301 --user $WORKER_UID --workers 1 \
	--observer-user $OBSERVER_UID
server_wait second
matches "the default place is another's: it says so" "$socket: another program listens there: so nobody is told metrics" \
	"$(cat "$LAB/second.log")"
lab_stop second

kill -s KILL "${lab_pid[wgmeetd]}"
wait "${lab_pid[wgmeetd]}" 2>/dev/null
holds_port() {
	ss -Hulnp "sport = :$PORT" | grep -q wgmeetd
}
must lab_wait 5 not holds_port
check "one that was killed leaves its socket" test -S $socket
out=$(metrics 2>&1)
same "nobody listens there: exit status" 1 $?
matches "nobody listens there: said" "nobody listens there" "$out"
check "with --output it fails, too" not metrics --output "$LAB/wgmeetd.prom"
same "and the file says so, and nothing else" "wgmeetd_up 0" "$(grep -v '^#' "$LAB/wgmeetd.prom")"

# ---- limited ----

configure 20 2 1
start
check "the next one takes the place" metrics
sent=()
said=$("$limits" flood udp $ADDRESS $ADDRESS $PORT 200 SRV "$(label 1)._wireguard._udp.$ZONE")
read -r _ full _ truncated _ none _ <<<"$said"
check "of 200 some were answered, some truncated and some not: $said" test $((full * truncated * none)) -gt 0
expect udp SRV noerror "$full"
expect udp SRV truncated "$truncated"
expect udp SRV limited "$none"
same "what was limited is counted" "$(expected)" "$(counted)"
same "by what became of it" "$truncated $none" \
	"$(value 'wgmeetd_rate_limited_total{action="truncated"}') $(value 'wgmeetd_rate_limited_total{action="dropped"}')"
lab_stop wgmeetd
configure 0 1 1 "MetricsSocket = none"
rm -f $socket
start
check "none: there is no socket" test ! -e $socket
lab_stop wgmeetd
rm -rf /run/wgmeetd

# ---- wgmeet run ----

value_of() { # FILE SERIES
	awk -v series="$2" '$1 == series { print $2; found = 1 } END { if (!found) print "none" }' "$1"
}

# peer_value SERIES - of alice's daemon, with its device as first label: "name" or "name,label=..."
peer_value() {
	local name=${1%%,*} labels=

	[ "$name" = "$1" ] || labels=,${1#*,}
	lab_in alice "$BIN/wgmeet" metrics wgalice >"$LAB/alice.text" 2>/dev/null
	value_of "$LAB/alice.text" "wgmeet_$name{device=\"wgalice\"$labels}"
}

peer_has() { # SERIES VALUE
	[ "$(peer_value "$1")" = "$2" ]
}

SERVER=203.0.113.10
run_devices masqdrop:masqdrop
run_wgmeetd --metrics-socket "$LAB/state/metrics" --workers 1 # else a response may reach another one than the one that waits for it
run_daemon alice
check "alice looks for bob" lab_wait 10 peer_has 'peers,state="direct"' 1 # the registry
run_daemon bob
check "bob is found, and the registry is there" lab_wait 20 peer_has 'peers,state="direct"' 2
same "one path was found, and took its time" 1 "$(peer_value time_to_direct_seconds_count)"
took=$(peer_value time_to_direct_seconds_sum)
check "which is $took s" awk "BEGIN { exit !($took > 0.01 && $took < 20) }"
same "the device is there" 1 "$(peer_value device_present)"
same "nothing was lost" 0 "$(awk '/^wgmeet_paths_lost_total/ { n += $2 } END { print n }' "$LAB/alice.text")"
check "look-ups were answered" test "$(peer_value 'lookups_total,status="found"')" -ge 1
check "there was a trial" test "$(peer_value trials_total)" -ge 1
check "an endpoint was set" test "$(peer_value moves_total)" -ge 1
same "the server sees us" "1 1" "$(peer_value servers) $(peer_value servers_seeing_host)"
newest=$(peer_value 'handshake_timestamp_seconds,which="newest"')
check "the newest handshake is young" test $((EPOCHSECONDS - newest)) -le 60
same "all had one" 0 "$(peer_value peers_without_handshake)"
is_sound "wgmeet metrics" "$LAB/alice.text"
check "no key is in it" not grep -F -e "$(lab_pub bob)" -e "$(lab_pub hub)" "$LAB/alice.text"
same "who may ask" "600" "$(stat -c %a /run/wgmeet/wgalice/metrics)"

# Both at once: they share /run here.
"$BIN/wgmeet" metrics wgalice wgbob --output "$LAB/wgmeet.prom"
same "two devices: exit status" 0 $?
is_sound "of two devices" "$LAB/wgmeet.prom"
same "each has its samples" "2 2" "$(value_of "$LAB/wgmeet.prom" 'wgmeet_peers{device="wgalice",state="direct"}') \
$(value_of "$LAB/wgmeet.prom" 'wgmeet_peers{device="wgbob",state="direct"}')"
"$BIN/wgmeet" metrics wgbob wgnone --output "$LAB/wgmeet.prom" 2>"$LAB/said"
same "one that nobody runs on: exit status" 1 $?
matches "one that nobody runs on: said" "wgnone: no metrics of wgmeet run: " "$(cat "$LAB/said")"
same "and the file says it of that one" "1 0" "$(value_of "$LAB/wgmeet.prom" 'wgmeet_up{device="wgbob"}') \
$(value_of "$LAB/wgmeet.prom" 'wgmeet_up{device="wgnone"}')"

# The registry's side of it: what it tells of changes.
hub_value() {
	metrics --metrics-socket "$LAB/state/metrics" | awk -v series="$1" '$1 == series { print $2 }'
}
hub_more() { # SERIES THAN
	[ "$(hub_value "$1")" -gt "$2" ]
}
check "the registry remembers who has asked" hub_more wgmeetd_notify_interests 1
pushes=$(peer_value pushes_total) notified=$(hub_value wgmeetd_notify_sent_total)
lab_readdress "${lab_behind[bob]}" 203.0.113.100
check "bob's NAT gets another address: the registry tells" lab_wait 15 hub_more wgmeetd_notify_sent_total "$notified"
heard_more() {
	[ "$(peer_value pushes_total)" -gt "$pushes" ]
}
check "and alice hears it" lab_wait 15 heard_more
check "which the registry knows" lab_wait 5 hub_more wgmeetd_notify_answered_total 0

# ---- what alerts and the dashboard speak of ----

for file in alerts.yml dashboard.json README; do
	same "$file: there are all metrics that it speaks of" "" \
		"$(comm -23 <(names_of "$contrib/$file") <(known "$LAB/text" "$LAB/wgmeet.prom" "$LAB/wgmeetd.prom"))"
done
same "the manuals have all metrics that there are" "" "$(comm -13 \
	<(sed -E 's/_(sum|count|bucket)\b//' "$ROOT/man/wgmeetd.8" "$ROOT/man/wgmeet.8" | tr -c 'a-z_' '\n' | grep -E '^(wgmeetd?)?_' |
		sed 's/^_/wgmeetd_tcp_connections_/' | sort -u) \
	<(known "$LAB/text" "$LAB/wgmeet.prom" "$LAB/wgmeetd.prom" | grep -vE '^wgmeetd_notify_'))"

run_end alice bob
same "the socket goes with the daemon" "" "$(ls /run/wgmeet/wgalice 2>/dev/null)"
out=$("$BIN/wgmeet" metrics wgalice 2>&1)
same "then: exit status" 1 $?
same "wgmeet metrics needs a device" 2 "$("$BIN/wgmeet" metrics >/dev/null 2>&1; echo $?)"
e2e_done
