#include "path_bed.h"
#include "suites.h"

/* ---- evidence ---- */

/* What may go out without data: an empty packet each keepalive, one more, and an initiation. */
static const struct {
	uint16_t keepalive_s;
	int64_t after_ms;
	uint64_t octets;
} allowances[] = {{0, 100000, 32 + 148}, {25, 5000, 2 * 32 + 148}, {25, 100000, 6 * 32 + 148}, {5, 20000, 6 * 32 + 148}};

START_TEST(keepalives_are_not_evidence)
{
	peer.keepalive_s = allowances[_i].keepalive_s;
	meet_at("192.0.2.1:1");
	peer.tx_bytes += allowances[_i].octets;
	see_after(allowances[_i].after_ms);
	ck_assert_int_eq(p.unanswered_ms, PATH_NEVER);
	peer.tx_bytes++;
	see();
	ck_assert_int_eq(p.unanswered_ms, now);
	ck_assert_int_eq(p.state, PATH_DIRECT);
}
END_TEST

START_TEST(silence_for_fifteen_seconds_is_the_end)
{
	meet_at("192.0.2.1:1");
	peer.tx_bytes += 1000;
	see_after(5000);
	see_after(PATH_SILENT_MS - 1);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	see_after(1);
	ck_assert_int_eq(p.state, PATH_LOOKING);
	ck_assert_int_eq(p.why, PATH_WHY_SILENCE);
	ck_assert_int_eq(next(), PATH_DO_ASK);
}
END_TEST

START_TEST(anything_that_comes_back_ends_the_silence)
{
	meet_at("192.0.2.1:1");
	for (int i = 0; i < 20; i++) {
		peer.tx_bytes += 1000;
		see_after(14000);
		shake_hands();
		ck_assert_int_eq(p.state, PATH_DIRECT);
		peer.rx_bytes += 32;
	}
	see_after(1000);
	ck_assert_int_eq(p.unanswered_ms, PATH_NEVER);
}
END_TEST

START_TEST(silence_on_both_sides_is_none)
{
	meet_at("192.0.2.1:1");
	see_after(PATH_FRESH_MS - 1);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(1);
	ck_assert_int_eq(p.state, PATH_IDLE);
	see_after(INT64_C(1000000000));
	ck_assert_int_eq(p.state, PATH_IDLE);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(idle_and_used_in_vain)
{
	meet_at("192.0.2.1:1");
	see_after(PATH_FRESH_MS);
	see_after(60000);
	ck_assert_int_eq(p.unanswered_ms, PATH_NEVER);
	peer.tx_bytes += 148;
	see_after(5000);
	see_after(5999);
	ck_assert_int_eq(p.state, PATH_IDLE);
	see_after(1);
	ck_assert_int_eq(p.state, PATH_LOOKING);
	ck_assert_int_eq(next(), PATH_DO_ASK);
}
END_TEST

START_TEST(idle_and_used_again)
{
	meet_at("192.0.2.1:1");
	see_after(PATH_FRESH_MS);
	peer.tx_bytes += 148;
	see_after(5000);
	shake_hands();
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_DIRECT);
}
END_TEST

START_TEST(idle_by_a_clock_that_was_set)
{
	peer.last_handshake_s = WALL_S - 4000; /* really just now */
	see();
	ck_assert_int_eq(p.state, PATH_IDLE);
	peer.rx_bytes += 3 * 148; /* initiations are no sign of a session */
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_IDLE);
	hear();
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(PATH_FRESH_MS);
	ck_assert_int_eq(p.state, PATH_IDLE);
	peer.tx_bytes += 144; /* nor is data sent without one */
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(PATH_SILENT_MS - 1);
	ck_assert_int_eq(p.state, PATH_DIRECT);
}
END_TEST

/* Another preshared key: what it begins we answer, and it cannot read that. Its NAT may take another port each time. */
START_TEST(handshakes_that_never_end_are_no_path)
{
	uint16_t next_port = (uint16_t)_i;

	meet_at("192.0.2.1:1");
	see_after(PATH_FRESH_MS);
	ck_assert_int_eq(p.state, PATH_IDLE);
	for (int i = 0; i < 20 && p.state == PATH_IDLE; i++) {
		peer.rx_bytes += 148;
		peer.tx_bytes += i % 5 == 0 ? 148 + 92 : 92;
		peer.endpoint.port += next_port;
		see_after(5000);
		ck_assert_int_ne(p.state, PATH_DIRECT);
	}
	ck_assert_int_eq(p.state, PATH_LOOKING);
	find("192.0.2.1:1");
	for (int i = 0; i < 100; i++) {
		peer.rx_bytes += 148;
		peer.tx_bytes += 92;
		see_after(1000);
		next();
		ck_assert(path_state_is_without(p.state));
	}
}
END_TEST

START_TEST(a_clock_that_is_set_changes_nothing)
{
	static const int64_t steps_s[] = {-1000000, -100, -1, 1, 100, 1000000};

	for (size_t i = 0; i < COUNT(steps_s); i++) {
		setup();
		meet_at("192.0.2.1:1");
		now += 5000;
		path_see(&p, &peer, now, (uint64_t)(WALL_S + steps_s[i]));
		ck_assert_int_eq(p.state, PATH_DIRECT);
		peer.last_handshake_s = (uint64_t)(WALL_S + steps_s[i] + 5);
		peer.rx_bytes += 92;
		now += 5000;
		path_see(&p, &peer, now, (uint64_t)(WALL_S + steps_s[i] + 10));
		ck_assert_int_eq(p.state, PATH_DIRECT);
		now += PATH_FRESH_MS - 5001;
		path_see(&p, &peer, now, WALL_S);
		ck_assert_int_eq(p.state, PATH_DIRECT);
		now++;
		path_see(&p, &peer, now, WALL_S);
		ck_assert_int_eq(p.state, PATH_IDLE);
	}
}
END_TEST

