/* The command line of wgmeetd --init, and the values that go to the file. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "log.h"
#include "options.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

/* ---- values ---- */

static size_t index_of(const char *key)
{
	for (size_t i = 0; i < config_options_len; i++)
		if (strcmp(config_options[i].key, key) == 0 && strcmp(config_options[i].section, "Peer") != 0)
			return i;
	diex("there is no key %s: this is a bug", key);
}

const char *init_value(const struct init_plan *plan, const char *key)
{
	return plan->values[index_of(key)];
}

void init_value_set(struct init_plan *plan, const char *key, const char *value)
{
	char **place = &plan->values[index_of(key)];

	free(*place);
	*place = strdup(value);
	if (*place == NULL)
		die("out of memory");
}

void init_value_add(struct init_plan *plan, const char *key, const char *value)
{
	char **place = &plan->values[index_of(key)], *sum;

	if (*place == NULL) {
		init_value_set(plan, key, value);
		return;
	}
	if (asprintf(&sum, "%s\n%s", *place, value) < 0)
		die("out of memory");
	free(*place);
	*place = sum;
}

const char *init_value_check(const char *key, const char *value, struct server_conf *server, struct zone_conf *zone)
{
	const struct conf_option *o = &config_options[index_of(key)];
	char *base = strcmp(o->section, "Zone") == 0 ? (char *)zone : (char *)server;

	return o->parse(o, value, base + o->offset);
}

void init_plan_free(struct init_plan *plan)
{
	for (size_t i = 0; i < INIT_OPTIONS; i++)
		free(plan->values[i]);
	memset(plan, 0, sizeof(*plan));
}

/* ---- options ---- */

_Noreturn static void help(void)
{
	puts("usage: wgmeetd --init [-c FILE] [--yes] [--dry-run] [--device DEV] [--zone ZONE] [--listen ADDR[:PORT]]...\n"
	     "                      [--self ADDR[:PORT]|auto|none] [OPTION...]\n"
	     "\n"
	     "Looks at this host, asks what it cannot see, and writes a configuration with comments. Then it prints\n"
	     "what is still to be done, the records for a delegation, and the lines for each peer. A file that is\n"
	     "there is left as it is.\n"
	     "\n"
	     "  -c, --config FILE                  the file to write (" CONFIG_FILE ")\n"
	     "  --yes                              ask nothing: take what would stand in brackets\n"
	     "  --dry-run                          write no file: to look at the host once more\n"
	     "  --self ADDR[:PORT]|auto|none       where peers reach this host's WireGuard; the port is the device's\n"
	     "\n"
	     "Any other option of wgmeetd goes to the file; see wgmeetd --help.");
	exit(EXIT_FINE);
}

enum { OPT_INIT = 1, OPT_YES, OPT_DRY_RUN, OPT_HELP, OPT_VERSION, OPT_TABLE = 256 };

static const struct option own_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"init", no_argument, NULL, OPT_INIT},
    {"yes", no_argument, NULL, OPT_YES},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {0},
};

/* A line of the file ends where the value has a line break. */
static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

struct given {
	struct conf conf;
	struct server_conf server;
	struct zone_conf zone;
};

static void take_option(struct init_plan *plan, struct given *given, const struct conf_option *o, const char *value)
{
	bool zone = strcmp(o->section, "Zone") == 0;

	if (has_control(value))
		die_usage("--%s: the value has control characters", o->option);
	/* Its port may be left out, and it may be none: it is judged when the device is known. */
	if (strcmp(o->key, "Self") != 0)
		conf_set(&given->conf, o, zone ? &given->zone.target : &given->server.target, value);
	else if (init_value(plan, "Self") != NULL)
		die_usage("--self is given twice");
	if (o->list)
		init_value_add(plan, o->key, value);
	else
		init_value_set(plan, o->key, value);
}

void init_options_read(struct init_plan *plan, int argc, char *argv[])
{
	static struct given given;
	const struct option *table;
	int opt;

	given = (struct given){.conf = {.options = config_options, .options_len = config_options_len}};
	table = conf_getopt(&given.conf, own_options, OPT_TABLE);
	optind = 0;
	plan->file = CONFIG_FILE;
	while ((opt = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		if (opt == 'c')
			plan->file = optarg;
		else if (opt == OPT_YES)
			plan->yes = true;
		else if (opt == OPT_DRY_RUN)
			plan->dry_run = true;
		else if (opt == OPT_HELP || opt == 'h')
			help();
		else if (opt == OPT_VERSION) {
			puts("wgmeetd " VERSION);
			exit(EXIT_FINE);
		} else if (opt >= OPT_TABLE)
			take_option(plan, &given, &config_options[opt - OPT_TABLE], optarg != NULL ? optarg : "yes");
		else if (opt != OPT_INIT)
			die_usage("see wgmeetd --init --help"); /* getopt has said why */
	}
	if (optind < argc)
		die_usage("%s: what is that? Options begin with --; see wgmeetd --init --help", argv[optind]);
	if (init_value(plan, "DumpFile") != NULL)
		die_usage("--dump-file: --init is for a device; for a file see the examples of wgmeetd.conf(5)");
	if (given.conf.errors > 0)
		die_usage("%u error%s, nothing done", given.conf.errors, given.conf.errors == 1 ? "" : "s");
}
