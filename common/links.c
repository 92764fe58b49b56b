#include "links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256 /* messages that are read before others have their turn */

struct links {
	struct nl_sock *sock;       /* tells */
	struct nl_sock *asked;      /* answers, at once */
	struct nl_cache *addresses; /* the host's, as of the last event */
	links_fn *fn;
	void *data;
	uint32_t seq;
	bool routes;         /* are they asked for? */
	bool lost;           /* events were, and it was not said yet */
	bool address, route; /* what was read tells of one */
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

/* ---- events ---- */

/* No packet can leave from it, yet or for ever. */
#define UNUSABLE (IFA_F_TENTATIVE | IFA_F_DADFAILED)

static bool address_of(const struct nl_object *object, struct endpoint *out)
{
	const struct nl_addr *local = rtnl_addr_get_local((struct rtnl_addr *)object);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return local != NULL && nl_addr_fill_sockaddr(local, (struct sockaddr *)&sa, &len) == 0 &&
	    endpoint_from_sockaddr(&sa, len, out);
}

static unsigned flags_of(const struct nl_object *object)
{
	return rtnl_addr_get_flags((struct rtnl_addr *)object);
}

static bool counts(const struct nl_object *object)
{
	struct endpoint ep;

	if (object == NULL || (flags_of(object) & UNUSABLE) != 0 || !address_of(object, &ep))
		return false;
	ep.port = 1;
	return endpoint_is_reachable(&ep);
}

/* Most of what the kernel tells of an address is how long it will live: with IPv6 each router advertisement, with IPv4 each
 * renewed lease. */
static void on_address(struct nl_cache *cache, struct nl_object *old, struct nl_object *new, uint64_t diff, int action,
    void *data)
{
	struct links *links = data;

	(void)cache;
	(void)diff;
	(void)action;
	if (counts(old) != counts(new))
		links->address = true;
	else if (counts(new) && ((flags_of(old) ^ flags_of(new)) & IFA_F_DEPRECATED) != 0)
		links->address = true;
}

static void on_object(struct nl_object *object, void *data)
{
	struct links *links = data;

	/* Memory is short: what it tells cannot be kept, so it counts as lost. */
	if (nl_cache_include_v2(links->addresses, object, on_address, links) < 0)
		links->lost = true;
}

static void on_link(struct links *links, struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = nlmsg_data(nlh);
	struct nlattr *name = nlmsg_find_attr(nlh, sizeof(*info), IFLA_IFNAME);

	/* A port that leaves a bridge is told of as a device that goes. */
	if (info->ifi_family != AF_UNSPEC || name == NULL)
		return;
	/* One that is taken down has its IPv4 routes go with it, of which the kernel does not tell. */
	if ((info->ifi_change & IFF_UP) != 0 && (info->ifi_flags & IFF_UP) == 0 && info->ifi_change != UINT32_MAX)
		links->route = links->routes;
	links->fn(nlh->nlmsg_type == RTM_DELLINK ? LINKS_GONE : LINKS_PRESENT, nla_get_string(name), links->data);
}

/* Not those that come with each address and each device: they lead to the host itself, to all on a link, or along a link. */
static bool is_way(struct nlmsghdr *nlh)
{
	static const uint8_t link_local[] = {0xfe, 0x80};
	const struct rtmsg *rt = nlmsg_data(nlh);
	struct nlattr *to = nlmsg_find_attr(nlh, sizeof(*rt), RTA_DST);

	if (rt->rtm_table == RT_TABLE_LOCAL || (rt->rtm_flags & RTM_F_CLONED) != 0 || rt->rtm_type == RTN_LOCAL ||
	    rt->rtm_type == RTN_BROADCAST || rt->rtm_type == RTN_ANYCAST || rt->rtm_type == RTN_MULTICAST)
		return false;
	return rt->rtm_family != AF_INET6 || to == NULL || nla_len(to) < 2 || rt->rtm_dst_len < 10 ||
	    memcmp(nla_data(to), link_local, sizeof(link_local)) != 0;
}

static int on_message(struct nl_msg *msg, void *data)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct links *links = data;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(links, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		nl_msg_parse(msg, on_object, links);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		links->route = links->route || is_way(nlh);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		links->route = true;
		break;
	}
	return NL_OK;
}

