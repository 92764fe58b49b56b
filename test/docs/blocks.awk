# blocks.awk - the blocks of a page, see README. Each body into a file of its own, dir/NUMBER; a line for each block:
# NUMBER, line in the page, kind, and the words behind the kind, separated by tabs. What is no block that README knows is an error.

function fail(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what >"/dev/stderr"
	failed = 1
	exit 1
}

function index_line(kind, words) {
	printf "%d\t%d\t%s\t%s\n", ++number, FNR, kind, words
}

function begin_block(text) {
	kind = text
	sub(/ .*/, "", kind)
	words = index(text, " ") ? substr(text, index(text, " ") + 1) : ""
	if (kind !~ /^(sh|output|conf|text)$/)
		fail("a block of the kind \"" kind "\": sh, output, conf or text")
	if (kind ~ /^(sh|conf)$/ && words == "")
		fail("a block of the kind " kind " that names no host")
	index_line(kind, words)
	file = dir "/" number
	printf "" >file
}

function end_block() {
	close(file)
	inside = ""
}

inside == "" && /^<!-- test: bed / {
	if (!/ -->$/)
		fail("a bed's comment ends in its line")
	sub(/^<!-- test: bed /, "")
	sub(/ -->$/, "")
	index_line("bed", $0)
	next
}
inside == "" && /^<!-- test: (sh|conf|output) / {
	inside = "comment"
	indent = ""
	begin_block(substr($0, length("<!-- test: ") + 1))
	next
}
inside == "" && /^<!--/ && !/^<!-- (figures [a-z]+|end) -->$/ {
	fail("a comment that is neither the test's nor of the figures")
}
inside == "" && /^ *```/ {
	inside = "fence"
	match($0, /^ */)
	indent = substr($0, 1, RLENGTH)
	begin_block(substr($0, RLENGTH + 4))
	next
}
inside == "comment" && $0 == "-->" { end_block(); next }
inside == "fence" && $0 == indent "```" { end_block(); next }
inside != "" {
	if (substr($0, 1, length(indent)) == indent)
		print substr($0, length(indent) + 1) >file
	else if ($0 ~ /^ *$/)
		print "" >file
	else
		fail("a line of the block is to the left of its fence")
}
END {
	if (!failed && inside != "")
		fail("a block without an end")
}
