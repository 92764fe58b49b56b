/* What is wrong with peers, and with what the firewall makes of them. */
#include <string.h>

#include "init.h"

#define LISTED_MAX 10
#define OLD_S      180 /* REJECT_AFTER_TIME: who sends at all has had a newer handshake by then */

/* ---- peers ---- */

enum trouble { FINE, UNSEEN, OLD, PRIVATE };

static enum trouble trouble_of(const struct init_host *host, const struct init_plan *plan, const struct wg_peer *p)
{
	const char *private_too = init_value(plan, "PrivateEndpoints");

	if (p->endpoint.family == AF_UNSPEC || p->last_handshake_s == 0)
		return UNSEEN;
	if ((int64_t)p->last_handshake_s < host->now_s - OLD_S)
		return OLD;
	if (endpoint_is_private(&p->endpoint) && (private_too == NULL || strcmp(private_too, "yes") != 0))
		return PRIVATE;
	return FINE;
}

static const char *ago(int64_t seconds, char out[32])
{
	if (seconds < 7200)
		snprintf(out, 32, "%d minutes", (int)(seconds / 60));
	else if (seconds < 172800)
		snprintf(out, 32, "%d hours", (int)(seconds / 3600));
	else
		snprintf(out, 32, "%d days", (int)(seconds / 86400 > 99999 ? 99999 : seconds / 86400));
	return out;
}

static void say_peer(const struct init_host *host, const struct wg_device *dev, const struct wg_peer *p, enum trouble what,
    struct init_report *r)
{
	char key[KEY_BASE64 + 1], ip[ALLOWEDIP_TEXT] = "no allowed IP", at[ENDPOINT_TEXT], time[32];

	if (p->allowed_len > 0)
		allowedip_to_text(&dev->allowed[p->allowed_off], ip);
	key_text(p->public_key, key);
	if (what == UNSEEN)
		init_say(r, INIT_WARN, "peer", "%s (%s) was never seen", key, ip);
	else if (what == OLD)
		init_say(r, INIT_WARN, "peer", "%s (%s) was last seen %s ago", key, ip,
		    ago(host->now_s - (int64_t)p->last_handshake_s, time));
	else
		init_say(r, INIT_WARN, "peer", "%s (%s) is seen at a private address, %s, and is not published", key, ip,
		    endpoint_addr_to_text(&p->endpoint, at));
}

static void say_remedy(const struct init_host *host, const struct init_plan *plan, enum trouble what, struct init_report *r)
{
	const struct wg_device *dev = &plan->device->dev;
	char key[KEY_BASE64 + 1], at[ENDPOINT_TEXT] = "this host's address and port";
	struct endpoint self = plan->self_at;

	if (plan->self != INIT_SELF_FIXED && host->public_len > 0) {
		self = host->public_addrs[0];
		self.port = dev->listen_port;
	}
	if (self.family != AF_UNSPEC)
		endpoint_to_text(&self, at);
	if (what == UNSEEN)
		init_todo(r, "there: a [Peer] with PublicKey = %s, Endpoint = %s and PersistentKeepalive = 25; and see that UDP port %u gets here",
		    key_text(dev->public_key, key), at, dev->listen_port);
	else if (what == OLD)
		init_todo(r, "if it is on: PersistentKeepalive = 25 there, in the [Peer] of this host, so that its NAT keeps the endpoint open");
	else
		init_todo(r, "--private-endpoints, if all peers are in that network; else give its public one, Endpoint = in a [Peer] of the "
		             "file");
}

static void judge_trouble(const struct init_host *host, const struct init_plan *plan, enum trouble what, struct init_report *r)
{
	const struct wg_device *dev = &plan->device->dev;
	size_t n = 0;

	for (size_t i = 0; i < dev->peers_len; i++) {
		if (trouble_of(host, plan, &dev->peers[i]) == what && n++ < LISTED_MAX)
			say_peer(host, dev, &dev->peers[i], what, r);
	}
	if (n > LISTED_MAX)
		init_say(r, INIT_WARN, "peer", "and %zu more like these", n - LISTED_MAX);
	if (n > 0)
		say_remedy(host, plan, what, r);
}

