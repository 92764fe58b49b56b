#!/bin/bash
# contrib/guide/log.md has every message of the programs, with its level, and none that there is not. What is missing is printed as
# a line to paste. Needs nothing but the sources.
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2016

. "${0%/*}/../e2e/e2e.bash" || exit 1
cd "$ROOT" || exit 1
page=contrib/guide/log.md

# in_sources FILE... - "LEVEL TAB TEXT", with <> in place of what differs from line to line.
in_sources() {
	awk -f test/docs/messages.awk "$@" | LC_ALL=C sort -u
}

# in_page FILE - the same. A message is in ` `, or in `` `` if it has ` in it.
in_page() {
	awk '/^- (error|warning|info|text) `/ {
		text = substr($0, length($2) + 4)
		sub(/:$/, "", text)
		n = text ~ /^``/ ? 2 : 1
		text = substr(text, n + 1, length(text) - 2 * n)
		if (n == 2) {
			sub(/^ `/, "`", text)
			sub(/` $/, "`", text)
		}
		gsub(/<[^<>]*>/, "<>", text)
		print $2 "\t" text
	}' "$1"
}

# as_lines - to paste.
as_lines() {
	sed -E -e 's/^([a-z]+)\t(.*`.*)$/- \1 ``\2``:/' -e 's/^(- [a-z]+ ``)`/\1 `/' -e 's/```:$/` ``:/' -e 's/^([a-z]+)\t(.*)$/- \1 `\2`:/'
}

nothing() { # WHAT LINES
	if [ -z "$2" ]; then
		ok "$1"
	else
		not_ok "$1"
		as_lines <<<"$2"
	fi
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
in_sources common/*.[ch] server/*.[ch] client/*.[ch] >"$dir/sources"
in_page $page >"$dir/page.all"
LC_ALL=C sort -u "$dir/page.all" >"$dir/page"

# What is read is all there is: no call is passed over for the way it is written.
cat >"$dir/odd.c" <<'END'
#define WHERE "/etc/"
#define WHICH "in " WHERE "%s"
const char hint[] =
    "run it "
    "as root";
static const char *const no[] = {"x"};
void f(void)
{
	warnx("%zu of %-5.3s: %d%%%s", n, s, d, d == 1 ? "" : "s"); /* info("a comment"); */
	if (e)
		warn("cannot (%s)", name("a)", ','));
	info("one \"two\" `three`");
	diex(WHICH, s);
	diex("%s", hint);
	die_usage("%s" WHERE, s);
	conf_wrong(c, f(c, "no"), x == '"' ? "this%s" : "that", s);
	snprintf(s->why, sizeof(s->why),
	    "may not "
	    "read %s", dev);
	snprintf(text, sizeof(text), "no");
	debug("no");
	rewarn("no");
	warnx(format, s);
}
const char *path_why_text(enum path_why why)
{
	static const char *const texts[] = {[A] = "it went",
	    [B] = "it " "came"};

	return texts[why];
}
} statuses[] = {
    [A] = {"word", "text of it"},
};
END
same "calls are read, however they are written" "error	<>/etc/
error	in /etc/<>
error	run it as root
info	one \"two\" \`three\`
text	it came
text	it went
text	may not read <>
text	text of it
unread	warnx(format
warning	<> of <>: <>%<>
warning	cannot (<>): <>
warning	that
warning	this<>" "$(in_sources "$dir/odd.c")"
check "there are messages: $(wc -l <"$dir/sources")" test "$(wc -l <"$dir/sources")" -gt 150
nothing "each message is in $page" "$(LC_ALL=C comm -23 "$dir/sources" "$dir/page")"
nothing "it has no other ones" "$(LC_ALL=C comm -13 "$dir/sources" "$dir/page")"
same "each of its lines about a message can be read" "$(grep -cE '^- (error|warning|info|text) ' $page)" "$(wc -l <"$dir/page.all")"

e2e_done
