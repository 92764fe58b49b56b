/* Which way packets take, in a network namespace of its own, which takes root. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "links.h"
#include "netns.h"
#include "sandbox.h"
#include "suites.h"
#include "util.h"

#define MARK 7

static void on_event(enum links_event event, const char *name, void *data)
{
	(void)event;
	(void)name;
	(void)data;
}

static struct links *open_in_new_net(void)
{
	struct links *links = NULL;

	netns_enter();
	netns_cable();
	netns_ip("link set lo up");
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	netns_ip("addr add 2001:db8::1/64 dev eth0 nodad");
	CHILD_CHECK(links_open(false, on_event, NULL, &links) == 0);
	return links;
}

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	CHILD_CHECK(endpoint_from_text(text, 51820, &ep));
	return ep;
}

/* "DEVICE GATEWAY SOURCE"; the last four results are good. */
static const char *way(struct links *links, const char *to, uint32_t mark)
{
	static char text[4][IFNAMSIZ + 2 * ENDPOINT_TEXT];
	static unsigned next;
	char name[IFNAMSIZ] = "-", gateway[ENDPOINT_TEXT], source[ENDPOINT_TEXT], *out = text[next++ % 4];
	struct endpoint ep = at(to);
	struct links_way w;
	int r = links_way(links, &ep, mark, &w);

	if (r < 0)
		return strerror(-r);
	CHILD_CHECK(w.ifindex == 0 || if_indextoname(w.ifindex, name) != NULL);
	CHILD_CHECK(w.gateway.port == 0 && w.source.port == 0 && links_way_equal(&w, &w));
	sprintf(out, "%s %s %s", name, endpoint_addr_to_text(&w.gateway, gateway), endpoint_addr_to_text(&w.source, source));
	return out;
}

static void check(const char *file, int line, const char *got, const char *expected)
{
	if (strcmp(got, expected) == 0)
		return;
	fprintf(stderr, "expected %s, got %s: ", expected, got);
	util_child_failed(file, line, "the way");
}

#define IS(to, mark, expected) check(__FILE__, __LINE__, way(links, to, mark), expected)
#define NO_WAY "Network is unreachable"

static void find_ways(void *arg)
{
	struct links *links = open_in_new_net();

	(void)arg;
	IS("203.0.113.9", 0, "eth0 (none) 203.0.113.1");
	IS("203.0.113.1", 0, "lo (none) 203.0.113.1");
	IS("198.51.100.7", 0, NO_WAY);
	netns_ip("route add 198.51.100.0/24 via 203.0.113.2");
	IS("198.51.100.7", 0, "eth0 203.0.113.2 203.0.113.1");
	netns_ip("route replace 198.51.100.0/24 via 203.0.113.3");
	IS("198.51.100.7", 0, "eth0 203.0.113.3 203.0.113.1");
	netns_ip("addr add 203.0.113.77/24 dev eth0");
	netns_ip("route replace 198.51.100.0/24 via 203.0.113.3 src 203.0.113.77");
	IS("198.51.100.7", 0, "eth0 203.0.113.3 203.0.113.77");
	netns_ip("route replace 198.51.100.0/24 dev far0");
	IS("198.51.100.7", 0, "far0 (none) 203.0.113.1");
	netns_ip("route del 198.51.100.0/24");
	IS("198.51.100.7", 0, NO_WAY);
	/* RFC 5549 */
	netns_ip("route add 198.51.100.0/24 via inet6 fe80::2 dev eth0");
	IS("198.51.100.7", 0, "eth0 fe80::2 203.0.113.1");
	links_close(links);
}

START_TEST(the_way_is_the_kernels)
{
	util_in_child("the_way_is_the_kernels", find_ways, NULL);
}
END_TEST

static void find_ways_v6(void *arg)
{
	struct links *links = open_in_new_net();

	(void)arg;
	netns_ip("addr add fe80::1/64 dev eth0 nodad");
	netns_ip("addr add fe80::f/64 dev far0 nodad");
	IS("[2001:db8::9]", 0, "eth0 (none) 2001:db8::1");
	IS("[2001:db8:7::9]", 0, NO_WAY);
	netns_ip("route add 2001:db8:7::/48 via 2001:db8::2");
	IS("[2001:db8:7::9]", 0, "eth0 2001:db8::2 2001:db8::1");
	netns_ip("route replace 2001:db8:7::/48 via fe80::2 dev eth0");
	IS("[2001:db8:7::9]", 0, "eth0 fe80::2 2001:db8::1");
	CHILD_CHECK(strncmp(way(links, "[fe80::9%eth0]", 0), "eth0 (none) fe80::", 18) == 0);
	CHILD_CHECK(strncmp(way(links, "[fe80::9%far0]", 0), "far0 (none) fe80::", 18) == 0);
	links_close(links);
}

START_TEST(the_way_of_ipv6_is_the_kernels)
{
	util_in_child("the_way_of_ipv6_is_the_kernels", find_ways_v6, NULL);
}
END_TEST

