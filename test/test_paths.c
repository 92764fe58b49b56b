#include "paths_bed.h"
#include "suites.h"

/* ---- places ---- */

START_TEST(peers_come_and_go)
{
	add_peers(1, 100, WALL_S);
	see();
	ck_assert_uint_eq(ps.len, 100);
	for (uint64_t i = 1; i <= 100; i += 2)
		remove_peer(i);
	see();
	for (uint64_t i = 1; i <= 100; i++)
		ck_assert((path_of(i) != NULL) == (i % 2 == 0));
	add_peers(201, 50, WALL_S);
	see();
	ck_assert_uint_eq(ps.len, 100); /* the places are used again */
	for (uint64_t i = 201; i <= 250; i++)
		ck_assert_ptr_nonnull(path_of(i));
	ck_assert_ptr_null(paths_at(&ps, 100));
}
END_TEST

START_TEST(the_order_of_a_dump_says_nothing)
{
	uint64_t state = 1;

	add_peers(1, 50, WALL_S);
	see();
	settle_all("192.0.2.1:1");
	for (int i = 0; i < 20; i++) {
		for (size_t k = dev.peers_len - 1; k > 0; k--) {
			size_t other = util_random(&state) % (k + 1);
			struct wg_peer peer = dev.peers[k];

			dev.peers[k] = dev.peers[other];
			dev.peers[other] = peer;
		}
		for (size_t k = 0; k < dev.peers_len; k++)
			dev.peers[k].rx_bytes++;
		now += PATHS_DUMP_MS;
		see();
		for (uint64_t k = 1; k <= 50; k++)
			ck_assert_int_eq(path_of(k)->state, PATH_DIRECT);
		ck_assert_int_eq(paths_wakes_at(&ps, now), now + PATHS_DUMP_MS);
	}
}
END_TEST

START_TEST(a_look_up_outlives_its_peer)
{
	uint32_t number;

	add_peers(1, 1, 0);
	see();
	number = ask_for(1);
	remove_peer(1);
	add_peers(2, 1, 0);
	see();
	ck_assert_ptr_null(path_of(1));
	ck_assert_ptr_null(paths_at(&ps, number));
	ck_assert(paths_is_open(&ps, number));
	ck_assert_uint_ne(ask_for(2), number);
	answer(number, "192.0.2.1:1");
	ck_assert(!paths_is_open(&ps, number));
	ck_assert_ptr_null(path_of(1));
	ck_assert_uint_eq(ps.asking, 2); /* for the other one, and for our own key */
	add_peers(3, 1, 0);
	see();
	ck_assert_uint_eq(ask_for(3), number); /* now it is free */
}
END_TEST

START_TEST(a_peer_comes_back_while_its_look_up_is_open)
{
	uint32_t number, again;

	add_peers(1, 1, 0);
	see();
	number = ask_for(1);
	remove_peer(1);
	see();
	add_peers(1, 1, 0);
	see();
	again = ask_for(1);
	ck_assert_uint_ne(again, number);
	answer(number, "192.0.2.1:1"); /* of the one that is gone */
	ck_assert_int_eq(path_of(1)->state, PATH_LOOKING);
	answer(again, "192.0.2.2:2");
	ck_assert_int_eq(path_of(1)->state, PATH_TRYING);
}
END_TEST

START_TEST(who_is_added_with_an_endpoint_has_a_trial)
{
	add_peers(1, 1, 0);
	dev.peers[0].endpoint = util_endpoint("192.0.2.1:1"); /* it was there when we came */
	see();
	util_add_peer(&dev, 2, "192.0.2.2:2", NULL);
	see();
	ck_assert_int_eq(path_of(1)->state, PATH_LOOKING);
	ck_assert_int_eq(path_of(2)->state, PATH_TRYING);
	paths_forget(&ps); /* another device: as at the beginning */
	see();
	ck_assert_int_eq(path_of(2)->state, PATH_LOOKING);
}
END_TEST

START_TEST(a_device_that_is_gone)
{
	uint32_t number;

	add_peers(1, 10, 0);
	see();
	number = ask_for(1);
	paths_forget(&ps);
	for (size_t i = 0; i < ps.len; i++)
		ck_assert_ptr_null(paths_at(&ps, i));
	ck_assert_int_eq(paths_wakes_at(&ps, now), now + PATHS_DUMP_MS); /* our key is gone, too */
	answer(number, "192.0.2.1:1");
	see();
	for (uint64_t i = 1; i <= 10; i++)
		ck_assert_int_eq(path_of(i)->state, PATH_LOOKING);
}
END_TEST

/* ---- budgets ---- */

/* So many of a kind in any second of a minute in which there is much to do; `dumps` as they are wanted. */
static unsigned most_in_a_second(enum path_do what, unsigned *all)
{
	static int64_t times[100000];
	unsigned n = 0, most = 0;

	for (int64_t end = now + 60000; now < end; now++) {
		struct paths_act act;

		if (now >= paths_dump_at(&ps, now))
			see();
		while (paths_next(&ps, now, &act)) {
			if (act.act.what == PATH_DO_ASK)
				answer(act.number, "192.0.2.1:1");
			if (act.act.what == what || (what == PATH_DO_KICK && act.act.what == PATH_DO_MOVE))
				times[n++] = now;
		}
	}
	for (unsigned i = 0, k = 0; i < n; i++) {
		while (times[i] - times[k] >= 1000)
			k++;
		most = i - k + 1 > most ? i - k + 1 : most;
	}
	*all = n;
	return most;
}

