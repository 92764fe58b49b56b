#include "paths_bed.h"
#include "suites.h"

/* ---- this host ---- */

START_TEST(our_own_key_is_asked_for_at_once)
{
	struct paths_act act;

	ck_assert(!paths_next(&ps, now, &act)); /* which is it? */
	see();
	ck_assert(paths_next(&ps, now, &act));
	ck_assert_uint_eq(act.number, PATHS_OWN);
	ck_assert_uint_eq(act.server, 0);
	ck_assert_mem_eq(paths_key(&ps, act.number), dev.public_key, KEY_LEN);
	ck_assert(!paths_next(&ps, now, &act));
	answer(PATHS_OWN, "192.0.2.1:1");
	ck_assert(!paths_is_open(&ps, PATHS_OWN));
	now += INT64_C(10000000);
	see();
	ck_assert(!paths_next(&ps, now, &act)); /* and with others only */
}
END_TEST

START_TEST(and_again_with_others_if_it_was_long_ago)
{
	static const struct {
		int64_t after_ms;
		const char *found;
		bool asked;
	} cases[] = {{PATHS_OWN_MS - 1, "192.0.2.1:1", false}, {PATHS_OWN_MS, "192.0.2.1:1", true}, {9999, NULL, false},
	    {10000, NULL, true}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct paths_act act;
		bool asked = false;

		teardown();
		setup();
		see();
		settle(cases[i].found);
		now += cases[i].after_ms;
		add_peers(1, 1, 0);
		see();
		while (paths_next(&ps, now, &act))
			asked = asked || act.number == PATHS_OWN;
		ck_assert_msg(asked == cases[i].asked, "case %zu", i);
	}
}
END_TEST

/* Nobody else's key is looked up meanwhile: still it is found out when the registry is back. */
START_TEST(a_vain_one_is_asked_again_more_and_more_seldom)
{
	static const int64_t after_s[] = {10, 20, 40, 80, 160, 300, 300};
	struct paths_act act;
	int64_t asked_ms;

	see();
	settle(NULL);
	for (size_t i = 0; i < COUNT(after_s); i++) {
		asked_ms = now;
		while (!paths_next(&ps, now, &act)) {
			now += 100;
			see();
		}
		ck_assert_uint_eq(act.number, PATHS_OWN);
		ck_assert_int_ge(now - asked_ms, after_s[i] * 1000);
		ck_assert_int_le(now - asked_ms, after_s[i] * 1125 + 100);
		answer(PATHS_OWN, i + 1 < COUNT(after_s) ? NULL : "192.0.2.1:1");
	}
	now += INT64_C(10000000);
	see();
	ck_assert(!paths_next(&ps, now, &act));
}
END_TEST

START_TEST(that_we_are_elsewhere_puts_all_in_doubt)
{
	add_peers(1, 10, WALL_S);
	see();
	settle("192.0.2.1:1");
	for (uint64_t i = 1; i <= 10; i++)
		ck_assert_int_eq(path_of(i)->state, PATH_DIRECT);
	now += 2000;
	paths_tell(&ps, dev.public_key, now);
	settle("192.0.2.1:1");
	ck_assert_int_eq(path_of(1)->state, PATH_DIRECT);
	now += 2000;
	paths_tell(&ps, dev.public_key, now);
	settle(NULL); /* not in the zone: that says nothing */
	ck_assert_int_eq(path_of(1)->state, PATH_DIRECT);
	now += 2000;
	paths_tell(&ps, dev.public_key, now);
	settle("192.0.2.1:2");
	for (uint64_t i = 1; i <= 10; i++) {
		ck_assert_int_eq(path_of(i)->state, PATH_PROBED);
		ck_assert_int_eq(path_of(i)->why, PATH_WHY_MAPPING);
	}
}
END_TEST

START_TEST(another_key_is_another_host)
{
	add_peers(1, 1, WALL_S);
	see();
	settle("192.0.2.1:1");
	ck_assert(ps.own[0].answered);
	util_key(200000, dev.public_key);
	now += 2000;
	see();
	ck_assert(!ps.own[0].answered);
	settle("192.0.2.9:9"); /* it is asked for at once */
	ck_assert(ps.own[0].answered);
	ck_assert_int_eq(path_of(1)->state, PATH_DIRECT);
}
END_TEST

