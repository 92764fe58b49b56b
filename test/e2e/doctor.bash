# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2154
# doctor.bash: what the tests of "wgmeet doctor" share. Behind e2e.bash, run.bash and json.bash.

# doctor NAME ARGUMENT... - at that host, for its device unless there is another one; sets status, and $LAB/out is what it said.
doctor() {
	local name=$1

	shift
	[[ ${1:-} == wg* || ${1:-} == eth* ]] || set -- "wg$name" "$@"
	status=0
	lab_in "$name" timeout 60 "${before[@]}" "$BIN/wgmeet" doctor "$@" >"$LAB/lines" 2>"$LAB/err" </dev/null || status=$?
	# What to do stands below; here each finding is one line.
	awk '/^      -> / { sub(/^ +-> /, ""); printf " %s", $0; next } { printf "%s%s", (NR > 1 ? "\n" : ""), $0 } END { print "" }' \
		"$LAB/lines" >"$LAB/out"
}
before=()

# finds LEVEL CHECK TEXT REMEDY - one line has these, in that order. Extended regular expressions.
finds() {
	if grep -Eq -e "^$1 +$2( [^ ]+)?: .*$3.*$4" "$LAB/out"; then
		ok "$what: $1 $2: $3 ... $4"
		return
	fi
	not_ok "$what: $1 $2: $3 ... $4"
	sed 's/^/#   /' "$LAB/out" "$LAB/err"
}

# only [LEVEL CHECK] - nothing but that is wrong.
only() {
	same "$what: nothing else is wrong" "$*" "$(awk '$1 != "ok" { sub(/:$/, "", $2); print $1, $2 }' "$LAB/out" | sort -u | paste -sd' ')"
}

# ends STATUS
ends() {
	same "$what: exit status" "$1" $status
}

# ---- the bed ----

# doctor_bed - alice and bob, whom wgmeet run keeps connected, and the registry.
doctor_bed() {
	local name

	run_devices masqdrop:masqdrop 25
	run_wgmeetd
	for name in alice bob; do
		printf '[Client]\nZone = %s\nServer = %s\n' "$ZONE" "$RUN_SERVER" >"$LAB/$name.conf"
		must lab_wait 10 published $name
		run_daemon $name -c "$LAB/$name.conf"
	done
	must lab_wait 10 in_state alice bob direct
	alice=(-c "$LAB/alice.conf")
	outside=(--zone "$ZONE" --server "$SERVER" -c /dev/null)
}
