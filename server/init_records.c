/* What others write down: the parent zone's records, and the peers' lines. */
#include <string.h>

#include "init.h"

#define DELEGATION_TTL_S 3600

static int width_of(const struct init_plan *plan)
{
	char text[NAME_TEXT];
	size_t width = strlen(name_to_text(&plan->zone, text));

	for (size_t i = 0; i < plan->servers.len; i++) {
		size_t len = strlen(name_to_text(&plan->servers.at[i].name, text));

		width = len > width ? len : width;
	}
	return (int)width + 1;
}

static void print_record(const char *owner, int width, const char *type, const char *data, const char *dot, FILE *out)
{
	char name[NAME_TEXT + 1];

	snprintf(name, sizeof(name), "%s.", owner);
	fprintf(out, "  %-*s  %d  IN  %-4s  %s%s\n", width, name, DELEGATION_TTL_S, type, data, dot);
}

/* NS, and the addresses of those servers whose names are inside the zone: nobody else could tell them. */
static void print_delegation(const struct init_plan *plan, FILE *out)
{
	char owner[NAME_TEXT], name[NAME_TEXT], addr[ENDPOINT_TEXT];
	int width = width_of(plan);

	name_to_text(&plan->zone, owner);
	for (size_t i = 0; i < plan->servers.len; i++)
		print_record(owner, width, "NS", name_to_text(&plan->servers.at[i].name, name), ".", out);
	for (size_t i = 0; i < plan->servers.len; i++) {
		const struct name_server *ns = &plan->servers.at[i];

		for (size_t j = 0; j < ns->addrs_len && name_is_within(&ns->name, &plan->zone); j++)
			print_record(name_to_text(&ns->name, name), width, ns->addrs[j].family == AF_INET ? "A" : "AAAA",
			    endpoint_addr_to_text(&ns->addrs[j], addr), "", out);
	}
}

void init_print_records(const struct init_plan *plan, const struct init_host *host, FILE *out)
{
	char zone[NAME_TEXT], above[NAME_TEXT];
	struct name parent;
	bool has_addrs = false;

	for (size_t i = 0; i < plan->servers.len; i++)
		has_addrs |= plan->servers.at[i].addrs_len > 0 || !name_is_within(&plan->servers.at[i].name, &plan->zone);
	name_to_text(&plan->zone, zone);
	if (init_is_local(&plan->zone) || !name_parent(&plan->zone, &parent) || parent.len <= 1) {
		fprintf(out, "\nNobody delegates %s: peers name the server, as below.\n", zone);
		return;
	}
	fprintf(out, "\nThe delegation, to paste into the zone %s:\n\n", name_to_text(&parent, above));
	if (has_addrs)
		print_delegation(plan, out);
	else
		fprintf(out, "  (This host has no public address, so there is nothing to delegate to.)\n");
	fputc('\n', out);
	if (plan->server.family != AF_UNSPEC)
		fputs("It is needed only if names shall be found through any resolver. Where peers name the server, as below, none of\n"
		      "these records is.\n", out);
	if (has_addrs && !plan->in_public)
		fprintf(out, "As the file is, wgmeetd answers in the tunnel only: a delegation also takes %s,\n"
		             "and port 53 open over UDP and TCP.\n",
		    host->public_len > 0 ? "`Listen =` with that address" : "`Listen =` with an address that the NAT forwards port 53 to");
}

/* ADDR, or with a port other than 53. */
static const char *server_text(const struct init_plan *plan, char out[ENDPOINT_TEXT])
{
	return plan->server.port == 53 || plan->server.port == 0 ? endpoint_addr_to_text(&plan->server, out) :
	                                                           endpoint_to_text(&plan->server, out);
}

void init_print_peers(const struct init_plan *plan, FILE *out)
{
	const struct wg_device *dev = &plan->device->dev;
	char zone[NAME_TEXT], server[ENDPOINT_TEXT];
	bool tunnel = init_is_tunnel(plan->device, &plan->server);

	fprintf(out, "\nOn %s, in /etc/wgmeet/DEVICE.conf (wg0.conf, if its device is wg0):\n\n", dev->peers_len == 1 ? "the peer" :
	    "each peer");
	fprintf(out, "  [Client]\n  Zone = %s\n", name_to_text(&plan->zone, zone));
	if (plan->server.family != AF_UNSPEC)
		fprintf(out, "  Server = %s\n", server_text(plan, server));
	fputc('\n', out);
	if (tunnel)
		fprintf(out, "%s must be among the AllowedIPs that %s for this host.\n", endpoint_addr_to_text(&plan->server, server),
		    dev->peers_len == 1 ? "it has" : "they have");
}

void init_print_start(const struct init_plan *plan, const struct init_host *host, FILE *out)
{
	char zone[NAME_TEXT], server[ENDPOINT_TEXT], port[16] = "";
	bool usual = strcmp(plan->file, CONFIG_FILE) == 0;

	fputs("\nStart it, and look:\n\n", out);
	if (init_lacks_drop_in(host, plan)) {
		if (host->drop_in != NULL)
			fprintf(out, "  install -D -m 644 -t " INIT_DROP_IN_DIR " %s\n", host->drop_in);
		else
			fputs("  # put " INIT_DROP_IN " into " INIT_DROP_IN_DIR "\n", out);
		fputs("  systemctl daemon-reload\n", out);
	}
	if (host->has_systemd && usual)
		fputs("  systemctl enable --now wgmeetd\n", out);
	else
		fprintf(out, "  wgmeetd%s%s\n", usual ? "" : " --config ", usual ? "" : plan->file);
	if (plan->server.port != 53)
		snprintf(port, sizeof(port), " -p %u", plan->server.port);
	if (plan->server.family != AF_UNSPEC)
		/* Lists may be for the peers alone. */
		fprintf(out, "  dig @%s%s %s%s\n", endpoint_addr_to_text(&plan->server, server), port,
		    init_value(plan, "AllowBrowse") != NULL ? "SOA " : "PTR _wireguard._udp.", name_to_text(&plan->zone, zone));
}
