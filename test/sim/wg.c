#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* messages.h */
#define REKEY_AFTER_MS  120000
#define REJECT_AFTER_MS 180000
#define REKEY_MS        5000
#define JITTER_MS       333
#define KEEPALIVE_MS    10000
#define ATTEMPTS        18 /* 90 s */
#define INITIATION_LEN  148
#define RESPONSE_LEN    92
#define DATA_LEN        32 /* and what is in it, padded to 16 */

#define ALL_TUNNELS(t, h)                                                                                   \
	for (size_t i_ = 0; i_ < (h)->wg.len; i_++)                                                          \
		if (((t) = wg_at(h, (uint16_t)i_)) != NULL)

/* ---- timers ---- */

static int64_t first_timer(const struct tunnel *t)
{
	int64_t at = t->resend_ms;

	at = t->passive_ms < at ? t->passive_ms : at;
	at = t->new_ms < at ? t->new_ms : at;
	return t->persistent_ms < at ? t->persistent_ms : at;
}

/* One event is in the queue for all timers of a tunnel. A timer that was put off finds that out when it goes off. */
static void arm(struct world *w, struct host *h, struct tunnel *t)
{
	int64_t at = first_timer(t);

	if (at >= t->armed_ms)
		return;
	t->armed_ms = at;
	queue_push(w, &(struct event){.at_ms = at, .kind = EVENT_TIMER, .host = h->number, .about = t->who});
}

static int64_t jitter(struct world *w)
{
	return world_random(w, JITTER_MS + 1);
}

/* Any authenticated packet, out or in. */
static void on_traversal(struct world *w, struct tunnel *t)
{
	if (t->keepalive_s != 0)
		t->persistent_ms = w->now_ms + t->keepalive_s * 1000;
}

static void on_sent(struct world *w, struct tunnel *t)
{
	t->passive_ms = SIM_NEVER;
	on_traversal(w, t);
}

static void on_received(struct world *w, struct tunnel *t, const struct packet *p)
{
	t->rx += p->len;
	t->new_ms = SIM_NEVER;
	on_traversal(w, t);
}

/* ---- out ---- */

static void transmit(struct world *w, struct host *h, struct tunnel *t, struct packet *p)
{
	if (t->endpoint.addr == 0)
		return;
	t->tx += p->len;
	p->to = t->endpoint;
	p->sender = h->number;
	p->receiver = t->who;
	net_send(w, h, p);
}

static void initiate(struct world *w, struct host *h, struct tunnel *t, bool again)
{
	struct packet p = {.kind = PACKET_INITIATION, .len = INITIATION_LEN};

	if (!again)
		t->attempts = 0;
	if (w->now_ms - t->shook_ms < REKEY_MS)
		return;
	t->shook_ms = w->now_ms;
	p.id = t->initiation = ++w->ids;
	on_sent(w, t);
	transmit(w, h, t, &p);
	t->resend_ms = w->now_ms + REKEY_MS + jitter(w);
}

static bool is_valid(const struct world *w, const struct keypair *k)
{
	return k->id != 0 && w->now_ms - k->born_ms < REJECT_AFTER_MS;
}

static void send_staged(struct world *w, struct host *h, struct tunnel *t)
{
	struct keypair *k = &t->current;
	size_t n = t->staged_len;
	bool data = false;

	if (n == 0)
		return;
	if (!is_valid(w, k)) {
		initiate(w, h, t, false);
		return;
	}
	t->staged_len = 0;
	on_sent(w, t);
	for (size_t i = 0; i < n; i++) {
		struct packet p = {.kind = PACKET_DATA, .id = k->id, .load = t->staged[i]};

		p.len = (uint16_t)(DATA_LEN + (p.load.len + 15) / 16 * 16);
		data |= p.load.kind != LOAD_NOTHING;
		transmit(w, h, t, &p);
	}
	if (data && t->new_ms == SIM_NEVER)
		t->new_ms = w->now_ms + KEEPALIVE_MS + REKEY_MS + jitter(w);
	if (k->initiator && w->now_ms - k->born_ms >= REKEY_AFTER_MS)
		initiate(w, h, t, false);
}

static void stage(struct tunnel *t, const struct load *load)
{
	if (t->staged_len == WG_STAGED) /* the oldest gives way */
		memmove(t->staged, t->staged + 1, --t->staged_len * sizeof(*t->staged));
	t->staged[t->staged_len++] = *load;
}

void wg_send_keepalive(struct world *w, struct host *h, struct tunnel *t)
{
	if (!h->wg.up)
		return;
	if (t->staged_len == 0)
		stage(t, &(struct load){.kind = LOAD_NOTHING});
	send_staged(w, h, t);
	arm(w, h, t);
}

void wg_send(struct world *w, struct host *h, uint16_t to, const struct load *load)
{
	struct tunnel *t = wg_at(h, to);

	if (t == NULL || !h->wg.up || !t->has_address || t->endpoint.addr == 0)
		return;
	stage(t, load);
	send_staged(w, h, t);
	arm(w, h, t);
}

