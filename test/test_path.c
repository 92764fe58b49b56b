#include "path_bed.h"
#include "suites.h"

/* ---- the first dump ---- */

START_TEST(a_peer_that_never_connected_is_asked_for)
{
	see();
	ck_assert_int_eq(p.state, PATH_LOOKING);
	ck_assert_int_eq(p.why, PATH_WHY_NEW);
	ck_assert_int_eq(path_wakes_at(&p), now);
	ck_assert_int_eq(next(), PATH_DO_ASK);
	ck_assert_int_eq(next(), PATH_DO_NOTHING); /* until the answer */
	ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
}
END_TEST

START_TEST(a_fresh_handshake_is_a_path)
{
	static const struct {
		int64_t age_s;
		enum path_state state;
	} cases[] = {{0, PATH_DIRECT}, {179, PATH_DIRECT}, {180, PATH_IDLE}, {100000, PATH_IDLE}, {-179, PATH_DIRECT},
	    {-180, PATH_IDLE}}; /* in the future: the clock was set back */

	for (size_t i = 0; i < COUNT(cases); i++) {
		setup();
		peer.last_handshake_s = (uint64_t)(WALL_S - cases[i].age_s);
		see();
		ck_assert_msg(p.state == cases[i].state, "%d s", (int)cases[i].age_s);
		ck_assert_int_eq(next(), PATH_DO_NOTHING);
		ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
		ck_assert(!path_is_watched(&p, now));
	}
}
END_TEST

START_TEST(its_age_counts_from_the_handshake)
{
	peer.last_handshake_s = WALL_S - 170;
	see();
	see_after(9000);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(1000);
	ck_assert_int_eq(p.state, PATH_IDLE);
}
END_TEST

START_TEST(a_path_is_not_asked_for_when_it_hears_something)
{
	meet_at("192.0.2.1:1");
	for (int i = 0; i < 40; i++) {
		hear();
		see_after(5000);
		shake_hands();
		ck_assert_int_eq(next(), PATH_DO_NOTHING);
		ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
	}
}
END_TEST

/* For ten minutes the registry tells who has asked. No dump is made for that, and whoever is not used need not be told of. */
START_TEST(but_so_often_that_the_registry_tells_of_it)
{
	static const enum lookup_status answers[] = {LOOKUP_FOUND, LOOKUP_NO_ANSWER, LOOKUP_NOT_IN_ZONE};
	int64_t asked_ms;

	p.asked_ms = now - 2 * PATH_RENEW_MS;
	meet_at("192.0.2.1:1");
	ck_assert(path_renew_interest(&p, now));
	for (size_t i = 0; i < 9; i++) {
		ck_assert_int_eq(next(), PATH_DO_ASK);
		ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
		asked_ms = now;
		answer(answers[i % 3], "192.0.2.1:1");
		ck_assert_int_eq(p.state, PATH_DIRECT);
		do {
			ck_assert_int_eq(next(), PATH_DO_NOTHING);
			ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
			hear();
			shake_hands();
			see_after(5000);
		} while (!path_renew_interest(&p, now));
		ck_assert_int_ge(now - asked_ms, PATH_RENEW_MS);
		ck_assert_int_le(now - asked_ms, PATH_RENEW_MS + PATH_RENEW_MS / 8 + 5000);
	}
	ck_assert_int_eq(next(), PATH_DO_ASK);
	answer(LOOKUP_FOUND, "192.0.2.1:1");
	see_after(PATH_FRESH_MS + 5000);
	ck_assert_int_eq(p.state, PATH_IDLE);
	for (int i = 0; i < 200; i++) {
		see_after(5000);
		ck_assert(!path_renew_interest(&p, now));
	}
	hear();
	shake_hands();
	see();
	ck_assert(path_renew_interest(&p, now) && !path_renew_interest(&p, now));
	ck_assert_int_eq(next(), PATH_DO_ASK);
}
END_TEST

/* ---- looking ---- */

