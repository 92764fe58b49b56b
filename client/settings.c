#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "records.h"
#include "wgdev_kernel.h"
#include "wgdev_uapi.h"

static const char *parse_server(const struct conf_option *o, const char *value, void *place)
{
	struct server_list *list = place;

	(void)o;
	if (list->len == SETTINGS_SERVERS)
		return "there are more than 16 servers";
	if (!endpoint_from_text(value, 53, &list->at[list->len]) || list->at[list->len].port == 0 ||
	    list->at[list->len].scope != 0) /* c-ares knows no scopes */
		return "it must be ADDR, ADDR:PORT or [V6]:PORT, in numbers, without a %scope";
	list->len++;
	return NULL;
}

static const char *parse_zone(const struct conf_option *o, const char *value, void *place)
{
	struct name service;
	const char *what = conf_parse_name(o, value, place);

	if (strpbrk(value, " \t:/") != NULL) /* DNS would take it */
		return "it must be the zone's name and nothing else, such as wg.example.com";
	if (what != NULL)
		return what;
	return records_service_name(place, &service) ? NULL : "it is too long: no room is left for the peers' names";
}

/* As wg(8) takes it: a number, in hexadecimal with 0x, or "off". */
static const char *conf_parse_mark(const struct conf_option *o, const char *value, void *place)
{
	char *end;
	bool off = strcasecmp(value, "off") == 0;
	unsigned long n = off ? 0 : strtoul(value, &end, 0);

	(void)o;
	if (!off && (*value < '0' || *value > '9' || *end != '\0' || n > UINT32_MAX))
		return "it must be a number, 0x... or off";
	*(uint32_t *)place = (uint32_t)n;
	return NULL;
}

#define CLIENT(key, option, arg, help, parse, member) \
	.section = "Client", key, option, arg, help, parse, CONF_AT(settings, member)

static const struct conf_option options[] = {
    {CLIENT("Zone", "zone", "ZONE", "where the registry publishes the peers", parse_zone, zone)},
    {CLIENT("Server", "server", "ADDR[:PORT]", "ask that name server (the system's)", parse_server, servers), .list = true},
    {CLIENT("Keepalive", "keepalive", "SECONDS", "give each peer that is set this keepalive", conf_parse_uint, keepalive_s),
        .min = 0, .max = 65535},
    {CLIENT("FwMark", "fwmark", "MARK", "of the resolver's packets, as wg-quick's FwMark (0: none)", conf_parse_mark, fwmark)},
    {CLIENT("NotifyPort", "notify-port", "PORT", "where wgmeet run hears of changes (5354; 0: nowhere)", conf_parse_uint, notify_port),
        .min = 0, .max = 65535},
    {CLIENT("Family", "family", "NAME", "the kernel's netlink family (wireguard)", conf_parse_string, family)},
    {CLIENT("User", "user", "USER", "of the process that resolves (nobody)", conf_parse_string, user)},
    {CLIENT("Verbose", "verbose", NULL, "say what is looked at, too", conf_parse_bool, verbose)},
};

/* Another device than was meant has no file either. */
static const char *wrong_device(const char *device)
{
	char path[64 + IFNAMSIZ], line[64];
	bool is_wireguard = false;
	FILE *fp;

	if (if_nametoindex(device) == 0)
		return "; and is that the device? There is none of that name here, see `wg show interfaces`";
	snprintf(path, sizeof(path), "/sys/class/net/%s/uevent", device);
	fp = fopen(path, "re");
	if (fp == NULL || wgdev_uapi_exists(device)) /* who cannot look does not know */
		is_wireguard = true;
	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL)
		is_wireguard |= strcmp(line, "DEVTYPE=wireguard\n") == 0;
	if (fp != NULL)
		fclose(fp);
	return is_wireguard ? "" : "; and is that the device? It is none of WireGuard's, see `wg show interfaces`";
}

#define WHICH_ZONE "which zone? Give --zone, or "

static const char *which_zone(const struct settings *settings)
{
	static char out[256];

	if (settings->device[0] == '\0')
		return WHICH_ZONE "name the device, whose file " SETTINGS_DIR "/DEVICE.conf has it";
	snprintf(out, sizeof(out), WHICH_ZONE "Zone = in " SETTINGS_DIR "/%s.conf%s", settings->device,
	    settings->has_file ? "" : wrong_device(settings->device));
	return out;
}

#define OPTIONS_LEN (sizeof(options) / sizeof(*options))

static struct conf_target *begin(const char *section, void *data)
{
	(void)section;
	return data;
}

enum { OPT_FORCE = 1, OPT_DRY_RUN, OPT_JSON, OPT_WATCH, OPT_HELP, OPT_TABLE = 256 };

static const struct option own_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, OPT_JSON},
    {"force", no_argument, NULL, OPT_FORCE},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"watch", no_argument, NULL, OPT_WATCH},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

