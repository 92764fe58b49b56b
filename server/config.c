#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "records.h"
#include "wgdev_kernel.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

/* ---- parsers ---- */

static const char *parse_listen(const struct conf_option *o, const char *value, void *place)
{
	struct listen_list *list = place;

	(void)o;
	if (list->len == CONFIG_LISTEN)
		return "there are more than 32 addresses";
	if (!endpoint_from_text(value, 53, &list->at[list->len]) || list->at[list->len].port == 0)
		return "it must be ADDR, ADDR:PORT or [V6]:PORT, in numbers";
	list->len++;
	return NULL;
}

static const char *parse_fixed(const struct conf_option *o, const char *value, void *place)
{
	struct endpoint *ep = place;

	(void)o;
	if (!endpoint_from_text(value, 0, ep) || ep->scope != 0)
		return "it must be ADDR:PORT or [V6]:PORT, in numbers";
	return endpoint_is_reachable(ep) ? NULL : "no other host can reach such an address or port";
}

static const char *parse_self(const struct conf_option *o, const char *value, void *place)
{
	struct self_conf *self = place;

	self->is_auto = strcasecmp(value, "auto") == 0;
	if (self->is_auto)
		return NULL;
	if (!endpoint_from_text(value, 0, &self->endpoint) || self->endpoint.scope != 0)
		return "it must be ADDR:PORT or [V6]:PORT, in numbers, or auto";
	return parse_fixed(o, value, &self->endpoint);
}

static const char *parse_allowed(const struct conf_option *o, const char *value, void *place)
{
	struct allowed_list *list = place;

	(void)o;
	if (list->len == CONFIG_ALLOWED)
		return "there are more than 64 networks";
	if (!allowedip_from_text(value, &list->at[list->len]))
		return "it must be ADDR/BITS";
	list->len++;
	return NULL;
}

