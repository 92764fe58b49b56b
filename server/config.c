#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "records.h"
#include "wgdev_kernel.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

static void zone_defaults(struct zone_conf *z)
{
	memset(z, 0, sizeof(*z));
	snprintf(z->family, sizeof(z->family), "%s", WGDEV_KERNEL_FAMILY);
	z->ttl_s = 10;
	z->list_max = RECORDS_LIST_MAX;
	z->padded_names = true;
}

struct reading {
	struct config *config;
	struct server_conf file_server;
	struct conf *conf;
};

static struct conf_target *begin_peer(struct reading *r)
{
	struct config *config = r->config;
	struct peer_conf *p;

	if (config->zones_len == 0) {
		conf_wrong(r->conf, r->conf->line, "a [Peer] stands below the [Zone] that it belongs to");
		return NULL;
	}
	if (config->peers_len == config->peers_cap) {
		size_t cap = config->peers_cap == 0 ? 64 : config->peers_cap * 2;

		p = reallocarray(config->peers, cap, sizeof(*p));
		if (p == NULL)
			die("out of memory");
		config->peers = p;
		config->peers_cap = cap;
	}
	p = &config->peers[config->peers_len++];
	*p = (struct peer_conf){.zone = (uint32_t)config->zones_len - 1, .publish = true};
	return &p->target;
}

static struct conf_target *begin(const char *section, void *data)
{
	struct reading *r = data;

	if (strcmp(section, "Server") == 0) /* a second one goes on with the first */
		return &r->file_server.target;
	if (strcmp(section, "Peer") == 0)
		return begin_peer(r);
	if (r->config->zones_len == CONFIG_ZONES) {
		conf_wrong(r->conf, r->conf->line, "there are more than %d zones", CONFIG_ZONES);
		return NULL;
	}
	zone_defaults(&r->config->zones[r->config->zones_len]);
	return &r->config->zones[r->config->zones_len++].target;
}

/* A zone that names no server is served by "ns" inside it, at the addresses that this server listens on. */
static void default_name_server(const struct listen_list *listen, struct zone_conf *z)
{
	struct name_server *ns = &z->name_servers.at[0];
	char text[NAME_TEXT];

	z->name_servers.len = 1;
	name_prepend("ns", 2, &z->name, &ns->name);
	for (size_t i = 0; i < listen->len && ns->addrs_len < CONFIG_NS_ADDRS; i++) {
		struct endpoint addr = listen->at[i].at;
		bool known = endpoint_addr_is_any(&addr);

		addr.port = 0;
		addr.scope = 0;
		for (size_t j = 0; j < ns->addrs_len; j++)
			known |= endpoint_equal(&ns->addrs[j], &addr);
		if (!known)
			ns->addrs[ns->addrs_len++] = addr;
	}
	if (ns->addrs_len == 0)
		warnx("warning: zone %s: its name server has no address, so it cannot be delegated: give NameServer = NAME ADDR",
		    name_to_text(&z->name, text));
}

/* Below the service stand peers and lists of them, and nothing else. */
static void check_name_servers(struct conf *c, const struct zone_conf *z, const char *text)
{
	struct name service;

	for (size_t i = 0; i < z->name_servers.len; i++) {
		const struct name *name = &z->name_servers.at[i].name;

		for (size_t j = 0; j < i; j++)
			if (name_equal(name, &z->name_servers.at[j].name))
				conf_wrong(c, z->target.line, "zone %s: a name server is there twice: give it once, with all its addresses",
				    text);
		if (records_service_name(&z->name, &service) && name_is_within(name, &service))
			conf_wrong(c, z->target.line, "zone %s: a name server's name ends in " RECORDS_SERVICE "." RECORDS_PROTO
			                              ", where the peers are: give it another", text);
	}
}