START_TEST(no_more_than_twenty_kicks_a_second)
{
	unsigned all;

	add_peers(1, 500, 0);
	ck_assert_uint_eq(most_in_a_second(PATH_DO_KICK, &all), PATHS_KICKS);
	ck_assert_uint_gt(all, 60 * PATHS_KICKS / 2);
	for (uint64_t i = 1; i <= 500; i++) /* and each of them in its turn */
		ck_assert_uint_gt(path_of(i)->trials, 0);
}
END_TEST

START_TEST(no_more_than_so_many_look_ups_a_second)
{
	unsigned all;

	add_peers(1, 2000, 0);
	ck_assert_uint_eq(most_in_a_second(PATH_DO_ASK, &all), PATHS_ASKS);
}
END_TEST

START_TEST(no_more_than_so_many_pokes_a_second)
{
	unsigned all;

	add_peers(1, 2000, WALL_S);
	see();
	paths_suspect(&ps, SIZE_MAX, PATH_WHY_ADDRESS, now);
	ck_assert_uint_eq(most_in_a_second(PATH_DO_POKE, &all), PATHS_POKES);
	ck_assert_uint_ge(all, 2000);
}
END_TEST

START_TEST(so_many_look_ups_are_open_at_most)
{
	struct paths_act act;
	unsigned open = 0;

	add_peers(1, 1000, 0);
	for (; now < START + 60000; now += 50) {
		see();
		while (paths_next(&ps, now, &act))
			open += act.act.what == PATH_DO_ASK;
	}
	ck_assert_uint_eq(open, PATHS_ASKS);
	ck_assert_uint_eq(ps.asking, PATHS_ASKS);
	see();
	ck_assert_int_gt(paths_wakes_at(&ps, now), now);
}
END_TEST

/* The resolver gets other settings when no look-up is open; what was found is tried all the same. */
START_TEST(look_ups_can_be_held_back)
{
	struct paths_act act;
	uint32_t number;

	add_peers(1, 2, 0);
	see();
	number = ask_for(1);
	ps.holds = true;
	while (paths_next(&ps, now, &act))
		ck_assert_int_ne(act.act.what, PATH_DO_ASK);
	ck_assert_int_gt(paths_wakes_at(&ps, now), now);
	answer(number, "192.0.2.1:1");
	ck_assert(paths_next(&ps, now, &act));
	ck_assert_int_eq(act.act.what, PATH_DO_MOVE);
	ps.holds = false;
	ask_for(2);
}
END_TEST

START_TEST(nothing_is_touched_without_a_look)
{
	uint32_t number;
	struct paths_act act;

	add_peers(1, 1, 0);
	see();
	settle("192.0.2.9:9");
	now += 10000;
	while (path_wakes_at(path_of(1)) > now)
		now += 10;
	ck_assert(!paths_next(&ps, now, &act));
	ck_assert_int_le(paths_dump_at(&ps, now), now);
	see();
	number = ask_for(1);
	now += PATHS_WATCH_MS;
	answer(number, "192.0.2.1:1");
	ck_assert(!paths_next(&ps, now, &act));
	ck_assert_int_le(paths_dump_at(&ps, now), now);
	dev.peers[0].last_handshake_s = WALL_S; /* it has come by itself */
	dev.peers[0].rx_bytes = 1000;
	see();
	while (paths_next(&ps, now, &act))
		ck_assert_int_eq(act.act.what, PATH_DO_POKE);
}
END_TEST

START_TEST(dumps_are_as_quick_as_is_needed)
{
	add_peers(1, 10, WALL_S);
	see();
	settle_all("192.0.2.1:1");
	ck_assert_int_eq(paths_dump_at(&ps, now), now + PATHS_DUMP_MS);
	paths_suspect(&ps, 3, PATH_WHY_ADDRESS, now);
	ck_assert_int_eq(paths_dump_at(&ps, now), now + PATHS_WATCH_MS);
	now += 500;
	dev.peers[3].rx_bytes++;
	see(); /* perhaps before the doubt */
	ck_assert_int_eq(paths_dump_at(&ps, now), now + PATHS_WATCH_MS);
	dev.peers[3].rx_bytes++;
	see();
	ck_assert_int_eq(paths_dump_at(&ps, now), now + PATHS_DUMP_MS);
}
END_TEST

Suite *suite_paths(void)
{
	Suite *s = suite_create("paths");
	TCase *t = tcase_create("paths");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, peers_come_and_go);
	tcase_add_test(t, the_order_of_a_dump_says_nothing);
	tcase_add_test(t, a_look_up_outlives_its_peer);
	tcase_add_test(t, a_peer_comes_back_while_its_look_up_is_open);
	tcase_add_test(t, who_is_added_with_an_endpoint_has_a_trial);
	tcase_add_test(t, a_device_that_is_gone);
	tcase_add_test(t, no_more_than_twenty_kicks_a_second);
	tcase_add_test(t, no_more_than_so_many_look_ups_a_second);
	tcase_add_test(t, no_more_than_so_many_pokes_a_second);
	tcase_add_test(t, so_many_look_ups_are_open_at_most);
	tcase_add_test(t, look_ups_can_be_held_back);
	tcase_add_test(t, nothing_is_touched_without_a_look);
	tcase_add_test(t, dumps_are_as_quick_as_is_needed);
	suite_add_tcase(s, t);
	return s;
}
