/* The findings about name servers, the zone that they serve, and how it is delegated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_judging.h"
#include "output.h"

#define CLOCKS_S     300 /* two clocks that differ by less are fine */
#define EDE_NOT_READY  14 /* RFC 8914 */
#define EDE_PROHIBITED 18

enum { SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

/* Did anything come back? */
static bool has_answered(const struct doctor_answer *a)
{
	return a->status != LOOKUP_NO_ANSWER && a->status != LOOKUP_UNREACHABLE && a->status != DOCTOR_UNASKED;
}

bool doctor_answer_is_good(const struct doctor_answer *a, const struct name *zone)
{
	return a->status == LOOKUP_FOUND && a->apex.len != 0 && name_equal(&a->apex, zone);
}

/* What is known of a server: UDP is what is used first. */
static const struct doctor_answer *best_of(const struct doctor_server *s)
{
	return has_answered(&s->udp) || !has_answered(&s->tcp) ? &s->udp : &s->tcp;
}

/* Look-ups are made over UDP. */
int doctor_good_server(const struct doctor_seen *s)
{
	for (size_t i = 0; s->dns != NULL && i < s->settings->servers.len; i++)
		if (doctor_answer_is_good(&s->dns->servers[i].udp, &s->settings->zone))
			return (int)i;
	return -1;
}

/* ---- is it reached? ---- */

#define LISTENS "whether wgmeetd runs there and listens at that address (Listen =), and whether a firewall drops port %u"

/* Nothing came back, over UDP or over TCP, from a server that is behind a peer. */
static void judge_silent_peer(struct judging *j, const struct endpoint *server, bool refused, const char *about)
{
	const struct wg_peer *p = wgdev_peer_of(j->seen->dev, server);
	char key[KEY_BASE64 + 1], ep[ENDPOINT_TEXT], ago[OUTPUT_TEXT];
	struct doctor_finding *f;

	if (p == NULL) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it is routed into %s, but is among no peer's allowed IPs", j->device);
		doctor_advise(f, "See that Server = is the registry's address in the tunnel, and that its peer here has that address: `wg show %s "
		                 "allowed-ips`", j->device);
	} else if (!j->seen->link_is_up) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it does not answer: it is inside the tunnel, and %s is down", j->device);
		doctor_advise(f, "Bring the device up first, see above");
	} else if (p->endpoint.family == AF_UNSPEC) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it does not answer: it is inside the tunnel, behind the peer %s, which has no "
		                                                "endpoint", key_text(p->public_key, key));
		doctor_advise(f, "Give that peer its endpoint: `wg set %s peer %s endpoint ADDRESS:PORT`, and the same in wg-quick's file",
		    j->device, key);
	} else if (refused && doctor_is_connected(j->seen, p)) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "nobody listens there, or a firewall rejects it: the tunnel to it works, but UDP and TCP are refused");
		doctor_advise(f, "See on the registry whether wgmeetd runs, `systemctl status wgmeetd`, and listens at that address, Listen =, and whether a firewall rejects port %u, `nft list ruleset`", server->port);
	} else if (!doctor_is_connected(j->seen, p)) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it does not answer: it is inside the tunnel, which is dead: the last handshake "
		    "with the peer %s, at %s, was: %s", key_text(p->public_key, key), endpoint_to_text(&p->endpoint, ep),
		    output_ago(p->last_handshake_s, j->seen->now_s, ago));
		doctor_advise(f, "See that this endpoint is where the registry is, that its device is up and has this host's public key, and that "
		                 "no firewall drops UDP port %u on the way", p->endpoint.port);
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it does not answer, over UDP or over TCP, though the tunnel to it works: the last "
		                                                "handshake was %s", output_ago(p->last_handshake_s, j->seen->now_s, ago));
		doctor_advise(f, "See on the registry " LISTENS " on its WireGuard device", server->port);
	}
}

static void judge_silent(struct judging *j, size_t i, const char *about)
{
	const struct endpoint *server = &j->seen->settings->servers.at[i];
	const struct doctor_server *says = &j->seen->dns->servers[i];
	/* A firewall that rejects says so over UDP in the same way. */
	bool refused = says->udp.status == LOOKUP_UNREACHABLE && says->tcp.status == LOOKUP_UNREACHABLE;
	struct doctor_finding *f;

	if (j->seen->through[i]) {
		judge_silent_peer(j, server, refused, about);
	} else if (j->seen->unrouted[i]) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "this host has no route to it");
		doctor_advise(f, "See whether the address is right, and `ip route`; if it is inside the tunnel, the device has to be up");
	} else if (refused) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "nobody listens there, or a firewall rejects it: UDP and TCP are refused%s",
		    j->seen->device_error != 0 ? "; or it is inside the tunnel, which is not there" : "");
		doctor_advise(f, "See whether the address is right, and " LISTENS, server->port);
	} else if (j->seen->system_servers) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it does not answer, over UDP or over TCP; it is one of the system's, from "
		                                                "/etc/resolv.conf, for there is no Server =");
		doctor_advise(f, "Name the registry, mostly by its address in the tunnel: Server = in " SETTINGS_DIR "/%s.conf", j->device);
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it does not answer, over UDP or over TCP%s",
		    j->seen->device_error != 0 ? "; it may be inside the tunnel, which is not there" : "");
		doctor_advise(f, "See whether the address is right, and " LISTENS ", there or here", server->port);
	}
}

