#include "links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

struct links {
	struct nl_sock *sock;
	links_fn *fn;
	void *data;
};

static int errno_of(int nle)
{
	switch (-nle) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

static void on_object(struct nl_object *object, void *data)
{
	struct links *links = data;
	const char *name;

	if (strcmp(nl_object_get_type(object), "route/addr") == 0)
		links->fn(LINKS_ADDRESS, "", links->data);
	if (strcmp(nl_object_get_type(object), "route/link") != 0)
		return;
	name = rtnl_link_get_name((struct rtnl_link *)object);
	if (name != NULL)
		links->fn(nl_object_get_msgtype(object) == RTM_DELLINK ? LINKS_GONE : LINKS_PRESENT, name, links->data);
}

static int on_message(struct nl_msg *msg, void *data)
{
	nl_msg_parse(msg, on_object, data);
	return NL_OK;
}

int links_open(links_fn *fn, void *data, struct links **out)
{
	struct links *links = calloc(1, sizeof(*links));
	int r = -NLE_NOMEM;

	if (links == NULL)
		return -ENOMEM;
	links->fn = fn;
	links->data = data;
	links->sock = nl_socket_alloc();
	if (links->sock == NULL)
		goto out;
	nl_socket_disable_seq_check(links->sock); /* events answer nobody */
	nl_socket_modify_cb(links->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, links);
	r = nl_connect(links->sock, NETLINK_ROUTE);
	if (r < 0)
		goto out;
	r = nl_socket_add_memberships(links->sock, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0);
	if (r < 0)
		goto out;
	r = nl_socket_set_nonblocking(links->sock);
out:
	if (r < 0)
		links_close(links);
	else
		*out = links;
	return errno_of(r);
}

int links_fd(const struct links *links)
{
	return nl_socket_get_fd(links->sock);
}

int links_read(struct links *links)
{
	int r = nl_recvmsgs_default(links->sock);

	/* libnl says NLE_NOMEM for ENOBUFS: the queue overflowed. */
	if (r == -NLE_NOMEM) {
		links->fn(LINKS_LOST, "", links->data);
		return 0;
	}
	return r == -NLE_AGAIN ? 0 : errno_of(r);
}

#define UNFIT (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED)

static bool is_global(struct rtnl_addr *addr, unsigned except, struct endpoint *out)
{
	struct nl_addr *local = rtnl_addr_get_local(addr);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return local != NULL && rtnl_addr_get_scope(addr) == RT_SCOPE_UNIVERSE && (rtnl_addr_get_flags(addr) & UNFIT) == 0 &&
	    (unsigned)rtnl_addr_get_ifindex(addr) != except && nl_addr_fill_sockaddr(local, (struct sockaddr *)&sa, &len) == 0 &&
	    endpoint_from_sockaddr(&sa, len, out) && !endpoint_is_private(out) &&
	    /* for IPv4 the same bit means another address of the same network */
	    (out->family == AF_INET || (rtnl_addr_get_flags(addr) & IFA_F_TEMPORARY) == 0);
}

static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct endpoint));
}

int links_addresses(const char *except, struct endpoint *out, size_t cap)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_cache *cache = NULL;
	struct nl_object *object;
	unsigned index = if_nametoindex(except);
	size_t n = 0;
	int r = sock == NULL ? -NLE_NOMEM : nl_connect(sock, NETLINK_ROUTE);

	if (r == 0)
		r = rtnl_addr_alloc_cache(sock, &cache);
	for (object = r == 0 ? nl_cache_get_first(cache) : NULL; object != NULL && n < cap; object = nl_cache_get_next(object)) {
		struct endpoint ep = {0};
		bool known = false;

		if (!is_global((struct rtnl_addr *)object, index, &ep))
			continue;
		ep.port = 0;
		ep.scope = 0;
		out[n] = ep;
		for (size_t i = 0; i < n; i++) /* it may be on two devices */
			known = known || endpoint_equal(&out[i], &ep);
		n += !known;
	}
	if (n > 0)
		qsort(out, n, sizeof(*out), by_address);
	nl_cache_free(cache);
	nl_socket_free(sock);
	return r < 0 ? errno_of(r) : (int)n;
}

void links_close(struct links *links)
{
	if (links == NULL)
		return;
	nl_socket_free(links->sock);
	free(links);
}
