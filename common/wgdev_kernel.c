#include "wgdev_kernel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* The kernel fills one dump message with up to NLMSG_GOODSIZE, or 32 KiB where the reader's buffer is larger. */
#define BUF_LEN   32768
#define DUMP_TRIES 8
#define TIMEOUT_S  5 /* the kernel answers at once; should it not, nobody shall wait for ever */

struct wgdev_kernel {
	struct mnl_socket *nl;
	uint32_t seq;
	uint16_t family_id;
	unsigned dumps;
	unsigned inject_at, messages; /* for tests */
	uint8_t buf[BUF_LEN];
};

/* ---- attributes: from bytes ---- */

struct attrs {
	const struct nlattr *at[32];
	int max;
};

static int keep_attr(const struct nlattr *attr, void *data)
{
	struct attrs *t = data;

	if (mnl_attr_get_type(attr) <= t->max)
		t->at[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* The attribute of that type if it has at least `len` octets, else NULL. */
static const void *payload(const struct attrs *t, int type, size_t len)
{
	const struct nlattr *attr = t->at[type];

	return attr != NULL && mnl_attr_get_payload_len(attr) >= len ? mnl_attr_get_payload(attr) : NULL;
}

#define READ(out, t, type)                                                                                   \
	do {                                                                                                 \
		const void *p_ = payload((t), (type), sizeof(*(out)));                                       \
		if (p_ != NULL)                                                                              \
			memcpy((out), p_, sizeof(*(out)));                                                   \
	} while (0)

/* libmnl ends at an attribute that does not fit, and says nothing. A peer that is lost so would vanish from DNS. */
static bool is_whole(const void *attrs, size_t len)
{
	const struct nlattr *attr = attrs;
	int left = (int)len;

	while (left > 0 && mnl_attr_ok(attr, left)) {
		left -= MNL_ALIGN(attr->nla_len);
		attr = mnl_attr_next(attr);
	}
	return left <= 0;
}

/* Where a nest's elements go, and what became of it. */
struct into {
	struct wg_device *dev;
	int err;
};

static int each(const struct nlattr *nest, mnl_attr_cb_t fn, struct wg_device *dev)
{
	struct into into = {.dev = dev};

	if (nest == NULL)
		return 0;
	if (!is_whole(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)))
		return -EBADMSG;
	if (mnl_attr_parse_nested(nest, fn, &into) < 0 && into.err == 0)
		into.err = -EBADMSG;
	return into.err;
}

static int parse_allowedip(const struct nlattr *nest, struct wg_device *dev)
{
	struct attrs t = {.max = WGALLOWEDIP_A_MAX};
	struct wg_allowedip ip = {0};
	uint16_t family = AF_UNSPEC;
	uint8_t cidr = 0;
	const void *addr;

	if (!is_whole(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)) ||
	    mnl_attr_parse_nested(nest, keep_attr, &t) < 0)
		return -EBADMSG;
	READ(&family, &t, WGALLOWEDIP_A_FAMILY);
	READ(&cidr, &t, WGALLOWEDIP_A_CIDR_MASK);
	if (family != AF_INET && family != AF_INET6)
		return -EBADMSG;
	addr = payload(&t, WGALLOWEDIP_A_IPADDR, family == AF_INET ? 4 : 16);
	if (addr == NULL || cidr > (family == AF_INET ? 32 : 128))
		return -EBADMSG;
	memcpy(ip.addr, addr, family == AF_INET ? 4 : 16);
	ip.family = (uint8_t)family;
	ip.cidr = cidr;
	return wgdev_add_allowedip(dev, &ip);
}