void init_judge_peers(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	const struct wg_device *dev = &plan->device->dev;
	unsigned before = r->warnings;

	if (dev->peers_len == 0) {
		init_say(r, INIT_WARN, "peer", "%s has no peers", dev->name);
		init_todo(r, "add them: `wg set %s peer KEY allowed-ips ADDR/32`, and a [Peer] in /etc/wireguard/%s.conf", dev->name, dev->name);
		return;
	}
	for (enum trouble what = UNSEEN; what <= PRIVATE; what++)
		judge_trouble(host, plan, what, r);
	if (r->warnings == before)
		init_say(r, INIT_OK, "peer", "all were seen within the last three minutes");
}

/* ---- the firewall ---- */

bool init_is_plain(const char *name)
{
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.=+-")] == '\0';
}

/* Over which of the two. */
#define UDP 1
#define TCP 2

static const char *over_text(unsigned over)
{
	static const char *const texts[] = {[UDP] = "UDP", [TCP] = "TCP", [UDP | TCP] = "UDP and TCP"};

	return texts[over];
}

static void remedy_iptables(const struct init_packet *p, unsigned over, const struct init_chain *c, struct init_report *r)
{
	const char *command = strcmp(c->family, "ip6") == 0 ? "ip6tables" : "iptables", *on = p->device[0] != '\0' ? " -i " : "";
	char rules[2][128];

	for (int tcp = 0; tcp < 2; tcp++)
		snprintf(rules[tcp], sizeof(rules[tcp]), "%s -I INPUT%s%s -p %s --dport %u -j ACCEPT", command, on, p->device,
		    tcp != 0 ? "tcp" : "udp", p->port);
	init_todo(r, "`%s%s%s`, and the same where your rules come from", rules[over == TCP], over == (UDP | TCP) ? " && " : "",
	    over == (UDP | TCP) ? rules[1] : "");
}

static void remedy_rule(const struct init_packet *p, unsigned over, const struct init_chain *c, struct init_report *r)
{
	const char *proto = over == TCP ? "tcp" : "udp";
	bool on = p->device[0] != '\0', both = over == (UDP | TCP);

	if (c->ufw) {
		init_todo(r, "`ufw allow%s%s to any port %u%s%s`", on ? " in on " : "", p->device, p->port, both ? "" : " proto ",
		    both ? "" : proto);
	} else if (strcmp(c->table, "firewalld") == 0) {
		char second[32] = "";

		if (both)
			snprintf(second, sizeof(second), " --add-port=%u/tcp", p->port);
		init_todo(r, "`firewall-cmd --permanent --add-port=%u/%s%s && firewall-cmd --reload`, in the zone of %s", p->port, proto, second,
		    on ? p->device : "the device");
	} else if (strcmp(c->chain, "INPUT") == 0 && strcmp(c->family, "inet") != 0) {
		remedy_iptables(p, over, c, r);
	} else {
		init_todo(r, "`nft insert rule %s %s %s %s%s%s%s%s dport %u accept%s`, and the same where your rules come from (/etc/nftables.conf)",
		    c->family, c->table, c->chain, on ? "iifname " : "", p->device, on ? " " : "", both ? "'meta l4proto { tcp, udp } " : "",
		    both ? "th" : proto, p->port, both ? "'" : "");
	}
}

/* What was said already: with addresses of both families one chain is found twice. */
struct said {
	char lines[4 * CONFIG_LISTEN][192];
	size_t len;
};

