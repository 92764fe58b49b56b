#!/bin/bash
# The pictures and the figures of contrib/guide are what their sources say: "make pictures" and "make figures" make them anew. Each
# picture is shown on a page.
# shellcheck source-path=SCRIPTDIR disable=SC1091

. "${0%/*}/../e2e/e2e.bash" || exit 1
cd "$ROOT/contrib/guide" || exit 1

same "performance.md has what contrib/performance/tables.txt has" "" \
	"$(awk -f figures.awk ../performance/tables.txt performance.md | diff performance.md - | grep '^[<>]')"
same "and no cell of it is empty" "" "$(grep -nE '\| *(\||ms|us|KiB)' performance.md)"

[ -n "$(command -v pic2plot)" ] || e2e_skip "not installed: plotutils"
for source in pictures/[!m]*.pic; do
	picture=${source%.pic}.svg
	check "$picture is what ${source##*/} says" cmp <(pictures/render.sh "$source") "$picture"
	check "and is on a page" grep -qF "]($picture)" ./*.md
done
for picture in pictures/*.svg; do
	check "$picture has a source" test -e "${picture%.svg}.pic"
done
while IFS=: read -r page picture; do
	check "$page: $picture is there" test -e "$picture"
done < <(grep -oE '\]\(pictures/[a-z-]+\.svg\)' ./*.md | tr -d '])(' | sort -u)
e2e_done
