# messages.awk FILE... - what the programs may say on standard error, from their sources (headers too, for macros): a line each, a
# level, a tab, and the text with <> for each conversion; of what takes errno along with ": <>" at its end. "text" is for what
# stands in the place of another message's <>.
#
# A message is the format of a call of one of the functions below: string literals, and names of such. Where it is chosen with
# ? and :, there are two. A text is what is written into something called "why", and the literals of the tables and functions below. A call whose
# format is none of these is "unread".

BEGIN {
	level["warn"] = level["warnx"] = level["conf_wrong"] = "warning"
	level["info"] = "info"
	level["die"] = level["diex"] = level["die_usage"] = "error"
	level["snprintf"] = "text"
	nth["conf_wrong"] = nth["snprintf"] = 3 # the format's place, where it is not the first
	errno["warn"] = errno["die"] = ": <>"
	calls = "[^a-zA-Z0-9_](warnx?|info|diex?|die_usage|conf_wrong|snprintf)[(]"
	tables = "\nconst char [*](path_why_text|reported_error)[(]|[}] statuses\\[\\] = "
	literal = "\"([^\"\\\\]|\\\\.)*\""
}

FNR == 1 { files++ }

{ body[files] = body[files] $0 "\n" }

END {
	for (f = 1; f <= files; f++)
		body[f] = without_comments(body[f])
	for (pass = 1; pass <= 2; pass++) # a macro may have another one in it
		for (f = 1; f <= files; f++)
			learn(body[f])
	for (f = 1; f <= files; f++) {
		find_calls(body[f])
		find_tables(body[f])
	}
}

function without_comments(s,    out, at) {
	while ((at = index(s, "/*")) > 0) {
		out = out substr(s, 1, at - 1)
		s = substr(s, at + 2)
		s = substr(s, index(s, "*/") + 2)
	}
	return out s
}

# What names stand for literals: #define NAME "...", const char name[] = "...".
function learn(s,    name) {
	while (match(s, "(#define[ \t]+[A-Z_0-9]+|const char [a-z_]+\\[\\] =)[ \t\n\\\\]+\"")) {
		name = substr(s, RSTART, RLENGTH - 1)
		s = substr(s, RSTART + RLENGTH - 1)
		gsub(/#define|const char|\[\] =|[ \t\n\\]/, "", name)
		meaning[name] = literals(s)
	}
}

# The literals at the start of s, as one.
function literals(s,    out, name) {
	for (;;) {
		if (match(s, "^[ \t\n\\\\]*" literal)) {
			out = out unquoted(substr(s, 1, RLENGTH))
		} else if (match(s, /^[ \t\n\\]*[A-Z_0-9]+/)) {
			name = substr(s, 1, RLENGTH)
			gsub(/[ \t\n\\]/, "", name)
			if (!(name in meaning))
				return out
			out = out meaning[name]
		} else {
			return out
		}
		s = substr(s, RLENGTH + 1)
	}
}

function unquoted(s) {
	sub(/^[ \t\n\\]*"/, "", s)
	sub(/"$/, "", s)
	gsub(/\\"/, "\"", s)
	return s
}

function find_calls(s,    name) {
	while (match(s, calls)) {
		name = substr(s, RSTART + 1, RLENGTH - 2)
		s = substr(s, RSTART + RLENGTH)
		split_arguments(s)
		say_call(name)
	}
}

# The arguments of a call into arg[1], ...: literals, and what stands for them, between \001 and \002; no other quotes.
function split_arguments(s,    n, depth, token) {
	split("", arg)
	n = 1
	while (s != "") {
		if (match(s, "^" literal)) {
			arg[n] = arg[n] "\001" unquoted(substr(s, 1, RLENGTH)) "\002"
		} else if (match(s, /^[A-Za-z_][A-Za-z_0-9]*/)) {
			token = substr(s, 1, RLENGTH)
			arg[n] = arg[n] (token in meaning ? "\001" meaning[token] "\002" : token)
		} else if (!match(s, /^'([^'\\]|\\.)*'/)) {
			match(s, /^(.|\n)/)
			token = substr(s, 1, 1)
			if (token ~ /[({[]/)
				depth++
			else if (token ~ /[]})]/ && depth-- == 0)
				return
			if (token == "," && depth == 0)
				n++
			else
				arg[n] = arg[n] token
		}
		s = substr(s, RLENGTH + 1)
	}
}

function say_call(name,    at, format) {
	at = name in nth ? nth[name] : 1
	format = arg[at]
	if ((name == "snprintf" && arg[1] !~ /why$/) || format ~ /const char/) # another one's; a declaration
		return
	if (format ~ /^[ \t\n]*\001%s\002[ \t\n]*$/ && arg[at + 1] ~ /\001/) # then it is the next one that says something
		format = arg[at + 1]
	if (format !~ /\001/)
		print "unread\t" name "(" format
	say_runs(format, name)
}

# Literals with nothing but blanks between them are one.
function say_runs(s, name,    at, run) {
	while ((at = index(s, "\001")) > 0) {
		if (substr(s, 1, at - 1) !~ /^[ \t\n]*$/) {
			say(run, name)
			run = ""
		}
		s = substr(s, at + 1)
		at = index(s, "\002")
		run = run substr(s, 1, at - 1)
		s = substr(s, at + 1)
	}
	say(run, name)
}

# Each literal of a table or a function, but for words of one with two columns.
function find_tables(s,    part) {
	while (match(s, tables)) {
		s = substr(s, RSTART + RLENGTH)
		match(s, /\n};?\n/)
		part = substr(s, 1, RSTART)
		gsub(/[{]"[^"]*",/, "", part)
		while (match(part, literal)) {
			part = substr(part, RSTART)
			say(literals(part), "snprintf")
			do
				sub("^" literal "[ \t\n]*", "", part)
			while (part ~ /^"/)
		}
	}
}

function say(text, name) {
	if (text == "")
		return
	gsub(/%%/, "\003", text)
	gsub(/%[-+ #0]*[0-9*]*([.][0-9*]*)?(hh|h|ll|l|z|j)?[a-zA-Z]/, "<>", text)
	gsub(/\003/, "%", text)
	print level[name] "\t" text errno[name]
}