static bool is_said(struct said *said, const struct init_packet *p, unsigned over, const struct init_chain *c)
{
	char line[sizeof(said->lines[0])];

	snprintf(line, sizeof(line), "%u %u %s %.7s %.63s %.63s", over, p->port, p->device, c->family, c->table, c->chain);
	for (size_t i = 0; i < said->len; i++)
		if (strcmp(said->lines[i], line) == 0)
			return true;
	if (said->len < sizeof(said->lines) / sizeof(said->lines[0]))
		memcpy(said->lines[said->len++], line, sizeof(line));
	return false;
}

static void say_passage(const struct init_packet *p, unsigned protocols, enum init_passage passage, const struct init_chain *chain,
    const char *what, struct init_report *r)
{
	const char *name = over_text(protocols);
	bool both = protocols == (UDP | TCP);
	char over[IFNAMSIZ + 8] = "";

	if (p->device[0] != '\0')
		snprintf(over, sizeof(over), " over %s", p->device);
	if (!init_is_plain(chain->table) || !init_is_plain(chain->chain)) {
		init_say(r, passage == INIT_CLOSED ? INIT_FAIL : INIT_WARN, "firewall", "%s port %u%s, %s, may be dropped by a chain of an odd name",
		    name, p->port, over, what);
		init_todo(r, "see `nft list ruleset`");
	} else if (passage == INIT_CLOSED) {
		init_say(r, INIT_FAIL, "firewall", "%s port %u%s, %s, %s dropped by the chain %s %s %s: %s", name, p->port, over, what,
		    both ? "are" : "is", chain->family, chain->table, chain->chain, chain->how);
		remedy_rule(p, protocols, chain, r);
	} else {
		init_say(r, INIT_WARN, "firewall", "cannot tell whether %s port %u%s, %s, %s through", name, p->port, over, what,
		    both ? "get" : "gets");
		if (chain->chain[0] != '\0')
			init_todo(r, "see `nft list chain %s %s %s`: %s", chain->family, chain->table, chain->chain, chain->how);
		else
			init_todo(r, "see `nft list ruleset`");
	}
}

static bool same_chain(const struct init_chain *a, const struct init_chain *b)
{
	return strcmp(a->family, b->family) == 0 && strcmp(a->table, b->table) == 0 && strcmp(a->chain, b->chain) == 0 &&
	    strcmp(a->how, b->how) == 0;
}

/* Over each of `protocols`; what is the same over both is said once. Returns whether all of it gets through. */
static bool judge_packet(const struct init_host *host, const struct init_packet *packet, unsigned protocols, const char *what,
    struct said *said, struct init_report *r)
{
	enum init_passage passages[2] = {INIT_OPEN, INIT_OPEN};
	struct init_packet p = *packet;
	struct init_chain chains[2];
	unsigned shut = 0, now = 0;

	for (int tcp = 0; tcp < 2; tcp++) {
		unsigned over = tcp != 0 ? TCP : UDP;

		p.tcp = tcp != 0;
		if ((protocols & over) != 0)
			passages[tcp] = init_firewall_judge(host->ruleset, &p, &chains[tcp]);
		if (passages[tcp] == INIT_OPEN)
			continue;
		shut |= over;
		now |= is_said(said, &p, over, &chains[tcp]) ? 0 : over;
	}
	if (now == (UDP | TCP) && passages[0] == passages[1] && same_chain(&chains[0], &chains[1])) {
		say_passage(&p, now, passages[0], &chains[0], what, r);
		return false;
	}
	if ((now & UDP) != 0)
		say_passage(&p, UDP, passages[0], &chains[0], what, r);
	if ((now & TCP) != 0)
		say_passage(&p, TCP, passages[1], &chains[1], what, r);
	return shut == 0;
}

static struct wg_allowedip a_peer(const struct wg_device *dev, uint8_t family)
{
	for (size_t i = 0; i < dev->allowed_len; i++)
		if (dev->allowed[i].family == family)
			return dev->allowed[i];
	return (struct wg_allowedip){0};
}

