#include "path_bed.h"
#include "suites.h"

/* ---- probes ---- */

START_TEST(what_came_in_before_is_no_answer)
{
	meet_at("192.0.2.1:1");
	now += 4000;
	hear(); /* since the last dump, but before the event */
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	ck_assert_int_eq(p.state, PATH_PROBED);
	ck_assert(path_is_watched(&p, now));
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	see();
	ck_assert_int_eq(p.state, PATH_PROBED);
	ck_assert_int_eq(next(), PATH_DO_POKE);
	hear();
	see_after(50);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
}
END_TEST

START_TEST(but_it_ends_the_silence)
{
	int64_t first;

	meet_at("192.0.2.1:1");
	peer.tx_bytes += 1000;
	see_after(5000);
	now += 10000;
	hear();
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	first = now;
	poke_in_vain(500);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(first + PATH_SILENT_MS - 1 - now);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(1);
	ck_assert_int_eq(p.state, PATH_LOOKING);
}
END_TEST

START_TEST(pokes_come_three_in_a_row_and_then_each_second)
{
	static const int64_t times[] = {0, 150, 300, 1300, 2300, 3300};
	size_t n = 0;
	int64_t first;

	meet_prompt("192.0.2.1:1");
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	for (first = now; n < COUNT(times); see_after(10)) {
		const struct path_may pokes = {.poke = true};
		struct path_act act;

		if (path_next(&p, now, &pokes, &act))
			ck_assert_int_eq(now - first, times[n++]);
	}
}
END_TEST

START_TEST(of_one_that_is_not_known_to_answer_nothing_follows_for_fifteen_seconds)
{
	int64_t first;

	meet_at("192.0.2.1:1");
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	first = now;
	poke_in_vain(450);
	ck_assert_int_eq(p.state, PATH_PROBED);
	poke_in_vain(50);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	see_after(first + PATH_SILENT_MS - 1 - now); /* the pokes were data */
	ck_assert_int_eq(p.state, PATH_DIRECT);
	see_after(1);
	ck_assert_int_eq(p.state, PATH_LOOKING);
}
END_TEST

START_TEST(one_that_answers_pokes_and_does_not_is_asked_for)
{
	int64_t first;

	meet_prompt("192.0.2.1:1");
	peer.tx_bytes += 1000;
	see_after(5000);
	ck_assert_int_eq(p.state, PATH_PROBED);
	ck_assert_int_eq(p.why, PATH_WHY_SILENCE);
	first = now;
	poke_in_vain(500); /* 3 pokes, and twice the 40 ms that it took before */
	ck_assert_int_eq(p.ask_ms, PATH_NEVER);
	poke_in_vain(50);
	ck_assert_int_eq(path_wakes_at(&p), now);
	ck_assert_int_eq(next(), PATH_DO_ASK);
	answer(LOOKUP_FOUND, "192.0.2.1:1"); /* where it is: nothing to do yet */
	ck_assert_int_eq(p.state, PATH_PROBED);
	while (now < first + PATH_SILENT_MS - 50) {
		poke_in_vain(50);
		ck_assert_int_eq(p.state, PATH_PROBED);
	}
	poke_in_vain(50);
	ck_assert_int_ne(p.state, PATH_PROBED);
}
END_TEST

START_TEST(its_silence_means_something_after_twice_its_time)
{
	meet_at("192.0.2.1:1");
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	ck_assert_int_eq(next(), PATH_DO_POKE);
	now += 800;
	path_echo(&p, now);
	hear();
	see();
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	poke_in_vain(2 * 800 + 3 * 150 - 50);
	ck_assert_int_eq(p.ask_ms, PATH_NEVER);
	poke_in_vain(50);
	ck_assert_int_eq(p.ask_ms, now);
}
END_TEST