static int on_allowedip(const struct nlattr *nest, void *data)
{
	struct into *into = data;

	into->err = parse_allowedip(nest, into->dev);
	return into->err < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int parse_peer(const struct nlattr *nest, struct wg_device *dev)
{
	struct attrs t = {.max = WGPEER_A_MAX};
	struct wg_peer *peer = dev->peers_len > 0 ? &dev->peers[dev->peers_len - 1] : NULL;
	const void *key, *endpoint;
	struct {
		int64_t sec, nsec;
	} handshake = {0};

	if (!is_whole(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)) ||
	    mnl_attr_parse_nested(nest, keep_attr, &t) < 0)
		return -EBADMSG;
	key = payload(&t, WGPEER_A_PUBLIC_KEY, KEY_LEN);
	if (key == NULL)
		return -EBADMSG;
	/* A peer whose allowed IPs did not fit goes on in the next entry, which has only the key and more of them
	 * (get_peer() in drivers/net/wireguard/netlink.c). */
	if (peer == NULL || memcmp(peer->public_key, key, KEY_LEN) != 0) {
		peer = wgdev_add_peer(dev, key);
		if (peer == NULL)
			return -ENOMEM;
		endpoint = payload(&t, WGPEER_A_ENDPOINT, 0);
		if (endpoint != NULL)
			endpoint_from_sockaddr(endpoint, mnl_attr_get_payload_len(t.at[WGPEER_A_ENDPOINT]),
			    &peer->endpoint);
		READ(&handshake, &t, WGPEER_A_LAST_HANDSHAKE_TIME);
		peer->last_handshake_s = handshake.sec > 0 ? (uint64_t)handshake.sec : 0;
		READ(&peer->rx_bytes, &t, WGPEER_A_RX_BYTES);
		READ(&peer->tx_bytes, &t, WGPEER_A_TX_BYTES);
		READ(&peer->keepalive_s, &t, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL);
	}
	return each(t.at[WGPEER_A_ALLOWEDIPS], on_allowedip, dev);
}

static int on_peer(const struct nlattr *nest, void *data)
{
	struct into *into = data;

	into->err = parse_peer(nest, into->dev);
	return into->err < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

int wgdev_kernel_parse(const struct nlmsghdr *nlh, struct wg_device *dev)
{
	struct attrs t = {.max = WGDEVICE_A_MAX};
	const char *name;

	if (nlh->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN || nlh->nlmsg_len % NLMSG_ALIGNTO != 0 ||
	    !is_whole(mnl_nlmsg_get_payload_offset(nlh, GENL_HDRLEN), nlh->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN) ||
	    mnl_attr_parse(nlh, GENL_HDRLEN, keep_attr, &t) < 0)
		return -EBADMSG;
	/* Only the first message of a dump says whose peers these are. */
	name = payload(&t, WGDEVICE_A_IFNAME, 1);
	if (name != NULL) {
		size_t len = strnlen(name, mnl_attr_get_payload_len(t.at[WGDEVICE_A_IFNAME]));

		if (len >= sizeof(dev->name))
			return -EBADMSG;
		memcpy(dev->name, name, len);
		dev->name[len] = '\0';
	}
	READ(&dev->ifindex, &t, WGDEVICE_A_IFINDEX);
	READ(&dev->listen_port, &t, WGDEVICE_A_LISTEN_PORT);
	if (payload(&t, WGDEVICE_A_PUBLIC_KEY, KEY_LEN) != NULL) {
		READ(&dev->public_key, &t, WGDEVICE_A_PUBLIC_KEY);
		dev->has_public_key = true;
	}
	return each(t.at[WGDEVICE_A_PEERS], on_peer, dev);
}

/* ---- attributes: to bytes ---- */

static struct nlmsghdr *put_header(void *buf, uint16_t type, uint16_t flags, uint32_t seq, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

#define BUILD_CAP 512 /* no message that is built here is longer */

static struct nlmsghdr *begin_set(void *buf, uint16_t family_id, uint32_t seq, const char *name, struct nlattr **peers)
{
	struct nlmsghdr *nlh = put_header(buf, family_id, NLM_F_ACK, seq, WG_CMD_SET_DEVICE, WG_GENL_VERSION);

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, name);
	*peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	return nlh;
}

static struct nlattr *begin_peer(struct nlmsghdr *nlh, const uint8_t public_key[KEY_LEN])
{
	struct nlattr *peer = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, KEY_LEN, public_key);
	mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, WGPEER_F_UPDATE_ONLY);
	return peer;
}

