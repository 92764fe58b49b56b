#include <check.h>
#include <string.h>

#include "plan.h"
#include "suites.h"

#define NOW 1800000000

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	ck_assert(endpoint_from_text(text, 0, &ep));
	return ep;
}

static struct wg_peer peer_of(const char *endpoint, uint64_t handshake_s, uint16_t keepalive_s)
{
	struct wg_peer peer = {.last_handshake_s = handshake_s, .keepalive_s = keepalive_s};

	if (endpoint != NULL)
		peer.endpoint = at(endpoint);
	return peer;
}

static struct plan plan_of(struct wg_peer peer, const char *published, struct plan_options options)
{
	struct endpoint ep = at(published);

	options.now_s = NOW;
	return plan_peer(&peer, &ep, &options);
}

START_TEST(a_peer_that_never_connected_is_set_and_kicked)
{
	struct plan p = plan_of(peer_of(NULL, 0, 25), "192.0.2.1:7", (struct plan_options){0});

	ck_assert(p.set_endpoint);
	ck_assert_int_eq(p.kick, PLAN_KEEPALIVE);
	ck_assert_uint_eq(p.keepalive_s, 25);
}
END_TEST

START_TEST(without_a_keepalive_the_kick_is_a_packet)
{
	ck_assert_int_eq(plan_of(peer_of(NULL, 0, 0), "192.0.2.1:7", (struct plan_options){0}).kick, PLAN_PACKET);
}
END_TEST

START_TEST(a_keepalive_of_the_command_line_replaces_the_peers)
{
	struct plan p = plan_of(peer_of(NULL, 0, 25), "192.0.2.1:7", (struct plan_options){.keepalive_s = 9});

	ck_assert_int_eq(p.kick, PLAN_KEEPALIVE);
	ck_assert_uint_eq(p.keepalive_s, 9);
}
END_TEST

START_TEST(a_working_tunnel_is_left_alone)
{
	static const int64_t ages[] = {0, 1, 134, -1, -134};

	for (size_t i = 0; i < sizeof(ages) / sizeof(*ages); i++) {
		struct wg_peer peer = peer_of("192.0.2.9:9", (uint64_t)(NOW - ages[i]), 25);
		struct plan_options options = {.now_s = NOW};
		struct plan p = plan_of(peer, "192.0.2.1:7", options);

		ck_assert_msg(!p.set_endpoint && p.kick == PLAN_NO_KICK, "age %d", (int)ages[i]);
		ck_assert(!plan_wants_lookup(&peer, &options));
	}
}
END_TEST

START_TEST(an_old_handshake_does_not_protect)
{
	/* Also one in the future: before the clock was set back. */
	static const int64_t ages[] = {135, 136, 100000, -135, -100000};

	for (size_t i = 0; i < sizeof(ages) / sizeof(*ages); i++) {
		struct wg_peer peer = peer_of("192.0.2.9:9", (uint64_t)(NOW - ages[i]), 25);
		struct plan_options options = {.now_s = NOW};

		ck_assert_msg(plan_of(peer, "192.0.2.1:7", options).set_endpoint, "age %d", (int)ages[i]);
		ck_assert(plan_wants_lookup(&peer, &options));
	}
}
END_TEST

START_TEST(force_overrides)
{
	struct wg_peer peer = peer_of("192.0.2.9:9", NOW - 10, 25);
	struct plan p = plan_of(peer, "192.0.2.1:7", (struct plan_options){.force = true});

	ck_assert(p.set_endpoint);
	ck_assert_int_eq(p.kick, PLAN_KEEPALIVE);
}
END_TEST

START_TEST(the_same_endpoint_is_not_set_again)
{
	struct plan idle = plan_of(peer_of("192.0.2.1:7", NOW - 1000, 0), "192.0.2.1:7", (struct plan_options){0});
	struct plan never = plan_of(peer_of("192.0.2.1:7", 0, 0), "192.0.2.1:7", (struct plan_options){0});

	ck_assert(!idle.set_endpoint);
	ck_assert_int_eq(idle.kick, PLAN_NO_KICK); /* idle is not dead */
	ck_assert(!never.set_endpoint);
	ck_assert_int_eq(never.kick, PLAN_PACKET); /* the other side may be ready now */
}
END_TEST

START_TEST(port_and_family_count_as_a_difference)
{
	ck_assert(plan_of(peer_of("192.0.2.1:7", 0, 0), "192.0.2.1:8", (struct plan_options){0}).set_endpoint);
	ck_assert(plan_of(peer_of("192.0.2.1:7", 0, 0), "[2001:db8::1]:7", (struct plan_options){0}).set_endpoint);
}
END_TEST

Suite *suite_plan(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");

	tcase_add_test(t, a_peer_that_never_connected_is_set_and_kicked);
	tcase_add_test(t, without_a_keepalive_the_kick_is_a_packet);
	tcase_add_test(t, a_keepalive_of_the_command_line_replaces_the_peers);
	tcase_add_test(t, a_working_tunnel_is_left_alone);
	tcase_add_test(t, an_old_handshake_does_not_protect);
	tcase_add_test(t, force_overrides);
	tcase_add_test(t, the_same_endpoint_is_not_set_again);
	tcase_add_test(t, port_and_family_count_as_a_difference);
	suite_add_tcase(s, t);
	return s;
}
