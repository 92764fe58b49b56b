#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define TRIES    3
#define TRY_MS   1000 /* and twice as long each time */
#define SAID     8
#define ROUNDS   4    /* of its loop, until it has nothing more to do */
#define POKE_LEN 28   /* a UDP datagram of nothing */

void daemon_key(uint16_t host, uint8_t out[KEY_LEN])
{
	memset(out, 0, KEY_LEN);
	out[0] = (uint8_t)(host * 167); /* in another order than their numbers */
	out[1] = (uint8_t)(host >> 8);
	out[2] = (uint8_t)host;
}

static uint16_t host_of(const uint8_t key[KEY_LEN])
{
	return (uint16_t)(key[1] << 8 | key[2]);
}

/* 198.18.0.0/15 is for such things (RFC 2544). */
struct endpoint daemon_endpoint(const struct place *p)
{
	if (p->addr == 0)
		return (struct endpoint){0};
	return (struct endpoint){.family = AF_INET, .port = p->port,
	    .addr = {198, 18, (uint8_t)(p->addr >> 8), (uint8_t)p->addr}};
}

static struct place place_of(const struct endpoint *ep)
{
	return (struct place){.addr = (uint32_t)ep->addr[2] << 8 | ep->addr[3], .port = ep->port};
}

const struct path *daemon_path(const struct host *h, uint16_t who)
{
	uint8_t key[KEY_LEN];

	daemon_key(who, key);
	for (size_t i = 0; h->has_daemon && i < h->paths.len; i++) {
		const struct path *p = paths_at(&h->paths, i);

		if (p != NULL && memcmp(p->key, key, KEY_LEN) == 0)
			return p;
	}
	return NULL;
}

/* ---- look-ups ---- */

static struct question *find_question(struct host *h, uint32_t id)
{
	for (size_t i = 0; i < QUESTIONS; i++)
		if (h->questions[i].id == id)
			return &h->questions[i];
	return NULL;
}

static void send_query(struct world *w, struct host *h, struct question *q)
{
	if (!w->registry.in_tunnel) {
		registry_ask(w, h, q);
		return;
	}
	queue_push(w, &(struct event){.kind = EVENT_TRY, .host = h->number, .number = q->id,
	    .at_ms = w->now_ms + (TRY_MS << q->tries++)});
	wg_send(w, h, SIM_HUB, &(struct load){.kind = LOAD_QUERY, .len = 120, .about = q->about, .id = q->id});
}

static void ask(struct world *w, struct host *h, const struct paths_act *a)
{
	struct question *q = find_question(h, 0);

	*q = (struct question){.number = a->number, .id = ++w->ids, .about = host_of(paths_key(&h->paths, a->number))};
	judge_ask(w, h, q->about);
	send_query(w, h, q);
}

static void answer(struct world *w, struct host *h, struct question *q, const struct load *l)
{
	struct endpoint at = daemon_endpoint(&l->at);

	world_say(w, "%s: of %s it hears: %s %s", world_name(h->number), world_name(q->about),
	    lookup_status_word((enum lookup_status)l->status), world_place(&l->at));
	q->id = 0;
	judge_answer(w, h->number, q->about, &l->at);
	if (q->about == h->number)
		judge_own(w, h->number);
	paths_answer(&h->paths, q->number, (enum lookup_status)l->status, &at, l->ttl_s, w->now_ms);
	daemon_wake(w, h);
}

void daemon_try(struct world *w, struct host *h, uint32_t id)
{
	struct question *q = find_question(h, id);

	if (q == NULL)
		return;
	if (q->tries < TRIES)
		send_query(w, h, q);
	else
		answer(w, h, q, &(struct load){.status = LOOKUP_NO_ANSWER});
}

void daemon_take(struct world *w, struct host *h, const struct load *load)
{
	struct question *q = find_question(h, load->id);
	uint8_t key[KEY_LEN];

	if (!h->has_daemon)
		return;
	if (load->kind == LOAD_ANSWER) {
		if (q != NULL)
			answer(w, h, q, load);
		return;
	}
	world_say(w, "%s is told of %s", world_name(h->number), world_name(load->about));
	wg_send(w, h, SIM_HUB, &(struct load){.kind = LOAD_NOTIFIED, .len = 100, .about = load->about, .id = load->id});
	judge_tell(w, h->number, load->about);
	daemon_key(load->about, key);
	paths_tell(&h->paths, key, w->now_ms);
	daemon_wake(w, h);
}

