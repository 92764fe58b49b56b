# shellcheck shell=bash
# match.bash: is what a command printed what the page says that it prints?

# output_regex FILE - of an output block, into `regex`: <words> are some characters, a line "..." is any number of lines.
output_regex() {
	local line any=$'\001'

	regex=
	while IFS= read -r line || [ -n "$line" ]; do
		if [ "$line" = ... ]; then
			regex+=$'([^\n]*\n)*'
			continue
		fi
		line=$(sed -E 's/[][\.*^$+?(){}|]/\\&/g; s/<[^<>]+>/'$any'/g; s/ +$//' <<<"$line")
		regex+="${line//$any/$'[^\n]+'}"$'\n'
	done <"$1"
}

# is_output PAGE-FILE PRINTED-FILE - blanks at the ends of lines do not count, nor do empty lines at the end.
is_output() {
	local regex printed

	output_regex "$1"
	printed=$(sed 's/[[:blank:]]*$//' "$2")
	[ -z "$printed" ] || printed+=$'\n'
	[[ $printed =~ ^$regex$ ]]
}