size_t wgdev_kernel_build_endpoint(void *buf, size_t cap, uint16_t family_id, uint32_t seq, const char *name,
    const uint8_t public_key[KEY_LEN], const struct endpoint *ep)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(ep, &sa);
	struct nlattr *peers, *peer;
	struct nlmsghdr *nlh;

	if (cap < BUILD_CAP || strlen(name) >= IFNAMSIZ || sa_len == 0)
		return 0;
	nlh = begin_set(buf, family_id, seq, name, &peers);
	peer = begin_peer(nlh, public_key);
	mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sa_len, &sa);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, peers);
	return nlh->nlmsg_len;
}

size_t wgdev_kernel_build_kick(void *buf, size_t cap, uint16_t family_id, uint32_t seq, const char *name,
    const uint8_t public_key[KEY_LEN], uint16_t keepalive_s)
{
	struct nlattr *peers, *peer;
	struct nlmsghdr *nlh;

	if (cap < BUILD_CAP || strlen(name) >= IFNAMSIZ)
		return 0;
	nlh = begin_set(buf, family_id, seq, name, &peers);
	for (int i = 0; i < 2; i++) {
		peer = begin_peer(nlh, public_key);
		mnl_attr_put_u16(nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, i == 0 ? 0 : keepalive_s);
		mnl_attr_nest_end(nlh, peer);
	}
	mnl_attr_nest_end(nlh, peers);
	return nlh->nlmsg_len;
}

/* ---- the socket ---- */

struct answer {
	struct wgdev_kernel *k;
	struct wg_device *dev;
	int err;
	bool interrupted;
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct answer *a = data;

	a->k->messages++;
	if ((nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0 || a->k->messages == a->k->inject_at)
		a->interrupted = true;
	if (a->err == 0 && a->dev != NULL)
		a->err = wgdev_kernel_parse(nlh, a->dev);
	return MNL_CB_OK;
}

/* The error of a dump stands in its last message, which libmnl does not look into. */
static int on_done(const struct nlmsghdr *nlh, void *data)
{
	struct answer *a = data;
	int32_t err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(err))
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	if (a->err == 0 && err < 0)
		a->err = err;
	return MNL_CB_STOP;
}

/* An error, or (with 0) the acknowledgement of a change. */
static int on_error(const struct nlmsghdr *nlh, void *data)
{
	struct answer *a = data;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		a->err = -EBADMSG;
	else if (a->err == 0)
		a->err = e->error;
	return MNL_CB_STOP;
}

