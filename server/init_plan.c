/* What answers mean, and what follows from them. */
#include <string.h>
#include <strings.h>

#include "init.h"
#include "log.h"

/* So that each line of the file and each record for the parent zone can be read. */
#define ZONE_TEXT 150

const char *init_take_zone(const char *answer, struct init_plan *plan)
{
	static struct zone_conf zone;
	struct endpoint address;
	char text[NAME_TEXT];
	const char *wrong;

	memset(&zone, 0, sizeof(zone));
	for (const char *at = answer; *at != '\0'; at++) {
		char c = (char)name_lower((uint8_t)*at);

		if ((uint8_t)c >= 0x80)
			return "it is no domain name: write it as DNS has it, xn--...";
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
			return "it is no domain name: letters, digits and hyphens, with dots between";
	}
	if (endpoint_from_text(answer, 1, &address))
		return "it is an address: the zone is a name, such as wg.example.com";
	wrong = init_value_check("Name", answer, NULL, &zone);
	if (wrong != NULL)
		return wrong;
	if (strlen(name_to_text(&zone.name, text)) > ZONE_TEXT)
		return "it is too long";
	plan->zone = zone.name;
	init_value_set(plan, "Name", text);
	return NULL;
}

static const char *take_addresses(const char *text, struct server_conf *server)
{
	char copy[4096], *at = copy, *one;
	const char *wrong;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return "it is too long";
	while ((one = strsep(&at, ",\n")) != NULL) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (*one == '\0')
			return "an element of the list is empty";
		wrong = init_value_check("Listen", one, server, NULL);
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

/* `answer` NULL: what the command line said. */
const char *init_take_listen(const char *answer, struct init_plan *plan)
{
	static struct server_conf server;
	const char *wrong;

	memset(&server, 0, sizeof(server));
	wrong = take_addresses(answer != NULL ? answer : init_value(plan, "Listen"), &server);
	if (wrong != NULL)
		return wrong;
	plan->listen = server.listen;
	if (answer != NULL)
		init_value_set(plan, "Listen", answer);
	return NULL;
}

const char *init_take_self(const char *answer, struct init_plan *plan)
{
	uint16_t port = plan->device->dev.listen_port;
	char text[ENDPOINT_TEXT];
	struct endpoint ep;

	if (strcasecmp(answer, "none") == 0 || strcasecmp(answer, "auto") == 0) {
		plan->self = strcasecmp(answer, "none") == 0 ? INIT_SELF_NONE : INIT_SELF_AUTO;
		init_value_set(plan, "Self", plan->self == INIT_SELF_NONE ? "none" : "auto");
		return NULL;
	}
	if (port == 0 && !endpoint_from_text(answer, 0, &ep))
		return "it must be ADDR:PORT, in numbers: the device has no port now (is it down?)";
	if (!endpoint_from_text(answer, port, &ep) || ep.scope != 0)
		return "it must be ADDR or ADDR:PORT, in numbers, auto or none";
	if (!endpoint_is_reachable(&ep))
		return "no other host can reach such an address or port";
	plan->self = INIT_SELF_FIXED;
	plan->self_at = ep;
	init_value_set(plan, "Self", endpoint_to_text(&ep, text));
	return NULL;
}

/* A file of another name is not the service's: who starts that by hand is root. */
bool init_lacks_drop_in(const struct init_host *host, const struct init_plan *plan)
{
	return plan->device->root_socket && host->has_systemd && !host->has_drop_in && strcmp(plan->file, CONFIG_FILE) == 0;
}

bool init_is_tunnel(const struct init_device *d, const struct endpoint *addr)
{
	struct endpoint bare = *addr;

	bare.port = 0;
	for (size_t i = 0; i < d->addrs_len; i++)
		if (endpoint_equal(&d->addrs[i], &bare))
			return true;
	return false;
}

/* RFC 8375, RFC 6762, and what ICANN has set aside; the others are what many routers use. */
bool init_is_local(const struct name *zone)
{
	static const char *const domains[] = {"home.arpa", "internal", "local", "lan", "home", "corp", "localdomain"};

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++) {
		struct name domain;

		if (name_from_text(domains[i], &domain) && name_is_within(zone, &domain))
			return true;
	}
	return false;
}

bool init_is_foreign(const struct init_host *host, const struct listen_conf *l)
{
	struct endpoint at = l->at;

	at.port = 1;
	if (l->device[0] != '\0' || !endpoint_is_reachable(&at) || host->own_len == INIT_OWN)
		return false;
	at.port = 0;
	for (size_t i = 0; i < host->own_len; i++)
		if (endpoint_equal(&host->own_addrs[i], &at))
			return false;
	return true;
}

static bool is_loopback(const struct endpoint *ep)
{
	struct endpoint with_port = *ep;

	with_port.port = 1;
	return !endpoint_addr_is_any(ep) && !endpoint_is_reachable(&with_port);
}

/* Does it hear anybody else than the peers? */
static bool is_public(const struct init_plan *plan, const struct listen_conf *l)
{
	if (l->device[0] != '\0')
		return strcmp(l->device, plan->device->dev.name) != 0 && strcmp(l->device, "lo") != 0;
	return !is_loopback(&l->at) && !init_is_tunnel(plan->device, &l->at);
}

static void add_addr(struct name_server *ns, const struct endpoint *addr)
{
	struct endpoint bare = *addr;

	bare.port = 0;
	bare.scope = 0;
	for (size_t i = 0; i < ns->addrs_len; i++)
		if (endpoint_equal(&ns->addrs[i], &bare))
			return;
	if (ns->addrs_len < CONFIG_NS_ADDRS)
		ns->addrs[ns->addrs_len++] = bare;
}