static void check_zone(struct conf *c, const struct config *config, const struct listen_list *listen, struct zone_conf *z)
{
	char text[NAME_TEXT];

	if (z->name.len == 0) {
		conf_wrong(c, z->target.line, "a zone has no name: give Name = or --zone");
		return;
	}
	name_to_text(&z->name, text);
	if (z->device[0] == '\0' && z->dump_file[0] == '\0')
		conf_wrong(c, z->target.line, "zone %s: nothing to publish: give Device = or DumpFile = (--device, --dump-file)",
		    text);
	if (z->device[0] == '\0' && (z->allow.tunnel || z->browse.tunnel))
		conf_wrong(c, z->target.line, "zone %s: Allow and AllowBrowse: tunnel means the zone's own device, and it has none: "
		                              "give Device =, or networks", text);
	if (z->device[0] != '\0' && z->dump_file[0] != '\0')
		conf_wrong(c, z->target.line, "zone %s: give Device = or DumpFile =, not both", text);
	for (size_t i = 0; &config->zones[i] < z; i++)
		if (name_equal(&config->zones[i].name, &z->name))
			conf_wrong(c, z->target.line, "zone %s is there twice", text);
	check_name_servers(c, z, text);
	if (z->name_servers.len == 0)
		default_name_server(listen, z);
}

static int by_zone_and_key(const void *a, const void *b)
{
	const struct peer_conf *p = a, *q = b;

	if (p->zone != q->zone)
		return p->zone < q->zone ? -1 : 1;
	return memcmp(p->key, q->key, KEY_LEN);
}

/* Is the label a name server's, or that of one above it? */
static bool is_server(const struct zone_conf *z, const struct peer_conf *p)
{
	struct name name;

	if (!name_prepend(p->label, strlen(p->label), &z->name, &name))
		return true;
	for (size_t i = 0; i < z->name_servers.len; i++)
		if (name_is_within(&z->name_servers.at[i].name, &name))
			return true;
	return false;
}

static int by_zone_and_label(const void *a, const void *b)
{
	const struct peer_conf *p = *(const struct peer_conf *const *)a, *q = *(const struct peer_conf *const *)b;

	return p->zone != q->zone ? (p->zone < q->zone ? -1 : 1) : strcmp(p->label, q->label);
}

static void check_labels(struct conf *c, const struct config *config)
{
	const struct peer_conf **sorted = calloc(config->peers_len + 1, sizeof(*sorted));

	if (sorted == NULL)
		die("out of memory");
	for (size_t i = 0; i < config->peers_len; i++)
		sorted[i] = &config->peers[i];
	qsort(sorted, config->peers_len, sizeof(*sorted), by_zone_and_label);
	for (size_t i = 0; i < config->peers_len; i++) {
		const struct peer_conf *p = sorted[i];
		bool is_twin = i > 0 && by_zone_and_label(&sorted[i - 1], &sorted[i]) == 0;

		if (p->label[0] != '\0' && config->zones[p->zone].name.len != 0 && (is_twin || is_server(&config->zones[p->zone], p)))
			conf_wrong(c, p->target.line, "Name = %s: another peer or a name server has that name", p->label);
	}
	free(sorted);
}

static void check_peers(struct conf *c, struct config *config)
{
	char text[KEY_BASE64 + 1];

	if (config->peers_len > 0)
		qsort(config->peers, config->peers_len, sizeof(*config->peers), by_zone_and_key);
	for (size_t i = 0; i < config->peers_len; i++) {
		struct peer_conf *p = &config->peers[i];
		struct zone_conf *z = &config->zones[p->zone];

		if (z->peers_len++ == 0)
			z->peers = p;
		if (!conf_has(c, &p->target, "PublicKey"))
			conf_wrong(c, p->target.line, "a [Peer] has no PublicKey =");
		else if (p > z->peers && !key_is_zero(p->key) && by_zone_and_key(p - 1, p) == 0)
			conf_wrong(c, p->target.line, "there is another [Peer] for %s", key_text(p->key, text));
	}
	check_labels(c, config);
}