START_TEST(what_is_found_is_tried)
{
	const struct path_may all = {true, true, true};
	struct path_act act;

	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(p.state, PATH_TRYING);
	ck_assert(path_next(&p, now, &all, &act));
	ck_assert_int_eq(act.what, PATH_DO_MOVE);
	ck_assert(endpoint_equal(&act.to, &p.published));
	ck_assert_int_eq(p.trials, 1);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	ck_assert(path_is_watched(&p, now));
	now += 5000; /* WireGuard has begun no other handshake for so long */
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	now += 100;
	ck_assert_int_eq(next(), PATH_DO_POKE);
}
END_TEST

START_TEST(where_it_is_already_it_is_kicked)
{
	peer.endpoint = util_endpoint("192.0.2.1:1");
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_KICK);
}
END_TEST

START_TEST(what_is_not_found_is_not_tried)
{
	see();
	for (int status = LOOKUP_FOUND + 1; status < LOOKUP_STATUSES; status++) {
		ck_assert_int_eq(next(), PATH_DO_ASK);
		answer((enum lookup_status)status, "192.0.2.1:1");
		ck_assert_int_eq(p.state, PATH_LOOKING);
		ck_assert_int_eq(next(), PATH_DO_NOTHING);
		ck_assert_int_eq(p.published.family, AF_UNSPEC);
		now = path_wakes_at(&p);
		ck_assert_int_ne(now, PATH_NEVER);
	}
}
END_TEST

static const struct {
	uint32_t ttl_s;
	int64_t least_ms, most_ms;
} paces[] = {{0, 2000, 2250}, {1, 2000, 2250}, {2, 2000, 2250}, {10, 10000, 11250}, {60, 60000, 67500}, {UINT32_MAX, 60000, 67500}};

START_TEST(it_is_asked_for_every_ttl)
{
	struct endpoint none = {0};
	int64_t first = 0;
	bool spread = false;

	for (uint32_t seed = 1; seed < 200; seed++) {
		int64_t pause;

		setup();
		path_init(&p, p.key, seed * 2654435761u, now);
		see();
		ck_assert_int_eq(next(), PATH_DO_ASK);
		path_answer(&p, LOOKUP_NOT_IN_ZONE, &none, paces[_i].ttl_s, now);
		pause = path_wakes_at(&p) - now;
		ck_assert(pause >= paces[_i].least_ms && pause < paces[_i].most_ms);
		spread = spread || (first != 0 && pause != first);
		first = pause;
	}
	ck_assert(spread);
}
END_TEST

START_TEST(and_then_more_and_more_seldom)
{
	struct endpoint none = {0};
	int64_t pause = 0, quick = 0;
	unsigned asked = 0;

	see();
	while (now < START + 3600000) {
		int64_t before = pause;

		ck_assert_int_eq(next(), PATH_DO_ASK);
		asked++;
		path_answer(&p, LOOKUP_NOT_IN_ZONE, &none, 2, now);
		pause = path_wakes_at(&p) - now;
		quick += now < START + PATH_QUICK_MS && pause < 2250;
		ck_assert(before == 0 || pause <= before * 3 / 2 * 9 / 8);
		ck_assert_int_lt(pause, PATH_MOST_MS * 9 / 8);
		now += pause;
	}
	ck_assert_int_ge(pause, PATH_MOST_MS);
	ck_assert(quick >= PATH_QUICK_MS / 2250 && asked <= 100);
}
END_TEST

START_TEST(events_do_not_make_it_ask_more_than_once_a_second)
{
	unsigned asked = 0;

	see();
	for (; now < START + 10000; now += 10) {
		path_suspect(&p, PATH_WHY_ADDRESS, now);
		path_tell(&p, now);
		if (next() == PATH_DO_ASK) {
			asked++;
			answer(LOOKUP_NOT_IN_ZONE, NULL);
		}
	}
	ck_assert_uint_eq(asked, 10);
}
END_TEST

/* ---- trials ---- */

