/* In a network namespace of its own, which takes root. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "links.h"
#include "suites.h"
#include "util.h"

/* ---- rtnetlink, by hand ---- */

static int talk(struct nlmsghdr *nlh)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	_Alignas(8) char buf[8192];
	ssize_t n;
	int r;

	CHILD_CHECK(nl != NULL && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0);
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	CHILD_CHECK(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	CHILD_CHECK(n > 0);
	r = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0 ? -errno : 0;
	mnl_socket_close(nl);
	return r;
}

static struct nlmsghdr *begin(void *buf, uint16_t type, uint16_t flags, int index)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = index;
	return nlh;
}

/* Whatever of these the kernel has. */
static int create(const char *name)
{
	static const char *const kinds[] = {"dummy", "bridge", "ifb", "veth"};
	_Alignas(8) char buf[512];
	int r = -1;

	for (size_t i = 0; r < 0 && i < COUNT(kinds); i++) {
		struct nlmsghdr *nlh = begin(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
		struct nlattr *nest;

		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
		nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kinds[i]);
		mnl_attr_nest_end(nlh, nest);
		r = talk(nlh);
	}
	return r;
}

static int rename_link(const char *name, const char *to)
{
	_Alignas(8) char buf[512];
	struct nlmsghdr *nlh = begin(buf, RTM_NEWLINK, 0, (int)if_nametoindex(name));

	mnl_attr_put_strz(nlh, IFLA_IFNAME, to);
	return talk(nlh);
}

static int set_mtu(const char *name, uint32_t mtu)
{
	_Alignas(8) char buf[512];
	struct nlmsghdr *nlh = begin(buf, RTM_NEWLINK, 0, (int)if_nametoindex(name));

	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return talk(nlh);
}

static int delete(const char *name)
{
	_Alignas(8) char buf[512];

	return talk(begin(buf, RTM_DELLINK, 0, (int)if_nametoindex(name)));
}

/* ---- events ---- */

static struct {
	char name[IFNAMSIZ];
	bool present;
	unsigned events, lost;
} seen;

static void on_event(enum links_event event, const char *name, void *data)
{
	CHILD_CHECK(data == &seen);
	CHILD_CHECK(strlen(name) < sizeof(seen.name));
	if (event == LINKS_ADDRESS)
		return;
	seen.events++;
	seen.lost += event == LINKS_LOST;
	strcpy(seen.name, name);
	seen.present = event == LINKS_PRESENT;
}

/* Waits until the last event was this one; the child's alarm ends it if it never comes. */
static void await(struct links *links, const char *name, bool present)
{
	while (strcmp(seen.name, name) != 0 || seen.present != present) {
		struct pollfd p = {.fd = links_fd(links), .events = POLLIN};

		CHILD_CHECK(poll(&p, 1, 10000) == 1);
		CHILD_CHECK(links_read(links) == 0);
	}
}

static struct links *open_in_new_net(void)
{
	struct links *links = NULL;

	if (geteuid() != 0)
		util_child_skip("needs root, for a network namespace");
	if (unshare(CLONE_NEWNET) < 0)
		util_child_skip("a network namespace is not allowed here");
	CHILD_CHECK(links_open(on_event, &seen, &links) == 0 && links != NULL);
	CHILD_CHECK(links_fd(links) >= 0);
	CHILD_CHECK(links_read(links) == 0 && seen.events == 0); /* nothing there, and it does not wait */
	return links;
}

static void come_and_go(void *arg)
{
	struct links *links = open_in_new_net();

	(void)arg;
	if (create("wgtest0") < 0)
		util_child_skip("this kernel has no kind of virtual device");
	await(links, "wgtest0", true);
	CHILD_CHECK(rename_link("wgtest0", "wgtest1") == 0);
	await(links, "wgtest1", true);
	CHILD_CHECK(delete("wgtest1") == 0);
	await(links, "wgtest1", false);
	CHILD_CHECK(links_read(links) == 0);
	CHILD_CHECK(seen.lost == 0);
	links_close(links);
}

START_TEST(a_device_that_comes_changes_its_name_or_goes_is_seen)
{
	util_in_child("a_device_that_comes_changes_its_name_or_goes_is_seen", come_and_go, NULL);
}
END_TEST

static void overflow(void *arg)
{
	struct links *links = open_in_new_net();
	int small = 1;

	(void)arg;
	CHILD_CHECK(setsockopt(links_fd(links), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	for (uint32_t i = 0; i < 100; i++)
		CHILD_CHECK(set_mtu("lo", 60000 + i) == 0);
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
	CHILD_CHECK(set_mtu("lo", 65536) == 0);
	await(links, "lo", true);
	links_close(links);
}

START_TEST(lost_events_are_told_by_an_empty_name)
{
	util_in_child("lost_events_are_told_by_an_empty_name", overflow, NULL);
}
END_TEST

static void everywhere_else(void *arg)
{
	struct links *links = open_in_new_net();

	(void)arg;
	CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
	CHILD_CHECK(set_mtu("lo", 60000) == 0); /* not in the namespace that is watched */
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

	ck_assert_int_eq(links_open(on_event, &seen, &links), 0); /* takes no privilege */
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
	tcase_add_test(t, a_device_of_another_namespace_is_not_seen);
	tcase_add_test(t, nothing_is_closed_without_harm);
	return s;
}
