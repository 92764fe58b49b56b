/* What takes long, or many. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS 60000
#define HOUR_MS   3600000

/* So often a peer is asked for in an hour in which it is not found: a minute every 2 s, then half as often again each time, then
 * once a minute. Each answer may begin a trial. */
#define HOUR_ASKS (30 + 9 + 59 + 2)

static struct host *add(struct world *w, uint16_t number, enum nat_rule mapping, enum nat_rule filtering, int64_t start_ms)
{
	struct place hub = {.addr = w->hosts[SIM_HUB].nat.addr, .port = WG_PORT};
	struct host *h = &w->hosts[number];

	h->delay_ms = 10;
	nat_set(h, mapping, filtering, 60000);
	nat_reboot(w, h);
	wg_add(w, &w->hosts[SIM_HUB], number, NULL, 0);
	wg_add(w, h, SIM_HUB, &hub, 25);
	queue_push(w, &(struct event){.kind = EVENT_START, .host = number, .at_ms = start_ms});
	return h;
}

static void begin(struct world *w, const char *name, size_t hosts, bool verbose)
{
	w->verbose = verbose;
	world_init(w, hosts, hosts, name);
	w->registry.in_tunnel = w->registry.pushes = true;
	w->registry.ttl_s = 1;
}

static bool end(struct world *w)
{
	printf("%s: %s\n", w->name, w->failed ? "failed" : "ok");
	world_free(w);
	return !w->failed;
}

static void must(struct world *w, bool holds, const char *what)
{
	if (!holds)
		judge_fail(w, "%s", what);
}

static void talk_both_ways(struct world *w, uint16_t a, uint16_t b, uint16_t keepalive_s)
{
	wg_add(w, &w->hosts[a], b, NULL, keepalive_s);
	wg_add(w, &w->hosts[b], a, NULL, keepalive_s);
	app_switch(w, app_add(w, APP_REQUEST, a, b, 1000), true);
	app_switch(w, app_add(w, APP_REQUEST, b, a, 1000), true);
}

static bool symmetric(bool verbose)
{
	struct world w;

	begin(&w, "an hour of symmetric : symmetric", 3, verbose);
	add(&w, 1, NAT_PORT, NAT_PORT, 1000);
	add(&w, 2, NAT_PORT, NAT_PORT, 2000);
	talk_both_ways(&w, 1, 2, 25);
	world_run(&w, HOUR_MS);
	for (uint16_t i = 1; i <= 2; i++) {
		must(&w, judge_asks(&w, i, 3 - i) <= HOUR_ASKS, "too many look-ups");
		must(&w, judge_kicks(&w, i, 3 - i) <= HOUR_ASKS, "too many kicks");
		must(&w, judge_moves(&w, i, 3 - i) == 1, "the endpoint was not set just once");
		must(&w, judge_asks(&w, i, 3 - i) > HOUR_ASKS / 2, "it was given up");
	}
	return end(&w);
}

#define ASKS_MOST 3 /* in ten minutes, so that the registry goes on telling of it */

static bool registry_gone(bool verbose)
{
	unsigned before[2];
	struct world w;

	begin(&w, "ten minutes without the registry", 3, verbose);
	add(&w, 1, NAT_ANY, NAT_PORT, 1000);
	add(&w, 2, NAT_ANY, NAT_PORT, 2000);
	talk_both_ways(&w, 1, 2, 0);
	world_run(&w, MINUTE_MS);
	must(&w, judge_meets_ms(&w, 1, 2) < MINUTE_MS / 2, "there was no path to begin with");
	w.hosts[SIM_HUB].offline = true;
	for (uint16_t i = 0; i < 2; i++)
		before[i] = judge_asks(&w, i + 1, 2 - i);
	world_run(&w, 11 * MINUTE_MS);
	w.hosts[SIM_HUB].offline = false;
	world_run(&w, 12 * MINUTE_MS);
	must(&w, judge_meets_ms(&w, 1, 2) < MINUTE_MS / 2, "a direct path was lost");
	must(&w, judge_meets_ms(&w, 0, 1) != PATH_NEVER && judge_meets_ms(&w, 0, 2) != PATH_NEVER, "the registry was not found again");
	for (uint16_t i = 0; i < 2; i++)
		must(&w, judge_asks(&w, i + 1, 2 - i) <= before[i] + ASKS_MOST, "it was looked up too often meanwhile");
	return end(&w);
}

/* Once there was something to say, with a keepalive or without. */
static bool idle(uint16_t keepalive_s, const char *name, bool verbose)
{
	unsigned asks, kicks;
	struct world w;

	begin(&w, name, 3, verbose);
	add(&w, 1, NAT_ANY, NAT_PORT, 1000);
	add(&w, 2, NAT_ANY, NAT_PORT, 2000);
	talk_both_ways(&w, 1, 2, keepalive_s);
	world_run(&w, MINUTE_MS);
	must(&w, judge_meets_ms(&w, 1, 2) < MINUTE_MS / 2, "there was no path to begin with");
	app_switch(&w, &w.apps[0], false);
	app_switch(&w, &w.apps[1], false);
	asks = judge_asks(&w, 1, 2) + judge_asks(&w, 2, 1);
	kicks = judge_kicks(&w, 1, 2) + judge_kicks(&w, 2, 1);
	world_run(&w, HOUR_MS);
	/* What is silent need not be told of. */
	must(&w, judge_asks(&w, 1, 2) + judge_asks(&w, 2, 1) <= asks + (keepalive_s != 0 ? 2 * HOUR_MS / PATH_RENEW_MS : 0),
	    "it was looked up too often");
	must(&w, judge_kicks(&w, 1, 2) + judge_kicks(&w, 2, 1) == kicks, "it was kicked");
	return end(&w);
}