/* ---- in ---- */

static void complete(struct world *w, struct host *h, struct tunnel *t)
{
	t->resend_ms = SIM_NEVER;
	t->attempts = 0;
	t->last_minute = false;
	t->handshake_s = (uint64_t)(h->wall_ms + w->now_ms) / 1000;
}

/* The new session is used once the other side has: "next" until then. */
static void take_initiation(struct world *w, struct host *h, struct tunnel *t, const struct packet *in)
{
	struct packet p = {.kind = PACKET_RESPONSE, .len = RESPONSE_LEN, .answers = in->id, .id = ++w->ids};

	t->initiation = 0; /* there is one handshake at a time: ours is forgotten */
	t->shook_ms = w->now_ms;
	t->next = (struct keypair){.id = p.id, .born_ms = w->now_ms};
	t->previous = (struct keypair){0};
	on_sent(w, t);
	transmit(w, h, t, &p);
	on_received(w, t, in);
}

static void take_response(struct world *w, struct host *h, struct tunnel *t, const struct packet *in)
{
	t->initiation = 0;
	t->previous = t->next.id != 0 ? t->next : t->current;
	t->next = (struct keypair){0};
	t->current = (struct keypair){.id = in->id, .born_ms = w->now_ms, .initiator = true};
	complete(w, h, t);
	wg_send_keepalive(w, h, t); /* or what waits; that confirms it */
	on_received(w, t, in);
}

static bool knows(const struct world *w, const struct tunnel *t, uint32_t id)
{
	const struct keypair *all[] = {&t->current, &t->previous, &t->next};

	for (size_t i = 0; i < 3; i++)
		if (all[i]->id == id && is_valid(w, all[i]))
			return true;
	return false;
}

static void deliver(struct world *w, struct host *h, struct tunnel *t, const struct load *load)
{
	if (load->kind == LOAD_NOTHING)
		return;
	if (t->passive_ms == SIM_NEVER)
		t->passive_ms = w->now_ms + KEEPALIVE_MS;
	else
		t->another_keepalive = true;
	if (h->number == SIM_HUB && (load->kind == LOAD_QUERY || load->kind == LOAD_NOTIFIED))
		registry_take(w, t->who, load);
	else if (load->kind == LOAD_ANSWER || load->kind == LOAD_NOTIFY)
		daemon_take(w, h, load);
	else
		app_take(w, h, t->who, load);
}

static void take_data(struct world *w, struct host *h, struct tunnel *t, const struct packet *in)
{
	const struct keypair *k = &t->current;

	if (t->next.id == in->id) {
		t->previous = t->current;
		t->current = t->next;
		t->next = (struct keypair){0};
		complete(w, h, t);
		send_staged(w, h, t);
	}
	if (!t->last_minute && k->initiator && is_valid(w, k) &&
	    w->now_ms - k->born_ms >= REJECT_AFTER_MS - KEEPALIVE_MS - REKEY_MS) {
		t->last_minute = true;
		initiate(w, h, t, false);
	}
	on_received(w, t, in);
	deliver(w, h, t, &in->load);
}

/* Authenticated, whoever sent it roams to where it came from. */
static void roam(struct world *w, struct host *h, struct tunnel *t, const struct place *from)
{
	if (place_equal(&t->endpoint, from))
		return;
	world_say(w, "%s: %s roams to %s", world_name(h->number), world_name(t->who), world_place(from));
	t->endpoint = *from;
	judge_roam(w, h->number, t->who);
	if (h->number == SIM_HUB)
		registry_moved(w, t->who);
}

void wg_receive(struct world *w, struct host *h, const struct packet *p)
{
	struct tunnel *t = wg_at(h, p->sender);
	bool right = t != NULL && h->wg.up && p->receiver == h->number;

	if (right && p->kind == PACKET_RESPONSE)
		right = t->initiation != 0 && t->initiation == p->answers;
	if (right && p->kind == PACKET_DATA)
		right = knows(w, t, p->id);
	if (!right) {
		net_drop(w, p, "it is not for us, or of no session");
		return;
	}
	roam(w, h, t, &p->from);
	if (p->kind == PACKET_INITIATION)
		take_initiation(w, h, t, p);
	else if (p->kind == PACKET_RESPONSE)
		take_response(w, h, t, p);
	else
		take_data(w, h, t, p);
	arm(w, h, t);
}

/* ---- timers that go off ---- */

static bool is_due(struct world *w, int64_t *timer)
{
	if (*timer > w->now_ms)
		return false;
	*timer = SIM_NEVER;
	return true;
}

static void resend(struct world *w, struct host *h, struct tunnel *t)
{
	if (t->attempts > ATTEMPTS) {
		t->passive_ms = SIM_NEVER;
		t->staged_len = 0;
		return;
	}
	t->attempts++;
	initiate(w, h, t, true);
}

