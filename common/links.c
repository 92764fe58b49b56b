#include "links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
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

	if (strcmp(nl_object_get_type(object), "route/link") != 0)
		return;
	name = rtnl_link_get_name((struct rtnl_link *)object);
	if (name != NULL)
		links->fn(name, nl_object_get_msgtype(object) != RTM_DELLINK, links->data);
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
	r = nl_socket_add_memberships(links->sock, RTNLGRP_LINK, 0);
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
		links->fn("", true, links->data);
		return 0;
	}
	return r == -NLE_AGAIN ? 0 : errno_of(r);
}

void links_close(struct links *links)
{
	if (links == NULL)
		return;
	nl_socket_free(links->sock);
	free(links);
}