void daemon_echo(struct world *w, struct host *h, uint16_t from)
{
	uint8_t key[KEY_LEN];

	daemon_key(from, key);
	if (h->has_daemon)
		paths_echo(&h->paths, key, w->now_ms);
}

/* ---- what the machine wants ---- */

static void act(struct world *w, struct host *h, const struct paths_act *a)
{
	static const char *const words[] = {"nothing", "asks for", "moves", "kicks", "pokes"};
	uint16_t who = host_of(paths_key(&h->paths, a->number));
	struct place to = place_of(&a->act.to);
	struct tunnel *t = wg_at(h, who);

	world_say(w, "%s %s %s%s%s", world_name(h->number), words[a->act.what], world_name(who),
	    a->act.what == PATH_DO_MOVE ? " to " : "", a->act.what == PATH_DO_MOVE ? world_place(&to) : "");
	if (a->act.what == PATH_DO_ASK) {
		ask(w, h, a);
		return;
	}
	judge_act(w, h, who, a->act.what);
	if (t == NULL)
		return;
	if (a->act.what == PATH_DO_MOVE)
		wg_set_endpoint(w, h, t, &to);
	if (t->has_address)
		wg_send(w, h, who, &(struct load){.kind = LOAD_POKE, .len = POKE_LEN});
	else if (t->keepalive_s != 0)
		wg_send_keepalive(w, h, t);
}

/* What the dump changes is told; for people, so a few will do. */
static void dump(struct world *w, struct host *h)
{
	enum path_state before[SAID] = {PATH_LOOKING};

	for (size_t i = 0; i < SAID; i++)
		if (paths_at(&h->paths, i) != NULL)
			before[i] = paths_at(&h->paths, i)->state;
	wg_dump(w, h, &w->dump);
	if (paths_see(&h->paths, &w->dump, w->now_ms, (uint64_t)(h->wall_ms + w->now_ms) / 1000) < 0)
		abort();
	for (size_t i = 0; i < SAID; i++) {
		const struct path *p = paths_at(&h->paths, i);

		if (p != NULL && p->state != before[i])
			world_say(w, "%s: %s is %s", world_name(h->number), world_name(host_of(p->key)), path_state_word(p->state));
	}
}

void daemon_wake(struct world *w, struct host *h)
{
	struct paths_act a;
	int64_t at;
	int rounds = 0;

	if (!h->has_daemon)
		return;
	do {
		if (w->now_ms >= paths_dump_at(&h->paths, w->now_ms))
			dump(w, h);
		while (paths_next(&h->paths, w->now_ms, &a))
			act(w, h, &a);
		at = paths_wakes_at(&h->paths, w->now_ms);
	} while (at <= w->now_ms && ++rounds < ROUNDS);
	if (at <= w->now_ms) {
		judge_fail(w, "%s's daemon does not rest", world_name(h->number));
		at = w->now_ms + 1;
	}
	if (at < h->wake_ms) {
		h->wake_ms = at;
		queue_push(w, &(struct event){.at_ms = at, .kind = EVENT_WAKE, .host = h->number});
	}
}

void daemon_link(struct world *w, struct host *h)
{
	if (!h->has_daemon)
		return;
	world_say(w, "%s sees that its address changed", world_name(h->number));
	judge_disturb(w, h->number);
	paths_suspect(&h->paths, SIZE_MAX, PATH_WHY_ADDRESS, w->now_ms);
	paths_moved(&h->paths, w->now_ms);
	daemon_wake(w, h);
}

void daemon_start(struct world *w, struct host *h)
{
	struct server_list servers = {.len = 1};

	servers.at[0] = (struct endpoint){.family = AF_INET, .port = 53, .addr = {10, 9}}; /* the hub's in the tunnel */
	if (!w->registry.in_tunnel)
		servers.at[0].addr[0] = 192;
	h->has_daemon = true;
	judge_start(w, h->number);
	h->wake_ms = SIM_NEVER;
	memset(h->questions, 0, sizeof(h->questions));
	paths_init(&h->paths, world_random(w, UINT32_MAX), &servers, w->now_ms);
	daemon_wake(w, h);
}

void daemon_stop(struct world *w, struct host *h)
{
	(void)w;
	h->has_daemon = false;
	paths_free(&h->paths);
}
