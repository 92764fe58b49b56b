#!/bin/bash
# selftest.sh - the runner itself: what must fail does, and what is right does not.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154,SC2317

. "${0%/*}/../e2e/e2e.bash" || exit 1
. "${0%/*}/match.bash" || exit 1
cd "$ROOT" || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/blocks"

not() {
	! "$@"
}

# ---- is it what the page says? ----

# prints PAGE TEXT
prints() {
	printf '%s' "$1" >"$dir/page"
	printf '%s' "$2" >"$dir/printed"
	is_output "$dir/page" "$dir/printed"
}

check "the same" prints $'a.b\nc\n' $'a.b\nc\n'
check "not the same" not prints $'a.b\n' $'axb\n'
check "a line too few" not prints $'a\nb\n' $'a\n'
check "a line too many" not prints $'a\n' $'a\nb\n'
check "part of a line" not prints $'a\n' $'ab\n'
check "words for something" prints $'at <address>:<port> (x)\n' $'at 10.0.0.1:53 (x)\n'
check "words for nothing" not prints $'at <address>\n' $'at \n'
check "words stay in their line" not prints $'a <x>\n' $'a b\nc\n'
check "any lines" prints $'a\n...\nb\n' $'a\n1\n2\nb\n'
check "no line at all" prints $'...\nb\n...\n' $'b\n'
check "any lines, and then not that" not prints $'...\nb\n' $'a\nc\n'
check "nothing, and nothing printed" prints '' ''
check "blanks at the end do not count" prints $'a\n' $'a  \n'

# ---- blocks of pages, and lines of READMEs ----

blocks() { # TEXT
	printf '%s\n' "$1" >"$dir/page.md"
	awk -v dir="$dir/blocks" -f test/docs/blocks.awk "$dir/page.md" 2>/dev/null
}

same "a page's blocks" $'1\t1\tbed\ta:b ready\n2\t2\tsh\talice within=3\n3\t5\toutput\t' \
	"$(blocks $'<!-- test: bed a:b ready -->\n```sh alice within=3\nx\n```\n```output\ny\n```')"
same "an indented one" $'  x\ny' "$(blocks $'* a\n\n  ```sh any\n    x\n  y\n  ```' >/dev/null && cat "$dir/blocks/1")"
same "one that is not shown" $'1\t1\tsh\tbob' "$(blocks $'<!-- test: sh bob\nx\n-->')"
check "a comment of another kind" not blocks $'<!-- sh bob\nx\n-->'
check "another language" not blocks $'```c\nx\n```'
check "no language" not blocks $'```\nx\n```'
check "no host" not blocks $'```sh\nx\n```'
check "no end" not blocks $'```sh any\nx'

plain() { # LIST TEXT
	printf '[page]\n%s\n' "$1" >"$dir/list"
	printf '%s\n' "$2" >"$dir/page"
	awk -v page=page -v list="$dir/list" -v dir="$dir/blocks" -f test/docs/plain.awk "$dir/page" 2>/dev/null
}

same "a README's lines" $'1\t3\tbed\tb\n2\t3\tsh\talice' "$(plain $'+ bed b |\nsh alice | x y' $'a\n\n    x y')"
check "a line that is not listed" not plain 'sh alice | x' $'    x\n\n    y'
check "a line that is not there" not plain $'sh alice | x\nsh alice | y' '    x'
check "a test that is not there" not plain 'by test/nothing.sh | x' '    x'
check "a picture" plain 'text | x*' $'    x\n    y'
check "and what follows it" not plain 'text | x*' $'    x\n\n    y'

# ---- what is typed ----

# page TEXT - in a bed with nothing in it.
page() {
	printf '<!-- test: bed masqdrop:masqdrop bare -->\n%s\n' "$1" >"$dir/page.md"
	out=$(bash test/docs/page.sh "$dir/page.md" 2>&1)
}

# refuses DESCRIPTION REGEX TEXT - it fails, and says that.
refuses() {
	page "$3"
	same "$1: exit status" 1 $?
	matches "$1: it says so" "$2" "$out"
}

page $'```sh alice\nx=5; cd /etc\n```\n```sh alice\necho $x; pwd; hostname\n```\n```output\n5\n/etc\nalice\n```\n
```conf /etc/a/b alice bob\nfile\n```\n```sh bob exit=3\ncat /etc/a/b; (exit 3)\n```\n```output\nfile\n```\n
```sh alice stays\necho begun; sleep 60\n```\n```output\nbegun\n```\n```sh alice\nping -c1 -W2 203.0.113.10 >/dev/null\n```
```sh alice exit=1\ntouch /usr/docs-were-here\n```\n```sh alice within=20\n[ $((x++)) -gt 7 ]\n```'
status=$?
[ $status != 77 ] || e2e_skip "$out"
same "a page that is right" 0 $status
[ $status = 0 ] || printf '%s\n' "$out" | sed 's/^/#   /'
refuses "another output" 'prints something else' $'```sh alice\necho a\n```\n```output\nb\n```'
refuses "a command that fails before the last one" 'this failed: false' $'```sh alice\nfalse\ntrue\n```'
refuses "another exit status" 'exit status 0 and not 3' $'```sh alice exit=3\ntrue\n```'
refuses "within, but it does not come" 'prints something else' $'```sh alice within=1\necho a\n```\n```output\nb\n```'
refuses "a host that there is not" 'no host carol' $'```sh carol\ntrue\n```'
refuses "a key that there is not" "no alice's key" $'```sh bob\necho "<Alice\'s public key>"\n```'
e2e_done
