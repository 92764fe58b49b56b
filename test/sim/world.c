#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- chance ---- */

uint32_t world_random(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13; /* Marsaglia's xorshift */
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return below == 0 ? 0 : (uint32_t)(w->random >> 32) % below;
}

int64_t world_between(struct world *w, int64_t least, int64_t most)
{
	return least + world_random(w, (uint32_t)(most - least + 1));
}

bool world_chance(struct world *w, unsigned percent)
{
	return world_random(w, 100) < percent;
}

/* ---- words ---- */

const char *world_name(uint16_t host)
{
	static const char *const names[] = {"hub", "alice", "bob", "carol", "dave", "erin", "frank", "grace"};
	static char others[4][16];
	static unsigned turn;
	char *text = others[turn++ % 4];

	if (host < sizeof(names) / sizeof(*names))
		return names[host];
	snprintf(text, sizeof(others[0]), "host %u", host);
	return text;
}

const char *world_place(const struct place *p)
{
	static char texts[4][32];
	static unsigned turn;
	char *text = texts[turn++ % 4];

	snprintf(text, sizeof(texts[0]), "#%u:%u", p->addr, p->port);
	return p->addr != 0 ? text : "";
}

bool place_equal(const struct place *a, const struct place *b)
{
	return a->addr == b->addr && a->port == b->port;
}

void world_print(struct world *w, const char *format, ...)
{
	va_list ap;

	printf("%6lld.%03lld ", (long long)w->now_ms / 1000, (long long)w->now_ms % 1000);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- what there is ---- */

void world_init(struct world *w, uint64_t seed, size_t hosts, const char *name)
{
	bool verbose = w->verbose;

	*w = (struct world){.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15), .verbose = verbose,
	    .hosts = calloc(hosts, sizeof(*w->hosts)), .hosts_len = hosts, .judged = hosts, .now_ms = 1};
	if (w->hosts == NULL)
		abort();
	snprintf(w->name, sizeof(w->name), "%s", name);
	for (int i = 0; i < 8; i++)
		world_random(w, 1);
	for (size_t i = 0; i < hosts; i++) {
		struct host *h = &w->hosts[i];

		h->number = (uint16_t)i;
		h->nat = (struct nat){.keeps_port = true, .timeout_ms = SIM_NEVER};
		h->wall_ms = INT64_C(1800000000000);
		h->wake_ms = SIM_NEVER;
		wg_init(&h->wg, hosts);
		net_new_address(w, h);
	}
	registry_init(w);
	judge_init(w);
	queue_push(w, &(struct event){.kind = EVENT_CHECK, .at_ms = JUDGE_EVERY_MS});
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->hosts_len; i++) {
		if (w->hosts[i].has_daemon)
			daemon_stop(w, &w->hosts[i]);
		wg_free(&w->hosts[i].wg);
	}
	judge_free(w);
	registry_free(&w->registry);
	queue_free(&w->queue);
	wgdev_free(&w->dump);
	free(w->hosts);
	free(w->owners);
}

/* ---- time ---- */

static void go_on(struct world *w, struct event *e)
{
	struct host *h = &w->hosts[e->host];

	switch (e->kind) {
	case EVENT_PACKET:
		net_arrive(w, &e->packet);
		break;
	case EVENT_TIMER:
		wg_timer(w, h, e->about, e->at_ms);
		break;
	case EVENT_WAKE:
		if (h->wake_ms != e->at_ms)
			break;
		h->wake_ms = SIM_NEVER;
		daemon_wake(w, h);
		break;
	case EVENT_START:
		daemon_start(w, h);
		break;
	case EVENT_LINK:
		daemon_link(w, h);
		break;
	case EVENT_TRY:
		daemon_try(w, h, e->number);
		break;
	case EVENT_ANSWER:
		e->packet.load.kind = LOAD_ANSWER;
		daemon_take(w, h, &e->packet.load);
		break;
	case EVENT_OBSERVE:
		registry_observe(w, e->about);
		break;
	case EVENT_NOTIFY:
		registry_notify(w, e->host, e->about, e->number);
		break;
	case EVENT_APP:
		app_tick(w, e->number);
		break;
	case EVENT_CHECK:
		judge_check(w);
		queue_push(w, &(struct event){.kind = EVENT_CHECK, .at_ms = w->now_ms + JUDGE_EVERY_MS});
		break;
	case EVENT_HAPPEN:
		happen(w, e);
		break;
	case EVENT_UNDO:
		happen_undo(w, e);
		break;
	}
}

void world_run(struct world *w, int64_t until_ms)
{
	struct event e;

	while (queue_pop(w, until_ms, &e)) {
		w->now_ms = e.at_ms;
		go_on(w, &e);
	}
	w->now_ms = until_ms;
}
