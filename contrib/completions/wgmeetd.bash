# shellcheck shell=bash
# Completion of wgmeetd for bash: the options are those of its own --help.

# Only names that mean nothing to a shell, for compgen -W expands what it is given.
_wgmeetd_devices() {
	_wgmeetd_all_devices | grep -E '^[A-Za-z0-9_.=+-]+$'
}

_wgmeetd_all_devices() {
	if command -v wg >/dev/null; then
		wg show interfaces 2>/dev/null | tr ' ' '\n'
	else
		grep -ls '^DEVTYPE=wireguard$' /sys/class/net/*/uevent | cut -d / -f 5
	fi
}

# _wgmeetd_value OPTION - what may stand behind it; nothing if only the user can know.
_wgmeetd_value() {
	case $1 in
	-c | --config | --dump-file | --output | --metrics-socket) compgen -f -- "$cur" ;;
	--state-directory) compgen -d -- "$cur" ;;
	--user | --observer-user) compgen -u -- "$cur" ;;
	--device) compgen -W "$(_wgmeetd_devices)" -- "$cur" ;;
	--listen) compgen -W "$(_wgmeetd_devices | sed 's/^/%/')" -- "$cur" ;;
	--family) compgen -W "wireguard amneziawg" -- "$cur" ;;
	--self) compgen -W "auto" -- "$cur" ;;
	--publish) compgen -W "all listed" -- "$cur" ;;
	--allow | --allow-browse) compgen -W "tunnel all none" -- "$cur" ;;
	esac
}

_wgmeetd() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options

	COMPREPLY=()
	# "--zone ZONE" if it takes a value. bash takes "--zone=x" for three words.
	options=$("$1" --help 2>/dev/null |
		sed -nE 's/^  (-c, )?(--[a-z-]+)( [^[ ][^ ]*)?( .*)?$/\2\3/p; t; s/^  (--[a-z]+), (--[a-z]+)$/\1\n\2/p')
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ $prev == -c ]] || grep -qsE -e "^$prev " <<<"$options"; then
		mapfile -t COMPREPLY < <(_wgmeetd_value "$prev")
		[[ $prev != -c && $prev != --config && $prev != --output && $prev != *-file && $prev != *-socket ]] || compopt -o filenames 2>/dev/null
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(cut -d ' ' -f 1 <<<"$options")" -- "$cur")
}

complete -F _wgmeetd wgmeetd
