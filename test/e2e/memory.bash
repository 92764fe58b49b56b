# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2154
# memory.bash: what is in the memory of a process? Behind e2e.bash.

MEMSCAN=$BUILD/test/memscan
[ -x "$MEMSCAN" ] || lab_die "make $MEMSCAN first"

hex_of() { # of what comes in
	od -An -v -tx1 | tr -d ' \n'
}

# forms KEYFILE - the key as octets, as base64 and as hexadecimal text, each in octets in hexadecimal.
forms() {
	base64 -d "$1" | hex_of
	echo
	tr -d '\n=' <"$1" | hex_of
	echo
	base64 -d "$1" | hex_of | hex_of
	echo
}

# halves KEYFILE... - half a secret is a leak too.
halves() {
	local file form

	for file; do
		for form in $(forms "$file"); do
			echo "${form:0:${#form}/4*2}"
			echo "${form:${#form}/4*2}"
		done
	done
}

# holds_none PID KEYFILE...
holds_none() {
	local pid=$1 found

	shift
	# shellcheck disable=SC2046 # a word each
	found=$("$MEMSCAN" "$pid" $(halves "$@")) || return
	# A sanitizer's shadow memory is huge, and holds no data.
	! grep -q __asan_init "/proc/$pid/exe" || found=$(grep -v skipped <<<"$found")
	[ -z "$found" ] || { echo "$found" && return 1; }
}

# holds PID KEYFILE - in one of its forms.
holds() {
	# shellcheck disable=SC2046 # a word each
	"$MEMSCAN" "$1" $(forms "$2") | grep -q '^[0-9]'
}
