#!/bin/sh
# install.sh install|uninstall MODE,FILE,PLACE... - for the Makefile. Copies each FILE to $DESTDIR$PLACE, what has the programs'
# places in it with these; or takes all of that away, with the folders that are empty then.
set -eu
DESTDIR=${DESTDIR:-} PREFIX=${PREFIX%/}

# system FOLDER - is there without us, so it stays, even empty. Of a staging folder nothing is.
system() {
	[ -z "$DESTDIR" ] || return 1
	case $1 in
	/usr | /usr/local | /usr/local/bin | /usr/local/sbin | /usr/local/lib | /usr/local/share | /usr/local/share/man | \
		/usr/local/share/zsh | /usr/local/share/zsh/site-functions) return 0 ;;
	"$PREFIX" | "$PREFIX"/*) return 1 ;;
	esac
}

# prune FOLDER - it and those above it, as far as they are empty.
prune() {
	while [ -n "$1" ] && ! system "$1"; do
		if [ -d "$DESTDIR$1" ]; then
			rmdir "$DESTDIR$1" 2>/dev/null || return 0
		fi
		set -- "${1%/*}"
	done
}

verb=$1
shift
for entry; do
	mode=${entry%%,*} place=${entry##*,}
	file=${entry#*,}
	file=${file%,*} folder=${place%/*}
	case $verb in
	install)
		install -d "$DESTDIR$folder"
		install -m "$mode" "$file" "$DESTDIR$place"
		case $file in
		contrib/systemd/* | contrib/prometheus/*) sed "s|/usr/local/sbin/|$SBINDIR/|; s|/usr/local/bin/|$BINDIR/|" "$file" >"$DESTDIR$place" ;;
		esac
		;;
	uninstall)
		rm -f "$DESTDIR$place"
		prune "$folder"
		;;
	esac
done