static void judge_server(struct judging *j, size_t i)
{
	const struct endpoint *server = &j->seen->settings->servers.at[i];
	const struct doctor_server *s = &j->seen->dns->servers[i];
	bool udp = has_answered(&s->udp), tcp = has_answered(&s->tcp);
	char about[ENDPOINT_TEXT];
	struct doctor_finding *f;

	endpoint_to_text(server, about);
	if (udp && (tcp || s->tcp.status == DOCTOR_UNASKED)) {
		doctor_say(j, DOCTOR_OK, "server", about, "it answers over UDP%s%s", tcp ? " and TCP" : "",
		    j->seen->system_servers ? "; it is one of the system's, from /etc/resolv.conf" : "");
	} else if (udp) {
		f = doctor_say(j, DOCTOR_WARN, "server", about, "it answers over UDP, but not over TCP: answers that do not fit into a datagram "
		                                                "cannot be had, such as lists of peers");
		doctor_advise(f, "Let TCP port %u through, in the firewalls there, here and between; RFC 7766 requires it", server->port);
	} else if (tcp) {
		f = doctor_say(j, DOCTOR_FAIL, "server", about, "it answers over TCP, but not over UDP: look-ups are made over UDP");
		doctor_advise(f, "Let UDP port %u through, in the firewalls there, here and between", server->port);
	} else {
		judge_silent(j, i, about);
	}
}

/* ---- the zone ---- */

static void judge_refusal(struct judging *j, const struct doctor_answer *a, const char *about, const char *zone)
{
	struct doctor_finding *f;

	if (a->ede == EDE_PROHIBITED) {
		f = doctor_say(j, DOCTOR_FAIL, "zone", about, "it refuses to answer this host: it is not among those who may ask for %s", zone);
		doctor_advise(f, "Let it in on the registry, with Allow = of the zone in wgmeetd.conf, or ask from inside the tunnel (Server =)");
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "zone", about, "it does not serve %s: it refuses (REFUSED)", zone);
		doctor_advise(f, "See that the zone's name is the one of Name = in the registry's wgmeetd.conf, letter by letter, and that this "
		                 "server is the registry");
	}
}

static void judge_servfail(struct judging *j, const struct doctor_answer *a, const char *about, const char *zone)
{
	struct doctor_finding *f;

	if (a->ede == EDE_NOT_READY || !j->seen->system_servers) {
		f = doctor_say(j, DOCTOR_FAIL, "zone", about, "the registry is not ready (SERVFAIL%s): it serves %s, but %s",
		    a->ede == EDE_NOT_READY ? ", Not Ready" : "", zone,
		    a->ede == EDE_NOT_READY ? "its WireGuard device is not there, or wgmeetd may not read it" : "cannot answer, or asks others in vain");
		doctor_advise(f, "Bring the device up there, and see what it says: `journalctl -u wgmeetd`, `wg show interfaces`");
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "zone", about, "this resolver cannot reach a server of %s (SERVFAIL)", zone);
		doctor_advise(f, "See below how the zone is delegated; or name the registry itself, with Server =");
	}
}

static void judge_zone_at(struct judging *j, const struct doctor_answer *a, const struct endpoint *server, const char *about)
{
	char addr[ENDPOINT_TEXT];
	char zone[NAME_TEXT], apex[NAME_TEXT];
	struct doctor_finding *f;

	name_to_text(&j->seen->settings->zone, zone);
	if (doctor_answer_is_good(a, &j->seen->settings->zone)) {
		doctor_say(j, DOCTOR_OK, "zone", about, a->is_authoritative ? "it serves %s itself" : "it finds %s, of which it is no server", zone);
	} else if (a->rcode == REFUSED) {
		judge_refusal(j, a, about, zone);
	} else if (a->rcode == SERVFAIL) {
		judge_servfail(j, a, about, zone);
	} else if (a->status == LOOKUP_NOT_IN_ZONE && a->apex.len != 0) {
		f = doctor_say(j, DOCTOR_FAIL, "zone", about, "%s is no zone: %s in %s", zone,
		    a->rcode == NXDOMAIN ? "there is no such name" : "it is an ordinary name", name_to_text(&a->apex, apex));
		doctor_advise(f, "See that the zone's name is the one of Name = in the registry's wgmeetd.conf%s",
		    j->seen->system_servers ? ", and that the zone above delegates it; or name the registry itself, with Server =" :
		                              ", and that this server is the registry");
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "zone", about, "its answer about %s makes no sense (RCODE %u)", zone, a->rcode);
		doctor_advise(f, "See what it says: `dig @%s -p %u %s SOA`", endpoint_addr_to_text(server, addr), server->port, zone);
	}
}

