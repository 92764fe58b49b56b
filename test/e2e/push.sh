#!/bin/bash
# NOTIFY: whoever asked for a peer by the tunnel is told when it changes, by the way that it asked, and nobody else is; until
# there is an answer. Over IPv4 and IPv6, at listeners for all addresses and for one, UDP and TCP, with one worker and with two.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "$(dirname "$0")/e2e.bash" || exit 1
e2e_enter "$@"
[ -x "$BUILD/test/told" ] || e2e_skip "no $BUILD/test/told: make tests"

conf=$LAB/wgmeetd.conf
six_of_hub=fd00:9::1
six_of_alice=fd00:9::2

configure() { # WORKERS NOTIFY-PORT
	cat >"$conf.new" <<-END
		[Server]
		Listen = 0.0.0.0:53, [::]:53, 10.9.0.1:5353
		User = $WORKER_UID
		ObserverUser = 0
		Workers = $1
		NotifyPort = $2
		Verbose = yes
		[Zone]
		Name = $ZONE
		Device = wghub
		NameServer = ns.example.net
		[Zone]
		Name = closed.test
		Device = wghub
		NameServer = ns.example.net
		Allow = 203.0.113.66/32
	END
	mv "$conf.new" "$conf"
}

start_server() {
	lab_start wgmeetd hub "$BIN/wgmeetd" -c "$conf"
	server_wait wgmeetd
}

reread() {
	local before

	before=$(grep -c 'was read again' "$LAB/wgmeetd.log")
	kill -s HUP "${lab_pid[wgmeetd]}"
	must lab_wait 5 read_more_often "$before"
}

read_more_often() {
	[ "$(grep -c 'was read again' "$LAB/wgmeetd.log")" -gt "$1" ]
}

hub_up() {
	lab_wg hub
	ip -n hub addr add $six_of_hub/64 dev wghub nodad
}

# With an IPv6 address in the tunnel, too, and the way back to an earlier hub forgotten.
join() { # NAME V6
	lab_in "$1" wg set "wg$1" peer "$(lab_pub hub)" remove
	lab_join "$1"
	lab_in hub wg set wghub peer "$(lab_pub "$1")" allowed-ips "${lab_addr[$1]}/32,$2/128"
	lab_in "$1" wg set "wg$1" peer "$(lab_pub hub)" allowed-ips "10.9.0.1/32,203.0.113.10/32,$six_of_hub/128"
}

# move PEER ENDPOINT - as the hub's device sees it. The peer need not be there.
move() {
	lab_in hub wg set wghub peer "$(lab_pub "$1")" endpoint "$2"
}

query() { # NS SERVER PEER [DIG-OPTION...]
	lab_in "$1" dig "@$2" +tries=1 +time=3 +norec "$(peer_name "$3").${zone:-$ZONE}" "${type:-SRV}" "${@:4}"
}

asks() { # STATUS NS SERVER PEER [DIG-OPTION...]
	same "$2 asks $3 for $4 ${*:5}" "$1" "$(query "${@:2}" | awk '/status:/ { sub(/,/, "", $6); print $6 }')"
}

# listen NAME NS ADDR HOW - its log has what comes there.
listen() {
	lab_start "$1" "$2" "$BUILD/test/told" "$3" 5354 "$4"
	must lab_wait 5 grep -q listening "$LAB/$1.log"
}

# told NAME [PEER] - how often.
told() {
	grep -c " name ${2:+$(peer_name "$2")}" "$LAB/$1.log"
}

is_told() { # NAME TIMES [PEER]
	[ "$(told "$1" "${3:-}")" -ge "$2" ]
}

stays_untold() { # NAME TIMES
	! lab_wait 1 is_told "$1" $(($2 + 1))
}

has_endpoint() { # PEER PORT
	query hub 127.0.0.1 "$1" +short | grep -q "^0 0 $2 "
}

has_moved() { # PEER FROM
	[ "$(lab_seen "$1")" != "$2" ]
}

lab_net masqdrop:masqdrop
lab_ns mallory
lab_link mallory eth0 203.0.113.66/24 inet mallory - br0
hub_up
for n in alice bob; do
	lab_wg $n