const struct peer_conf *config_find_peer(const struct zone_conf *zone, const uint8_t key[KEY_LEN])
{
	struct peer_conf wanted;

	if (zone->peers_len == 0)
		return NULL;
	wanted.zone = zone->peers[0].zone;
	memcpy(wanted.key, key, KEY_LEN);
	return bsearch(&wanted, zone->peers, zone->peers_len, sizeof(*zone->peers), by_zone_and_key);
}

/* If nobody has asked for metrics there are some where the directory is, and else none: that is no error. */
static void default_metrics(struct server_conf *s)
{
	s->metrics_given = s->metrics_socket[0] != '\0';
	if (!s->metrics_given && access(CONFIG_METRICS_DIR, F_OK) == 0)
		snprintf(s->metrics_socket, sizeof(s->metrics_socket), "%s", CONFIG_METRICS);
	if (strcmp(s->metrics_socket, "none") == 0)
		s->metrics_socket[0] = '\0';
}

static void default_server(struct server_conf *s)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (s->listen.len == 0)
		config_listen_on_all(&s->listen, "", 53);
	if (s->user[0] == '\0')
		snprintf(s->user, sizeof(s->user), "wgmeet");
	if (s->observer_user[0] == '\0')
		snprintf(s->observer_user, sizeof(s->observer_user), "wgmeet-observer");
	if (s->workers == 0)
		s->workers = n < 1 ? 1 : n > CONFIG_WORKERS ? CONFIG_WORKERS : (uint32_t)n;
	if (s->state_directory[0] == '\0' && access("/var/lib/wgmeet", F_OK) == 0)
		snprintf(s->state_directory, sizeof(s->state_directory), "/var/lib/wgmeet");
	default_metrics(s);
}

_Noreturn static void help(const struct conf *c)
{
	printf("usage: wgmeetd [-c FILE] [--check | --print-zone | --print-metrics | --init] [OPTION...]\n"
	       "\n"
	       "Publishes the endpoints that a WireGuard device sees of its peers, in DNS.\n"
	       "\n"
	       "  -c, --config FILE                  the configuration (" CONFIG_FILE ";\n"
	       "                                     none if --zone is given)\n"
	       "  --check                            read the configuration, and say what is wrong in it\n"
	       "  --print-zone                       read the device once, print the zone as a master file\n"
	       "  --print-metrics                    ask the server that runs for its metrics, and print them\n"
	       "  --output FILE                      put those into that file\n"
	       "  --init                             look at this host, ask, and write a configuration; see --init --help\n"
	       "  --yes                              with --init: ask nothing\n"
	       "  --dry-run                          with --init: write nothing\n"
	       "  --help, --version\n"
	       "\n"
	       "What the command line says goes before what the file says:\n");
	conf_help(c);
	exit(EXIT_FINE);
}

enum { OPT_CHECK = 1, OPT_PRINT_ZONE, OPT_PRINT_METRICS, OPT_OUTPUT, OPT_INIT, OPT_YES, OPT_DRY_RUN, OPT_HELP, OPT_VERSION, OPT_TABLE = 256 };

static const struct option own_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"print-zone", no_argument, NULL, OPT_PRINT_ZONE},
    {"print-metrics", no_argument, NULL, OPT_PRINT_METRICS},
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"init", no_argument, NULL, OPT_INIT},
    {"yes", no_argument, NULL, OPT_YES},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {0},
};