START_TEST(we_are_told_of_ourselves_at_most_once_a_second)
{
	unsigned asked = 0;

	see();
	for (; now < START + 10000; now += 10) {
		struct paths_act act;

		paths_tell(&ps, dev.public_key, now);
		while (paths_next(&ps, now, &act)) {
			asked++;
			answer(act.number, "192.0.2.1:1");
		}
	}
	ck_assert_uint_eq(asked, 10);
}
END_TEST

START_TEST(news_of_strangers)
{
	struct paths_act act;
	uint8_t key[KEY_LEN];

	add_peers(1, 10, WALL_S);
	see();
	settle("192.0.2.1:1");
	util_key(4711, key);
	paths_tell(&ps, key, now);
	paths_echo(&ps, key, now);
	ck_assert(!paths_next(&ps, now, &act));
	ck_assert_int_eq(paths_wakes_at(&ps, now), now + PATHS_DUMP_MS);
	util_key(7, key);
	now += 2000;
	see();
	paths_tell(&ps, key, now);
	ck_assert(paths_next(&ps, now, &act));
	ck_assert_mem_eq(paths_key(&ps, act.number), key, KEY_LEN);
}
END_TEST

/* Two servers, each in the tunnel to a peer of its own, or both in one. */
static const struct {
	const char *first, *second; /* where each sees us */
	bool one;
	enum paths_mapping mapping;
} views[] = {
    {"192.0.2.1:1", "192.0.2.1:1", false, PATHS_MAPPING_SAME},
    {"192.0.2.1:1", "192.0.2.1:2", false, PATHS_MAPPING_EACH},
    {"192.0.2.1:1", "192.0.2.2:1", false, PATHS_MAPPING_EACH},
    {"192.0.2.1:1", "192.0.2.1:2", true, PATHS_MAPPING_UNKNOWN},
    {"192.0.2.1:1", "[2001:db8::1]:1", false, PATHS_MAPPING_UNKNOWN},
    {"192.0.2.1:1", NULL, false, PATHS_MAPPING_UNKNOWN},
    {"192.0.2.1:1", "192.168.7.5:2", false, PATHS_MAPPING_UNKNOWN},
};

START_TEST(several_registries_tell_our_nat)
{
	struct paths_act act;
	bool asked[2] = {false, false};

	servers = (struct server_list){.len = 2, .at = {util_endpoint("10.0.1.1:53"), util_endpoint("10.0.2.1:53")}};
	paths_use(&ps, &servers, now);
	util_add_peer(&dev, 1, NULL, "10.0.0.0/8")->last_handshake_s = WALL_S;
	util_add_peer(&dev, 2, NULL, "10.0.1.0/24")->last_handshake_s = WALL_S;
	util_add_peer(&dev, 3, NULL, views[_i].one ? "10.0.2.2/32" : "10.0.2.0/24")->last_handshake_s = WALL_S;
	if (views[_i].one)
		util_add_peer(&dev, 4, NULL, "10.0.1.0/32,10.0.0.0/16"); /* narrower than 10.0.0.0/8, not than 10.0.1.0/24 */
	see();
	ck_assert_int_eq(paths_mapping(&ps), PATHS_MAPPING_UNKNOWN);
	ck_assert_uint_eq(ps.own_len, 2);
	if (views[_i].one) {
		ps.own[0].peer = ps.own[1].peer;
	} else {
		ck_assert_ptr_eq(paths_at(&ps, ps.own[0].peer), path_of(2)); /* of the longest prefix */
		ck_assert_ptr_eq(paths_at(&ps, ps.own[1].peer), path_of(3));
	}
	while (paths_next(&ps, now, &act)) {
		if (act.number < PATHS_OWN)
			continue;
		ck_assert_uint_eq(act.server, act.number - PATHS_OWN + 1);
		asked[act.server - 1] = true;
		answer(act.number, act.server == 1 ? views[_i].first : views[_i].second);
	}
	ck_assert(asked[0] && asked[1]);
	ck_assert_int_eq(paths_mapping(&ps), views[_i].mapping);
}
END_TEST

START_TEST(a_server_outside_is_no_peers)
{
	servers.at[0] = util_endpoint("198.51.100.1:53");
	paths_use(&ps, &servers, now);
	add_peers(1, 3, WALL_S);
	see();
	ck_assert_uint_eq(ps.own[0].peer, SIZE_MAX);
	paths_suspect(&ps, SIZE_MAX, PATH_WHY_ADDRESS, now);
	ck_assert_int_eq(path_of(3)->state, PATH_PROBED);
}
END_TEST

