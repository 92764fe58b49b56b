#!/bin/sh
# render.sh PICTURE.pic - prints it as SVG, by pic2plot (Debian: plotutils). The language is that of pic(1). What is on the page has to
# fit into the size that the source names in a line "# size WIDTH HEIGHT", in inches, around its middle; macros are in macros.pic.
set -eu

command -v pic2plot >/dev/null || { echo "not installed: pic2plot (Debian: plotutils)" >&2; exit 1; }
dir=${0%/*}
size=$(sed -n 's/^# size //p' "$1")
# pic2plot has pages of 8 inches, which it calls 1.
{ echo .PS && cat "$dir/macros.pic" "$1" && echo .PE; } | LC_ALL=C pic2plot -T svg | awk -v size="$size" '
	BEGIN { split(size, s, " ") }
	/^<svg / {
		sub(/width="[^"]*" height="[^"]*" viewBox="[^"]*"/, sprintf("width=\"%gin\" height=\"%gin\" viewBox=\"%g %g %g %g\"",
			s[1], s[2], 0.5 - s[1] / 16, 0.5 - s[2] / 16, s[1] / 8, s[2] / 8))
	}
	{ sub(/font-family="Helvetica,sans-serif"/, "font-family=\"Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif\"") }
	!/^<(title|desc)>/'