static void find_no_way(void *arg)
{
	static const char *const types[] = {"unreachable", "prohibit", "blackhole"};
	struct links *links = open_in_new_net();
	struct endpoint nowhere = {0};
	struct links_way w;

	(void)arg;
	netns_ip("route add default via 203.0.113.2");
	netns_ip("route add default via 2001:db8::2");
	for (size_t i = 0; i < COUNT(types); i++) {
		netns_ip("route add %s 198.51.100.0/24", types[i]);
		netns_ip("route add %s 2001:db8:7::/48", types[i]);
		IS("198.51.100.7", 0, NO_WAY);
		IS("[2001:db8:7::9]", 0, NO_WAY);
		netns_ip("route del %s 198.51.100.0/24", types[i]);
		netns_ip("route del %s 2001:db8:7::/48", types[i]);
		IS("198.51.100.7", 0, "eth0 203.0.113.2 203.0.113.1");
		IS("[2001:db8:7::9]", 0, "eth0 2001:db8::2 2001:db8::1");
	}
	netns_ip("link set eth0 down");
	IS("198.51.100.7", 0, NO_WAY);
	IS("[2001:db8:7::9]", 0, NO_WAY);
	CHILD_CHECK(links_way(links, &nowhere, 0, &w) == -EAFNOSUPPORT);
	links_close(links);
}

START_TEST(no_way_is_told_as_such)
{
	util_in_child("no_way_is_told_as_such", find_no_way, NULL);
}
END_TEST

/* wg-quick(8) does so, for a default route through the tunnel. */
static void follow_rules(void *arg)
{
	struct links *links = open_in_new_net();

	(void)arg;
	netns_ip("route add default via 203.0.113.2");
	netns_ip("route add default via 203.0.113.3 table 300");
	netns_ip("-6 route add default via 2001:db8::2");
	netns_ip("-6 route add default via 2001:db8::3 table 300");
	if (netns_try_ip("rule add fwmark %d table 300 2>/dev/null", MARK) != 0)
		util_child_skip("the kernel has no rules for routes");
	netns_ip("-6 rule add fwmark %d table 300", MARK);
	IS("198.51.100.7", 0, "eth0 203.0.113.2 203.0.113.1");
	IS("198.51.100.7", MARK, "eth0 203.0.113.3 203.0.113.1");
	IS("198.51.100.7", MARK + 1, "eth0 203.0.113.2 203.0.113.1");
	IS("[2001:db8:7::9]", 0, "eth0 2001:db8::2 2001:db8::1");
	IS("[2001:db8:7::9]", MARK, "eth0 2001:db8::3 2001:db8::1");
	/* and whatever else a rule may go by */
	netns_ip("rule add ipproto tcp dport 4000 table 300");
	netns_ip("rule add ipproto udp dport 4001 table 300");
	netns_ip("rule add uidrange 0-0 dport 4002 table 300");
	IS("198.51.100.7:4000", 0, "eth0 203.0.113.2 203.0.113.1");
	IS("198.51.100.7:4001", 0, "eth0 203.0.113.3 203.0.113.1");
	CHILD_CHECK(setuid(65534) == 0); /* who asks does not matter */
	IS("198.51.100.7:4002", 0, "eth0 203.0.113.3 203.0.113.1");
	links_close(links);
}

START_TEST(rules_are_those_for_wireguards_packets)
{
	util_in_child("rules_are_those_for_wireguards_packets", follow_rules, NULL);
}
END_TEST

static void look_from_sandbox(void *arg)
{
	struct links *links;

	(void)arg;
	netns_enter();
	netns_cable();
	netns_ip("addr add 203.0.113.1/24 dev eth0");
	sandbox_enter(SANDBOX_SETTER, NULL, NULL);
	CHILD_CHECK(links_open(true, on_event, NULL, &links) == 0);
	IS("203.0.113.9", MARK, "eth0 (none) 203.0.113.1");
	CHILD_CHECK(links_read(links) == 0);
	links_close(links);
}

START_TEST(the_setter_may_look_for_ways)
{
	util_in_child("the_setter_may_look_for_ways", look_from_sandbox, NULL);
}
END_TEST

START_TEST(ways_differ_by_each_of_their_parts)
{
	struct links_way a = {.ifindex = 2, .gateway = at("203.0.113.2"), .source = at("203.0.113.1")}, b = a;

	ck_assert(links_way_equal(&a, &b));
	b.ifindex = 3;
	ck_assert(!links_way_equal(&a, &b));
	b = a;
	b.gateway.family = AF_UNSPEC;
	ck_assert(!links_way_equal(&a, &b));
	b = a;
	b.source = at("203.0.113.9");
	ck_assert(!links_way_equal(&a, &b));
}
END_TEST

Suite *suite_links_way(void)
{
	Suite *s = suite_create("links_way");
	TCase *t = tcase_create("links_way");

	suite_add_tcase(s, t);
	tcase_add_test(t, the_way_is_the_kernels);
	tcase_add_test(t, the_way_of_ipv6_is_the_kernels);
	tcase_add_test(t, no_way_is_told_as_such);
	tcase_add_test(t, rules_are_those_for_wireguards_packets);
	tcase_add_test(t, the_setter_may_look_for_ways);
	tcase_add_test(t, ways_differ_by_each_of_their_parts);
	return s;
}