/* From when the registry knows of it: with NOTIFY; else silence has to be seen first, by two dumps at most, and then to be probed. */
#define TOLD_MS   2000
#define UNTOLD_MS (2 * PATHS_DUMP_MS + 1000)

/* Something happens to one of two that talk, sixty times, so long after one another at most: how long are they parted? */
static bool again(char letter, bool pushes, int64_t gap_ms, const char *name, bool verbose)
{
	const int64_t end_ms = 60 * gap_ms;
	struct world w;
	int64_t worst_ms;

	begin(&w, name, 3, verbose);
	w.registry.pushes = pushes;
	add(&w, 1, NAT_ANY, NAT_PORT, 1000);
	add(&w, 2, NAT_ANY, NAT_PORT, 2000);
	talk_both_ways(&w, 1, 2, 25);
	for (int64_t at_ms = MINUTE_MS; at_ms < end_ms; at_ms += world_between(&w, gap_ms / 2, gap_ms))
		queue_push(&w, &(struct event){.kind = EVENT_HAPPEN, .host = (uint16_t)(1 + world_random(&w, 2)),
		    .number = (uint32_t)happen_find(letter), .at_ms = at_ms});
	world_run(&w, MINUTE_MS - 1);
	judge_worst_ms(&w, 1, 2);
	world_run(&w, end_ms + MINUTE_MS);
	worst_ms = judge_worst_ms(&w, 1, 2);
	must(&w, worst_ms <= (pushes ? TOLD_MS : UNTOLD_MS), "they were parted for too long");
	return end(&w);
}

#define MANY 1000

/* One daemon with many peers, which are open to all; every third says something now and then. */
static bool many(bool verbose)
{
	struct world w;

	begin(&w, "ten minutes with 1,000 peers", MANY + 2, verbose);
	w.judged = 2;
	add(&w, 1, NAT_ANY, NAT_PORT, MINUTE_MS / 2);
	for (uint16_t i = 2; i < MANY + 2; i++) {
		struct host *h = &w.hosts[i];
		struct place alice = {.addr = w.hosts[1].nat.addr, .port = WG_PORT}, at = {.addr = h->nat.addr, .port = WG_PORT};

		h->drops_pokes = i % 4 == 0;
		wg_add(&w, &w.hosts[1], i, &at, i % 3 == 1 ? 25 : 0);
		wg_add(&w, h, 1, &alice, 0);
	}
	w.hosts[1].nat.keeps_port = true;
	w.hosts[1].nat.filtering = NAT_ANY;
	for (size_t i = 0; i < APPS; i++)
		app_switch(&w, app_add(&w, i % 2 == 0 ? APP_REQUEST : APP_STREAM, 1, (uint16_t)(2 + 3 * i), 2000), true);
	for (uint16_t i = 2; i < MANY + 2; i++) /* a session for all */
		wg_send(&w, &w.hosts[i], 1, &(struct load){.kind = LOAD_STREAM, .len = 100});
	world_run(&w, 10 * MINUTE_MS);
	for (uint16_t i = 2; i < MANY + 2; i++)
		must(&w, judge_asks(&w, 1, i) <= ASKS_MOST && judge_kicks(&w, 1, i) == 0, "one that is well was not left alone");
	must(&w, judge_asks(&w, 1, 1) > 0, "our own key was not looked up");
	return end(&w);
}

/* All of them are gone: how much is done about that at once? */
static bool many_lost(bool verbose)
{
	struct world w;
	unsigned kicks = 0;

	begin(&w, "1,000 peers that do not answer", MANY + 2, verbose);
	w.judged = 2;
	w.registry.pushes = false;
	add(&w, 1, NAT_ANY, NAT_PORT, MINUTE_MS / 2);
	for (uint16_t i = 2; i < MANY + 2; i++) {
		w.hosts[i].offline = true;
		w.registry.zone[i] = (struct place){.addr = w.hosts[i].nat.addr, .port = WG_PORT};
		wg_add(&w, &w.hosts[1], i, NULL, 0);
	}
	world_run(&w, 5 * MINUTE_MS);
	for (uint16_t i = 2; i < MANY + 2; i++) {
		must(&w, judge_moves(&w, 1, i) == 1, "one has not had its trial");
		kicks += judge_kicks(&w, 1, i);
	}
	must(&w, kicks > 2 * MANY, "they were given up");
	return end(&w);
}

bool long_run(bool verbose)
{
	bool ok = symmetric(verbose);

	ok &= registry_gone(verbose);
	ok &= idle(0, "an hour of silence", verbose);
	ok &= idle(25, "an hour of keepalives", verbose);
	ok &= again('n', true, MINUTE_MS, "a NAT that forgets", verbose);
	ok &= again('a', true, MINUTE_MS, "a NAT's address that changes", verbose);
	ok &= again('m', true, MINUTE_MS, "a host that moves", verbose);
	ok &= again('m', true, HOUR_MS, "a host that moves seldom", verbose); /* longer than the registry remembers who has asked */
	ok &= again('n', false, MINUTE_MS, "a NAT that forgets, without pushes", verbose);
	ok &= again('a', false, MINUTE_MS, "a NAT's address that changes, without pushes", verbose);
	ok &= again('m', false, MINUTE_MS, "a host that moves, without pushes", verbose);
	ok &= many(verbose);
	ok &= many_lost(verbose);
	return ok;
}