/* Does what comes to that address get to where it answers? It does at all addresses, and at that one; and if a NAT has it
 * (`nat`, else NULL), at a private one of this host. Where it does not answer in public, it might. */
static bool would_answer(const struct init_plan *plan, const struct endpoint *addr, const struct init_host *nat)
{
	struct endpoint wanted = *addr;

	wanted.port = 0;
	for (size_t i = 0; i < plan->listen.len; i++) {
		const struct listen_conf *l = &plan->listen.at[i];
		struct endpoint at = l->at;

		at.port = 0;
		if (is_public(plan, l) && at.family == wanted.family && (endpoint_addr_is_any(&at) || endpoint_equal(&at, &wanted) ||
		        (nat != NULL && endpoint_is_private(&at) && !init_is_foreign(nat, l))))
			return true;
	}
	return !plan->in_public;
}

/* The name server that a delegation would name: "ns" in the zone, at addresses that everybody reaches. */
static void find_servers(struct init_plan *plan, const struct init_host *host)
{
	struct name_server *ns = &plan->servers.at[0];

	memset(&plan->servers, 0, sizeof(plan->servers));
	if (!name_prepend("ns", 2, &plan->zone, &ns->name))
		return;
	plan->servers.len = 1;
	for (size_t i = 0; i < host->public_len; i++)
		if (would_answer(plan, &host->public_addrs[i], NULL))
			add_addr(ns, &host->public_addrs[i]);
	if (ns->addrs_len == 0 && plan->self == INIT_SELF_FIXED && would_answer(plan, &plan->self_at, host))
		add_addr(ns, &plan->self_at);
	for (size_t i = 0; ns->addrs_len == 0 && i < plan->listen.len; i++)
		if (is_public(plan, &plan->listen.at[i]) && !endpoint_addr_is_any(&plan->listen.at[i].at))
			add_addr(ns, &plan->listen.at[i].at);
}

static void read_servers(struct init_plan *plan)
{
	static struct zone_conf zone;
	char copy[8192], *at = copy, *one;

	memset(&zone, 0, sizeof(zone));
	snprintf(copy, sizeof(copy), "%s", init_value(plan, "NameServer"));
	while ((one = strsep(&at, ",\n")) != NULL)
		init_value_check("NameServer", one + strspn(one, " "), NULL, &zone); /* it was checked when it was read */
	plan->servers = zone.name_servers;
}

static void set_servers(struct init_plan *plan)
{
	const struct name_server *ns = &plan->servers.at[0];
	char line[NAME_TEXT + CONFIG_NS_ADDRS * ENDPOINT_TEXT], text[ENDPOINT_TEXT];

	if (ns->addrs_len == 0)
		return;
	name_to_text(&ns->name, line);
	/* A line of the file has room for some of them. */
	for (size_t i = 0; i < ns->addrs_len && strlen(line) < ZONE_TEXT; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s", endpoint_addr_to_text(&ns->addrs[i], text));
	init_value_set(plan, "NameServer", line);
}

/* Whom the peers ask: over the tunnel, if it answers there. */
static void find_server(struct init_plan *plan)
{
	const struct init_device *d = plan->device;

	plan->server = (struct endpoint){0};
	for (size_t i = 0; i < plan->listen.len && plan->server.family == AF_UNSPEC; i++) {
		const struct listen_conf *l = &plan->listen.at[i];
		bool any = endpoint_addr_is_any(&l->at) && (l->device[0] == '\0' || strcmp(l->device, d->dev.name) == 0);

		if (!any && !init_is_tunnel(d, &l->at))
			continue;
		for (size_t j = 0; any && j < d->addrs_len && plan->server.family == AF_UNSPEC; j++)
			if (d->addrs[j].family == l->at.family)
				plan->server = d->addrs[j];
		if (!any)
			plan->server = l->at;
		plan->server.port = l->at.port;
	}
	if (plan->server.family == AF_UNSPEC && plan->in_public && plan->servers.len > 0 && plan->servers.at[0].addrs_len > 0)
		plan->server = plan->servers.at[0].addrs[0];
	for (size_t i = 0; i < plan->listen.len && plan->server.port == 0; i++)
		if (is_public(plan, &plan->listen.at[i]))
			plan->server.port = plan->listen.at[i].at.port;
}

void init_plan_finish(struct init_plan *plan, const struct init_host *host)
{
	const struct init_device *d = plan->device;

	plan->in_public = false;
	for (size_t i = 0; i < plan->listen.len; i++)
		plan->in_public |= is_public(plan, &plan->listen.at[i]);
	if (init_value(plan, "NameServer") != NULL) {
		read_servers(plan);
	} else {
		find_servers(plan, host);
		if (plan->in_public)
			set_servers(plan);
	}
	find_server(plan);
	if (plan->self != INIT_SELF_NONE && init_value(plan, "SelfAllowedIPs") == NULL && d->addrs_len > 0) {
		char all[INIT_ADDRS * ENDPOINT_TEXT] = "", text[ENDPOINT_TEXT];

		for (size_t i = 0; i < d->addrs_len; i++)
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s/%d", i > 0 ? ", " : "",
			    endpoint_addr_to_text(&d->addrs[i], text), d->addrs[i].family == AF_INET ? 32 : 128);
		init_value_set(plan, "SelfAllowedIPs", all);
	}
	/* Who knows a key may ask for it; but all of them at once are nobody's business. */
	if (plan->in_public && init_value(plan, "AllowBrowse") == NULL)
		init_value_set(plan, "AllowBrowse", "tunnel");
	if (d->root_socket && init_value(plan, "ObserverUser") == NULL)
		init_value_set(plan, "ObserverUser", "root");
}