START_TEST(only_an_echo_tells_that_it_answers)
{
	meet_at("192.0.2.1:1");
	path_echo(&p, now); /* of nothing */
	ck_assert(!p.prompt);
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	ck_assert_int_eq(next(), PATH_DO_POKE);
	hear(); /* perhaps something else */
	see_after(50);
	ck_assert(!p.prompt);
	now += 950;
	path_echo(&p, now); /* too late */
	ck_assert(!p.prompt);
	now--;
	path_echo(&p, now);
	ck_assert(p.prompt);
	ck_assert_uint_eq(p.prompt_ms, 999);
}
END_TEST

START_TEST(one_that_is_there_and_did_not_answer_is_not_prompt)
{
	meet_prompt("192.0.2.1:1");
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	poke_in_vain(600);
	ck_assert(p.prompt);
	hear();
	see_after(50);
	ck_assert_int_eq(p.state, PATH_PROBED); /* or was it away? It is poked once more. */
	ck_assert(!p.prompt);
	poke_in_vain(500);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert(!p.prompt);
}
END_TEST

START_TEST(one_that_was_away_is_prompt_again)
{
	meet_prompt("192.0.2.1:1");
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	poke_in_vain(600);
	hear();
	see_after(50);
	ck_assert_int_eq(next(), PATH_DO_POKE);
	now += 30;
	path_echo(&p, now);
	hear();
	see_after(20);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert(p.prompt);
}
END_TEST

START_TEST(one_without_an_address_cannot_be_poked)
{
	peer.allowed_len = 0;
	meet_at("192.0.2.1:1");
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see();
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
	see_after(50);
	ck_assert_int_eq(p.state, PATH_DIRECT);
}
END_TEST

START_TEST(idle_it_is_kicked_when_our_address_changes)
{
	meet_at("192.0.2.1:1");
	see_after(PATH_FRESH_MS);
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	ck_assert_int_eq(next(), PATH_DO_KICK);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	ck_assert_int_eq(p.state, PATH_IDLE);
}
END_TEST

/* ---- the registry's news ---- */

/* What was published before, where we send, and what is published now. Of one that is not known to answer pokes the registry's
 * word alone is not enough. */
static const struct {
	const char *before, *sent_to, *now;
	bool prompt;
	enum path_state state; /* half a second later, without an answer */
	enum path_why why;
} reports[] = {
    /* It was there for all the world. */
    {"192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1", false, PATH_DIRECT, PATH_WHY_NEW},
    {"192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:2", false, PATH_DIRECT, PATH_WHY_ELSEWHERE},
    {"192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:1", false, PATH_DIRECT, PATH_WHY_ELSEWHERE},
    {"192.0.2.1:1", "192.0.2.1:1", "[2001:db8::1]:1", false, PATH_DIRECT, PATH_WHY_ELSEWHERE},
    {"192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:2", true, PATH_TRYING, PATH_WHY_ELSEWHERE},
    /* Its NAT gives us another port: its address tells, a port does not, unless it is one that answers. */
    {"192.0.2.1:1", "192.0.2.1:7", "192.0.2.1:1", true, PATH_DIRECT, PATH_WHY_NEW},
    {"192.0.2.1:1", "192.0.2.1:7", "192.0.2.1:2", false, PATH_DIRECT, PATH_WHY_NEWS},
    {"192.0.2.1:1", "192.0.2.1:7", "192.0.2.1:2", true, PATH_TRYING, PATH_WHY_ELSEWHERE},
    {"192.0.2.1:1", "192.0.2.1:7", "192.0.2.2:2", false, PATH_DIRECT, PATH_WHY_ELSEWHERE},
    {"192.0.2.1:1", "192.0.2.1:7", "192.0.2.1:7", false, PATH_DIRECT, PATH_WHY_NEW},
    /* It is somewhere of its own, in a LAN perhaps. */
    {"192.0.2.1:1", "10.0.0.1:1", "192.0.2.1:1", true, PATH_DIRECT, PATH_WHY_NEW},
    {"192.0.2.1:1", "10.0.0.1:1", "192.0.2.1:2", false, PATH_DIRECT, PATH_WHY_NEWS},
    {"192.0.2.1:1", "10.0.0.1:1", "192.0.2.2:1", false, PATH_DIRECT, PATH_WHY_NEWS},
    {"192.0.2.1:1", "10.0.0.1:1", "192.0.2.2:1", true, PATH_TRYING, PATH_WHY_ELSEWHERE},
    /* It was never asked for. */
    {NULL, "192.0.2.1:1", "192.0.2.1:1", true, PATH_DIRECT, PATH_WHY_NEW},
    {NULL, "192.0.2.1:1", "192.0.2.2:1", false, PATH_DIRECT, PATH_WHY_NEWS},
};