/* ---- what others do ---- */

START_TEST(a_peer_that_was_made_anew)
{
	meet_at("192.0.2.1:1");
	peer = (struct wg_peer){.allowed_len = 1};
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_LOOKING);
	ck_assert_int_eq(p.why, PATH_WHY_CHANGED);
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
}
END_TEST

START_TEST(and_with_an_endpoint)
{
	meet_at("192.0.2.1:1");
	peer = (struct wg_peer){.allowed_len = 1, .endpoint = util_endpoint("192.0.2.9:9")};
	see_after(5000);
	ck_assert_int_eq(next(), PATH_DO_ASK);
	ck_assert_int_eq(next(), PATH_DO_KICK);
	answer(LOOKUP_FOUND, "192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(what_others_set_has_its_trial)
{
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	peer.endpoint = p.to;
	see_after(1000);
	peer.endpoint = util_endpoint("192.0.2.9:9");
	see_after(1000);
	ck_assert_int_eq(p.why, PATH_WHY_CHANGED);
	ck_assert_int_eq(next(), PATH_DO_KICK);
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	ck_assert_int_eq(next(), PATH_DO_KICK);
	while (p.state == PATH_TRYING) {
		enum path_do what;

		answer(LOOKUP_FOUND, "192.0.2.1:1");
		what = next();
		ck_assert(what == PATH_DO_NOTHING || what == PATH_DO_POKE);
		see_after(500);
	}
	ck_assert_int_eq(now - START, 2000 + PATH_TRIAL_MS);
	answer(LOOKUP_FOUND, "192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
}
END_TEST

START_TEST(also_where_a_path_worked)
{
	meet_prompt("192.0.2.1:1");
	path_tell(&p, now);
	find("192.0.2.1:1");
	peer.tx_bytes += 1000;
	see_after(10000); /* silent, and asked for */
	poke_in_vain(1000);
	peer.endpoint = util_endpoint("192.0.2.9:9");
	see_after(50);
	ck_assert_int_eq(p.state, PATH_PROBED);
	ck_assert_int_eq(p.why, PATH_WHY_CHANGED);
	answer(LOOKUP_FOUND, "192.0.2.1:2");
	poke_in_vain(PATH_SILENT_MS - 100);
	ck_assert_int_eq(p.state, PATH_PROBED);
	poke_in_vain(100);
	ck_assert_int_ne(p.state, PATH_PROBED);
	ck_assert_int_eq(p.why, PATH_WHY_CHANGED);
}
END_TEST

START_TEST(but_is_not_touched_where_there_is_no_session)
{
	meet_at("192.0.2.1:1");
	see_after(PATH_FRESH_MS);
	peer.endpoint = util_endpoint("192.0.2.9:9");
	peer.tx_bytes += 10 * 148;
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_IDLE);
	ck_assert_int_eq(p.unanswered_ms, PATH_NEVER);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(a_peer_that_roams_is_well)
{
	meet_at("192.0.2.1:1");
	peer.endpoint = util_endpoint("192.0.2.9:9");
	hear();
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(where_an_initiation_came_from_is_tried)
{
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	peer.endpoint = p.to;
	see_after(1000);
	peer.endpoint = util_endpoint("192.0.2.1:77"); /* its NAT gives each destination another port */
	peer.rx_bytes += 148;
	see_after(50);
	ck_assert_int_eq(next(), PATH_DO_KICK);
	answer(LOOKUP_FOUND, "192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(what_we_set_is_no_news)
{
	see();
	find("192.0.2.1:1");
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	see_after(50); /* that has failed */
	ck_assert_int_ne(p.why, PATH_WHY_CHANGED);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

Suite *suite_path_evidence(void)
{
	Suite *s = suite_create("path_evidence");
	TCase *t = tcase_create("path_evidence");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, keepalives_are_not_evidence, 0, (int)COUNT(allowances));
	tcase_add_test(t, silence_for_fifteen_seconds_is_the_end);
	tcase_add_test(t, anything_that_comes_back_ends_the_silence);
	tcase_add_test(t, silence_on_both_sides_is_none);
	tcase_add_test(t, idle_and_used_in_vain);
	tcase_add_test(t, idle_and_used_again);
	tcase_add_test(t, idle_by_a_clock_that_was_set);
	tcase_add_loop_test(t, handshakes_that_never_end_are_no_path, 0, 2);
	tcase_add_test(t, a_clock_that_is_set_changes_nothing);
	tcase_add_test(t, a_peer_that_was_made_anew);
	tcase_add_test(t, and_with_an_endpoint);
	tcase_add_test(t, what_others_set_has_its_trial);
	tcase_add_test(t, also_where_a_path_worked);
	tcase_add_test(t, but_is_not_touched_where_there_is_no_session);
	tcase_add_test(t, a_peer_that_roams_is_well);
	tcase_add_test(t, where_an_initiation_came_from_is_tried);
	tcase_add_test(t, what_we_set_is_no_news);
	suite_add_tcase(s, t);
	return s;
}
