#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define INTEREST_MS 600000 /* who asked within that is told */
#define NOTIFIES    5      /* at 0, 0.5, 1.5, 3.5, 7.5 s */
#define NOTIFY_MS   500

static size_t at(const struct world *w, uint16_t who, uint16_t about)
{
	return who * w->hosts_len + about;
}

void registry_init(struct world *w)
{
	struct registry *r = &w->registry;
	size_t n = w->hosts_len;

	*r = (struct registry){.serves = true, .zone = calloc(n, sizeof(*r->zone)), .looks = calloc(n, sizeof(*r->looks)),
	    .asked_ms = calloc(n * n, sizeof(*r->asked_ms)), .notifies = calloc(n * n, sizeof(*r->notifies)),
	    .cached = calloc(n, sizeof(*r->cached)), .cached_ms = calloc(n, sizeof(*r->cached_ms))};
	if (r->zone == NULL || r->looks == NULL || r->asked_ms == NULL || r->notifies == NULL || r->cached == NULL ||
	    r->cached_ms == NULL)
		abort();
}

void registry_free(struct registry *r)
{
	free(r->zone);
	free(r->looks);
	free(r->asked_ms);
	free(r->notifies);
	free(r->cached);
	free(r->cached_ms);
}

/* ---- the observer ---- */

/* It looks at the device every 250 to 700 ms. */
void registry_moved(struct world *w, uint16_t about)
{
	struct registry *r = &w->registry;

	if (r->looks[about])
		return;
	r->looks[about] = true;
	queue_push(w, &(struct event){.kind = EVENT_OBSERVE, .about = about, .at_ms = w->now_ms + world_between(w, 10, 700)});
}

bool registry_tells(const struct world *w, uint16_t whom, uint16_t about)
{
	int64_t asked = w->registry.asked_ms[at(w, whom, about)];

	return w->registry.pushes && asked != 0 && w->now_ms - asked < INTEREST_MS;
}

static void tell(struct world *w, uint16_t about)
{
	struct registry *r = &w->registry;

	for (uint16_t h = 0; h < w->hosts_len; h++) {
		if (!registry_tells(w, h, about))
			continue;
		r->notifies[at(w, h, about)] = (struct notify){.id = ++w->ids};
		registry_notify(w, h, about, w->ids);
	}
}

void registry_observe(struct world *w, uint16_t about)
{
	struct registry *r = &w->registry;
	const struct tunnel *t = wg_at(&w->hosts[SIM_HUB], about);

	r->looks[about] = false;
	if (!r->serves || t == NULL || place_equal(&r->zone[about], &t->endpoint))
		return;
	r->zone[about] = t->endpoint;
	world_say(w, "the registry publishes %s at %s", world_name(about), world_place(&t->endpoint));
	judge_publish(w, about);
	tell(w, about);
}

void registry_stop(struct world *w)
{
	w->registry.serves = false;
	memset(w->registry.asked_ms, 0, w->hosts_len * w->hosts_len * sizeof(*w->registry.asked_ms));
	memset(w->registry.notifies, 0, w->hosts_len * w->hosts_len * sizeof(*w->registry.notifies));
}

void registry_start(struct world *w)
{
	w->registry.serves = true;
	for (uint16_t i = 1; i < w->hosts_len; i++)
		registry_observe(w, i);
}

/* ---- NOTIFY ---- */

void registry_notify(struct world *w, uint16_t whom, uint16_t about, uint32_t id)
{
	struct notify *n = &w->registry.notifies[at(w, whom, about)];

	if (n->id != id || n->sent == NOTIFIES)
		return;
	if (world_random(w, 1000) >= w->push_loss)
		wg_send(w, &w->hosts[SIM_HUB], whom, &(struct load){.kind = LOAD_NOTIFY, .len = 100, .about = about, .id = id});
	queue_push(w, &(struct event){.kind = EVENT_NOTIFY, .host = whom, .about = about, .number = id,
	    .at_ms = w->now_ms + (NOTIFY_MS << n->sent++)});
}

/* ---- answers ---- */

static struct load answer_to(const struct world *w, uint16_t about)
{
	const struct registry *r = &w->registry;

	if (!r->serves)
		return (struct load){.status = LOOKUP_UNREACHABLE};
	if (r->zone[about].addr == 0)
		return (struct load){.status = LOOKUP_NOT_IN_ZONE, .ttl_s = r->ttl_s};
	return (struct load){.status = LOOKUP_FOUND, .at = r->zone[about], .ttl_s = r->ttl_s};
}

/* Through the tunnel. */
void registry_take(struct world *w, uint16_t from, const struct load *load)
{
	struct registry *r = &w->registry;
	struct notify *n = &r->notifies[at(w, from, load->about)];
	struct load reply = answer_to(w, load->about);

	if (load->kind == LOAD_NOTIFIED) {
		if (n->id == load->id)
			n->id = 0;
		return;
	}
	if (r->serves) {
		n->id = 0;
		r->asked_ms[at(w, from, load->about)] = w->now_ms;
	}
	reply.kind = LOAD_ANSWER;
	reply.len = 200;
	reply.id = load->id;
	wg_send(w, &w->hosts[SIM_HUB], from, &reply);
}

/* Through a resolver somewhere, which caches, what there is not as well. */
void registry_ask(struct world *w, struct host *h, const struct question *q)
{
	struct registry *r = &w->registry;
	struct load reply = answer_to(w, q->about);
	bool lives = r->serves && !w->hosts[SIM_HUB].offline;

	if (w->now_ms < r->cached_ms[q->about]) {
		reply.at = r->cached[q->about];
		reply.status = reply.at.addr != 0 ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE;
		reply.ttl_s = (uint32_t)((r->cached_ms[q->about] - w->now_ms) / 1000);
	} else if (lives) {
		r->cached[q->about] = reply.at;
		r->cached_ms[q->about] = w->now_ms + r->ttl_s * 1000;
	} else {
		reply.status = LOOKUP_NOT_READY;
	}
	if (h->offline)
		reply = (struct load){.status = LOOKUP_NO_ANSWER};
	reply.id = q->id;
	queue_push(w, &(struct event){.kind = EVENT_ANSWER, .host = h->number, .packet.load = reply,
	    .at_ms = w->now_ms + world_between(w, 5, 80)});
}
