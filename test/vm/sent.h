/* For kernel_test: what is sent to the kernel over netlink, from the bytes alone: messages as text, and a tap. */
#ifndef WGMEET_TEST_VM_SENT_H
#define WGMEET_TEST_VM_SENT_H

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>
#include <net/if.h>
#include <sys/socket.h>

#include "programs.h"

/* Appends "NAME VALUE" of each attribute; the walk must end exactly where the attributes do. */
static char *put_attrs(char *out, const uint8_t *at, size_t len, int level)
{
	static const char *const names[3][16] = {
	    {[WGDEVICE_A_IFINDEX] = "ifindex", [WGDEVICE_A_IFNAME] = "ifname", [WGDEVICE_A_PRIVATE_KEY] = "private_key",
		[WGDEVICE_A_FLAGS] = "flags", [WGDEVICE_A_LISTEN_PORT] = "port", [WGDEVICE_A_FWMARK] = "fwmark",
		[WGDEVICE_A_PEERS] = "peers"},
	    {[0] = "peer"},
	    {[WGPEER_A_PUBLIC_KEY] = "key", [WGPEER_A_PRESHARED_KEY] = "preshared_key", [WGPEER_A_FLAGS] = "flags",
		[WGPEER_A_ENDPOINT] = "endpoint", [WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL] = "keepalive",
		[WGPEER_A_ALLOWEDIPS] = "allowed"},
	};

	while (len > 0) {
		struct nlattr attr;
		size_t size;
		unsigned type;

		ck_assert_uint_ge(len, sizeof(attr));
		memcpy(&attr, at, sizeof(attr));
		ck_assert_uint_ge(attr.nla_len, sizeof(attr));
		size = ((size_t)attr.nla_len + NLA_ALIGNTO - 1) / NLA_ALIGNTO * NLA_ALIGNTO;
		ck_assert_uint_ge(len, size);
		type = attr.nla_type & (unsigned)NLA_TYPE_MASK;
		ck_assert_msg(type < 16 && names[level][type] != NULL, "level %d: attribute %u", level, type);
		out += sprintf(out, " %s", names[level][type]);
		if (level == 1 || (level == 0 && type == WGDEVICE_A_PEERS)) {
			out += sprintf(out, " {");
			out = put_attrs(out, at + sizeof(attr), attr.nla_len - sizeof(attr), level + 1);
			out += sprintf(out, " }");
		} else {
			out += sprintf(out, "=");
			for (size_t i = sizeof(attr); i < attr.nla_len; i++)
				out += sprintf(out, "%02x", at[i]);
		}
		at += size;
		len -= size;
	}
	return out;
}

/* The whole of a WG_CMD_SET_DEVICE message, as text. */
static char *message_text(const uint8_t *buf, size_t len)
{
	const size_t head = NLMSG_HDRLEN + GENL_HDRLEN;
	struct genlmsghdr genl;
	struct nlmsghdr nlh;
	char *out = keep(4096);

	ck_assert_uint_ge(len, head);
	memcpy(&nlh, buf, sizeof(nlh));
	memcpy(&genl, buf + NLMSG_HDRLEN, sizeof(genl));
	ck_assert_uint_eq(nlh.nlmsg_len, len);
	ck_assert_uint_eq(nlh.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	ck_assert_uint_eq(genl.cmd, WG_CMD_SET_DEVICE);
	*put_attrs(out, buf + head, len - head, 0) = '\0';
	return out;
}

/* All that goes to the kernel over netlink in this network namespace, by way of an nlmon device. */
static int tap_open(void)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 8 << 20;

	IP("link add tap0 type nlmon\nlink set tap0 up\n");
	ll.sll_ifindex = (int)if_nametoindex("tap0");
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	return fd;
}

/* The next one for WireGuard. 0: none. */
static size_t tap_read(int fd, uint8_t *buf, size_t cap)
{
	const struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct sockaddr_ll ll;
	socklen_t ll_len = sizeof(ll);
	ssize_t n;

	while ((n = recvfrom(fd, buf, cap, 0, (struct sockaddr *)&ll, &ll_len)) >= 0)
		if (ntohs(ll.sll_protocol) == NETLINK_GENERIC && (size_t)n >= NLMSG_HDRLEN + GENL_HDRLEN &&
		    nlh->nlmsg_type > GENL_ID_CTRL && (nlh->nlmsg_flags & NLM_F_REQUEST) != 0)
			return (size_t)n;
	return 0;
}

#endif
