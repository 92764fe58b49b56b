#!/bin/bash
# links.sh - what the pages refer to is there: files, and headings of them; and each page is in the guide's list.
cd "${0%/*}/../.." || exit 1
failed=0

wrong() {
	echo "not ok - $*"
	failed=1
}

# anchors FILE - of its headings: lower case, blanks to hyphens, and nothing but letters, digits and hyphens.
anchors() {
	sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for page in contrib/guide/*.md; do
	while read -r link; do
		case $link in
		http:* | https:* | mailto:*) continue ;;
		esac
		file=${link%%#*}
		if [ -n "$file" ]; then file=${page%/*}/$file; else file=$page; fi
		if [ ! -e "$file" ]; then
			wrong "$page: there is no $link"
		elif [[ $link == *#* ]] && ! anchors "$file" | grep -qFx -e "${link#*#}"; then
			wrong "$page: there is no heading for $link"
		fi
	done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//')
	[ "${page##*/}" = README.md ] || grep -qF "(${page##*/})" contrib/guide/README.md ||
		wrong "${page##*/} is not in the list of contrib/guide/README.md"
done
[ $failed = 1 ] || echo "ok - the pages' links"
exit $failed