static int subscribe(struct links *links)
{
	int r = nl_socket_add_memberships(links->sock, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0);

	if (r < 0 || !links->routes)
		return r;
	return nl_socket_add_memberships(links->sock, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
	    RTNLGRP_IPV6_RULE, 0);
}

int links_open(bool routes, links_fn *fn, void *data, struct links **out)
{
	struct links *links = calloc(1, sizeof(*links));
	int r = -NLE_NOMEM;

	if (links == NULL)
		return -ENOMEM;
	*links = (struct links){.routes = routes, .fn = fn, .data = data, .sock = nl_socket_alloc(), .asked = nl_socket_alloc()};
	if (links->sock == NULL || links->asked == NULL)
		goto out;
	nl_socket_disable_seq_check(links->sock); /* events answer nobody */
	nl_socket_modify_cb(links->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, links);
	r = nl_connect(links->sock, NETLINK_ROUTE);
	if (r == 0)
		r = nl_connect(links->asked, NETLINK_ROUTE);
	if (r == 0)
		r = subscribe(links);
	if (r == 0)
		r = nl_socket_set_nonblocking(links->sock);
	/* Only now, so that what changes meanwhile is told; twice does no harm. */
	if (r == 0)
		r = rtnl_addr_alloc_cache(links->asked, &links->addresses);
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
	int r = 0;

	links->address = links->route = false;
	for (unsigned i = 0; r >= 0 && i < BATCH; i++) {
		r = nl_recvmsgs_default(links->sock);
		/* libnl says NLE_NOMEM for ENOBUFS: the queue overflowed. */
		if (r == -NLE_NOMEM) {
			links->lost = true;
			r = 0;
		}
	}
	/* What is queued is older than what was lost: so the addresses are asked for only when all of it is read. */
	if (r == -NLE_AGAIN && links->lost) {
		links->lost = links->address = links->route = false;
		r = nl_cache_refill(links->asked, links->addresses);
		links->fn(LINKS_LOST, "", links->data);
	}
	if (links->address)
		links->fn(LINKS_ADDRESS, "", links->data);
	if (links->route)
		links->fn(LINKS_ROUTE, "", links->data);
	return r == -NLE_AGAIN ? 0 : errno_of(r);
}

/* ---- the way to an address ---- */

/* A question, as rtnetlink(7) has it. */
struct question {
	struct nlmsghdr nlh;
	struct rtmsg rt;
	_Alignas(NLMSG_ALIGNTO) uint8_t attrs[64];
};

static void put(struct question *q, uint16_t type, const void *data, size_t len)
{
	struct nlattr attr = {.nla_len = (uint16_t)(sizeof(attr) + len), .nla_type = type};
	uint8_t *at = (uint8_t *)q + q->nlh.nlmsg_len;

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + sizeof(attr), data, len);
	q->nlh.nlmsg_len += (uint32_t)NLMSG_ALIGN(sizeof(attr) + len);
}

/* The same as WireGuard's own look-up: UDP, by root. A rule may ask for that. */
static void ask_way(struct question *q, const struct endpoint *to, uint32_t mark, uint32_t seq)
{
	uint8_t protocol = IPPROTO_UDP;
	uint16_t port = htons(to->port);
	uint32_t root = 0;

	*q = (struct question){.nlh = {.nlmsg_len = offsetof(struct question, attrs), .nlmsg_type = RTM_GETROUTE,
	    .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = seq}, .rt = {.rtm_family = to->family,
	    .rtm_dst_len = to->family == AF_INET ? 32 : 128}};
	put(q, RTA_DST, to->addr, to->family == AF_INET ? 4 : 16);
	put(q, RTA_UID, &root, sizeof(root));
	put(q, RTA_IP_PROTO, &protocol, sizeof(protocol));
	if (to->port != 0)
		put(q, RTA_DPORT, &port, sizeof(port));
	if (to->scope != 0)
		put(q, RTA_OIF, &to->scope, sizeof(to->scope));
	if (mark != 0)
		put(q, RTA_MARK, &mark, sizeof(mark));
}