START_TEST(a_trial_takes_six_seconds)
{
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	peer.endpoint = p.to;
	see_after(PATH_TRIAL_MS - 1);
	ck_assert_int_eq(p.state, PATH_TRYING);
	ck_assert(path_is_watched(&p, now));
	see_after(1);
	ck_assert_int_eq(p.state, PATH_LOOKING);
	ck_assert(!path_is_watched(&p, now));
	now = path_wakes_at(&p);
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_KICK); /* it is there already: no second time */
	ck_assert_int_eq(p.trials, 2);
}
END_TEST

START_TEST(a_trial_that_waits_for_its_turn_has_not_begun)
{
	const struct path_may no_kick = {.ask = true, .poke = true};
	struct path_act act;

	see();
	find("192.0.2.1:1");
	for (int i = 0; i < 10; i++) {
		ck_assert(!path_next(&p, now, &no_kick, &act));
		see_after(900);
		ck_assert_int_eq(p.state, PATH_TRYING);
	}
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	see_after(PATH_TRIAL_MS - 1);
	ck_assert_int_eq(p.state, PATH_TRYING);
}
END_TEST

START_TEST(one_trial_at_a_time)
{
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	now += 2000;
	answer(LOOKUP_FOUND, "192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	answer(LOOKUP_FOUND, "192.0.2.1:2"); /* that is another one */
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(a_handshake_is_a_path)
{
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	peer.endpoint = p.to;
	shake_hands();
	see_after(50);
	ck_assert_int_eq(p.state, PATH_PROBED); /* does it answer pokes? */
	ck_assert_int_eq(p.why, PATH_WHY_NEW);
	poke_in_vain(1000);
	ck_assert_int_eq(p.state, PATH_DIRECT); /* no; nothing follows from that */
	ck_assert(!p.prompt);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
}
END_TEST

START_TEST(octets_without_a_handshake_are_no_path)
{
	see();
	find("192.0.2.1:1");
	next();
	peer.rx_bytes += 148; /* an initiation: what we answer may be lost */
	see_after(50);
	ck_assert_int_eq(p.state, PATH_TRYING);
}
END_TEST

START_TEST(in_a_session_a_trial_sends_data_again_and_again)
{
	unsigned pokes = 0;

	meet_prompt("192.0.2.1:1");
	path_tell(&p, now);
	find("192.0.2.1:1");
	hear();
	see_after(3000);
	path_tell(&p, now);
	find("192.0.2.1:2");
	see();
	poke_in_vain(600);
	ck_assert_int_eq(p.state, PATH_TRYING);
	peer.endpoint = p.to;
	for (int64_t end = now + 5000; now < end; see_after(50))
		pokes += next() == PATH_DO_POKE;
	ck_assert_uint_ge(pokes, 5);
	ck_assert_uint_le(pokes, 6);
}
END_TEST

Suite *suite_path(void)
{
	Suite *s = suite_create("path");
	TCase *t = tcase_create("path");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_peer_that_never_connected_is_asked_for);
	tcase_add_test(t, a_fresh_handshake_is_a_path);
	tcase_add_test(t, its_age_counts_from_the_handshake);
	tcase_add_test(t, a_path_is_not_asked_for_when_it_hears_something);
	tcase_add_test(t, but_so_often_that_the_registry_tells_of_it);
	tcase_add_test(t, what_is_found_is_tried);
	tcase_add_test(t, where_it_is_already_it_is_kicked);
	tcase_add_test(t, what_is_not_found_is_not_tried);
	tcase_add_loop_test(t, it_is_asked_for_every_ttl, 0, (int)COUNT(paces));
	tcase_add_test(t, and_then_more_and_more_seldom);
	tcase_add_test(t, events_do_not_make_it_ask_more_than_once_a_second);
	tcase_add_test(t, a_trial_takes_six_seconds);
	tcase_add_test(t, a_trial_that_waits_for_its_turn_has_not_begun);
	tcase_add_test(t, one_trial_at_a_time);
	tcase_add_test(t, a_handshake_is_a_path);
	tcase_add_test(t, octets_without_a_handshake_are_no_path);
	tcase_add_test(t, in_a_session_a_trial_sends_data_again_and_again);
	suite_add_tcase(s, t);
	return s;
}
