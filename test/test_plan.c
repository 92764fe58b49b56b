#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "suites.h"
#include "util.h"

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

START_TEST(the_reason_is_told)
{
	static const struct {
		const char *endpoint;
		uint64_t handshake_s;
		struct plan_options options;
		const char *why;
	} cases[] = {
	    {NULL, 0, {0}, "it has no endpoint yet"},
	    {NULL, 0, {.force = true}, "it has no endpoint yet"},
	    {"192.0.2.9:9", 0, {0}, "DNS has another endpoint"},
	    {"192.0.2.9:9", NOW - 1000, {0}, "DNS has another endpoint"},
	    {"192.0.2.9:9", NOW - 1, {.force = true}, "DNS has another endpoint"},
	    {"192.0.2.1:7", 0, {0}, "it has this endpoint, but never had a handshake"},
	    {"192.0.2.1:7", NOW - 1000, {0}, "it has this endpoint"},
	    {"192.0.2.9:9", NOW - 1, {0}, "it has a working tunnel"},
	    {"192.0.2.1:7", NOW + 1, {0}, "it has a working tunnel"},
	    {NULL, NOW - 1, {0}, "it has a working tunnel"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_str_eq(plan_of(peer_of(cases[i].endpoint, cases[i].handshake_s, 25), "192.0.2.1:7", cases[i].options).why,
		    cases[i].why);
}
END_TEST

START_TEST(force_kicks_also_where_the_endpoint_is_the_same)
{
	struct plan p = plan_of(peer_of("192.0.2.1:7", NOW - 10, 0), "192.0.2.1:7", (struct plan_options){.force = true});

	ck_assert(!p.set_endpoint);
	ck_assert_int_eq(p.kick, PLAN_PACKET);
	ck_assert_ptr_nonnull(p.why);
}
END_TEST

START_TEST(the_first_and_the_last_second_count)
{
	/* The clock was never set: a handshake at 1 is one, and fresh until 135 s later. */
	struct wg_peer peer = peer_of("192.0.2.9:9", 1, 25);
	struct plan_options options = {.now_s = 1};

	ck_assert(!plan_wants_lookup(&peer, &options));
	options.now_s = PLAN_FRESH_S;
	ck_assert(!plan_wants_lookup(&peer, &options));
	options.now_s = PLAN_FRESH_S + 1;
	ck_assert(plan_wants_lookup(&peer, &options));
	peer.last_handshake_s = 0; /* never: not "at 0" */
	options.now_s = 0;
	ck_assert(plan_wants_lookup(&peer, &options));
	peer.last_handshake_s = UINT64_MAX;
	ck_assert(plan_wants_lookup(&peer, &options));
	options.now_s = UINT64_MAX;
	ck_assert(!plan_wants_lookup(&peer, &options));
}
END_TEST

/* ---- in the tunnel ---- */

static const struct {
	const char *allowed, *endpoint;
	bool in;
} tunnels[] = {
    {"", "10.0.0.1:1", false},
    {"10.0.0.0/8", "10.0.0.0:1", true},
    {"10.0.0.0/8", "10.255.255.255:1", true},
    {"10.0.0.0/8", "11.0.0.0:1", false},
    {"10.0.0.0/8", "9.255.255.255:1", false},
    {"10.0.0.7/32", "10.0.0.7:1", true},
    {"10.0.0.7/32", "10.0.0.6:1", false},
    {"10.0.0.6/31", "10.0.0.7:1", true},
    {"10.0.0.6/31", "10.0.0.8:1", false},
    {"10.0.0.6/31", "10.0.0.5:1", false},
    {"172.16.0.0/12", "172.31.255.255:1", true},
    {"172.16.0.0/12", "172.32.0.0:1", false},
    /* Default routes, halves of them, and what is a quarter. */
    {"0.0.0.0/0", "198.51.100.7:1", false},
    {"0.0.0.0/1,128.0.0.0/1", "198.51.100.7:1", false},
    {"192.0.0.0/2", "198.51.100.7:1", true},
    {"64.0.0.0/2", "198.51.100.7:1", false},
    {"::/0", "[2001:db8::1]:1", false},
    {"::/1,8000::/1", "[2001:db8::1]:1", false},
    {"::/2", "[2001:db8::1]:1", true},
    {"2000::/3", "[2001:db8::1]:1", true},
    /* Beside a default route something narrower does count. */
    {"0.0.0.0/0,198.51.100.0/24", "198.51.100.7:1", true},
    {"198.51.100.0/24,0.0.0.0/0", "198.51.100.7:1", true},
    {"fd00:77::/64", "[fd00:77::]:1", true},
    {"fd00:77::/64", "[fd00:77::ffff:ffff:ffff:ffff]:1", true},
    {"fd00:77::/64", "[fd00:77:0:1::]:1", false},
    {"fd00:77::/64", "[fd00:76:ffff:ffff:ffff:ffff:ffff:ffff]:1", false},
    {"fd00::8/125", "[fd00::f]:1", true},
    {"fd00::8/125", "[fd00::10]:1", false},
    {"fd00::1/128", "[fd00::1]:1", true},
    {"fd00::1/128", "[fd00::2]:1", false},
    /* The families are apart, also where their first octets are the same. */
    {"10.0.0.0/8", "[a00::1]:1", false},
    {"a00::/8", "10.0.0.1:1", false},
    {"10.0.0.0/8", "[::ffff:10.0.0.1]:1", true}, /* is an IPv4 one */
};

static bool is_in_tunnel(const struct wg_device *dev, const struct wg_allowedip *own, size_t own_len,
    const struct endpoint *ep)
{
	struct plan_tunnel tunnel;
	bool in;

	ck_assert_int_eq(plan_tunnel_build(dev, own, own_len, &tunnel), 0);
	in = plan_tunnel_has(&tunnel, ep);
	plan_tunnel_free(&tunnel);
	return in;
}

START_TEST(an_address_that_the_device_carries_is_in_the_tunnel)
{
	struct endpoint ep = at(tunnels[_i].endpoint);
	struct wg_device dev = {0};

	util_add_peer(&dev, 1, NULL, "192.0.2.0/24");
	util_add_peer(&dev, 2, NULL, tunnels[_i].allowed); /* whichever peer has it */
	util_add_peer(&dev, 3, NULL, "fd99::/16");
	ck_assert_msg(is_in_tunnel(&dev, NULL, 0, &ep) == tunnels[_i].in, "%s in %s", tunnels[_i].endpoint, tunnels[_i].allowed);
	wgdev_free(&dev);
}
END_TEST

START_TEST(the_devices_own_networks_are_in_the_tunnel_too)
{
	struct wg_device dev = {0};
	struct wg_allowedip own;
	struct endpoint in = at("10.20.0.200:7"), out = at("10.21.0.1:7");

	ck_assert(allowedip_from_text("10.20.0.1/16", &own));
	ck_assert(is_in_tunnel(&dev, &own, 1, &in));
	ck_assert(!is_in_tunnel(&dev, &own, 1, &out));
}
END_TEST

START_TEST(no_endpoint_is_in_no_tunnel)
{
	struct endpoint none = {0};
	struct wg_device dev = {0};

	ck_assert(!is_in_tunnel(&dev, NULL, 0, &none));
	util_add_peer(&dev, 1, NULL, "0.0.0.0/8,::/8");
	ck_assert(!is_in_tunnel(&dev, NULL, 0, &none));
	wgdev_free(&dev);
}
END_TEST

/* Against the plain way: look at each of them. */
START_TEST(many_networks_within_each_other)
{
	struct wg_device dev = {0};
	struct plan_tunnel tunnel;
	unsigned seed = 1, found = 0;

	util_add_peer(&dev, 1, NULL, "192.0.2.0/24");
	for (int i = 0; i < 500; i++) {
		struct wg_allowedip ip = {.family = i % 2 == 0 ? AF_INET : AF_INET6, .cidr = (uint8_t)(2 + rand_r(&seed) % 31)};

		ip.addr[0] = (uint8_t)(rand_r(&seed) % 4 * 64);
		ip.addr[1] = (uint8_t)rand_r(&seed);
		ip.addr[2] = (uint8_t)(rand_r(&seed) % 8);
		ck_assert_int_eq(wgdev_add_allowedip(&dev, &ip), 0);
	}
	/* Not those that are wide enough to hide the others. */
	for (size_t i = 0; i < dev.allowed_len; i++)
		if (dev.allowed[i].cidr < 12)
			dev.allowed[i].cidr = (uint8_t)(dev.allowed[i].cidr + 12);
	ck_assert_int_eq(plan_tunnel_build(&dev, NULL, 0, &tunnel), 0);
	for (int i = 0; i < 20000; i++) {
		struct endpoint ep = {.family = i % 2 == 0 ? AF_INET : AF_INET6, .port = 1};
		struct wg_allowedip host = {.family = ep.family, .cidr = i % 2 == 0 ? 32 : 128};
		bool in = false;

		ep.addr[0] = host.addr[0] = (uint8_t)(rand_r(&seed) % 4 * 64);
		ep.addr[1] = host.addr[1] = (uint8_t)rand_r(&seed);
		ep.addr[2] = host.addr[2] = (uint8_t)(rand_r(&seed) % 8);
		ep.addr[3] = host.addr[3] = (uint8_t)(rand_r(&seed) % 2);
		for (size_t k = 0; !in && k < dev.allowed_len; k++)
			in = allowedip_is_within(&host, &dev.allowed[k]);
		found += in;
		ck_assert(plan_tunnel_has(&tunnel, &ep) == in);
	}
	ck_assert(found > 2000 && found < 18000);
	plan_tunnel_free(&tunnel);
	wgdev_free(&dev);
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
	tcase_add_test(t, the_reason_is_told);
	tcase_add_test(t, force_kicks_also_where_the_endpoint_is_the_same);
	tcase_add_test(t, the_first_and_the_last_second_count);
	tcase_add_loop_test(t, an_address_that_the_device_carries_is_in_the_tunnel, 0, (int)COUNT(tunnels));
	tcase_add_test(t, no_endpoint_is_in_no_tunnel);
	tcase_add_test(t, many_networks_within_each_other);
	tcase_add_test(t, many_networks_within_each_other);
	tcase_add_test(t, the_devices_own_networks_are_in_the_tunnel_too);
	suite_add_tcase(s, t);
	return s;
}