START_TEST(news_of_a_peer)
{
	meet_at(reports[_i].sent_to);
	if (reports[_i].before != NULL) {
		p.published = util_endpoint(reports[_i].before);
		p.answered = true;
	}
	hear();
	see();
	p.prompt = reports[_i].prompt;
	now += 5000;
	path_tell(&p, now);
	find(reports[_i].now);
	see();
	poke_in_vain(500);
	if (reports[_i].state == PATH_DIRECT && p.prompt && reports[_i].why == PATH_WHY_NEWS)
		ck_assert_int_eq(p.state, PATH_PROBED);
	else
		ck_assert_int_eq(p.state, reports[_i].state);
	ck_assert_int_eq(p.why, reports[_i].why);
}
END_TEST

START_TEST(it_was_heard_from_there_already)
{
	meet_prompt("192.0.2.1:1");
	p.published = util_endpoint("192.0.2.1:1");
	hear();
	see();
	peer.endpoint = util_endpoint("192.0.2.2:7"); /* roams, and its NAT there gives us another port */
	hear();
	see_after(3000);
	path_tell(&p, now);
	find("192.0.2.2:1");
	ck_assert_int_eq(p.state, PATH_DIRECT);
}
END_TEST

START_TEST(who_answers_has_not_moved)
{
	meet_prompt("192.0.2.1:1");
	path_tell(&p, now);
	find("192.0.2.1:1");
	now += 2000;
	path_tell(&p, now);
	find("192.0.2.2:1");
	ck_assert_int_eq(p.state, PATH_PROBED);
	see();
	ck_assert_int_eq(next(), PATH_DO_POKE);
	hear();
	see_after(50);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
}
END_TEST

START_TEST(news_are_not_forgotten)
{
	meet_prompt("192.0.2.1:1");
	p.published = util_endpoint("192.0.2.1:1");
	hear();
	see();
	path_tell(&p, now + 2000);
	now += 2000;
	find("192.0.2.1:2");
	ck_assert_int_eq(p.why, PATH_WHY_ELSEWHERE);
	path_suspect(&p, PATH_WHY_MAPPING, now); /* and we have moved, too */
	ck_assert_int_eq(p.why, PATH_WHY_ELSEWHERE);
	see();
	poke_in_vain(100);
	path_suspect(&p, PATH_WHY_MAPPING, now);
	now += 2000;
	path_tell(&p, now);
	find("192.0.2.1:2"); /* the same again */
	ck_assert_int_eq(p.why, PATH_WHY_ELSEWHERE);
	see();
	poke_in_vain(550);
	ck_assert_int_eq(p.state, PATH_TRYING);
}
END_TEST

START_TEST(what_is_known_need_not_be_asked_for_again)
{
	meet_prompt("192.0.2.1:1");
	path_tell(&p, now);
	find("192.0.2.1:1");
	now += 2000;
	path_tell(&p, now);
	find("192.0.2.2:1");
	see();
	poke_in_vain(550);
	ck_assert_int_eq(p.state, PATH_TRYING);
	ck_assert_int_eq(p.endpoint.addr[3], 1);
	ck_assert_int_eq(next(), PATH_DO_MOVE);
	ck_assert_int_eq(p.to.addr[3], 2);
	ck_assert_int_eq(p.ask_ms, now - 550 + PATH_LEAST_MS);
}
END_TEST

