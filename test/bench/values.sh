#!/bin/bash
# values.sh [PART...] - can these parts be measured with what the environment says? What is wrong is printed, with what is
# allowed: 2. Root or a second processor is missing: 1. Without PART: those in PARTS, else all. README lists what can be said.
set -uf
LC_ALL=C
known="server answer refresh load memory client vm"
status=0
needs_root=

wrong() { # NAME ALLOWED
	printf '%s="%s" is not possible. Allowed: %s\n' "$1" "${!1}" "$2" >&2
	status=2
}

# given NAME - an empty value is the default.
given() {
	[ -n "${!1-}" ]
}

is_whole() { # TEXT LEAST MOST
	[[ $1 =~ ^(0|[1-9][0-9]{0,8})$ ]] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

is_one_of() { # TEXT WORD...
	local word

	for word in "${@:2}"; do
		[ "$1" != "$word" ] || return 0
	done
	return 1
}

whole() { # NAME LEAST MOST
	! given "$1" || is_whole "${!1}" "$2" "$3" || wrong "$1" "a number from $2 to $3"
}

wholes() { # NAME LEAST MOST
	local one seen=()

	for one in ${!1-}; do
		if ! is_whole "$one" "$2" "$3" || is_one_of "$one" "${seen[@]}"; then
			seen=()
			break
		fi
		seen+=("$one")
	done
	! given "$1" || [ ${#seen[@]} -gt 0 ] || wrong "$1" "numbers from $2 to $3, separated by spaces, each once"
}

seconds() { # NAME LEAST MOST
	given "$1" || return
	if ! [[ ${!1} =~ ^[0-9]*[.]?[0-9]+$ ]] || ! awk -v n="${!1}" "BEGIN { exit !(n >= $2 && n <= $3) }"; then
		wrong "$1" "seconds, from $2 to $3"
	fi
}

words() { # NAME SEPARATOR WORD...
	local name=$1 all="${*:3}" one seen=() IFS=$2

	for one in ${!1-}; do
		if ! is_one_of "$one" "${@:3}" || is_one_of "$one" "${seen[@]}"; then
			seen=()
			break
		fi
		seen+=("$one")
	done
	! given "$name" || [ ${#seen[@]} -gt 0 ] ||
		wrong "$name" "some of: $all, $([ "$2" = , ] && echo "with commas between" || echo "separated by spaces"), each once"
}

choice() { # NAME WORD...
	! given "$1" || is_one_of "${!1}" "${@:2}" || wrong "$1" "one of: ${*:2}"
}

check_part() {
	local last=$(($(nproc) - 1))

	case $1 in
	server | load)
		[ $last -gt 0 ] || { echo "$1: needs two processors" >&2; exit 1; }
		;;
	esac
	case $1 in server) whole MORE 0 9; choice CONTINUE yes ;; esac
	case $1 in server | answer | refresh) wholes SIZES 1 1000000; whole ROUNDS 1 10000 ;; esac
	case $1 in server | answer) whole SERVER_CORE 0 $last ;; esac
	case $1 in load | memory) whole PEERS 1 1000000 ;; esac
	case $1 in server | refresh | load | memory | client) needs_root=$1 ;; esac
	case $1 in
	server)
		seconds CPU_S 0.001 1000
		seconds SLICE_S 0.001 100
		seconds LATENCY_S 0 100
		words KINDS , srv srv-edns nx nx-edns mix mix-edns
		words SERVERS " " reflector wgmeetd wildcard knot nsd reflector2
		whole NSD_KNOT_MAX 0 1000000
		choice NSD_MINIMAL yes no
		whole LOAD_CORE 0 $last
		if [ "${LOAD_CORE:-1}" = "${SERVER_CORE:-0}" ]; then
			echo "SERVER_CORE and LOAD_CORE are ${SERVER_CORE:-0}, and have to be two processors" >&2
			status=2
		fi
		;;
	answer) whole ANSWERS 1 100000000 ;;
	load)
		whole RATE 1 1000000
		whole SECONDS_LONG 1 86400
		whole LIMIT_US 1 1000000
		choice RELOAD yes no
		;;
	memory) whole SHOWN 1 1000 ;;
	client)
		wholes CLIENT_PEERS 1 1000000
		wholes CLIENT_RTT_MS 0 250
		words CLIENT_LIMITS " " off default
		whole RUNS 1 1000
		;;
	esac
}

# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- ${PARTS-$known}
for part; do
	# shellcheck disable=SC2086
	is_one_of "$part" $known || { PARTS=$* && wrong PARTS "some of: $known, separated by spaces" && break; }
done
for part; do
	[ $status = 2 ] || check_part "$part"
done
if [ $status = 0 ] && [ -n "$needs_root" ] && [ "$(id -u)" != 0 ]; then
	echo "$needs_root: needs root, for network namespaces" >&2
	exit 1
fi
exit $status