/* "NAME ADDR ADDR ...", separated by blanks. */
static const char *parse_name_server(const struct conf_option *o, const char *value, void *place)
{
	struct name_servers *servers = place;
	struct name_server *ns = &servers->at[servers->len];
	char copy[1024], *at = copy, *word;

	(void)o;
	if (servers->len == CONFIG_NS)
		return "there are more than 8 name servers";
	memset(ns, 0, sizeof(*ns));
	if (snprintf(copy, sizeof(copy), "%s", value) >= (int)sizeof(copy))
		return "it is too long";
	word = strsep(&at, " \t");
	if (endpoint_addr_from_text(word, &ns->addrs[0]))
		return "that is an address: write NAME ADDR, with a blank between";
	if (!name_from_text(word, &ns->name) || ns->name.len <= 1)
		return "it must be NAME or NAME ADDR...: the name is no domain name";
	while ((word = strsep(&at, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (ns->addrs_len == CONFIG_NS_ADDRS)
			return "there are more than 8 addresses";
		if (!endpoint_addr_from_text(word, &ns->addrs[ns->addrs_len]))
			return "it must be NAME or NAME ADDR...: an address is none";
		for (size_t i = 0; i < ns->addrs_len; i++)
			if (endpoint_equal(&ns->addrs[i], &ns->addrs[ns->addrs_len]))
				return "an address is there twice";
		ns->addrs_len++;
	}
	servers->len++;
	return NULL;
}

static const char *parse_zone_name(const struct conf_option *o, const char *value, void *place)
{
	struct name service;
	const char *what = conf_parse_name(o, value, place);

	if (what != NULL)
		return what;
	if (memchr(((struct name *)place)->wire, '/', ((struct name *)place)->len) != NULL) /* it becomes a file's name */
		return "a zone's name may have no slash";
	return records_service_name(place, &service) ? NULL : "it is too long: no room is left for the peers' names";
}

static const char *parse_publish(const struct conf_option *o, const char *value, void *place)
{
	(void)o;
	*(bool *)place = strcasecmp(value, "listed") == 0;
	return *(bool *)place || strcasecmp(value, "all") == 0 ? NULL : "it must be all or listed";
}

static const char *parse_key(const struct conf_option *o, const char *value, void *place)
{
	(void)o;
	return strlen(value) == KEY_BASE64 && key_from_base64(value, place) ? NULL : "it is no public key";
}

/* It becomes a host's name, alice.ZONE, and must not look like a key's. */
static const char *parse_label(const struct conf_option *o, const char *value, void *place)
{
	char *to = place;
	size_t len = strlen(value);

	(void)o;
	if (len == 0 || len > CONFIG_LABEL || value[0] == '-' || value[len - 1] == '-')
		return "it must have 1 to 40 letters, digits and hyphens, no hyphen first or last";
	for (size_t i = 0; i < len; i++) {
		char c = (char)name_lower((uint8_t)value[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return "it must have 1 to 40 letters, digits and hyphens, no hyphen first or last";
		*to++ = c;
	}
	*to = '\0';
	return NULL;
}

/* ---- the table ---- */

#define SERVER(key, option, arg, help, parse, member) \
	.section = "Server", key, option, arg, help, parse, CONF_AT(server_conf, member)
#define PEER(key, parse, member) .section = "Peer", key, NULL, NULL, NULL, parse, CONF_AT(peer_conf, member)
#define ZONE(key, option, arg, help, parse, member) \
	.section = "Zone", key, option, arg, help, parse, CONF_AT(zone_conf, member)

static const struct conf_option options[] = {
    {SERVER("Listen", "listen", "ADDR[:PORT]", "where to answer (0.0.0.0:53, [::]:53)", parse_listen, listen),
        .list = true},
    {SERVER("User", "user", "USER", "of the workers: a name, or UID[:GID] (wgmeet)", conf_parse_string, user)},
    {SERVER("ObserverUser", "observer-user", "USER", "of the process that reads the devices (wgmeet-observer)",
        conf_parse_string, observer_user)},
    {SERVER("Workers", "workers", "N", "how many processes answer (one a processor)", conf_parse_uint, workers), .min = 1,
        .max = CONFIG_WORKERS},
    {SERVER("StateDirectory", "state-directory", "DIR", "where serials are kept (/var/lib/wgmeet, if it is there)",
        conf_parse_string, state_directory)},
    {SERVER("Verbose", "verbose", NULL, "say more", conf_parse_bool, verbose)},
    {ZONE("Name", "zone", "ZONE", "the zone's name", parse_zone_name, name)},
    {ZONE("Device", "device", "DEV", "the WireGuard device whose peers are published", conf_parse_ifname, device)},
    {ZONE("DumpFile", "dump-file", "FILE", "or: a file with the output of `wg show DEV dump`", conf_parse_string, dump_file)},
    {ZONE("Family", "family", "NAME", "the kernel's netlink family (wireguard)", conf_parse_string, family)},
    {ZONE("NameServer", "name-server", "\"NAME ADDR...\"", "as the delegation names it (ns.ZONE)", parse_name_server,
         name_servers),
        .list = true},
    {ZONE("Self", "self", "ADDR:PORT|auto", "publish this host's own device, too", parse_self, self)},
    {ZONE("SelfAllowedIPs", "self-allowed-ips", "CIDR,...", "and what to route to it", parse_allowed, self_allowed),
        .list = true},
    {ZONE("TTL", "ttl", "SECONDS", "of all records (10)", conf_parse_uint, ttl_s), .min = 0, .max = 86400},
    {ZONE("ListMax", "list-max", "N", "list the peers if they are at most N (900)", conf_parse_uint, list_max), .min = 0,
        .max = CONFIG_LIST_MAX},
    {ZONE("PaddedNames", "padded-names", NULL, "peers have a second name, with ====: =yes, =no (yes)", conf_parse_bool,
        padded_names)},
    {ZONE("Publish", "publish", "all|listed", "all peers, or those that have a [Peer] section (all)", parse_publish,
        listed_only)},
    {ZONE("Exclude", "exclude", "CIDR,...", "no peer with an allowed IP in there", parse_allowed, exclude), .list = true},
    {ZONE("MaxAge", "max-age", "DURATION", "no peer without a handshake for longer", conf_parse_duration, max_age_s)},
    {ZONE("PrivateEndpoints", "private-endpoints", NULL, "observed private addresses, too (no)", conf_parse_bool,
        private_endpoints)},
    {PEER("PublicKey", parse_key, key)},
    {PEER("Publish", conf_parse_bool, publish)},
    {PEER("Name", parse_label, label)},
    {PEER("Endpoint", parse_fixed, endpoint)},
};

#define OPTIONS_LEN (sizeof(options) / sizeof(*options))
_Static_assert(OPTIONS_LEN <= 64, "a bit each in struct conf_target");

/* ---- reading ---- */

static void zone_defaults(struct zone_conf *z)
{
	memset(z, 0, sizeof(*z));
	snprintf(z->family, sizeof(z->family), "%s", WGDEV_KERNEL_FAMILY);
	z->ttl_s = 10;
	z->list_max = CONFIG_LIST_MAX;
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
static void default_name_server(const struct server_conf *server, struct zone_conf *z)
{
	struct name_server *ns = &z->name_servers.at[0];
	char text[NAME_TEXT];

	z->name_servers.len = 1;
	name_prepend("ns", 2, &z->name, &ns->name);
	for (size_t i = 0; i < server->listen.len && ns->addrs_len < CONFIG_NS_ADDRS; i++) {
		struct endpoint addr = server->listen.at[i];
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

static void check_zone(struct conf *c, const struct config *config, struct zone_conf *z)
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
	if (z->device[0] != '\0' && z->dump_file[0] != '\0')
		conf_wrong(c, z->target.line, "zone %s: give Device = or DumpFile =, not both", text);
	for (size_t i = 0; &config->zones[i] < z; i++)
		if (name_equal(&config->zones[i].name, &z->name))
			conf_wrong(c, z->target.line, "zone %s is there twice", text);
	for (size_t i = 0; i < z->name_servers.len; i++)
		for (size_t j = 0; j < i; j++)
			if (name_equal(&z->name_servers.at[i].name, &z->name_servers.at[j].name))
				conf_wrong(c, z->target.line, "zone %s: a name server is there twice: give it once, with all its addresses",
				    text);
	if (z->name_servers.len == 0)
		default_name_server(&config->server, z);
}

static int by_zone_and_key(const void *a, const void *b)
{
	const struct peer_conf *p = a, *q = b;

	if (p->zone != q->zone)
		return p->zone < q->zone ? -1 : 1;
	return memcmp(p->key, q->key, KEY_LEN);
}

/* Is the label another peer's, or a name server's? */
static bool is_taken(const struct zone_conf *z, const struct peer_conf *p)
{
	struct name name;

	if (!name_prepend(p->label, strlen(p->label), &z->name, &name))
		return true;
	for (size_t i = 0; i < z->name_servers.len; i++)
		if (name_is_within(&z->name_servers.at[i].name, &name))
			return true;
	for (const struct peer_conf *q = z->peers; q < p; q++)
		if (strcmp(q->label, p->label) == 0)
			return true;
	return false;
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
		if (p->label[0] != '\0' && z->name.len != 0 && is_taken(z, p))
			conf_wrong(c, p->target.line, "Name = %s: another peer or a name server has that name", p->label);
	}
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

static void default_server(struct server_conf *s)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (s->listen.len == 0) {
		s->listen.at[s->listen.len++] = (struct endpoint){.family = AF_INET, .port = 53};
		if (access("/proc/net/if_inet6", F_OK) == 0) /* else the kernel has no IPv6 */
			s->listen.at[s->listen.len++] = (struct endpoint){.family = AF_INET6, .port = 53};
	}
	if (s->user[0] == '\0')
		snprintf(s->user, sizeof(s->user), "wgmeet");
	if (s->observer_user[0] == '\0')
		snprintf(s->observer_user, sizeof(s->observer_user), "wgmeet-observer");
	if (s->workers == 0)
		s->workers = n < 1 ? 1 : n > CONFIG_WORKERS ? CONFIG_WORKERS : (uint32_t)n;
	if (s->state_directory[0] == '\0' && access("/var/lib/wgmeet", F_OK) == 0)
		snprintf(s->state_directory, sizeof(s->state_directory), "/var/lib/wgmeet");
}

_Noreturn static void help(const struct conf *c)
{
	printf("usage: wgmeetd [-c FILE] [--check | --print-zone] [OPTION...]\n"
	       "\n"
	       "Publishes the endpoints that a WireGuard device sees of its peers, in DNS.\n"
	       "\n"
	       "  -c, --config FILE                  the configuration (" CONFIG_FILE ";\n"
	       "                                     none if --zone is given)\n"
	       "  --check                            read the configuration, and say what is wrong in it\n"
	       "  --print-zone                       read the device once, print the zone as a master file\n"
	       "  --help, --version\n"
	       "\n"
	       "What the command line says goes before what the file says:\n");
	conf_help(c);
	exit(EXIT_FINE);
}

enum { OPT_CHECK = 1, OPT_PRINT_ZONE, OPT_HELP, OPT_VERSION, OPT_TABLE = 256 };

static const struct option own_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"print-zone", no_argument, NULL, OPT_PRINT_ZONE},
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

	while ((opt = getopt_long(argc, argv, "c:", table, NULL)) != -1) {
		if (opt == 'c') {
			file = optarg;
		} else if (opt == OPT_CHECK) {
			config->check = true;
		} else if (opt == OPT_PRINT_ZONE) {
			config->print_zone = true;
		} else if (opt == OPT_HELP) {
			help(c);
		} else if (opt == OPT_VERSION) {
			puts("wgmeetd " VERSION);
			exit(EXIT_FINE);
		} else if (opt >= OPT_TABLE) {
			const struct conf_option *o = &options[opt - OPT_TABLE];

			conf_set(c, o, strcmp(o->section, "Zone") == 0 ? &zone->target : &config->server.target,
			    optarg != NULL ? optarg : "yes");
		} else {
			die_usage("see wgmeetd --help"); /* getopt has said why */
		}
	}
	if (optind < argc)
		die_usage("%s: what is that? Options begin with --; see wgmeetd --help", argv[optind]);
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

unsigned config_read(struct config *config, int argc, char *argv[])
{
	static struct zone_conf zone;
	static struct reading reading;
	struct conf c = {.options = options, .options_len = OPTIONS_LEN, .begin = begin, .needs_keys = needs_keys,
	    .data = &reading};
	const char *file;
	int r;

	memset(config, 0, sizeof(*config));
	memset(&reading, 0, sizeof(reading));
	reading.config = config;
	reading.conf = &c;
	zone_defaults(&zone);
	optind = 0; /* from the start, also the second time */
	file = read_argv(&c, config, &zone, argc, argv);
	if (file == NULL && zone.name.len == 0)
		file = CONFIG_FILE;
	if (file != NULL) {
		r = conf_read(&c, file);
		if (r < 0 && c.errors > 0)
			return c.errors;
		if (r < 0) {
			warnx("cannot read %s: %s; give another with -c, or --zone and what else you need (see --help)", file,
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
		check_zone(&c, config, &config->zones[i]);
	check_peers(&c, config);
	return c.errors;
}

void config_free(struct config *config)
{
	free(config->peers);
	memset(config, 0, sizeof(*config));
}
