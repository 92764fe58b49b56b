# plain.awk - the blocks of a README without fences, by the list "plain": awk -v page=README -v list=FILE -v dir=DIR -f plain.awk README
# Prints what blocks.awk prints. A line of the README that the list does not have, or the other way round, is an error.

function wrong(where, what) {
	printf "%s: %s\n", where, what >"/dev/stderr"
	failed = 1
}

function block(line, words, body) {
	printf "%d\t%d\t%s\t%s\n", ++number, line, words ~ /^bed / ? "bed" : words ~ /^conf / ? "conf" : "sh", substr(words, index(words, " ") + 1)
	if (words !~ /^bed /)
		print body >(dir "/" number)
}

function trim(s) {
	gsub(/^ +| +$/, "", s)
	return s
}

# What is typed beside the README's lines, before the next one of those.
function hidden() {
	while (at < entries && how[at + 1] ~ /^\+/) {
		at++
		block(FNR, trim(substr(how[at], 2)), text[at])
	}
}

BEGIN {
	while ((getline line <list) > 0) {
		if (line ~ /^\[/)
			on = line == "[" page "]"
		else if (on && line !~ /^#/ && line !~ /^ *$/) {
			bar = index(line, "|")
			how[++entries] = trim(substr(line, 1, bar - 1))
			text[entries] = trim(substr(line, bar + 1))
		}
	}
}
/^ *$/ { covered = 0 }
/^    / && !covered {
	line = trim($0)
	hidden()
	at++
	want = text[at]
	if (at > entries || (want ~ /\*$/ ? index(line, substr(want, 1, length(want) - 1)) != 1 : line != want)) {
		wrong(page ":" FNR, "test/docs/plain does not have this line here: " line)
		exit 1
	}
	covered = want ~ /\*$/ && how[at] ~ /^(by|not|text)/
	if (how[at] ~ /^by /) {
		file = substr(how[at], 4)
		if ((getline junk <file) < 0)
			wrong(page ":" FNR, "test/docs/plain says that " file " runs this: it is not there")
		close(file)
	} else if (how[at] ~ /^not /) {
		print "# " page ":" FNR ": not run, for it takes " substr(how[at], 5) >"/dev/stderr"
	} else if (how[at] != "text") {
		# What stands behind the command in its line is no part of it.
		block(FNR, how[at], want ~ /\*$/ ? trim(substr(want, 1, length(want) - 1)) : line)
	}
}
END {
	if (!failed)
		hidden()
	if (!failed && at < entries)
		wrong("test/docs/plain", page " has no such line: " text[at + 1])
	exit failed
}
