/* Peers with a path are looked up now and then, so that the registry goes on telling of them. */
#include "paths_bed.h"
#include "suites.h"

#define TURNS 240 /* dumps: twenty minutes, four times as long as each may be left alone */
#define MOST  1000

static int64_t asked_ms[MOST];
static unsigned asked[MOST];

/* A dump 5 s later, all of them heard and in session; and what is due, answered at once. */
static void go_on(void)
{
	struct endpoint ep = util_endpoint("192.0.2.1:1");
	struct paths_act act;

	now += 5000;
	for (size_t i = 0; i < dev.peers_len; i++) {
		dev.peers[i].rx_bytes += 100;
		dev.peers[i].last_handshake_s = WALL_S + (uint64_t)(now - START) / 100000 * 100;
	}
	ck_assert_int_eq(paths_see(&ps, &dev, now, WALL_S + (uint64_t)(now - START) / 1000), 0);
	while (paths_next(&ps, now, &act)) {
		if (act.act.what != PATH_DO_ASK)
			continue;
		if (act.number < PATHS_OWN) {
			asked[act.number]++;
			asked_ms[act.number] = now;
		}
		paths_answer(&ps, act.number, LOOKUP_FOUND, &ep, 10, now);
	}
}

/* A registry has room for 32,768 interests in a worker: half of them are for a network where each knows each. */
static const struct {
	size_t peers, renewed;
} networks[] = {{1, 1}, {50, 50}, {128, 128}, {129, 127}, {300, 54}, {1000, 16}};

START_TEST(together_they_are_no_more_than_a_registry_remembers)
{
	size_t n = networks[_i].peers, renewed = 0;
	unsigned before[MOST];

	add_peers(1, n, WALL_S);
	for (int i = 0; i < TURNS / 2; i++)
		go_on();
	memcpy(before, asked, sizeof(before));
	for (int i = 0; i < TURNS / 2; i++)
		go_on();
	for (size_t i = 0; i < n; i++) {
		renewed += asked[i] > before[i];
		ck_assert_msg(asked[i] == before[i] || now - asked_ms[i] <= PATH_RENEW_MS + PATH_RENEW_MS / 8 + 10000,
		    "%zu was last asked for %d s ago", i, (int)(now - asked_ms[i]) / 1000);
	}
	ck_assert_uint_eq(renewed, networks[_i].renewed);
}
END_TEST

START_TEST(another_registry_hears_of_all_at_once)
{
	struct server_list other = {.len = 1, .at = {util_endpoint("10.0.0.253:53")}};

	add_peers(1, 3, WALL_S);
	for (int i = 0; i < 3; i++)
		go_on();
	paths_use(&ps, &other, now);
	memset(asked, 0, sizeof(asked));
	go_on();
	go_on();
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(asked[i], 1);
}
END_TEST

static void begin(void)
{
	setup();
	memset(asked, 0, sizeof(asked));
}

Suite *suite_paths_renew(void)
{
	Suite *s = suite_create("paths_renew");
	TCase *t = tcase_create("renew");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, begin, teardown);
	tcase_add_loop_test(t, together_they_are_no_more_than_a_registry_remembers, 0, (int)COUNT(networks));
	tcase_add_test(t, another_registry_hears_of_all_at_once);
	return s;
}
