/* What is told, in a network namespace of its own, which takes root. */
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "links.h"
#include "netns.h"
#include "suites.h"
#include "util.h"

/* ---- events ---- */

static struct {
	unsigned events, lost, gone; /* events: of devices, and lost ones */
	unsigned addresses, routes;
	const char *wanted; /* a device of which it shall be told */
	bool wanted_present, found;
} seen;

static void on_event(enum links_event event, const char *name, void *data)
{
	CHILD_CHECK(data == &seen);
	CHILD_CHECK((*name != '\0') == (event == LINKS_PRESENT || event == LINKS_GONE));
	seen.addresses += event == LINKS_ADDRESS;
	seen.routes += event == LINKS_ROUTE;
	if (event == LINKS_ADDRESS || event == LINKS_ROUTE)
		return;
	seen.events++;
	seen.gone += event == LINKS_GONE;
	seen.lost += event == LINKS_LOST;
	if (seen.wanted != NULL && strcmp(name, seen.wanted) == 0 && (event == LINKS_PRESENT) == seen.wanted_present)
		seen.found = true;
}

/* Waits until it is told of that; the child's alarm ends it if it never is. */
static void await(struct links *links, const char *name, bool present)
{
	seen.wanted = name;
	seen.wanted_present = present;
	seen.found = false;
	while (!seen.found) {
		struct pollfd p = {.fd = links_fd(links), .events = POLLIN};

		CHILD_CHECK(poll(&p, 1, 10000) == 1);
		CHILD_CHECK(links_read(links) == 0);
	}
}

static struct links *open_in_new_net(bool routes)
{
	struct links *links = NULL;

	netns_enter();
	CHILD_CHECK(links_open(routes, on_event, &seen, &links) == 0 && links != NULL);
	CHILD_CHECK(links_fd(links) >= 0);
	CHILD_CHECK(links_read(links) == 0 && seen.events == 0); /* nothing there, and it does not wait */
	return links;
}

static void come_and_go(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	netns_cable();
	await(links, "eth0", true);
	netns_ip("link set far0 down");
	netns_ip("link set far0 name far1");
	await(links, "far1", true);
	netns_ip("link del eth0");
	await(links, "eth0", false);
	CHILD_CHECK(links_read(links) == 0);
	CHILD_CHECK(seen.lost == 0);
	links_close(links);
}

START_TEST(a_device_that_comes_changes_its_name_or_goes_is_seen)
{
	util_in_child("a_device_that_comes_changes_its_name_or_goes_is_seen", come_and_go, NULL);
}
END_TEST

