#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT16_MAX

/* ---- addresses ---- */

static void own(struct world *w, struct host *h)
{
	if ((w->addrs_len & (w->addrs_len + 1)) == 0) /* it grows at each power of two */
		w->owners = reallocarray(w->owners, 2 * (w->addrs_len + 1), sizeof(*w->owners));
	if (w->owners == NULL)
		abort();
	h->nat.addr = ++w->addrs_len;
	w->owners[h->nat.addr] = h->number;
}

static struct host *owner(const struct world *w, uint32_t addr)
{
	return addr != 0 && addr <= w->addrs_len && w->owners[addr] != NOBODY ? &w->hosts[w->owners[addr]] : NULL;
}

void nat_reboot(struct world *w, struct host *h)
{
	h->nat.flows_len = 0;
	h->nat.next_port = (uint16_t)(1024 + world_random(w, 60000));
}

void net_new_address(struct world *w, struct host *h)
{
	if (h->nat.addr != 0)
		w->owners[h->nat.addr] = NOBODY;
	own(w, h);
	nat_reboot(w, h);
}

/* ---- NATs ---- */

static bool follows(enum nat_rule rule, const struct place *a, const struct place *b)
{
	return rule == NAT_ANY || (a->addr == b->addr && (rule == NAT_ADDRESS || a->port == b->port));
}

static bool is_alive(const struct nat *nat, const struct nat_flow *f, int64_t now_ms)
{
	return now_ms - f->used_ms < nat->timeout_ms;
}

/* By which port a packet to `remote` leaves; 0: by a new one. */
static uint16_t find_port(const struct nat *nat, const struct place *remote, int64_t now_ms)
{
	if (nat->keeps_port)
		return WG_PORT;
	for (size_t i = 0; i < nat->flows_len; i++)
		if (is_alive(nat, &nat->flows[i], now_ms) && follows(nat->mapping, &nat->flows[i].remote, remote))
			return nat->flows[i].port;
	return 0;
}

/* What is no longer used makes room; if there is none, the oldest does. */
static struct nat_flow *find_room(struct nat *nat, int64_t now_ms)
{
	struct nat_flow *oldest = nat->flows;

	for (size_t i = 0; i < nat->flows_len; i++)
		if (nat->flows[i].used_ms < oldest->used_ms)
			oldest = &nat->flows[i];
	if (nat->flows_len == NAT_FLOWS || (nat->flows_len > 0 && !is_alive(nat, oldest, now_ms)))
		return oldest;
	return &nat->flows[nat->flows_len++];
}

static uint16_t pass_out(struct nat *nat, const struct place *remote, int64_t now_ms)
{
	uint16_t port = find_port(nat, remote, now_ms);

	if (port == 0) {
		port = nat->next_port;
		nat->next_port = (uint16_t)(nat->next_port < 1024 ? 1024 : nat->next_port + 7);
	}
	for (size_t i = 0; i < nat->flows_len; i++) {
		if (nat->flows[i].port == port && place_equal(&nat->flows[i].remote, remote)) {
			nat->flows[i].used_ms = now_ms;
			return port;
		}
	}
	*find_room(nat, now_ms) = (struct nat_flow){.remote = *remote, .port = port, .used_ms = now_ms};
	return port;
}

/* The flow that lets a packet in; NULL: none does. */
static const struct nat_flow *find_flow(const struct nat *nat, uint16_t port, const struct place *remote, int64_t now_ms)
{
	for (size_t i = 0; i < nat->flows_len; i++) {
		const struct nat_flow *f = &nat->flows[i];

		if (f->port == port && is_alive(nat, f, now_ms) && follows(nat->filtering, &f->remote, remote))
			return f;
	}
	return NULL;
}

static bool is_open(const struct nat *nat)
{
	return nat->keeps_port && nat->filtering == NAT_ANY;
}

void nat_set(struct host *h, enum nat_rule mapping, enum nat_rule filtering, int64_t timeout_ms)
{
	h->nat.mapping = mapping;
	h->nat.filtering = filtering;
	h->nat.keeps_port = false;
	h->nat.timeout_ms = timeout_ms;
}

void nat_random(struct world *w, struct host *h)
{
	static const int64_t timeouts_ms[] = {30000, 60000, 120000, 180000, 300000};
	enum nat_rule mapping = world_chance(w, 60) ? NAT_ANY : world_chance(w, 50) ? NAT_ADDRESS : NAT_PORT;

	nat_set(h, mapping, (enum nat_rule)world_random(w, 3), timeouts_ms[world_random(w, 5)]);
	h->nat.keeps_port = mapping == NAT_ANY && world_chance(w, 40);
	h->nat.inbound_renews = world_chance(w, 50);
}

bool net_can_meet(const struct nat *a, const struct nat *b)
{
	bool a_each = a->mapping != NAT_ANY, b_each = b->mapping != NAT_ANY;

	return !(a_each && (b_each || b->filtering == NAT_PORT)) && !(b_each && a->filtering == NAT_PORT);
}

bool net_reaches(const struct world *w, const struct host *from, const struct host *to, const struct place *at)
{
	struct place source = {.addr = from->nat.addr, .port = find_port(&from->nat, at, w->now_ms)};

	if (from->offline || to->offline || owner(w, at->addr) != to)
		return false;
	return is_open(&to->nat) ? at->port == WG_PORT : find_flow(&to->nat, at->port, &source, w->now_ms) != NULL;
}

/* ---- datagrams ---- */

static const char *kind_of(const struct packet *p)
{
	static const char *const loads[] = {"keepalive", "poke", "refusal", "request", "response", "stream", "query", "answer",
	    "notify", "notified"};

	return p->kind == PACKET_INITIATION ? "initiation" : p->kind == PACKET_RESPONSE ? "handshake response" : loads[p->load.kind];
}

void net_drop(struct world *w, const struct packet *p, const char *why)
{
	world_say(w, "    %s > %s %s at %s is lost: %s", world_name(p->sender), world_name(p->receiver), kind_of(p),
	    world_place(&p->to), why);
	judge_drop(w, p->sender, p->receiver);
}

void net_send(struct world *w, struct host *h, struct packet *p)
{
	const struct host *to = owner(w, p->to.addr);

	if (h->offline) {
		net_drop(w, p, "the sender has no network");
		return;
	}
	p->from = (struct place){.addr = h->nat.addr, .port = is_open(&h->nat) ? WG_PORT : pass_out(&h->nat, &p->to, w->now_ms)};
	world_say(w, "    %s > %s %s from %s to %s", world_name(p->sender), world_name(p->receiver), kind_of(p),
	    world_place(&p->from), world_place(&p->to));
	if (world_random(w, 1000) < w->loss) {
		net_drop(w, p, "that happens");
		return;
	}
	queue_push(w, &(struct event){.kind = EVENT_PACKET, .packet = *p,
	    .at_ms = w->now_ms + h->delay_ms + (to != NULL ? to->delay_ms : 0) + world_random(w, 4)});
}

void net_arrive(struct world *w, const struct packet *p)
{
	struct host *h = owner(w, p->to.addr);
	const struct nat_flow *f = NULL;

	if (h == NULL || h->offline) {
		net_drop(w, p, "nobody is there");
		return;
	}
	if (!is_open(&h->nat)) {
		f = find_flow(&h->nat, p->to.port, &p->from, w->now_ms);
		if (f == NULL) {
			net_drop(w, p, "the NAT lets it not in");
			return;
		}
		if (h->nat.inbound_renews)
			h->nat.flows[f - h->nat.flows].used_ms = w->now_ms;
	}
	wg_receive(w, h, p);
}