void wg_timer(struct world *w, struct host *h, uint16_t who, int64_t at_ms)
{
	struct tunnel *t = wg_at(h, who);

	if (t == NULL || t->armed_ms != at_ms)
		return;
	t->armed_ms = SIM_NEVER;
	if (is_due(w, &t->resend_ms))
		resend(w, h, t);
	if (is_due(w, &t->passive_ms)) {
		wg_send_keepalive(w, h, t);
		if (t->another_keepalive)
			t->passive_ms = w->now_ms + KEEPALIVE_MS;
		t->another_keepalive = false;
	}
	if (is_due(w, &t->new_ms))
		initiate(w, h, t, false);
	if (is_due(w, &t->persistent_ms) && t->keepalive_s != 0)
		wg_send_keepalive(w, h, t);
	arm(w, h, t);
}

/* ---- what the device's owner does ---- */

void wg_init(struct wg *wg, size_t hosts)
{
	*wg = (struct wg){.up = true, .len = hosts, .tunnels = calloc(hosts, sizeof(*wg->tunnels))};
	if (wg->tunnels == NULL)
		abort();
}

void wg_free(struct wg *wg)
{
	for (size_t i = 0; i < wg->len; i++)
		free(wg->tunnels[i]);
	free(wg->tunnels);
}

struct tunnel *wg_at(struct host *h, uint16_t who)
{
	struct tunnel *t = h->wg.tunnels[who];

	return t != NULL && t->there ? t : NULL;
}

static void clear(struct world *w, struct tunnel *t)
{
	t->previous = t->current = t->next = (struct keypair){0};
	t->initiation = 0;
	t->staged_len = 0;
	t->shook_ms = w->now_ms - REKEY_MS;
	t->resend_ms = t->passive_ms = t->new_ms = t->persistent_ms = t->armed_ms = SIM_NEVER;
}

struct tunnel *wg_add(struct world *w, struct host *h, uint16_t who, const struct place *endpoint, uint16_t keepalive_s)
{
	struct tunnel *t = h->wg.tunnels[who];

	if (t == NULL)
		t = h->wg.tunnels[who] = malloc(sizeof(*t));
	if (t == NULL)
		abort();
	*t = (struct tunnel){.who = who, .there = true, .has_address = true, .keepalive_s = keepalive_s};
	clear(w, t);
	if (endpoint != NULL)
		t->endpoint = *endpoint;
	if (keepalive_s != 0)
		wg_send_keepalive(w, h, t);
	return t;
}

void wg_remove(struct host *h, uint16_t who)
{
	h->wg.tunnels[who]->there = false;
}

void wg_set_endpoint(struct world *w, struct host *h, struct tunnel *t, const struct place *endpoint)
{
	t->endpoint = *endpoint;
	if (h->wg.up)
		send_staged(w, h, t);
	arm(w, h, t);
}

void wg_set_up(struct world *w, struct host *h, bool up)
{
	struct tunnel *t;

	h->wg.up = up;
	ALL_TUNNELS(t, h) {
		if (!up)
			clear(w, t);
		else if (t->keepalive_s != 0)
			wg_send_keepalive(w, h, t);
	}
}

void wg_dump(struct world *w, struct host *h, struct wg_device *out)
{
	size_t first = world_random(w, (uint32_t)h->wg.len);
	struct wg_allowedip ip = {.family = AF_INET, .cidr = 32, .addr = {10, 9}};

	wgdev_reset(out);
	out->has_public_key = true;
	daemon_key(h->number, out->public_key);
	for (size_t i = 0; i < h->wg.len; i++) {
		uint16_t who = (uint16_t)((first + i) % h->wg.len);
		const struct tunnel *t = wg_at(h, who);
		struct wg_peer *peer;
		uint8_t key[KEY_LEN];

		if (t == NULL)
			continue;
		daemon_key(who, key);
		peer = wgdev_add_peer(out, key);
		peer->endpoint = daemon_endpoint(&t->endpoint);
		peer->last_handshake_s = t->handshake_s;
		peer->rx_bytes = t->rx;
		peer->tx_bytes = t->tx;
		peer->keepalive_s = t->keepalive_s;
		ip.addr[2] = (uint8_t)(who >> 8);
		ip.addr[3] = (uint8_t)who;
		if (t->has_address && wgdev_add_allowedip(out, &ip) < 0)
			abort();
	}
}

bool wg_has_session(const struct world *w, const struct host *a, const struct host *b)
{
	const struct tunnel *ta = a->wg.tunnels[b->number], *tb = b->wg.tunnels[a->number];

	return ta != NULL && tb != NULL && ta->there && tb->there && a->wg.up && b->wg.up && is_valid(w, &ta->current) &&
	    is_valid(w, &tb->current) && knows(w, tb, ta->current.id) && knows(w, ta, tb->current.id);
}
