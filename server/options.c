/* The options of wgmeetd: their parsers and their table. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "records.h"

/* ---- parsers ---- */

static bool has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

void config_listen_on_all(struct listen_list *list, const char *device, uint16_t port)
{
	for (int v6 = 0; v6 <= has_ipv6(); v6++) {
		struct listen_conf *l = &list->at[list->len++];

		*l = (struct listen_conf){.at = {.family = v6 != 0 ? AF_INET6 : AF_INET, .port = port}};
		snprintf(l->device, sizeof(l->device), "%s", device);
	}
}

/* "DEVICE:PORT": all addresses, but only over that device, whenever it is there. */
static const char *listen_on_device(const char *value, struct listen_list *list)
{
	const char *colon = strrchr(value, ':');
	size_t len = colon != NULL ? (size_t)(colon - value) : strlen(value);
	unsigned long port = 53;
	char device[IFNAMSIZ], *end;

	if (colon != NULL) {
		port = strtoul(colon + 1, &end, 10);
		if (colon[1] < '0' || colon[1] > '9' || *end != '\0')
			port = 0;
	}
	if (len == 0 || len >= sizeof(device) || memchr(value, '/', len) != NULL || port == 0 || port > 65535)
		return "it must be %DEVICE or %DEVICE:PORT, a device's name of at most 15 characters";
	if (list->len + 2 > CONFIG_LISTEN)
		return "there are more than 32 addresses";
	memcpy(device, value, len);
	device[len] = '\0';
	config_listen_on_all(list, device, (uint16_t)port);
	return NULL;
}

static const char *parse_listen(const struct conf_option *o, const char *value, void *place)
{
	struct listen_list *list = place;

	(void)o;
	if (value[0] == '%')
		return listen_on_device(value + 1, list);
	if (list->len == CONFIG_LISTEN)
		return "there are more than 32 addresses";
	memset(&list->at[list->len], 0, sizeof(*list->at));
	if (!endpoint_from_text(value, 53, &list->at[list->len].at) || list->at[list->len].at.port == 0)
		return "it must be ADDR, ADDR:PORT or [V6]:PORT, in numbers, or %DEVICE or %DEVICE:PORT";
	list->len++;
	return NULL;
}

static const char *parse_socket(const struct conf_option *o, const char *value, void *place)
{
	if (strcmp(value, "none") != 0 && value[0] != '/')
		return "it must be a path that begins with a slash, or none";
	return conf_parse_string(o, value, place);
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

static const char *parse_access(const struct conf_option *o, const char *value, void *place)
{
	struct access_conf *a = place;

	a->given = true;
	if (strcasecmp(value, "all") == 0)
		a->all = true;
	else if (strcasecmp(value, "tunnel") == 0)
		a->tunnel = true;
	else if (strcasecmp(value, "none") != 0)
		return parse_allowed(o, value, &a->networks) == NULL ? NULL :
		    "it must be ADDR/BITS, tunnel, all or none; at most 64 networks";
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

const struct conf_option config_options[] = {
    {SERVER("Listen", "listen", "ADDR[:PORT]|%DEV[:PORT]", "where to answer (0.0.0.0:53, [::]:53)", parse_listen, listen),
        .list = true},
    {SERVER("User", "user", "USER", "of the workers: a name, or UID[:GID] (wgmeet)", conf_parse_string, user)},
    {SERVER("ObserverUser", "observer-user", "USER", "of the process that reads the devices (wgmeet-observer)",
        conf_parse_string, observer_user)},
    {SERVER("Workers", "workers", "N", "how many processes answer (one a processor)", conf_parse_uint, workers), .min = 1,
        .max = CONFIG_WORKERS},
    {SERVER("StateDirectory", "state-directory", "DIR", "where serials are kept (/var/lib/wgmeet, if it is there)",
        conf_parse_string, state_directory)},
    {SERVER("RateLimit", "rate-limit", "N", "like answers a second, over UDP, to a network; 0: any (200)", conf_parse_uint,
        rate_limit), .min = 0, .max = 10000},
    {SERVER("RateLimitSlip", "rate-limit-slip", "N", "beyond that truncate one of N, drop the others; 0: drop all (1)",
        conf_parse_uint, slip), .min = 0, .max = 10},
    {SERVER("NotifyPort", "notify-port", "PORT", "where peers in the tunnel are told of changes; 0: they are not (5354)",
        conf_parse_uint, notify_port), .min = 0, .max = 65535},
    {SERVER("MetricsSocket", "metrics-socket", "PATH|none", "where metrics are told (" CONFIG_METRICS ", if that folder is there)",
        parse_socket, metrics_socket)},
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
    {ZONE("ListMax", "list-max", "N", "at most N peers in a list; more are split; 0: none (900)", conf_parse_uint, list_max), .min = 0,
        .max = RECORDS_LIST_MAX},
    {ZONE("PaddedNames", "padded-names", NULL, "peers have a second name, with ====: =yes, =no (yes)", conf_parse_bool,
        padded_names)},
    {ZONE("Publish", "publish", "all|listed", "all peers, or those that have a [Peer] section (all)", parse_publish,
        listed_only)},
    {ZONE("Exclude", "exclude", "CIDR,...", "no peer with an allowed IP in there", parse_allowed, exclude), .list = true},
    {ZONE("Allow", "allow", "CIDR|tunnel|all|none,...", "who may ask; tunnel: peers, over the device (all)", parse_access, allow),
        .list = true},
    {ZONE("AllowBrowse", "allow-browse", "CIDR|tunnel|all|none,...", "who of them may see lists of peers (all)", parse_access, browse),
        .list = true},
    {ZONE("MaxAge", "max-age", "DURATION", "no peer without a handshake for longer", conf_parse_duration, max_age_s)},
    {ZONE("PrivateEndpoints", "private-endpoints", NULL, "observed private addresses, too (no)", conf_parse_bool,
        private_endpoints)},
    {PEER("PublicKey", parse_key, key)},
    {PEER("Publish", conf_parse_bool, publish)},
    {PEER("Name", parse_label, label)},
    {PEER("Endpoint", parse_fixed, endpoint)},
};

const size_t config_options_len = sizeof(config_options) / sizeof(*config_options);
_Static_assert(sizeof(config_options) / sizeof(*config_options) <= 64, "a bit each in struct conf_target");
