#!/bin/bash
# contrib/completions: bash, zsh and fish offer verbs, options and values, devices and, for root, peers' keys, as a user would see
# it. Each shell is asked the same. Needs neither root nor a network.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1

missing=$(lab_missing zsh fish)
[ -z "$missing" ] || e2e_skip "not installed: $missing"
for program in wgmeetd wgmeet; do
	[ -x "$BUILD/$program" ] || lab_die "make first, or set BUILD"
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
contrib=$ROOT/contrib/completions
key=sEvcM7+kxP9CCI4xPpCpBEJhJ1JDykKLPnSbC/yEZCE=
other=M8eIfF3WnJDqSMaeTQhXiqIJEHFsaz2aN7VN1Zq2cA0=

# Two devices, and a third one that is only configured.
mkdir "$dir/asked" "$dir/bin" "$dir/etc" "$dir/here" "$dir/home"
cat >"$dir/bin/wg" <<END
#!/bin/sh
case "\$*" in
"show interfaces") echo wg0 tun7 ;;
"show all peers") printf 'wg0\t$key\ntun7\t$other\n' ;;
*) exit 1 ;;
esac
END
chmod +x "$dir/bin/wg"
touch "$dir/etc/wgmeetd.conf" "$dir/etc/office.conf" "$dir/here/my.conf"
export PATH=$BUILD:$dir/bin:$PATH WGMEET_DIR=$dir/etc HOME=$dir/home LC_ALL=C
cd "$dir/here" || exit 1

# ---- the three ----

# Each prints what is offered for a command line whose last word, maybe empty, is being typed; one a line.

in_bash() {
	local program=${1%% *}

	bash --norc -c '
		. "$1"
		IFS=" " read -ra COMP_WORDS <<<"${2//=/ = }"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		[[ $2 != *= ]] || COMP_WORDS+=()
		COMP_LINE=$2 COMP_POINT=${#2} COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		"_${COMP_WORDS[0]}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' - "$contrib/$program.bash" "$1"
}

in_fish() {
	# shellcheck disable=SC2016 # fish's
	fish --no-config -c '
		source $argv[1]
		complete -C "$argv[2]"' "$contrib/${1%% *}.fish" "$1" | cut -f 1
}

# zsh completes only at a terminal: it is given one. What it would offer goes to a file.
cat >"$dir/home/.zshrc" <<END
fpath=($contrib \$fpath)
autoload -Uz compinit && compinit -u -d $dir/zcompdump
PS1=ready PS2= LISTMAX=10000
setopt no_list_beep
zmodload zsh/parameter
offers() {
	compadd() {
		local -a found
		if (( \${@[(I)-[OAD]]} == 0 )); then
			builtin compadd -O found "\$@"
			(( ! \$#found )) || print -rl -- "\$found[@]" >>$dir/offers
		fi
		builtin compadd "\$@"
	}
	_main_complete
	unfunction compadd
	print end >>$dir/offers
}
zle -C offers list-choices offers
bindkey '^T' offers
END
cat >"$dir/drive" <<'END'
zmodload zsh/zpty zsh/zselect
zpty -b shell "ZDOTDIR=$1/home TERM=dumb zsh -i"
said=
until [[ $said == *ready* ]]; do
	zpty -r -t shell more && said+=$more || zselect -t 1
done
zpty -w -n shell "$2"$'\x14'
until grep -qsx end $1/offers; do
	zpty -r -t shell more || zselect -t 1
done
zpty -d shell
END

in_zsh() {
	: >"$dir/offers"
	timeout 20 zsh -f "$dir/drive" "$dir" "$1" || echo "no answer"
	grep -vx end "$dir/offers"
}

# ---- what is asked ----

shells="bash fish zsh"

# ask SHELL LINE - once for each.
ask() {
	local answer

	answer=$dir/asked/$1$(cksum <<<"$2")
	[ -e "$answer" ] || "in_$1" "$2" >"$answer" 2>&1
	cat "$answer"
}

# offers LINE WORD... - exactly these, in whatever order.
offers() {
	local shell line=$1

	shift
	for shell in $shells; do
		same "$shell: $line" "$(printf '%s\n' "$@" | sort | xargs)" "$(ask "$shell" "$line" | sort -u | xargs)"
	done
}

# offers_also LINE WORD / offers_not LINE WORD - among others, or not.
offers_also() {
	local shell

	for shell in $shells; do
		check "$shell: $1: also $2" grep -qxF -e "$2" <(ask "$shell" "$1")
	done
}

offers_not() {
	local shell

	for shell in $shells; do
		check "$shell: $1: not $2" eval "! grep -qxF -e '$2' <(ask $shell '$1')"
	done
}

verbs=$("$BUILD/wgmeet" --help | sed -nE 's/^  ([a-z]+) .*/\1/p')
for verb in $verbs; do
	offers_also "wgmeet ${verb:0:2}" "$verb"
done
check "there are verbs" test "$(wc -w <<<"$verbs")" -ge 6
offers "wgmeet loo" lookup
offers "wgmeet run " wg0 tun7 office
offers "wgmeet status w" wg0
offers "wgmeet sync --zone example.com wg" wg0
offers "wgmeet lookup " "$key" "$other"
offers "wgmeet lookup sEv" "$key"
offers "wgmeet name M8eIfF3WnJDqSMaeTQhXiqIJEHFsaz2aN7VN1Zq2c" "$other"
offers "wgmeet lookup $key of" office
offers "wgmeet sync --dry" --dry-run
offers "wgmeet run --dry" ""
offers "wgmeet status --wa" --watch
offers "wgmeet sync --family am" amneziawg
offers "wgmeet sync --zone " ""
offers "wgmeet sync -c m" my.conf
offers "wgmeet sync --config m" my.conf
for option in $("$BUILD/wgmeet" sync --help | grep -oE '^  (-c, )?--[a-z-]+' | grep -oE -- '--.*'); do
	offers_also "wgmeet sync --" "$option"
done
offers_not "wgmeet run --" --force

offers "wgmeetd --device " wg0 tun7
offers "wgmeetd --allow-b" --allow-browse
offers "wgmeetd --publish li" listed
offers "wgmeetd --zone x --self a" auto
offers "wgmeetd --ch" --check
offers "wgmeetd -c m" my.conf
offers "wgmeetd --zone " ""
for option in $("$BUILD/wgmeetd" --help | grep -oE '^  (-c, )?--[a-z-]+' | grep -oE -- '--.*'); do
	offers_also "wgmeetd --" "$option"
done
offers "wgmeetd --init --ye" --yes
offers "wgmeetd --init --dr" --dry-run
shells="bash fish" # zsh goes on with options
offers "wgmeet sync wg0 " ""
shells="bash" # it is the one that takes these apart
offers "wgmeetd --device=w" wg0
offers "wgmeetd --device=" wg0 tun7
offers "wgmeetd --listen %w" %wg0
offers "wgmeet sync --family=w" wireguard
# bash expands a list of words once more.
touch "$dir/etc/\$(touch taken).conf"
offers "wgmeet run " office tun7 wg0
check "a name that is a command is not run" test ! -e taken
e2e_done
