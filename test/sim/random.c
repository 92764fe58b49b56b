#include "sim.h"

#include <stdio.h>

#define END_MS     1000000
#define HAPPENINGS 6

static void make_registry(struct world *w)
{
	static const uint32_t ttls_s[] = {1, 2, 5, 10, 30, 60};
	struct host *hub = &w->hosts[SIM_HUB];

	w->registry.in_tunnel = world_chance(w, 75);
	w->registry.pushes = w->registry.in_tunnel && world_chance(w, 65);
	w->registry.ttl_s = ttls_s[world_random(w, 6)];
	w->registry_gone_ms = 300000;
	w->push_loss = world_chance(w, 20) ? 300 : 0;
	if (world_chance(w, 50)) /* it publishes itself, too */
		w->registry.zone[SIM_HUB] = (struct place){.addr = hub->nat.addr, .port = WG_PORT};
}

static void make_host(struct world *w, struct host *h)
{
	struct place hub = {.addr = w->hosts[SIM_HUB].nat.addr, .port = WG_PORT};
	uint16_t keepalive_s = world_chance(w, 70) ? 25 : 0;

	h->delay_ms = world_between(w, 1, world_chance(w, 10) ? 200 : 40);
	h->wall_ms += world_between(w, -100000, 100000);
	if (h->number == SIM_HUB)
		return;
	nat_random(w, h);
	nat_reboot(w, h);
	h->drops_pokes = world_chance(w, 25);
	wg_set_up(w, h, false);
	wg_add(w, &w->hosts[SIM_HUB], h->number, NULL, 0);
	wg_add(w, h, SIM_HUB, &hub, 25);
	for (uint16_t i = 1; i < w->hosts_len; i++)
		if (i != h->number)
			wg_add(w, h, i, NULL, keepalive_s)->has_address = world_chance(w, 97);
}

static void make_apps(struct world *w)
{
	for (uint16_t a = 1; a < w->hosts_len; a++)
		for (uint16_t b = 1; b < w->hosts_len; b++)
			if (a != b && world_chance(w, 40))
				app_switch(w, app_add(w, world_chance(w, 70) ? APP_REQUEST : APP_STREAM, a, b, world_between(w, 200, 3000)),
				    true);
}

/* Devices come up in the first ten seconds, and the daemons after them; then this and that, mostly far enough apart. */
static void make_events(struct world *w)
{
	int64_t at_ms = 25000;

	for (uint16_t i = 1; i < w->hosts_len; i++) {
		int64_t up_ms = world_between(w, 10, 10000);

		queue_push(w, &(struct event){.kind = EVENT_UNDO, .host = i, .number = (uint32_t)happen_find('d'), .at_ms = up_ms});
		queue_push(w, &(struct event){.kind = EVENT_START, .host = i, .at_ms = up_ms + world_between(w, 1, 10000)});
	}
	for (int i = 0; i < HAPPENINGS; i++) {
		at_ms += world_chance(w, 50) ? world_between(w, 100, 20000) : world_between(w, 20000, 200000);
		queue_push(w, &(struct event){.kind = EVENT_HAPPEN, .host = (uint16_t)(1 + world_random(w, (uint32_t)w->hosts_len - 1)),
		    .number = world_random(w, (uint32_t)happenings_len), .at_ms = at_ms});
	}
}

bool random_run(uint64_t seed, bool verbose)
{
	struct world w = {.verbose = verbose};
	char name[32];

	snprintf(name, sizeof(name), "seed %llu", (unsigned long long)seed);
	world_init(&w, seed, 3 + seed % 3, name);
	w.roams = true;
	w.loss = world_chance(&w, 25) ? 1 + world_random(&w, 50) : 0;
	make_registry(&w);
	for (size_t i = 0; i < w.hosts_len; i++)
		make_host(&w, &w.hosts[i]);
	make_apps(&w);
	make_events(&w);
	world_run(&w, END_MS);
	world_free(&w);
	return !w.failed;
}