done
ip -n alice addr add $six_of_alice/64 dev wgalice nodad
join alice $six_of_alice
join bob fd00:9::3
for n in carol dave erin frank grace heidi ivan; do
	lab_key $n
done
for n in carol dave erin grace heidi ivan; do
	move $n 198.51.100.1:1000
done
configure 1 5354
start_server
must lab_wait 10 has_endpoint ivan 1000
listen alice alice 10.9.0.2 answer
listen alice6 alice $six_of_alice wrong
listen bob bob 10.9.0.3 silent
listen mallory mallory 0.0.0.0 answer

# ---- who is told, by which way ----

asks NOERROR alice 10.9.0.1 carol
asks NOERROR alice $six_of_hub carol
asks NOERROR bob 10.9.0.1 carol
asks NOERROR mallory "$SERVER" carol
asks NOERROR nat-a "$SERVER" carol
zone=closed.test asks REFUSED alice 10.9.0.1 dave
type=A asks NOERROR alice 10.9.0.1 dave
move dave 198.51.100.1:1001
must lab_wait 5 has_endpoint dave 1001
move carol 198.51.100.1:1001
check "who asked is told within 2 s" lab_wait 2 is_told alice 1 carol
check "over IPv6, too" lab_wait 2 is_told alice6 1 carol
check "and so is bob" lab_wait 2 is_told bob 1 carol
message="flags 2400 counts 1 0 0 0 name $(peer_name carol).$ZONE. type 33 class 1"
matches "by the device, from the address and the port that were asked, what there is to tell" \
	" from 10\\.9\\.0\\.1 53 on wgalice: id .... $message\$" "$(grep name "$LAB/alice.log")"
matches "the same over IPv6" " from $six_of_hub 53 on wgalice: id .... $message\$" "$(grep name "$LAB/alice6.log")"
check "who does not answer is told again" lab_wait 2 is_told bob 2 carol
check "so is who answers wrongly" lab_wait 2 is_told alice6 2 carol
same "who has answered is not" 1 "$(told alice carol)"
same "of what it did not ask for, or not for SRV, or what was refused, nobody is told" "0 0 0" \
	"$(told alice dave) $(told alice6 dave) $(told bob dave)"
same "who did not come by the tunnel is not told" 0 "$(told mallory)"

# Each by its own zone's device, whatever the routes say.
ip -n mallory addr add 10.9.0.2/32 dev eth0
ip -n hub route add 10.9.0.2/32 via 203.0.113.66
move carol 198.51.100.1:1002
check "the routes lead elsewhere: it is told by the device" lab_wait 2 is_told alice 2 carol
same "and not there" 0 "$(told mallory)"
ip -n hub route del 10.9.0.2/32 via 203.0.113.66

asks NOERROR alice 10.9.0.1 heidi -p 5353
move heidi 198.51.100.1:1001
check "asked at another port" lab_wait 2 is_told alice 1 heidi
matches "it is told from there" ' from 10\.9\.0\.1 5353 on wgalice: ' "$(grep " name $(peer_name heidi)" "$LAB/alice.log")"
ip -n alice route add 203.0.113.10/32 dev wgalice src 10.9.0.2 table 7
ip -n alice rule add from 10.9.0.2 table 7
asks NOERROR alice "$SERVER" ivan -b 10.9.0.2
move ivan 198.51.100.1:1001
check "asked by the tunnel at the outer address" lab_wait 2 is_told alice 1 ivan
matches "it is told from that" " from $SERVER 53 on wgalice: " "$(grep " name $(peer_name ivan)" "$LAB/alice.log")"
asks NOERROR alice 10.9.0.1 grace +tcp
asks NOERROR alice $six_of_hub grace +tcp
move grace 198.51.100.1:1001
check "asked over TCP" lab_wait 2 is_told alice 1 grace
check "asked over TCP and IPv6" lab_wait 2 is_told alice6 1 grace
matches "it is told from the address that was asked" ' from 10\.9\.0\.1 53 on wgalice: ' \
	"$(grep " name $(peer_name grace)" "$LAB/alice.log")"

# ---- what is told ----