static struct endpoint address_in(int family, const void *bytes, int len)
{
	struct endpoint ep = {0};

	if (len == (family == AF_INET ? 4 : 16)) {
		ep.family = (uint8_t)family;
		memcpy(ep.addr, bytes, (size_t)len);
	}
	return ep;
}

static int read_way(struct nlmsghdr *nlh, struct links_way *out)
{
	const struct rtmsg *rt = nlmsg_data(nlh);
	struct nlattr *tb[RTA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(nlh, sizeof(*rt), tb, RTA_MAX, NULL) < 0)
		return -EBADMSG;
	/* In IPv6 these are answers, in IPv4 errors. */
	if (rt->rtm_type == RTN_UNREACHABLE || rt->rtm_type == RTN_PROHIBIT || rt->rtm_type == RTN_BLACKHOLE)
		return -ENETUNREACH;
	if (tb[RTA_OIF] != NULL)
		out->ifindex = nla_get_u32(tb[RTA_OIF]);
	if (tb[RTA_PREFSRC] != NULL)
		out->source = address_in(rt->rtm_family, nla_data(tb[RTA_PREFSRC]), nla_len(tb[RTA_PREFSRC]));
	if (tb[RTA_GATEWAY] != NULL)
		out->gateway = address_in(rt->rtm_family, nla_data(tb[RTA_GATEWAY]), nla_len(tb[RTA_GATEWAY]));
	if (tb[RTA_VIA] != NULL) { /* RFC 5549: a gateway of the other family */
		const struct rtvia *via = nla_data(tb[RTA_VIA]);

		out->gateway = address_in(via->rtvia_family, via->rtvia_addr, nla_len(tb[RTA_VIA]) - (int)sizeof(*via));
	}
	return 0;
}

/* What it says is 0 or -errno. */
static int read_error(struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = nlmsg_data(nlh);

	switch (-e->error) {
	case EHOSTUNREACH: /* a route of type unreachable */
	case EACCES:       /* prohibit */
	case EINVAL:       /* blackhole */
		return -ENETUNREACH;
	case 0:
		return -EBADMSG; /* an answer was asked for */
	default:
		return e->error;
	}
}

int links_way(struct links *links, const struct endpoint *to, uint32_t mark, struct links_way *out)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t reply[4096];
	struct nlmsghdr *nlh = (struct nlmsghdr *)reply;
	int fd = nl_socket_get_fd(links->asked);
	struct question q;

	memset(out, 0, sizeof(*out));
	if (to->family != AF_INET && to->family != AF_INET6)
		return -EAFNOSUPPORT;
	ask_way(&q, to, mark, ++links->seq);
	if (send(fd, &q, q.nlh.nlmsg_len, 0) < 0)
		return -errno;
	do {
		/* The kernel has answered before send() returns. */
		ssize_t n = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);

		if (n < 0)
			return -errno;
		if (!nlmsg_ok(nlh, (int)n))
			return -EBADMSG;
	} while (nlh->nlmsg_seq != links->seq);
	return nlh->nlmsg_type == NLMSG_ERROR ? read_error(nlh) : read_way(nlh, out);
}

bool links_way_equal(const struct links_way *a, const struct links_way *b)
{
	return a->ifindex == b->ifindex && endpoint_equal(&a->gateway, &b->gateway) && endpoint_equal(&a->source, &b->source);
}

/* ---- the host's global addresses ---- */

#define UNFIT (UNUSABLE | IFA_F_DEPRECATED)

static bool is_global(const struct nl_object *object, unsigned except, struct endpoint *out)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;

	return rtnl_addr_get_scope(addr) == RT_SCOPE_UNIVERSE && (flags_of(object) & UNFIT) == 0 &&
	    (unsigned)rtnl_addr_get_ifindex(addr) != except && address_of(object, out) && !endpoint_is_private(out) &&
	    /* for IPv4 the same bit means another address of the same network */
	    (out->family == AF_INET || (flags_of(object) & IFA_F_TEMPORARY) == 0);
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

		if (!is_global(object, index, &ep))
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
	nl_cache_free(links->addresses);
	nl_socket_free(links->asked);
	nl_socket_free(links->sock);
	free(links);
}
