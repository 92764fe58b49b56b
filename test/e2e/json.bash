# shellcheck shell=bash disable=SC2154
# json.bash: what the tests of JSON share. Behind e2e.bash; before e2e_enter, which it skips without jq.

command -v jq >/dev/null || e2e_skip "not installed: jq"

# fits SCHEMA FILE - is it one document, with exactly these keys, with exactly these types, "a|b" for either? Alternatives of
# objects are in {"either": [...]}.
fits() {
	jq -en --argjson schema "$1" --slurpfile doc "$2" '
		def fits($s):
			. as $v | ($s | type) as $t |
			if $t == "object" and $s.either then any($s.either[]; . as $e | $v | fits($e))
			elif $t == "object" then
				($v | type) == "object" and ($v | keys) == ($s | keys) and
				all($s | keys[]; . as $k | $v[$k] | fits($s[$k]))
			elif $t == "array" then ($v | type) == "array" and all($v[]; fits($s[0]))
			else $v | type as $is | $s | split("|") | index($is) != null end;
		($doc | length) == 1 and ($doc[0] | fits($schema))' && return
	cat "$2"
	return 1
}

# json_is DESCRIPTION FILTER EXPECTED - of the document in $LAB/out, in one line.
json_is() {
	same "$1" "$3" "$(jq -c "$2" "$LAB/out" 2>&1)"
}