_Noreturn static void help(const struct conf *c, const struct settings_usage *usage)
{
	printf("usage: %s\n\n"
	       "  -c, --config FILE                  (" SETTINGS_DIR "/DEVICE.conf, if it is there)\n"
	       "%s", usage->text, usage->stays ? "" : "  --json                             for programs\n");
	if (usage->changes_device)
		printf("  --force                            also where a tunnel works\n"
		       "  --dry-run                          say what would be done, and do nothing\n");
	if (usage->watches)
		printf("  --watch                            stay, and say it again whenever it changes\n");
	conf_help(c);
	exit(EXIT_FINE);
}

static const char *read_argv(struct conf *c, struct settings *settings, int argc, char *argv[],
    const struct settings_usage *usage)
{
	const struct option *table = conf_getopt(c, own_options, OPT_TABLE);
	const char *file = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		if (opt == 'c') {
			file = optarg;
		} else if (opt == OPT_JSON && usage->stays) {
			die_usage("--json is for what prints something: wgmeet status tells how wgmeet run is doing");
		} else if (opt == OPT_JSON) {
			settings->json = true;
		} else if ((opt == OPT_FORCE || opt == OPT_DRY_RUN) && !usage->changes_device) {
			die_usage("--force and --dry-run are for wgmeet sync");
		} else if (opt == OPT_WATCH && !usage->watches) {
			die_usage("--watch is for wgmeet status");
		} else if (opt == OPT_WATCH) {
			settings->watch = true;
		} else if (opt == OPT_FORCE) {
			settings->force = true;
		} else if (opt == OPT_DRY_RUN) {
			settings->dry_run = true;
		} else if (opt == OPT_HELP || opt == 'h') {
			help(c, usage);
		} else if (opt >= OPT_TABLE) {
			conf_set(c, &options[opt - OPT_TABLE], &settings->target, optarg != NULL ? optarg : "yes");
		} else {
			die_usage("see %s --help", argv[0]); /* getopt has said why */
		}
	}
	return file;
}

static void read_file(struct conf *c, struct settings *settings, const char *file)
{
	static struct settings from_file;
	char path[64 + IFNAMSIZ];
	int r;

	memset(&from_file, 0, sizeof(from_file)); /* it may be read again */
	c->data = &from_file;
	snprintf(path, sizeof(path), SETTINGS_DIR "/%s.conf", settings->device);
	if (file == NULL && settings->device[0] == '\0')
		return;
	r = conf_read(c, file != NULL ? file : path);
	if (r == -ENOENT && file == NULL)
		return;
	settings->has_file = r == 0;
	if (r < 0)
		conf_wrong(c, 0, "cannot read %s: %s", file != NULL ? file : path, strerror(-r));
	/* What the command line did not give. */
	from_file.target.seen &= ~settings->target.seen;
	conf_override(c, "Client", &settings->target, &from_file.target);
}

static void read_operands(struct settings *settings, int argc, char *argv[], const struct settings_usage *usage)
{
	static const struct conf_option ifname = {.size = IFNAMSIZ};
	const char *what;

	if (usage->has_subject && optind < argc)
		settings->subject = argv[optind++];
	if (usage->has_subject && settings->subject == NULL)
		die_usage("which peer? usage: %s", usage->text);
	if (usage->needs_device && optind == argc)
		die_usage("which device? usage: %s", usage->text);
	if (argc - optind > 1)
		die_usage("%s: what is that? usage: %s", argv[optind + 1], usage->text);
	if (optind == argc)
		return;
	what = conf_parse_ifname(&ifname, argv[optind], settings->device);
	if (what != NULL)
		die_usage("%s: %s", argv[optind], what);
}

unsigned settings_reread(struct settings *settings, int argc, char *argv[], const struct settings_usage *usage)
{
	struct conf c = {.options = options, .options_len = OPTIONS_LEN, .begin = begin};
	const char *file;

	memset(settings, 0, sizeof(*settings));
	snprintf(settings->family, sizeof(settings->family), "%s", WGDEV_KERNEL_FAMILY);
	snprintf(settings->user, sizeof(settings->user), "nobody");
	settings->notify_port = SETTINGS_NOTIFY_PORT;
	optind = 0; /* getopt_long() begins anew */
	file = read_argv(&c, settings, argc, argv, usage);
	read_operands(settings, argc, argv, usage);
	settings->file = file;
	settings->argv_errors = c.errors;
	read_file(&c, settings, file);
	if (c.errors == 0 && settings->zone.len == 0 && !usage->may_lack_zone)
		conf_wrong(&c, 0, "%s", which_zone(settings));
	return c.errors;
}

void settings_read(struct settings *settings, int argc, char *argv[], const struct settings_usage *usage)
{
	unsigned errors = settings_reread(settings, argc, argv, usage);

	if (errors > 0)
		die_usage("%u error%s, nothing done", errors, errors == 1 ? "" : "s");
}

bool settings_has_server(const struct server_list *list, const struct endpoint *ep)
{
	for (size_t i = 0; i < list->len; i++)
		if (endpoint_equal(&list->at[i], ep))
			return true;
	return false;
}

void settings_need_zone(const struct settings *settings)
{
	if (settings->zone.len == 0)
		die_usage("%s", which_zone(settings));
}
