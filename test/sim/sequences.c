/* All short sequences of what can happen to two hosts: each letter of the first eight happenings, at either host by turns, one after
 * the other in any of three paces.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define LETTERS    8
#define BEGIN_MS   30000
#define LONG_MS    200000 /* a session ends meanwhile */
#define END_MS     160000
#define SETTLE_MS  12000  /* so long they have a path, and nothing is about to be undone */
#define LENGTH_MAX 12

struct bed {
	enum nat_rule mapping[2], filtering[2];
	bool pushes;
	uint32_t ttl_s;
};

static const struct bed beds[] = {
    {{NAT_ANY, NAT_ANY}, {NAT_PORT, NAT_PORT}, true, 10},
    {{NAT_ANY, NAT_PORT}, {NAT_ADDRESS, NAT_PORT}, true, 10},
    {{NAT_ANY, NAT_ANY}, {NAT_PORT, NAT_ADDRESS}, false, 2},
};

#define BEDS (sizeof(beds) / sizeof(*beds))

static void make(struct world *w, const struct bed *bed)
{
	struct place hub = {.addr = w->hosts[SIM_HUB].nat.addr, .port = WG_PORT};

	w->registry.in_tunnel = true;
	w->registry.pushes = bed->pushes;
	w->registry.ttl_s = bed->ttl_s;
	w->registry_gone_ms = 30000;
	for (uint16_t i = 1; i <= 2; i++) {
		struct host *h = &w->hosts[i];

		h->delay_ms = 10 * i;
		nat_set(h, bed->mapping[i - 1], bed->filtering[i - 1], 60000);
		nat_reboot(w, h);
		wg_add(w, &w->hosts[SIM_HUB], i, NULL, 0);
		wg_add(w, h, SIM_HUB, &hub, 25);
		wg_add(w, h, 3 - i, NULL, 25);
		app_switch(w, app_add(w, APP_REQUEST, i, 3 - i, 1000), true);
		queue_push(w, &(struct event){.kind = EVENT_START, .host = i, .at_ms = 1000 * i});
	}
}

static bool is_over(const struct world *w)
{
	for (uint16_t b = 1; b <= 2; b++)
		for (uint16_t a = 0; a < b; a++)
			if (judge_meets_ms(w, a, b) > w->now_ms - SETTLE_MS)
				return false;
	return true;
}

bool sequence_run(unsigned bed, const char *letters, bool verbose)
{
	static const int64_t paces_ms[] = {300, 2000, 9000};
	struct world w = {.verbose = verbose};
	uint64_t seed = bed;
	int64_t at_ms = BEGIN_MS;
	char name[48];

	if (bed >= BEDS)
		return false;
	for (const char *l = letters; *l != '\0'; l++)
		seed = seed * 31 + (uint8_t)*l;
	snprintf(name, sizeof(name), "%u:%s", bed, letters);
	world_init(&w, seed, 3, name);
	make(&w, &beds[bed]);
	for (const char *l = letters; *l != '\0'; l++) {
		int number = happen_find(*l);

		if (number < 0)
			break;
		queue_push(&w, &(struct event){.kind = EVENT_HAPPEN, .host = (uint16_t)(1 + (number + (l - letters)) % 2),
		    .number = (uint32_t)number, .at_ms = at_ms});
		at_ms += *l == 'w' ? LONG_MS : paces_ms[world_random(&w, 3)];
	}
	world_run(&w, at_ms);
	for (int64_t end_ms = at_ms + END_MS; w.now_ms < end_ms && !is_over(&w);)
		world_run(&w, w.now_ms + SETTLE_MS);
	world_free(&w);
	return !w.failed;
}

bool sequences_run(unsigned length)
{
	unsigned all = 1, runs = 0, failed = 0;

	if (length > LENGTH_MAX)
		return false;
	for (unsigned i = 0; i < length; i++)
		all *= LETTERS;
	for (unsigned bed = 0; bed < BEDS; bed++) {
		for (unsigned n = 0; n < all && failed < SIM_ENOUGH; n++, runs++) {
			char letters[LENGTH_MAX + 1] = "";

			for (unsigned i = 0, rest = n; i < length; i++, rest /= LETTERS)
				letters[i] = happenings[rest % LETTERS].letter;
			failed += !sequence_run(bed, letters, false);
		}
	}
	printf("%u sequences of %u: %u failed\n", runs, length, failed);
	return failed == 0;
}
