# shellcheck shell=bash disable=SC2016,SC2034
# Functions for awk: what mawk does not have, and what all tables need.
LIB='
BEGIN { FS = OFS = "\t" }
function sort(v, n,   i, j, t) {
	for (i = 2; i <= n; i++) {
		t = v[i]
		for (j = i - 1; j >= 1 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
}
function quantile(v, n, q,   at, low) { # of what is sorted
	at = 1 + (n - 1) * q
	low = int(at)
	return low >= n ? v[n] : v[low] + (at - low) * (v[low + 1] - v[low])
}
function commas(n,   text) {
	text = sprintf("%d", n)
	while (match(text, /[0-9][0-9][0-9][0-9]/) && match(text, /^[0-9]+/)) {
		if (RLENGTH <= 3)
			break
		text = substr(text, 1, RLENGTH - 3) "," substr(text, RLENGTH - 2)
	}
	return text
}
# Where the first line names the columns: f(name) is what the line at hand has there.
function names(   i) { for (i = 1; i <= NF; i++) column[$i] = i }
function f(name) { return name in column ? $(column[name]) : "" }
# A target: prints whether it is met, counts in missed. What is no number is not met; "" was not measured. A line of each goes to
# the file VERDICTS, too. With void set nothing counts.
function judge(what, where, got, most, unit,   word, number) {
	number = got ~ /^[0-9]+(\.[0-9]+)?$/
	word = got == "" || void ? "open" : number && got + 0 <= most + 0 ? "holds" : "MISSED"
	missed += word == "MISSED"
	printf("    %-7s %-27s %-28s %s%s, to be at most %s%s\n", word, what, where, got == "" ? "not measured" : got (number ? unit : ""),
		void && got != "" ? " (this run does not count)" : "", most, unit)
	printf("%s\t%s%s\n", word, what, where == "" ? "" : ", " where) >> ENVIRON["VERDICTS"]
}
'
