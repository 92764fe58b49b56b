# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2119,SC2120,SC2154
# run.bash: what the tests of "wgmeet run" share. Behind e2e.bash, and before e2e_enter.
#
#	run_bed masqdrop:masqdrop       # the registry, and alice and bob, who have no path to each other yet
#	run_daemon alice; run_daemon bob
#	row "what is measured" LIMIT_MS FUNCTION...
#
# A script's arguments are the rows that it does; without any it does all. ROUNDS=N measures each row N times, and judges the
# median; PATIENCE=N takes N times as long as the limit (where WireGuard, or all of it, is emulated).

ROUNDS=${ROUNDS:-1}
PATIENCE=${PATIENCE:-1}
RUN_SERVER=10.9.0.1 # the registry's tunnel address, where it knows who asks
RUN_TTL_S=30        # so long that no row is in time by polling
LAB_WG_LOG=verbose

run_needs() {
	local missing

	missing=$(lab_missing jq conntrack)
	[ -z "$missing" ] || e2e_skip "not installed: $missing"
}

# wants ROW - is it to be done? The rows are in the array rows.
wants() {
	[ ${#rows[@]} = 0 ] || [[ " ${rows[*]} " == *" $1 "* ]]
}

# ---- the bed ----

# run_wgmeetd [OPTION...] - wgmeetd for the hub's device, at its tunnel address, and at its outer one for what the tests ask.
run_wgmeetd() {
	local observer=$OBSERVER_UID

	[ "$WG_IMPL" = kernel ] || observer=0
	mkdir -p "$LAB/state"
	chown "$observer" "$LAB/state"
	lab_start wgmeetd hub "$BIN/wgmeetd" --zone "$ZONE" --device wghub --listen $RUN_SERVER --listen "$SERVER" \
		--name-server "ns1.$ZONE $SERVER" --self "$SERVER:51820" --self-allowed-ips $RUN_SERVER/32 --ttl $RUN_TTL_S \
		--user "$WORKER_UID" --observer-user "$observer" --state-directory "$LAB/state" --verbose "$@"
	server_wait wgmeetd
}

# run_devices A:B [KEEPALIVE_S] - the network and the devices. Each peer tells the registry so often where it is.
run_devices() {
	local name

	lab_net "$1"
	for name in hub alice bob; do
		lab_wg $name
	done
	lab_join alice "${2:-1}"
	lab_join bob "${2:-1}"
	lab_know alice bob
	lab_know bob alice
	count_questions alice bob
}

run_bed() {
	run_devices "$@"
	run_wgmeetd
}

# run_tear_down - so that another bed can be built.
run_tear_down() {
	run_end alice bob
	lab_destroy
	mkdir "$BIN" && cp "$BUILD/wgmeetd" "$BUILD/wgmeet" "$BIN/"
}

# run_daemon NAME [OPTION...] - without --server: the registry's.
run_daemon() {
	local name=$1

	shift
	[[ " $* " == *" --server "* || " $* " == *" -c "* ]] || set -- --server $RUN_SERVER "$@"
	[[ " $* " == *" -c "* ]] || set -- --zone "$ZONE" "$@"
	lab_start "run-$name" "$name" "$BIN/wgmeet" run "wg$name" "$@"
}

run_end() { # NAME...
	local name

	for name; do
		lab_stop "run-$name"
	done
}

# published NAME - is it in DNS where the registry's device sees it now?
published() {
	local ep

	ep=$(lab_seen "$1") && is_served "$1" "${ep%:*}" "${ep##*:}"
}

# moved NAME OLD - does the registry's device see it elsewhere?
moved() {
	local ep

	ep=$(lab_seen "$1") && [ "$ep" != "$2" ]
}

# ---- what the daemon says ----

# state NAME OTHER [FIELD] - what the daemon of NAME says of the other.
state() {
	lab_in "$1" "$BIN/wgmeet" status "wg$1" --json 2>/dev/null |
		jq -r --arg key "$(lab_pub "$2")" ".peers[] | select(.public_key == \$key) | .${3:-state}"
}

in_state() { # NAME OTHER REGEX
	[[ $(state "$1" "$2") =~ ^($3)$ ]]
}

state_why() { # NAME OTHER REGEX
	[[ $(state "$1" "$2" why) =~ $3 ]]
}

log_lines() { # NAME
	wc -l <"$LAB/run-$1.log"
}

log_says() { # NAME REGEX
	grep -Eiq -e "$2" "$LAB/run-$1.log"
}

# ---- what it does ----

# count_questions NAME... - from now on what each of them asks the registry through the tunnel. Not what it answers.
count_questions() {
	local name

	{
		echo 'table inet asked {'
		echo 'chain in { type filter hook input priority -300;'
		for name; do
			# QR and OPCODE are 0.
			echo "iifname wghub ip saddr ${lab_addr[$name]} udp dport 53 @th,80,5 0 counter comment $name"
			echo "iifname wghub ip saddr ${lab_addr[$name]} tcp dport 53 counter comment $name"
		done
		printf '}\n}\n'
	} | lab_in hub nft -f - || lab_die "cannot count questions"
}

asked() { # NAME
	lab_in hub nft list chain inet asked in |
		awk -v name="\"$1\"" '$NF == name { for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1) } END { print n + 0 }'
}

# heard NAME OTHER WHAT - how often wireguard-go of NAME said that of the other.
heard() {
	local key

	key=$(lab_pub "$2")
	grep -cF "peer(${key:0:4}…${key:39:4}) - $3" "$LAB/wg$1.log"
}

# sets NAME OTHER - how often an endpoint was set there, be it the same. 0 with the kernel, which does not say.
sets() {
	[ "$WG_IMPL" = go ] || { echo 0 && return; }
	heard "$1" "$2" 'UAPI: Updating endpoint'
}

initiations() { # NAME OTHER
	heard "$1" "$2" 'Sending handshake initiation'
}

endpoint_is() { # NAME OTHER ENDPOINT
	[ "$(lab_peer "$1" "$2" endpoints)" = "$3" ]
}

not() {
	! "$@"
}

# lasts SECONDS COMMAND... - it succeeds all that time.
lasts() {
	! lab_wait "$1" not "${@:2}"
}

pings() { # NAME ADDRESS
	lab_in "$1" ping -q -c1 -W1 "$2"
}

direct() { # NAME OTHER - a packet there and back
	pings "$1" "${lab_addr[$2]}"
}

# What went through the registry's device so far.
hub_octets() {
	lab_in hub wg show wghub transfer | awk '{ n += $2 + $3 } END { print n + 0 }'
}

# ---- measuring ----

# Of the time of day, as ping -D has it.
day_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# talk NAME OTHER - a ping every 0.2 s, both ways.
talk() {
	lab_start "ping-$1" "$1" ping -nD -i 0.2 "${lab_addr[$2]}"
	lab_start "ping-$2" "$2" ping -nD -i 0.2 "${lab_addr[$1]}"
}

hush() { # NAME...
	local name

	for name; do
		lab_stop "ping-$name" INT
	done
}

# reply_after NAME DAY_MS - when the first answer came after that.
reply_after() {
	awk -v since="$2" '/bytes from/ {
		t = substr($1, 2) * 1000
		if (t > since) { printf "%.0f\n", t; found = 1; exit }
	} END { exit !found }' "$LAB/ping-$1.log"
}

# replies_after DAY_MS NAME... - to each of them; sets `last` to when the last of these first ones came.
replies_after() {
	local since=$1 name at

	shift
	last=0
	for name; do
		at=$(reply_after "$name" "$since") || return
		[ "$at" -le "$last" ] || last=$at
	done
}

# lost NAME - how many of its pings had no answer, when it was hushed; the last one may be under way.
lost() {
	awk '/packets transmitted/ { print $1 - $4 }' "$LAB/ping-$1.log"
}

median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# row WHAT LIMIT_MS FUNCTION... - which sets `took`, in ms, or fails. Measured once it has three tries, for a machine that is busy.
row() {
	local what=$1 limit=$(($2 * PATIENCE)) all=() round middle rounds=$ROUNDS

	shift 2
	[ "$rounds" -gt 1 ] || rounds=3
	row_rounds=0
	for ((round = 1; round <= rounds; round++)); do
		took=
		row_rounds=$round
		if ! "$@" || [ -z "$took" ]; then
			not_ok "$what: round $round"
			return 1
		fi
		all+=("$took")
		[ "$ROUNDS" = 1 ] || continue
		echo "# $what: $took ms, limit $limit ms"
		[ "$took" -gt "$limit" ] || break
	done
	middle=$took
	if [ "$ROUNDS" -gt 1 ]; then
		middle=$(median "${all[@]}")
		echo "# $what: median $middle ms of $ROUNDS, limit $limit ms; $(printf '%s\n' "${all[@]}" | sort -n | paste -sd' ')"
	fi
	check "$what: at most $limit ms" test "$middle" -le "$limit"
}