static void make_small(struct links *links)
{
	int small = 1;

	CHILD_CHECK(setsockopt(links_fd(links), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
}

/* More events than fit. */
static void overflow(void)
{
	if (netns_try_ip("-V >/dev/null") != 0)
		util_child_skip("no ip(8)");
	CHILD_CHECK(system("for i in $(seq 100); do echo link set lo mtu $((60000 + i)); done |"
	                   "PATH=$PATH:/usr/sbin:/sbin ip -batch -") == 0);
}

static void lose_events(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	make_small(links);
	overflow();
	for (int i = 0; seen.lost == 0; i++) {
		CHILD_CHECK(i < 100);
		CHILD_CHECK(links_read(links) == 0);
	}
	CHILD_CHECK(seen.lost == 1);
	/* And it goes on. */
	while (seen.events != 0) {
		seen.events = 0;
		CHILD_CHECK(links_read(links) == 0);
	}
	memset(&seen, 0, sizeof(seen));
	netns_ip("link set lo mtu 65536");
	await(links, "lo", true);
	links_close(links);
}

START_TEST(lost_events_are_told_by_an_empty_name)
{
	util_in_child("lost_events_are_told_by_an_empty_name", lose_events, NULL);
}
END_TEST

/* ---- addresses ---- */

/* How often an address was told of in what is there now. */
static unsigned addresses(struct links *links)
{
	seen.addresses = 0;
	CHILD_CHECK(links_read(links) == 0);
	return seen.addresses;
}

static void change_addresses(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	netns_cable();
	CHILD_CHECK(addresses(links) == 0);
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	netns_ip("addr add 2001:db8::1/64 dev eth0 nodad");
	CHILD_CHECK(addresses(links) == 1);
	/* a lease, a router advertisement: renewed once and again */
	for (int i = 0; i < 3; i++) {
		netns_ip("addr change 203.0.113.1/24 dev eth0 valid_lft %d preferred_lft 100", 200 + i);
		netns_ip("addr change 2001:db8::1/64 dev eth0 valid_lft %d preferred_lft 100", 200 + i);
		CHILD_CHECK(addresses(links) == 0);
	}
	/* no longer for what is new, and again so */
	netns_ip("addr change 2001:db8::1/64 dev eth0 valid_lft 200 preferred_lft 0");
	CHILD_CHECK(addresses(links) == 1);
	netns_ip("addr change 2001:db8::1/64 dev eth0 valid_lft 100 preferred_lft 0");
	CHILD_CHECK(addresses(links) == 0);
	netns_ip("addr change 2001:db8::1/64 dev eth0 valid_lft 200 preferred_lft 100");
	CHILD_CHECK(addresses(links) == 1);
	/* beside the first one, and with another prefix */
	netns_ip("addr add 203.0.113.2/24 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	netns_ip("addr add 203.0.113.1/32 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	netns_ip("addr del 203.0.113.1/32 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	netns_ip("addr change 203.0.113.1/24 dev eth0 valid_lft 300 preferred_lft 100");
	CHILD_CHECK(addresses(links) == 0);
	/* several at once */
	netns_ip("addr add 203.0.113.3/24 dev eth0");
	netns_ip("addr add 203.0.113.4/24 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	/* those of the host alone, and of the link alone */
	netns_ip("link set lo up");
	netns_ip("addr add 127.0.0.9/8 dev lo");
	netns_ip("addr add fe80::9/64 dev eth0 nodad");
	netns_ip("addr add 169.254.7.7/16 dev eth0");
	CHILD_CHECK(addresses(links) == 0);
	netns_ip("addr del 2001:db8::1/64 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	netns_ip("link del eth0");
	CHILD_CHECK(addresses(links) == 1);
	CHILD_CHECK(seen.lost == 0);
	links_close(links);
}

START_TEST(only_an_address_that_comes_or_goes_is_told)
{
	util_in_child("only_an_address_that_comes_or_goes_is_told", change_addresses, NULL);
}
END_TEST

static void await_dad(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	netns_cable();
	netns_sysctl("ipv6/conf/eth0/accept_dad", "1");
	netns_sysctl("ipv6/conf/eth0/dad_transmits", "1");
	netns_sysctl("ipv6/conf/eth0/router_solicitation_delay", "0");
	netns_sysctl("ipv6/neigh/eth0/retrans_time_ms", "100");
	/* Without a cable the question whether somebody else has the address waits. */
	netns_ip("link set far0 down");
	netns_ip("addr add 2001:db8::1/64 dev eth0");
	CHILD_CHECK(addresses(links) == 0);
	netns_ip("link set far0 up");
	while (seen.addresses == 0) {
		struct pollfd p = {.fd = links_fd(links), .events = POLLIN};

		CHILD_CHECK(poll(&p, 1, 10000) == 1);
		CHILD_CHECK(links_read(links) == 0);
	}
	CHILD_CHECK(netns_try_ip("-6 addr show dev eth0 to 2001:db8::1 tentative | grep -q inet6") != 0);
	CHILD_CHECK(seen.addresses == 1);
	links_close(links);
}

START_TEST(a_tentative_address_is_told_when_it_can_be_used)
{
	util_in_child("a_tentative_address_is_told_when_it_can_be_used", await_dad, NULL);
}
END_TEST

static void know_before(void *arg)
{
	struct links *links, *second = NULL;

	(void)arg;
	links = open_in_new_net(false);
	netns_cable();
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	CHILD_CHECK(links_open(false, on_event, &seen, &second) == 0);
	netns_ip("addr change 203.0.113.1/24 dev eth0 valid_lft 100 preferred_lft 100");
	CHILD_CHECK(addresses(second) == 0);
	netns_ip("addr del 203.0.113.1/24 dev eth0");
	CHILD_CHECK(addresses(second) == 1);
	links_close(second);
	links_close(links);
}

START_TEST(what_was_there_before_is_known)
{
	util_in_child("what_was_there_before_is_known", know_before, NULL);
}
END_TEST

/* One goes and comes back, one comes; but only that the first goes is still in the queue. */
static void lose_addresses(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	netns_cable();
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	CHILD_CHECK(addresses(links) == 1);
	make_small(links);
	netns_ip("addr del 203.0.113.1/24 dev eth0");
	overflow();
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	netns_ip("addr add 203.0.113.2/24 dev eth0");
	CHILD_CHECK(addresses(links) == 0 && seen.lost == 1); /* which says it all */
	netns_ip("addr change 203.0.113.1/24 dev eth0 valid_lft 100 preferred_lft 100");
	CHILD_CHECK(addresses(links) == 0);
	netns_ip("addr change 203.0.113.2/24 dev eth0 valid_lft 100 preferred_lft 100");
	CHILD_CHECK(addresses(links) == 0);
	netns_ip("addr del 203.0.113.1/24 dev eth0");
	CHILD_CHECK(addresses(links) == 1 && seen.lost == 1);
	links_close(links);
}

START_TEST(after_a_loss_the_addresses_are_known_again)
{
	util_in_child("after_a_loss_the_addresses_are_known_again", lose_addresses, NULL);
}
END_TEST

/* ---- routes ---- */

static unsigned routes(struct links *links)
{
	seen.routes = 0;
	CHILD_CHECK(links_read(links) == 0);
	return seen.routes;
}

static void change_routes(void *arg)
{
	struct links *links = open_in_new_net(true), *deaf = NULL;

	(void)arg;
	CHILD_CHECK(links_open(false, on_event, &seen, &deaf) == 0);
	netns_ip("link set lo up");
	routes(links);
	netns_cable();
	CHILD_CHECK(routes(links) == 0); /* link-local, multicast and broadcast */
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	CHILD_CHECK(routes(links) == 1); /* to its network */
	netns_ip("route add 198.51.100.0/24 via 203.0.113.2");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("route replace 198.51.100.0/24 via 203.0.113.3");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("route del 198.51.100.0/24");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("route add unreachable 192.0.2.0/24");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("route add default via 203.0.113.4 table 300");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("-6 route add 2001:db8::/32 dev eth0");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("-6 route add default via fe80::2 dev eth0");
	CHILD_CHECK(routes(links) == 1);
	for (int i = 1; i <= 20; i++)
		netns_ip("route add 198.18.%d.0/24 via 203.0.113.2", i);
	CHILD_CHECK(routes(links) == 1);
	netns_ip("route add local 192.0.2.9 dev lo table local");
	netns_ip("route add multicast 239.0.0.0/8 dev eth0");
	netns_ip("-6 route add fe80:7::/64 dev eth0 table 300");
	netns_ip("-6 route add local 2001:db8::9 dev lo table local");
	CHILD_CHECK(routes(links) == 0);
	if (netns_try_ip("rule add fwmark 7 table 300 2>/dev/null") == 0)
		CHILD_CHECK(routes(links) == 1);
	netns_ip("link set far0 mtu 1400");
	CHILD_CHECK(routes(links) == 0);
	CHILD_CHECK(routes(deaf) == 0);
	links_close(deaf);
	links_close(links);
}

START_TEST(a_route_that_comes_or_goes_is_told_if_it_is_wanted)
{
	util_in_child("a_route_that_comes_or_goes_is_told_if_it_is_wanted", change_routes, NULL);
}
END_TEST

static void take_down(void *arg)
{
	struct links *links = open_in_new_net(true);

	(void)arg;
	netns_cable();
	CHILD_CHECK(routes(links) == 0);
	/* IPv4 only: of IPv6 routes the kernel tells */
	netns_sysctl("ipv6/conf/eth0/disable_ipv6", "1");
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("link set eth0 down");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("link set eth0 mtu 1400");
	CHILD_CHECK(routes(links) == 0);
	netns_ip("link set eth0 up");
	CHILD_CHECK(routes(links) == 1);
	netns_ip("link del eth0");
	CHILD_CHECK(routes(links) == 1);
	links_close(links);
}

START_TEST(a_device_that_is_taken_down_takes_its_routes_with_it)
{
	util_in_child("a_device_that_is_taken_down_takes_its_routes_with_it", take_down, NULL);
}
END_TEST

static void leave_bridge(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	netns_cable();
	if (netns_try_ip("link add br0 type bridge 2>/dev/null") != 0)
		util_child_skip("the kernel has no bridges");
	netns_ip("link set eth0 master br0");
	netns_ip("link set eth0 nomaster");
	CHILD_CHECK(links_read(links) == 0 && seen.events > 0 && seen.gone == 0);
	netns_ip("link del br0");
	CHILD_CHECK(links_read(links) == 0 && seen.gone == 1);
	links_close(links);
}

START_TEST(a_device_that_leaves_a_bridge_is_still_there)
{
	util_in_child("a_device_that_leaves_a_bridge_is_still_there", leave_bridge, NULL);
}
END_TEST

static void everywhere_else(void *arg)
{
	struct links *links = open_in_new_net(false);

	(void)arg;
	CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
	netns_cable(); /* not in the namespace that is watched */
	CHILD_CHECK(links_read(links) == 0 && seen.events == 0);
	links_close(links);
}

START_TEST(a_device_of_another_namespace_is_not_seen)
{
	util_in_child("a_device_of_another_namespace_is_not_seen", everywhere_else, NULL);
}
END_TEST

START_TEST(nothing_is_closed_without_harm)
{
	struct links *links = NULL;

	ck_assert_int_eq(links_open(false, on_event, &seen, &links), 0); /* takes no privilege */
	links_close(links);
	links_close(NULL);
}
END_TEST

Suite *suite_links(void)
{
	Suite *s = suite_create("links");
	TCase *t = tcase_create("links");

	suite_add_tcase(s, t);
	tcase_add_test(t, a_device_that_comes_changes_its_name_or_goes_is_seen);
	tcase_add_test(t, lost_events_are_told_by_an_empty_name);
	tcase_add_test(t, only_an_address_that_comes_or_goes_is_told);
	tcase_add_test(t, a_tentative_address_is_told_when_it_can_be_used);
	tcase_add_test(t, what_was_there_before_is_known);
	tcase_add_test(t, after_a_loss_the_addresses_are_known_again);
	tcase_add_test(t, a_route_that_comes_or_goes_is_told_if_it_is_wanted);
	tcase_add_test(t, a_device_that_is_taken_down_takes_its_routes_with_it);
	tcase_add_test(t, a_device_that_leaves_a_bridge_is_still_there);
	tcase_add_test(t, a_device_of_another_namespace_is_not_seen);
	tcase_add_test(t, nothing_is_closed_without_harm);
	return s;
}