/* The servers' clocks, where their cookies tell them. */
static void judge_clocks(struct judging *j, const struct doctor_answer *a, const char *about)
{
	int64_t ahead_s = (int32_t)(a->time_s - (uint32_t)j->seen->now_s); /* RFC 1982 */
	struct doctor_finding *f;

	if (a->time_s == 0 || j->seen->now_s < DOCTOR_YEAR_S || llabs(ahead_s) <= CLOCKS_S)
		return;
	f = doctor_say(j, DOCTOR_WARN, "clock", NULL, "the clock of the name server %s is %lld s %s this host's", about, llabs(ahead_s),
	    ahead_s > 0 ? "ahead of" : "behind");
	doctor_advise(f, "Let both be set from the network (systemd-timesyncd, chrony): a clock that is set back later keeps WireGuard from "
	                 "making handshakes");
}

/* ---- the delegation ---- */

static void judge_nameserver(struct judging *j, const struct doctor_nameserver *n)
{
	const struct doctor_answer *a = best_of(&n->says);
	char zone[NAME_TEXT], about[NAME_TEXT], ep[ENDPOINT_TEXT];
	struct doctor_finding *f;

	name_to_text(&j->seen->settings->zone, zone);
	name_to_text(&n->name, about);
	endpoint_addr_to_text(&n->address, ep);
	if (n->address.family == AF_UNSPEC) {
		f = doctor_say(j, DOCTOR_FAIL, "delegation", about, "%s is delegated to it, but it has no address", zone);
		if (name_is_within(&n->name, &j->seen->settings->zone))
			doctor_advise(f, "Put its address beside the NS record: `%s. A ADDRESS`", about);
		else
			doctor_advise(f, "See that this name is right, and that it has an address: `dig %s A`", about);
	} else if (!has_answered(a)) {
		f = doctor_say(j, DOCTOR_FAIL, "delegation", about, "%s is delegated to it, but at %s nobody answers", zone, ep);
		doctor_advise(f, "See that the address in the zone above is the registry's, that wgmeetd listens there (Listen =), and that UDP "
		                 "and TCP port 53 get there from everywhere; or take that NS record out");
	} else if (!doctor_answer_is_good(a, &j->seen->settings->zone) || !a->is_authoritative) {
		f = doctor_say(j, DOCTOR_FAIL, "delegation", about, "it is lame: %s is delegated to it, but what answers at %s %s", zone, ep,
		    a->rcode == SERVFAIL && a->ede == EDE_NOT_READY ? "is not ready: its WireGuard device is not there, or wgmeetd may not read it" :
		    a->rcode == REFUSED && a->ede == EDE_PROHIBITED ? "refuses to answer this host" :
		                                                      "does not serve that zone");
		doctor_advise(f, "See that the address in the zone above is the registry's, and that the zone's name is the one of Name = there; "
		                 "Allow = of the zone must let resolvers in, from everywhere");
	} else if (!has_answered(&n->says.tcp)) {
		f = doctor_say(j, DOCTOR_WARN, "delegation", about, "it serves %s at %s, but not over TCP, which resolvers need", zone, ep);
		doctor_advise(f, "Let TCP port 53 through to it, from everywhere");
	} else {
		doctor_say(j, DOCTOR_OK, "delegation", about, "it serves %s at %s", zone, ep);
	}
}

static void judge_delegation(struct judging *j)
{
	const struct doctor_dns *dns = j->seen->dns;
	char zone[NAME_TEXT], parent[NAME_TEXT];
	struct doctor_finding *f;

	name_to_text(&j->seen->settings->zone, zone);
	snprintf(parent, sizeof(parent), "the zone above");
	if (dns->parent.len != 0)
		name_to_text(&dns->parent, parent);
	switch (dns->delegation) {
	case DELEGATION_MISSING:
		f = doctor_say(j, DOCTOR_FAIL, "delegation", NULL, "%s does not delegate %s: it has no NS record there", parent, zone);
		doctor_advise(f, "Add it there: `%s. NS ns1.%s.` and `ns1.%s. A ADDRESS`, with the registry's address", zone, zone, zone);
		break;
	case DELEGATION_UNKNOWN:
		f = doctor_say(j, DOCTOR_WARN, "delegation", NULL, "it cannot be told how %s is delegated: no server of %s can be asked from here",
		    zone, parent);
		doctor_advise(f, "See from elsewhere: `dig +trace %s SOA`", zone);
		break;
	case DELEGATION_THERE:
		for (uint32_t i = 0; i < dns->nameservers_len; i++)
			judge_nameserver(j, &dns->nameservers[i]);
		break;
	}
}

void doctor_judge_servers(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	char about[ENDPOINT_TEXT];

	if (s->dns == NULL)
		return;
	for (size_t i = 0; i < s->settings->servers.len; i++)
		judge_server(j, i);
	for (size_t i = 0; i < s->settings->servers.len; i++) {
		const struct doctor_answer *a = best_of(&s->dns->servers[i]);

		if (!has_answered(a))
			continue;
		endpoint_to_text(&s->settings->servers.at[i], about);
		judge_zone_at(j, a, &s->settings->servers.at[i], about);
		judge_clocks(j, a, about);
	}
	judge_delegation(j);
}