asks NOERROR bob 10.9.0.1 dave
move dave 198.51.100.1:1002
asks NXDOMAIN alice 10.9.0.1 frank
move frank 198.51.100.1:1000
check "a peer appears" lab_wait 2 is_told alice 1 frank
lab_in hub wg set wghub peer "$(lab_pub frank)" remove
check "it vanishes" lab_wait 2 is_told alice 2 frank
asks NXDOMAIN bob 10.9.0.1 frank
asks NOERROR bob 10.9.0.1 erin
for n in {1..9}; do
	move erin "198.51.100.1:200$n"
done
check "it changes often" lab_wait 2 is_told bob 1 erin
must lab_wait 5 has_endpoint erin 2009
ids=$(grep " name $(peer_name erin)" "$LAB/bob.log" | grep -o ' id ....' | sort -u | wc -l)
check "that is told as one or two changes: $ids" test "$ids" -le 2
asks NOERROR bob 10.9.0.1 erin
before=$(told bob erin)

# Both ends, when one of them gets another port from its NAT.
bob_ep=$(lab_seen bob)
asks NOERROR alice 10.9.0.1 bob
asks NOERROR bob 10.9.0.1 bob
lab_in bob wg set wgbob listen-port 51999
lab_in bob ping -q -c1 -W3 10.9.0.1 >/dev/null
must lab_wait 5 has_moved bob "$bob_ep"
check "a peer moves: who asked for it is told" lab_wait 2 is_told alice 1 bob
check "and the peer itself" lab_wait 2 is_told bob 1 bob

# ---- until when ----

of_dave() {
	grep " name $(peer_name dave)" "$LAB/bob.log"
}
check "without an answer it is told five times" lab_wait 12 is_told bob 5 dave
same "with half a second between, and twice that each time" "1 2 4 8 " \
	"$(of_dave | awk 'NR > 1 { printf "%d ", ($1 - last + 250) / 500 } { last = $1 }')"
same "under one ID" 1 "$(of_dave | grep -o ' id ....' | sort -u | wc -l)"
same "who asks again is not told again" "$before" "$(told bob erin)"

# ---- the device goes, and comes again ----

sum=$(told alice carol)
lab_wg_delete hub wghub
must lab_wait 10 grep -q 'is not there' "$LAB/wgmeetd.log"
hub_up
join alice $six_of_alice
move carol 198.51.100.1:3000
must lab_wait 10 has_endpoint carol 3000
check "what was asked for is told through a new device" lab_wait 10 is_told alice $((sum + 1)) carol
lab_stop alice6

# ---- NotifyPort ----

configure 1 0
reread
asks NOERROR alice 10.9.0.1 carol
sum=$(told alice)
move carol 198.51.100.1:3001
must lab_wait 5 has_endpoint carol 3001
check "NotifyPort = 0: nobody is told" stays_untold alice "$sum"
configure 1 5354
reread
asks NXDOMAIN alice 10.9.0.1 grace
sum=$(told alice grace)
move grace 198.51.100.1:3002
check "it can be turned on again" lab_wait 2 is_told alice $((sum + 1)) grace
lab_stop wgmeetd
# The count of the first worker.
read -r notified answered < <(sed -nE 's/.* ([0-9]+) notified, ([0-9]+) of these answered.*/\1 \2/p' "$LAB/wgmeetd.log")
check "it counts what it told, and answers: $notified, $answered" test "${answered:-0}" -gt 5 -a "${notified:-0}" -gt "${answered:-0}"

# ---- two workers ----

configure 2 5354
start_server
must lab_wait 10 has_endpoint carol 3001
sum=$(told alice carol)
for n in {1..8}; do
	asks NOERROR alice 10.9.0.1 carol -b 10.9.0.2#$((4000 + n))
done
move carol 198.51.100.1:3003
check "two workers: who asked is told" lab_wait 2 is_told alice $((sum + 1)) carol
asks NOERROR alice 10.9.0.1 grace
sum=$(told alice grace)
move grace 198.51.100.1:3003
check "and again" lab_wait 2 is_told alice $((sum + 1)) grace
same "and to the end not more than five times" 5 "$(told bob dave)"
same "to the end, who did not come by the tunnel is not told" 0 "$(told mallory)"
lab_stop wgmeetd
same "it ends well" 0 $?

e2e_done
