/* The kernel's WireGuard, as generic netlink tells of it: drivers/net/wireguard/netlink.c is the model. A message is a packet
 * of the socket that shim.c connects the server to. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sources.h"

#define CONNECTIONS 8
#define FAMILY_ID   33
#define MESSAGE     16384 /* less than a peer below this the next message begins */
#define PEER_ROOM   1500

enum fault { ONCE_INTERRUPTED, INTERRUPTED, DONE_ERROR, REFUSED, CUT, OTHER_SEQUENCE, HALF, ABSENT };

static const char *const faults[] = {"netlink: interrupted once", "netlink: interrupted always",
    "netlink: the dump ends with EIO", "netlink: ENOBUFS", "netlink: attributes that are cut", "netlink: answers to another question",
    "netlink: half, then ENOMEM", "netlink: ENODEV"};

struct conn {
	struct watch watch;
	bool in_use;
};

static struct conn conns[CONNECTIONS];
static struct watch listener;
static struct model_zone *zone;
static int fault_now = -1;
static bool interrupted; /* once was enough */

static _Alignas(8) uint8_t buf[2 * MESSAGE];

static struct nlmsghdr *message(uint16_t type, uint16_t flags, const struct nlmsghdr *to)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = to->nlmsg_seq - (fault_now == OTHER_SEQUENCE && type != NLMSG_ERROR);
	return nlh;
}

static void say(const struct conn *c, const struct nlmsghdr *nlh)
{
	if (send(c->watch.fd, nlh, nlh->nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		warn("the kernel's answer");
}

static void say_error(const struct conn *c, const struct nlmsghdr *to, int error)
{
	struct nlmsghdr *nlh = message(NLMSG_ERROR, 0, to);
	struct nlmsgerr *e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));

	e->error = error;
	memcpy(&e->msg, to, sizeof(e->msg));
	say(c, nlh);
}

static void put_genl(struct nlmsghdr *nlh, uint8_t cmd)
{
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	genl->cmd = cmd;
	genl->version = 1;
}

static void say_family(const struct conn *c, const struct nlmsghdr *to)
{
	struct nlmsghdr *nlh = message(GENL_ID_CTRL, 0, to);

	put_genl(nlh, CTRL_CMD_NEWFAMILY);
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY_ID);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, "wireguard");
	say(c, nlh);
	say_error(c, to, 0);
}

/* ---- a dump ---- */

static void put_cidr(struct nlmsghdr *nlh, size_t i, uint32_t version, size_t n)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);
	char text[MODEL_CIDR];
	uint8_t addr[16];
	char *slash;
	bool v4;

	model_cidr(zone, i, version, n, text);
	slash = strchr(text, '/');
	*slash = '\0';
	v4 = inet_pton(AF_INET, text, addr) == 1;
	if (!v4 && inet_pton(AF_INET6, text, addr) != 1)
		errx(2, "%s", text);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, v4 ? 32 : 128);
	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, v4 ? AF_INET : AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, v4 ? 4 : 16, addr);
	mnl_attr_nest_end(nlh, nest);
}

/* An entry of a peer, with its allowed IPs from one to another; only the first entry has all the rest. */
static void put_peer(struct nlmsghdr *nlh, size_t i, uint32_t version, size_t from, size_t to)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0), *cidrs;
	struct sockaddr_storage sa;
	struct endpoint ep;
	struct {
		int64_t sec, nsec;
	} handshake = {1700000000, 5};

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, KEY_LEN, zone->keys[i]);
	if (from == 0) {
		mnl_attr_put(nlh, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(handshake), &handshake);
		mnl_attr_put_u64(nlh, WGPEER_A_RX_BYTES, version);
		if (model_present(zone, i, version)) {
			model_endpoint(zone, i, version, &ep);
			mnl_attr_put(nlh, WGPEER_A_ENDPOINT, endpoint_to_sockaddr(&ep, &sa), &sa);
		}
	}
	cidrs = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
	for (size_t n = from; n < to; n++)
		put_cidr(nlh, i, version, n);
	mnl_attr_nest_end(nlh, cidrs);
	mnl_attr_nest_end(nlh, nest);
}

static bool is_interrupted(void)
{
	if (fault_now == INTERRUPTED)
		return true;
	if (fault_now != ONCE_INTERRUPTED || interrupted)
		return false;
	interrupted = true;
	return true;
}

