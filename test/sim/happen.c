#include "sim.h"

/* Some other host but the registry's. */
static uint16_t other(struct world *w, const struct host *h)
{
	uint32_t n = (uint32_t)w->hosts_len - 2;

	return (uint16_t)(1 + (h->number + world_random(w, n)) % (n + 1));
}

static void soon(struct world *w, struct event *e, int64_t most_ms)
{
	e->at_ms = w->now_ms + world_between(w, 100, most_ms);
}

static void reboot(struct world *w, struct host *h, struct event *e)
{
	(void)e;
	nat_reboot(w, h);
	judge_disturb(w, h->number);
}

static void change_address(struct world *w, struct host *h, struct event *e)
{
	(void)e;
	net_new_address(w, h);
	judge_disturb(w, h->number);
}

/* Behind another NAT, and without a network until then. */
static void leave(struct world *w, struct host *h, struct event *e)
{
	h->offline = true;
	soon(w, e, 3000);
}

static void arrive(struct world *w, struct host *h, const struct event *e)
{
	(void)e;
	h->offline = false;
	if (w->roams)
		nat_random(w, h);
	net_new_address(w, h);
	judge_disturb(w, h->number);
	queue_push(w, &(struct event){.kind = EVENT_LINK, .host = h->number, .at_ms = w->now_ms + world_between(w, 5, 200)});
}

/* `wg set`, to where nobody is. */
static void set_endpoint(struct world *w, struct host *h, struct event *e)
{
	struct place place = {.addr = w->addrs_len + 5, .port = (uint16_t)(1 + w->now_ms % 60000)};
	struct tunnel *t = wg_at(h, other(w, h));

	(void)e;
	if (t == NULL)
		return;
	wg_set_endpoint(w, h, t, &place);
	judge_user(w, h->number, t->who);
}

static void remove_peer(struct world *w, struct host *h, struct event *e)
{
	e->about = other(w, h);
	if (wg_at(h, e->about) == NULL)
		return;
	wg_remove(h, e->about);
	soon(w, e, 10000);
}

static void add_peer(struct world *w, struct host *h, const struct event *e)
{
	if (wg_at(h, e->about) == NULL)
		wg_add(w, h, e->about, NULL, 25);
	judge_remake(w, h->number, e->about);
}

static void set_down(struct world *w, struct host *h, struct event *e)
{
	wg_set_up(w, h, false);
	soon(w, e, 10000);
}

static void set_up(struct world *w, struct host *h, const struct event *e)
{
	(void)e;
	wg_set_up(w, h, true);
	judge_disturb(w, h->number);
}

static void lose_registry(struct world *w, struct host *h, struct event *e)
{
	(void)h;
	w->hosts[SIM_HUB].offline = true;
	soon(w, e, w->registry_gone_ms);
}

static void stop_registry(struct world *w, struct host *h, struct event *e)
{
	(void)h;
	registry_stop(w);
	soon(w, e, w->registry_gone_ms);
}

static void return_registry(struct world *w, struct host *h, const struct event *e)
{
	(void)h;
	(void)e;
	w->hosts[SIM_HUB].offline = false;
	registry_start(w);
	for (uint16_t i = 0; i < w->hosts_len; i++)
		judge_disturb(w, i);
}

static void step_clock(struct world *w, struct host *h, struct event *e)
{
	(void)e;
	h->wall_ms += world_chance(w, 50) ? world_between(w, -5000, 5000) : world_between(w, -4000000, 4000000);
}

static void restart(struct world *w, struct host *h, struct event *e)
{
	(void)e;
	if (!h->has_daemon)
		return;
	daemon_stop(w, h);
	daemon_start(w, h);
	judge_disturb(w, h->number);
}

static void fall_silent(struct world *w, struct host *h, struct event *e)
{
	for (size_t i = 0; i < w->apps_len; i++)
		if (w->apps[i].from == h->number)
			app_switch(w, &w->apps[i], false);
	soon(w, e, 400000);
}

static void talk(struct world *w, struct host *h, const struct event *e)
{
	(void)e;
	judge_disturb(w, h->number); /* as of now there is evidence */
	for (size_t i = 0; i < w->apps_len; i++)
		if (w->apps[i].from == h->number)
			app_switch(w, &w->apps[i], true);
}

static void wait(struct world *w, struct host *h, struct event *e)
{
	(void)w;
	(void)h;
	(void)e;
}

const struct happening happenings[] = {
    {'n', "its NAT forgets its mappings", reboot, NULL},
    {'a', "its NAT has another address", change_address, NULL},
    {'m', "it goes elsewhere", leave, arrive},
    {'u', "the user sets an endpoint", set_endpoint, NULL},
    {'r', "the user removes a peer", remove_peer, add_peer},
    {'d', "its device goes down", set_down, set_up},
    {'g', "the registry is gone", lose_registry, return_registry},
    {'w', "long nothing", wait, NULL},
    {'s', "wgmeetd stops", stop_registry, return_registry},
    {'c', "its clock is set", step_clock, NULL},
    {'x', "wgmeet starts anew", restart, NULL},
    {'q', "its programs fall silent", fall_silent, talk},
};

const size_t happenings_len = sizeof(happenings) / sizeof(*happenings);

int happen_find(char letter)
{
	for (size_t i = 0; i < happenings_len; i++)
		if (happenings[i].letter == letter)
			return (int)i;
	return -1;
}

void happen(struct world *w, const struct event *e)
{
	const struct happening *what = &happenings[e->number];
	struct event end = *e;

	world_say(w, "** %s: %s", world_name(e->host), what->words);
	end.kind = EVENT_UNDO;
	end.at_ms = 0;
	what->happen(w, &w->hosts[e->host], &end);
	if (end.at_ms != 0)
		queue_push(w, &end);
}

void happen_undo(struct world *w, const struct event *e)
{
	world_say(w, "** %s: %s no longer", world_name(e->host), happenings[e->number].words);
	happenings[e->number].undo(w, &w->hosts[e->host], e);
}