/* ---- the registry ---- */

START_TEST(the_registry_comes_first)
{
	struct paths_act act;

	add_peers(1, 50, WALL_S);
	util_add_peer(&dev, 99, NULL, "10.0.0.0/24")->last_handshake_s = WALL_S;
	see();
	settle(NULL);
	paths_suspect(&ps, SIZE_MAX, PATH_WHY_ADDRESS, now);
	see();
	do
		ck_assert(paths_next(&ps, now, &act));
	while (act.act.what != PATH_DO_POKE);
	ck_assert_ptr_eq(paths_at(&ps, act.number), path_of(99));
}
END_TEST

static void wait_until_seldom(void)
{
	while (now < START + 600000) {
		settle(NULL);
		now += PATHS_WATCH_MS;
		see();
	}
	settle(NULL);
	while (path_wakes_at(path_of(1)) < now + 20000) {
		now += PATHS_WATCH_MS;
		see();
		settle(NULL);
	}
}

START_TEST(its_return_is_news_of_all_that_are_lost)
{
	add_peers(1, 1, 0);
	util_add_peer(&dev, 99, NULL, "10.0.0.0/24");
	see();
	wait_until_seldom();
	dev.peers[1].last_handshake_s = WALL_S;
	dev.peers[1].rx_bytes = 92;
	see();
	ck_assert(path_is_up(path_of(99)));
	ck_assert_int_le(path_wakes_at(path_of(1)), now + PATH_PUSH_MS);
}
END_TEST

START_TEST(and_so_is_an_answer_after_none)
{
	struct endpoint none = {0};

	add_peers(1, 2, 0);
	see();
	wait_until_seldom();
	for (int i = 0; i < 3; i++) {
		path_of(2);
		now = path_wakes_at(path_of(2)) > now ? path_wakes_at(path_of(2)) : now;
		see();
		paths_answer(&ps, ask_for(2), LOOKUP_NO_ANSWER, &none, 0, now);
	}
	while (path_wakes_at(path_of(1)) < now + 20000) {
		now = path_wakes_at(path_of(1)) > now ? path_wakes_at(path_of(1)) : now;
		see();
		paths_answer(&ps, ask_for(1), LOOKUP_NO_ANSWER, &none, 0, now);
	}
	now = path_wakes_at(path_of(2)) > now ? path_wakes_at(path_of(2)) : now;
	see();
	answer(ask_for(2), NULL);
	ck_assert_int_le(path_wakes_at(path_of(1)), now + PATH_PUSH_MS);
}
END_TEST

START_TEST(another_zone)
{
	uint32_t number;

	add_peers(1, 1, 0);
	see();
	number = ask_for(1);
	answer(number, "192.0.2.1:1");
	settle("192.0.2.7:7");
	paths_use(&ps, &servers, now);
	ck_assert_int_eq(path_of(1)->published.family, AF_UNSPEC);
	ck_assert_int_eq(ps.own[0].at.family, AF_UNSPEC);
	now += 2000;
	see();
	ask_for(1);
}
END_TEST

Suite *suite_paths_own(void)
{
	Suite *s = suite_create("paths_own");
	TCase *t = tcase_create("paths_own");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, our_own_key_is_asked_for_at_once);
	tcase_add_test(t, and_again_with_others_if_it_was_long_ago);
	tcase_add_test(t, a_vain_one_is_asked_again_more_and_more_seldom);
	tcase_add_test(t, that_we_are_elsewhere_puts_all_in_doubt);
	tcase_add_test(t, another_key_is_another_host);
	tcase_add_test(t, we_are_told_of_ourselves_at_most_once_a_second);
	tcase_add_test(t, news_of_strangers);
	tcase_add_loop_test(t, several_registries_tell_our_nat, 0, (int)COUNT(views));
	tcase_add_test(t, a_server_outside_is_no_peers);
	tcase_add_test(t, the_registry_comes_first);
	tcase_add_test(t, its_return_is_news_of_all_that_are_lost);
	tcase_add_test(t, and_so_is_an_answer_after_none);
	tcase_add_test(t, another_zone);
	suite_add_tcase(s, t);
	return s;
}
