# shellcheck shell=ash
# procd.sh SCRIPT FOLDER [reload] - what an init script for OpenWrt would have procd do, with the configurations in FOLDER: for each
# instance a line with its command, and lines with what else it sets; with reload, whether it is started anew. Stand-ins for the
# functions that OpenWrt gives such a script. For ash.

# ---- the configuration: "config TYPE 'NAME'", and below it "option KEY 'VALUE'" and "list KEY 'VALUE'" ----

config_load() {
	local word key value section='' count=0

	sections=
	while read -r word key value; do
		case $word in
		config | option | list) eval "value=$value" ;;
		esac
		case $word in
		config)
			count=$((count + 1))
			section=${value:-anonymous$count}
			sections="$sections $section"
			eval "type_$section=\$key lists_$section="
			;;
		option) eval "option_${section}_$key=\$value" ;;
		list)
			count=$((count + 1))
			eval "item_$count=\$value items_${section}_$key=\"\${items_${section}_$key:-} $count\""
			;;
		esac
	done <"$folder/$1"
}

config_get() {
	eval "$1=\${option_$2_$3:-\${4:-}}"
}

config_get_bool() {
	local given

	config_get given "$2" "$3" "${4:-}"
	case $given in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=${4:-}" ;;
	esac
}

config_foreach() {
	local each is call=$1 type=$2

	shift 2
	for each in $sections; do
		eval "is=\$type_$each"
		[ "$is" != "$type" ] || "$call" "$each" "$@"
	done
}

config_list_foreach() {
	local each items value call=$3

	eval "items=\${items_$1_$2:-}"
	shift 3
	for each in $items; do
		eval "value=\$item_$each"
		"$call" "$value" "$@"
	done
}

# ---- procd ----

procd_open_instance() {
	instance_name=${1:-} command='' also=''
}

procd_set_param() {
	local what=$1

	shift
	if [ "$what" = command ]; then
		procd_append_param command "$@"
	else
		also="$also
  $what $*"
	fi
}

procd_append_param() {
	local word

	[ "$1" = command ] || return 1
	shift
	for word; do
		case $word in
		'' | *[!-a-zA-Z0-9_./:=%@,]*) command="$command '$word'" ;;
		*) command="$command $word" ;;
		esac
	done
}

procd_close_instance() {
	echo "${instance_name:-instance1}:$command$also"
}

start() {
	start_service
}

restart() {
	echo restart
}

script=$1 folder=$2
# shellcheck disable=SC1090 # one of ours
. "$script"
# shellcheck disable=SC2034 # the script's
CONF=$folder/made/wgmeetd.conf
mkdir -p "$folder/made"
if [ "${3:-}" = reload ]; then
	reload_service
else
	start_service
fi