/* libmnl steps over a control message for which such a table has no entry. */
static mnl_cb_t on_control[] = {[NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done};

/* libmnl gives up at a message with NLM_F_DUMP_INTR, in the middle of the dump. What follows must still be read:
 * is the end of it in this buffer? */
static bool has_end(const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
			return true;
	return false;
}

/* Sends what is in k->buf and reads until the end of the dump or the acknowledgement. Every octet that the kernel
 * wrote is wiped before the next one is read: a dump carries the private key and the preshared keys. */
static int exchange(struct wgdev_kernel *k, const struct nlmsghdr *nlh, mnl_cb_t cb, struct answer *a)
{
	unsigned port = mnl_socket_get_portid(k->nl);
	int r = MNL_CB_OK, err;

	if (mnl_socket_sendto(k->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(k->nl, k->buf, sizeof(k->buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = errno == EAGAIN ? ETIMEDOUT : errno;
			explicit_bzero(k->buf, sizeof(k->buf));
			return -err;
		}
		r = mnl_cb_run2(k->buf, (size_t)n, k->seq, port, cb, a, on_control, MNL_ARRAY_SIZE(on_control));
		err = errno;
		if (r == MNL_CB_ERROR && err == EINTR) {
			a->interrupted = true;
			r = has_end(k->buf, (size_t)n) ? MNL_CB_STOP : MNL_CB_OK;
		}
		explicit_bzero(k->buf, (size_t)n);
		if (r == MNL_CB_ERROR)
			return err != 0 ? -err : -EIO;
	}
	return a->err;
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	struct answer *a = data;
	struct attrs t = {.max = CTRL_ATTR_FAMILY_ID};

	if (mnl_attr_parse(nlh, GENL_HDRLEN, keep_attr, &t) >= 0)
		READ(&a->k->family_id, &t, CTRL_ATTR_FAMILY_ID);
	return MNL_CB_OK;
}

int wgdev_kernel_open(const char *family, struct wgdev_kernel **out)
{
	struct wgdev_kernel *k = calloc(1, sizeof(*k));
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct answer a = {.k = k};
	struct nlmsghdr *nlh;
	int r;

	if (k == NULL)
		return -ENOMEM;
	k->seq = (uint32_t)time(NULL);
	k->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (k->nl == NULL || mnl_socket_bind(k->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(k->nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		r = -errno;
		goto out;
	}
	nlh = put_header(k->buf, GENL_ID_CTRL, NLM_F_ACK, ++k->seq, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, family);
	r = exchange(k, nlh, on_family, &a);
	if (r == 0 && k->family_id == 0)
		r = -ENOENT;
out:
	if (r < 0)
		wgdev_kernel_close(k);
	else
		*out = k;
	return r;
}

void wgdev_kernel_close(struct wgdev_kernel *k)
{
	if (k == NULL)
		return;
	if (k->nl != NULL)
		mnl_socket_close(k->nl);
	free(k);
}

static int dump_once(struct wgdev_kernel *k, const char *name, struct wg_device *dev, bool *interrupted)
{
	struct answer a = {.k = k, .dev = dev};
	struct nlmsghdr *nlh;
	int r;

	wgdev_reset(dev);
	k->dumps++;
	k->messages = 0;
	nlh = put_header(k->buf, k->family_id, NLM_F_ACK | NLM_F_DUMP, ++k->seq, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, name);
	r = exchange(k, nlh, on_message, &a);
	*interrupted = a.interrupted;
	k->inject_at = 0;
	return r;
}

int wgdev_kernel_dump(struct wgdev_kernel *k, const char *name, struct wg_device *dev)
{
	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	for (int i = 0; i < DUMP_TRIES; i++) {
		bool interrupted = false;
		int r = dump_once(k, name, dev, &interrupted);

		if (r < 0 || !interrupted)
			return r;
	}
	return -EINTR;
}

static int set(struct wgdev_kernel *k, size_t len)
{
	struct answer a = {.k = k};

	return len == 0 ? -EINVAL : exchange(k, (const struct nlmsghdr *)k->buf, NULL, &a);
}

int wgdev_kernel_set_endpoint(struct wgdev_kernel *k, const char *name, const uint8_t public_key[KEY_LEN],
    const struct endpoint *ep)
{
	k->seq++;
	return set(k, wgdev_kernel_build_endpoint(k->buf, sizeof(k->buf), k->family_id, k->seq, name, public_key, ep));
}

int wgdev_kernel_kick(struct wgdev_kernel *k, const char *name, const uint8_t public_key[KEY_LEN], uint16_t keepalive_s)
{
	k->seq++;
	return set(k,
	    wgdev_kernel_build_kick(k->buf, sizeof(k->buf), k->family_id, k->seq, name, public_key, keepalive_s));
}

void wgdev_kernel_inject_intr(struct wgdev_kernel *k, unsigned message)
{
	k->inject_at = message;
}

unsigned wgdev_kernel_dumps(const struct wgdev_kernel *k)
{
	return k->dumps;
}