/* Returns the configuration file's name, NULL if none was given. */
static const char *read_argv(struct conf *c, struct config *config, struct zone_conf *zone, int argc, char *argv[])
{
	const struct option *table = conf_getopt(c, own_options, OPT_TABLE);
	const char *file = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		if (opt == 'c') {
			file = optarg;
		} else if (opt == OPT_CHECK) {
			config->check = true;
		} else if (opt == OPT_PRINT_ZONE) {
			config->print_zone = true;
		} else if (opt == OPT_PRINT_METRICS) {
			config->print_metrics = true;
		} else if (opt == OPT_OUTPUT) {
			config->output = optarg;
		} else if (opt == OPT_INIT) {
			/* It is looked for before all else, see init_is_wanted(). */
			die_usage("write --init in full");
		} else if (opt == OPT_YES || opt == OPT_DRY_RUN) {
			die_usage("%s goes with --init", opt == OPT_YES ? "--yes" : "--dry-run");
		} else if (opt == OPT_HELP || opt == 'h') {
			help(c);
		} else if (opt == OPT_VERSION) {
			puts("wgmeetd " VERSION);
			exit(EXIT_FINE);
		} else if (opt >= OPT_TABLE) {
			const struct conf_option *o = &config_options[opt - OPT_TABLE];

			conf_set(c, o, strcmp(o->section, "Zone") == 0 ? &zone->target : &config->server.target,
			    optarg != NULL ? optarg : "yes");
		} else {
			die_usage("see wgmeetd --help"); /* getopt has said why */
		}
	}
	if (optind < argc)
		die_usage("%s: what is that? Options begin with --; see wgmeetd --help", argv[optind]);
	if (config->output != NULL && !config->print_metrics)
		die_usage("--output is for --print-metrics");
	return file;
}

/* The command line's zone is the file's only one with some values changed, or the only one. */
static void merge_zone(struct conf *c, struct config *config, struct zone_conf *zone)
{
	if (zone->target.seen == 0)
		return;
	if (config->zones_len == 0)
		config->zones[config->zones_len++] = *zone;
	else if (config->zones_len == 1) {
		/* One source replaces the other. */
		if (zone->device[0] != '\0' || zone->dump_file[0] != '\0')
			config->zones[0].device[0] = config->zones[0].dump_file[0] = '\0';
		conf_override(c, "Zone", &config->zones[0].target, &zone->target);
	}
	else
		conf_wrong(c, 0, "the file has %zu zones: an option for a zone does not say which; write it into the file",
		    config->zones_len);
}

/* An empty [Server] means what is commented out in it; an empty [Zone] or [Peer] is a mistake. */
static bool needs_keys(const char *section)
{
	return strcmp(section, "Server") != 0;
}

unsigned config_read(struct config *config, const struct listen_list *listening, int argc, char *argv[])
{
	static struct zone_conf zone;
	static struct reading reading;
	struct conf c = {.options = config_options, .options_len = config_options_len, .begin = begin, .needs_keys = needs_keys,
	    .data = &reading};
	const char *file;
	int r;

	memset(&reading, 0, sizeof(reading));
	config->server.rate_limit = reading.file_server.rate_limit = 200;
	config->server.slip = reading.file_server.slip = 1;
	config->server.notify_port = reading.file_server.notify_port = 5354;
	reading.config = config;
	reading.conf = &c;
	zone_defaults(&zone);
	optind = 0; /* from the start, also the second time */
	file = read_argv(&c, config, &zone, argc, argv);
	/* Whoever collects metrics need not be able to read the configuration. */
	if (config->print_metrics && file == NULL) {
		default_server(&config->server);
		return c.errors;
	}
	if (file == NULL && zone.name.len == 0)
		file = CONFIG_FILE;
	if (file != NULL) {
		r = conf_read(&c, file);
		if (r < 0 && c.errors > 0)
			return c.errors;
		if (r < 0) {
			warnx("cannot read %s: %s; `wgmeetd --init` writes one; or give another with -c, or --zone and what else you need (see --help)", file,
			    strerror(-r));
			return c.errors + 1;
		}
		conf_override(&c, "Server", &reading.file_server.target, &config->server.target);
		config->server = reading.file_server;
	}
	default_server(&config->server);
	merge_zone(&c, config, &zone);
	if (config->zones_len == 0)
		conf_wrong(&c, 0, "there is no [Zone]: nothing to serve");
	for (size_t i = 0; i < config->zones_len; i++)
		check_zone(&c, config, listening != NULL ? listening : &config->server.listen, &config->zones[i]);
	check_peers(&c, config);
	return c.errors;
}

void config_free(struct config *config)
{
	free(config->peers);
	memset(config, 0, sizeof(*config));
}