/* A question at that address, from the tunnel or from elsewhere. Where an address will be that is not there yet nobody knows. */
static bool judge_questions(const struct init_host *host, const struct init_plan *plan, const struct listen_conf *l, bool tunnel,
    struct said *said, struct init_report *r)
{
	bool foreign = init_is_foreign(host, l);
	const char *what = tunnel ? "where peers ask" : foreign ? "where it is asked" : "where resolvers ask";
	struct init_packet p = {.family = l->at.family, .port = l->at.port};

	p.device = tunnel ? plan->device->dev.name : l->device[0] != '\0' ? l->device : foreign ? "" : host->wan;
	if (!endpoint_addr_is_any(&l->at))
		p.to = l->at;
	if (tunnel)
		p.from = a_peer(&plan->device->dev, l->at.family);
	return judge_packet(host, &p, UDP | TCP, what, said, r);
}

static bool judge_listeners(const struct init_host *host, const struct init_plan *plan, struct said *said, struct init_report *r)
{
	const struct init_device *d = plan->device;
	bool fine = true;

	for (size_t i = 0; i < plan->listen.len; i++) {
		const struct listen_conf *l = &plan->listen.at[i];
		struct endpoint at = l->at;
		bool any = endpoint_addr_is_any(&at), tunnel = init_is_tunnel(d, &at), has_family = false;

		at.port = 1;
		if (!any && !endpoint_is_reachable(&at))
			continue; /* loopback */
		for (size_t j = 0; j < d->addrs_len; j++)
			has_family |= d->addrs[j].family == at.family;
		if (tunnel || (any && has_family && (l->device[0] == '\0' || strcmp(l->device, d->dev.name) == 0)))
			fine &= judge_questions(host, plan, l, true, said, r);
		if (!tunnel && strcmp(l->device, d->dev.name) != 0)
			fine &= judge_questions(host, plan, l, false, said, r);
	}
	return fine;
}

/* What comes to the device, over each family that others have an address of. */
static bool judge_device(const struct init_host *host, const struct init_plan *plan, struct said *said, struct init_report *r)
{
	struct init_packet p = {.port = plan->device->dev.listen_port, .device = host->wan};
	bool v4 = plan->self == INIT_SELF_FIXED && plan->self_at.family == AF_INET,
	     v6 = plan->self == INIT_SELF_FIXED && plan->self_at.family == AF_INET6, fine = true;

	for (size_t i = 0; plan->self != INIT_SELF_FIXED && i < host->public_len; i++) {
		v4 |= host->public_addrs[i].family == AF_INET;
		v6 |= host->public_addrs[i].family == AF_INET6;
	}
	if (p.port == 0)
		return true; /* that is said already */
	p.family = AF_INET;
	if (v4 || !v6)
		fine &= judge_packet(host, &p, UDP, "WireGuard's own", said, r);
	p.family = AF_INET6;
	if (v6)
		fine &= judge_packet(host, &p, UDP, "WireGuard's own", said, r);
	return fine;
}

void init_judge_rules(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	static struct said said;
	bool fine;

	said.len = 0;
	if (host->legacy_rules) {
		init_say(r, INIT_WARN, "firewall", "iptables has rules that nft does not show: cannot tell what they drop");
		init_todo(r, "see `iptables-legacy -S INPUT` and `ip6tables-legacy -S INPUT`");
	}
	if (host->ruleset == NULL) {
		init_say(r, INIT_WARN, "firewall", "cannot tell what it drops: %s", host->rules_why);
		init_todo(r, "see that it lets in UDP port %u, and the ports to listen at over UDP and TCP", plan->device->dev.listen_port);
		return;
	}
	fine = judge_device(host, plan, &said, r);
	fine &= judge_listeners(host, plan, &said, r);
	if (fine && !host->legacy_rules)
		init_say(r, INIT_OK, "firewall", "it lets in what is needed");
}
