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

	if (what != NULL)
		return what;
	return records_service_name(place, &service) ? NULL : "it is too long: no room is left for the peers' names";
}

#define CLIENT(key, option, arg, help, parse, member) \
	.section = "Client", key, option, arg, help, parse, CONF_AT(settings, member)

static const struct conf_option options[] = {
    {CLIENT("Zone", "zone", "ZONE", "where the registry publishes the peers", parse_zone, zone)},
    {CLIENT("Server", "server", "ADDR[:PORT]", "ask that name server (the system's)", parse_server, servers), .list = true},
    {CLIENT("Keepalive", "keepalive", "SECONDS", "give each peer that is set this keepalive", conf_parse_uint, keepalive_s),
        .min = 0, .max = 65535},
    {CLIENT("Family", "family", "NAME", "the kernel's netlink family (wireguard)", conf_parse_string, family)},
    {CLIENT("User", "user", "USER", "of the process that resolves (nobody)", conf_parse_string, user)},
    {CLIENT("Verbose", "verbose", NULL, "say what is looked at, too", conf_parse_bool, verbose)},
};

#define OPTIONS_LEN (sizeof(options) / sizeof(*options))

static struct conf_target *begin(const char *section, void *data)
{
	(void)section;
	return data;
}

enum { OPT_FORCE = 1, OPT_HELP, OPT_TABLE = 256 };

static const struct option own_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"force", no_argument, NULL, OPT_FORCE},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const char *read_argv(struct conf *c, struct settings *settings, int argc, char *argv[], const char *usage)
{
	const struct option *table = conf_getopt(c, own_options, OPT_TABLE);
	const char *file = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:", table, NULL)) != -1) {
		if (opt == 'c') {
			file = optarg;
		} else if (opt == OPT_FORCE) {
			settings->force = true;
		} else if (opt == OPT_HELP) {
			printf("usage: %s\n\n"
			       "  -c, --config FILE                  (" SETTINGS_DIR "/DEVICE.conf, if it is there)\n"
			       "  --force                            also where a tunnel works\n", usage);
			conf_help(c);
			exit(EXIT_FINE);
		} else if (opt >= OPT_TABLE) {
			conf_set(c, &options[opt - OPT_TABLE], &settings->target, optarg != NULL ? optarg : "yes");
		} else {
			die_usage("see wgmeet %s --help", argv[0]); /* getopt has said why */
		}
	}
	return file;
}

static void read_file(struct conf *c, struct settings *settings, const char *file)
{
	static struct settings from_file;
	char path[64 + IFNAMSIZ];
	int r;

	c->data = &from_file;
	snprintf(path, sizeof(path), SETTINGS_DIR "/%s.conf", settings->device);
	r = conf_read(c, file != NULL ? file : path);
	if (r == -ENOENT && file == NULL)
		return;
	if (r < 0)
		die_usage("cannot read %s: %s", file != NULL ? file : path, strerror(-r));
	/* What the command line did not give. */
	from_file.target.seen &= ~settings->target.seen;
	conf_override(c, "Client", &settings->target, &from_file.target);
}

void settings_read(struct settings *settings, int argc, char *argv[], const char *usage)
{
	static const struct conf_option ifname = {.size = IFNAMSIZ};
	struct conf c = {.options = options, .options_len = OPTIONS_LEN, .begin = begin};
	const char *file, *what;

	memset(settings, 0, sizeof(*settings));
	snprintf(settings->family, sizeof(settings->family), "%s", WGDEV_KERNEL_FAMILY);
	snprintf(settings->user, sizeof(settings->user), "nobody");
	file = read_argv(&c, settings, argc, argv, usage);
	if (argc - optind != 1)
		die_usage("%s; usage: %s", argc == optind ? "which device?" : "one device at a time", usage);
	what = conf_parse_ifname(&ifname, argv[optind], settings->device);
	if (what != NULL)
		die_usage("%s: %s", argv[optind], what);
	read_file(&c, settings, file);
	if (c.errors == 0 && settings->zone.len == 0)
		conf_wrong(&c, 0, "which zone? Give --zone, or Zone = in " SETTINGS_DIR "/%s.conf", settings->device);
	if (c.errors > 0)
		die_usage("%u error%s, nothing done", c.errors, c.errors == 1 ? "" : "s");
}