/* As many peers as fit, from *peer and its CIDR *cidr on. */
static void say_some(const struct conn *c, const struct nlmsghdr *to, uint32_t version, size_t *peer, size_t *cidr)
{
	bool first = *peer == 0 && *cidr == 0;
	struct nlmsghdr *nlh = message(FAMILY_ID, (uint16_t)(NLM_F_MULTI | (is_interrupted() ? NLM_F_DUMP_INTR : 0)), to);
	struct nlattr *peers;

	put_genl(nlh, WG_CMD_GET_DEVICE);
	if (first)
		mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, zone->device);
	peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	for (; *peer < zone->peers_len && nlh->nlmsg_len < MESSAGE; ++*peer, *cidr = 0) {
		size_t len = model_cidrs_len(*peer);

		if (!model_present(zone, *peer, version) && *peer % 2 == 0)
			continue;
		if (len > 2 && *cidr == 0) { /* goes on in the next message */
			put_peer(nlh, *peer, version, 0, len / 2);
			*cidr = len / 2;
			break;
		}
		put_peer(nlh, *peer, version, *cidr, len);
	}
	mnl_attr_nest_end(nlh, peers);
	if (fault_now == CUT && !first)
		peers->nla_len = (uint16_t)(peers->nla_len + 8); /* more than there is */
	say(c, nlh);
}

static void say_done(const struct conn *c, const struct nlmsghdr *to, int error)
{
	struct nlmsghdr *nlh = message(NLMSG_DONE, NLM_F_MULTI, to);

	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(error)), &error, sizeof(error));
	say(c, nlh);
}

static void dump(const struct conn *c, const struct nlmsghdr *to)
{
	uint32_t version = zone->version;
	size_t peer = 0, cidr = 0;

	while (peer < zone->peers_len && !(fault_now == HALF && peer > zone->peers_len / 2))
		say_some(c, to, version, &peer, &cidr);
	say_done(c, to, fault_now == DONE_ERROR ? -EIO : fault_now == HALF ? -ENOMEM : 0);
	if ((fault_now < 0 || fault_now == ONCE_INTERRUPTED) && zone->versions[version].given_us == 0)
		zone->versions[version].given_us = model_now_us();
}

static int on_name(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == WGDEVICE_A_IFNAME)
		*(bool *)data = strcmp(mnl_attr_get_str(attr), zone->device) == 0;
	return MNL_CB_OK;
}

static void on_request(const struct conn *c, const struct nlmsghdr *nlh)
{
	bool is_device = false;

	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		say_family(c, nlh);
		return;
	}
	mnl_attr_parse(nlh, GENL_HDRLEN, on_name, &is_device);
	if (!is_device || fault_now == ABSENT)
		say_error(c, nlh, -ENODEV);
	else if (fault_now == REFUSED)
		say_error(c, nlh, -ENOBUFS);
	else
		dump(c, nlh);
}

static void on_conn(struct watch *w, uint32_t events)
{
	static _Alignas(8) uint8_t in[4096];
	struct conn *c = (struct conn *)w;
	ssize_t n = recv(w->fd, in, sizeof(in), MSG_DONTWAIT);
	int left = (int)n;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		watch_close(w);
		c->in_use = false;
	} else if (mnl_nlmsg_ok((const struct nlmsghdr *)in, left)) {
		on_request(c, (const struct nlmsghdr *)in);
	}
}

static void on_accept(struct watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (conns[i].in_use)
			continue;
		conns[i] = (struct conn){.in_use = true, .watch.on_event = on_conn};
		watch_add(&conns[i].watch, fd, EPOLLIN);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void start(struct model_zone *z)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	zone = z;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/kernel.sock", sources_dir);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(sun.sun_path, 0666) < 0 || listen(fd, 8) < 0)
		err(2, "%s", sun.sun_path);
	listener.on_event = on_accept;
	watch_add(&listener, fd, EPOLLIN);
	model_begin(z, false);
	model_end(z);
}

static void begin(struct model_zone *z, size_t fault)
{
	if (fault == ABSENT)
		model_absence(z, true);
	else if (fault != ONCE_INTERRUPTED) /* that is no excuse */
		model_fault(z, true);
	fault_now = (int)fault;
	interrupted = false;
	if (fault == ABSENT)
		z->versions[z->version].to_us = model_now_us();
}

static void end(struct model_zone *z, size_t fault)
{
	if (fault == ABSENT)
		model_begin(z, false);
	fault_now = -1;
	model_absence(z, false);
	model_fault(z, false);
}

static bool change(struct model_zone *z, bool at_fault)
{
	if (at_fault && fault_now == ABSENT)
		return false;
	model_begin(z, false);
	model_end(z);
	return true;
}

const struct source_kind source_netlink = {.faults = faults, .faults_len = sizeof(faults) / sizeof(*faults), .start = start,
    .begin = begin, .end = end, .change = change};
