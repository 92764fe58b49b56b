# shellcheck shell=bash
# Completion of wgmeet for bash. Verbs and options are those that the program's own --help has.

# _wgmeet_devices - WireGuard devices that are there, and those that are configured. Only names that mean nothing to a shell: compgen -W
# expands what it is given, and the kernel lets a device be named $(reboot).
_wgmeet_devices() {
	_wgmeet_all_devices | grep -E '^[A-Za-z0-9_.=+-]+$'
}

_wgmeet_all_devices() {
	local file

	if command -v wg >/dev/null; then
		wg show interfaces 2>/dev/null | tr ' ' '\n'
	else
		grep -ls '^DEVTYPE=wireguard$' /sys/class/net/*/uevent | cut -d / -f 5
	fi
	for file in "${WGMEET_DIR:-/etc/wgmeet}"/*.conf; do
		file=${file##*/}
		case $file in
		wgmeetd.conf | '*.conf') ;;
		*) echo "${file%.conf}" ;;
		esac
	done
}

# _wgmeet_keys - the peers' public keys. Only root is told.
_wgmeet_keys() {
	wg show all peers 2>/dev/null | sed 's/.*[[:space:]]//'
}

# _wgmeet_options HELP - one a line, "--zone ZONE" if it takes a value.
_wgmeet_options() {
	sed -nE 's/^  (-c, )?(--[a-z-]+)( [^[ ][^ ]*)?( .*)?$/\2\3/p' <<<"$1"
}

# _wgmeet_value OPTION - what may stand behind it; nothing if only the user can know.
_wgmeet_value() {
	case $1 in
	-c | --config | --output) compgen -f -- "$cur" ;;
	--user) compgen -u -- "$cur" ;;
	--family) compgen -W "wireguard amneziawg" -- "$cur" ;;
	--fwmark) compgen -W "off" -- "$cur" ;;
	esac
}

# _wgmeet_option - is the word an option's value, or an option? Then it is completed. Uses cur, prev, options.
_wgmeet_option() {
	# bash takes "--zone=x" for three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ $prev == -c ]] || grep -qsE "^$prev " <<<"$options"; then
		mapfile -t COMPREPLY < <(_wgmeet_value "$prev")
		[[ $prev != -c && $prev != --config && $prev != --output ]] || compopt -o filenames 2>/dev/null
		return 0
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -d ' ' -f 1 <<<"$options")" -- "$cur")
		return 0
	fi
	return 1
}

# _wgmeet_operands - how many stand between the verb and the cursor. Uses options.
_wgmeet_operands() {
	local i word count=0

	for ((i = 2; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == -c ]] || grep -qsxE -e "$word .*" <<<"$options"; then
			[[ ${COMP_WORDS[i + 1]} != = ]] || i=$((i + 1))
			i=$((i + 1))
		elif [[ $word != -* && $word != = ]]; then
			count=$((count + 1))
		fi
	done
	echo "$count"
}

_wgmeet() {
	local program=$1 cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} help options operands

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		help=$("$program" --help 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "$(sed -nE 's/^  ([a-z]+) .*/\1/p' <<<"$help") --help --version" -- "$cur")
		return
	fi
	[[ $verb =~ ^[a-z]+$ ]] || return
	help=$("$program" "$verb" --help 2>/dev/null) || return
	options=$(_wgmeet_options "$help"; echo --help)
	_wgmeet_option && return
	operands=$(_wgmeet_operands)
	case "$verb $operands" in
	"lookup 0" | "name 0") mapfile -t COMPREPLY < <(compgen -W "$(_wgmeet_keys)" -- "$cur") ;;
	"lookup 1" | "name 1" | *" 0") mapfile -t COMPREPLY < <(compgen -W "$(_wgmeet_devices | sort -u)" -- "$cur") ;;
	*) # more than one device, where the verb takes them
		[[ ${help%%$'\n'*} != *DEVICE...* ]] ||
			mapfile -t COMPREPLY < <(compgen -W "$(_wgmeet_devices | sort -u)" -- "$cur")
		;;
	esac
}

complete -F _wgmeet wgmeet