START_TEST(it_is_heard_again_and_again)
{
	meet_at("192.0.2.1:1");
	path_tell(&p, now);
	ck_assert_int_eq(next(), PATH_DO_ASK);
	now += 100;
	path_tell(&p, now); /* the question is older than this */
	ck_assert_int_eq(next(), PATH_DO_NOTHING);
	answer(LOOKUP_FOUND, "192.0.2.1:1");
	ck_assert_int_eq(path_wakes_at(&p), now - 100 + PATH_PUSH_MS);
	hear();
	see(); /* that it works does not make it forget */
	ck_assert_int_eq(path_wakes_at(&p), now - 100 + PATH_PUSH_MS);
	now = path_wakes_at(&p);
	find("192.0.2.1:1");
	ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
}
END_TEST

START_TEST(a_lost_one_is_asked_for_quickly_again)
{
	see();
	while (now < START + 1000000) {
		ck_assert_int_eq(next(), PATH_DO_ASK);
		answer(LOOKUP_NOT_IN_ZONE, NULL);
		now = path_wakes_at(&p);
	}
	now -= 30000;
	path_tell(&p, now);
	ck_assert_int_eq(next(), PATH_DO_ASK);
	answer(LOOKUP_NOT_IN_ZONE, NULL);
	ck_assert_int_lt(path_wakes_at(&p) - now, 11250);
	now += 5000;
	path_hurry(&p, now);
	ck_assert_int_eq(next(), PATH_DO_ASK);
}
END_TEST

START_TEST(another_zone_is_another_world)
{
	meet_at("192.0.2.1:1");
	path_tell(&p, now);
	find("192.0.2.1:1");
	path_renew(&p, now);
	ck_assert(!p.answered);
	ck_assert_int_eq(p.published.family, AF_UNSPEC);
	now += 2000;
	path_tell(&p, now);
	find("192.0.2.2:1"); /* who knows where it was there */
	see();
	poke_in_vain(1000);
	ck_assert_int_eq(p.state, PATH_DIRECT);
}
END_TEST

START_TEST(a_hurry_is_not_for_what_works)
{
	meet_at("192.0.2.1:1");
	path_hurry(&p, now);
	path_renew(&p, now);
	ck_assert_int_eq(path_wakes_at(&p), PATH_NEVER);
}
END_TEST

Suite *suite_path_probe(void)
{
	Suite *s = suite_create("path_probe");
	TCase *t = tcase_create("path_probe");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, what_came_in_before_is_no_answer);
	tcase_add_test(t, but_it_ends_the_silence);
	tcase_add_test(t, pokes_come_three_in_a_row_and_then_each_second);
	tcase_add_test(t, of_one_that_is_not_known_to_answer_nothing_follows_for_fifteen_seconds);
	tcase_add_test(t, one_that_answers_pokes_and_does_not_is_asked_for);
	tcase_add_test(t, its_silence_means_something_after_twice_its_time);
	tcase_add_test(t, only_an_echo_tells_that_it_answers);
	tcase_add_test(t, one_that_is_there_and_did_not_answer_is_not_prompt);
	tcase_add_test(t, one_that_was_away_is_prompt_again);
	tcase_add_test(t, one_without_an_address_cannot_be_poked);
	tcase_add_test(t, idle_it_is_kicked_when_our_address_changes);
	tcase_add_loop_test(t, news_of_a_peer, 0, (int)COUNT(reports));
	tcase_add_test(t, it_was_heard_from_there_already);
	tcase_add_test(t, who_answers_has_not_moved);
	tcase_add_test(t, news_are_not_forgotten);
	tcase_add_test(t, what_is_known_need_not_be_asked_for_again);
	tcase_add_test(t, it_is_heard_again_and_again);
	tcase_add_test(t, a_lost_one_is_asked_for_quickly_again);
	tcase_add_test(t, another_zone_is_another_world);
	tcase_add_test(t, a_hurry_is_not_for_what_works);
	suite_add_tcase(s, t);
	return s;
}
