#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "rrl.h"
#include "worker.h"

#define BATCH   64
#define BATCHES 16 /* in a row from one socket, then the others have their turn */

union control {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(sizeof(struct in6_pktinfo))]; /* an in_pktinfo is smaller */
};

static struct {
	uint8_t buf[BATCH][DNS_UDP_MAX + ANSWER_SLACK];
	struct sockaddr_storage from[BATCH];
	union control control[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	struct mmsghdr in[BATCH], out[BATCH];
	struct query query[BATCH];
	struct asker asker[BATCH];
} u;

void udp_init(void)
{
	for (size_t i = 0; i < BATCH; i++) {
		u.in_iov[i] = (struct iovec){.iov_base = u.buf[i], .iov_len = DNS_UDP_MAX};
		u.in[i].msg_hdr = (struct msghdr){.msg_name = &u.from[i], .msg_iov = &u.in_iov[i], .msg_iovlen = 1};
		u.out_iov[i].iov_base = u.buf[i];
	}
}

static int receive(const struct listener *l)
{
	for (size_t i = 0; i < BATCH; i++) { /* what the kernel wrote over */
		struct msghdr *mh = &u.in[i].msg_hdr;

		mh->msg_namelen = sizeof(u.from[i]);
		mh->msg_control = l->tells_from ? &u.control[i] : NULL;
		mh->msg_controllen = l->tells_from ? sizeof(u.control[i]) : 0;
	}
	return recvmmsg(l->udp, u.in, BATCH, MSG_DONTWAIT, NULL);
}

static void who_asks(const struct msghdr *mh, const struct sockaddr_storage *from, struct asker *out)
{
	const struct cmsghdr *c = mh->msg_controllen > 0 ? CMSG_FIRSTHDR(mh) : NULL;

	out->ifindex = 0;
	out->is_stream = false;
	if (from->ss_family == AF_INET)
		ranges_key(AF_INET, (const void *)&((const struct sockaddr_in *)from)->sin_addr, out->addr);
	else
		ranges_key(AF_INET6, (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr, out->addr);
	if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
		out->ifindex = (uint32_t)((const struct in_pktinfo *)(const void *)CMSG_DATA(c))->ipi_ifindex;
	else if (c != NULL && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		out->ifindex = (uint32_t)((const struct in6_pktinfo *)(const void *)CMSG_DATA(c))->ipi6_ifindex;
}

/* What told us the address that was asked tells the kernel the address to answer from. The interface is left to the
 * routes, but a link-local address means nothing without it. */
static void answer_from(struct msghdr *mh)
{
	struct cmsghdr *c = mh->msg_controllen > 0 ? CMSG_FIRSTHDR(mh) : NULL;

	if (c == NULL)
		return;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *info = (void *)CMSG_DATA(c);

		info->ipi_ifindex = 0;
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *info = (void *)CMSG_DATA(c);

		if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
			info->ipi6_ifindex = 0;
	}
}

/* The answers go out in one call; one that cannot be sent (a route that is gone, source port 0) is stepped over. */
static void send_all(int fd, unsigned count, struct counters *c)
{
	unsigned at = 0;

	while (at < count) {
		int n = sendmmsg(fd, u.out + at, count - at, MSG_DONTWAIT);

		if (n > 0) {
			at += (unsigned)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			counters_add(&c->unsent, count - at);
			return;
		} else if (errno != EINTR) {
			counters_add(&c->unsent, 1);
			at++;
		}
	}
}

static uint16_t port_of(const struct sockaddr_storage *from)
{
	return ntohs(from->ss_family == AF_INET ? ((const struct sockaddr_in *)from)->sin_port :
	                                          ((const struct sockaddr_in6 *)from)->sin6_port);
}

/* What is no good question and comes from the port of a service that answers whatever it is sent is dropped: the two would
 * talk for ever (CVE-2024-2169). */
static bool is_loop(const struct query *q, const struct sockaddr_storage *from)
{
	static const uint16_t services[] = {0, 7, 13, 17, 19, 37, 53, 69, 123, 464}; /* echo ... DNS, tftp, ntp, kpasswd */
	uint16_t port = port_of(from);

	if (q->rcode != DNS_FORMERR && q->rcode != DNS_NOTIMP)
		return false;
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		if (port == services[i])
			return true;
	return false;
}

/* Returns the answer's length, 0: none. */
static size_t answer_one(size_t i, const struct answer_world *world, uint64_t now_ms, struct counters *c)
{
	struct query *q = &u.query[i];
	size_t len = is_loop(q, &u.from[i]) ? 0 : answer_write(world, &u.asker[i], q, u.buf[i]);

	if (len == 0) {
		counters_add(&c->dropped, 1);
		q->result = COUNTERS_DROPPED;
	}
	if (len == 0 || q->proven)
		return len;
	switch (rrl_take(u.asker[i].addr, q, now_ms)) {
	case RRL_PASS:
		return len;
	case RRL_SLIP:
		counters_add(&c->slipped, 1);
		return answer_truncate(world, &u.asker[i], q, u.buf[i]);
	default:
		counters_add(&c->limited, 1);
		q->result = COUNTERS_LIMITED;
		return 0;
	}
}

int listen_tell_interface(struct listener *l)
{
	bool v4 = l->family == AF_INET;
	int on = 1;

	for (int i = 0; i < 2; i++) /* connections inherit it */
		if (setsockopt(i == 0 ? l->udp : l->tcp, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO,
		        &on, sizeof(on)) < 0)
			return -errno;
	l->tells_from = true;
	return 0;
}

/* The address of ours that the packet came to, as the kernel tells it; all zero if it does not. */
static void came_to(const struct msghdr *mh, uint8_t out[16])
{
	const struct cmsghdr *c = mh->msg_controllen > 0 ? CMSG_FIRSTHDR(mh) : NULL;

	memset(out, 0, 16);
	if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
		memcpy(out, &((const struct in_pktinfo *)(const void *)CMSG_DATA(c))->ipi_spec_dst, 4);
	else if (c != NULL && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		memcpy(out, &((const struct in6_pktinfo *)(const void *)CMSG_DATA(c))->ipi6_addr, 16);
}

static void remember(size_t i, const struct listener *l, uint64_t now_ms)
{
	uint8_t local[16];

	came_to(&u.in[i].msg_hdr, local);
	notify_asked(&u.query[i], u.buf[i], &u.asker[i], l, local, now_ms);
}

/* To a response there is no answer, but it may be one. */
static void take_response(size_t i, struct counters *c)
{
	if (u.query[i].drop && notify_answered(&u.asker[i], port_of(&u.from[i]), u.buf[i], u.in[i].msg_len))
		counters_add(&c->notify_answered, 1);
}

static void answer_batch(unsigned n, const struct listener *l, const struct answer_world *world, struct counters *c)
{
	uint64_t now_ms = worker_now_ms();
	unsigned out = 0;

	for (unsigned i = 0; i < n; i++) {
		/* A query that is longer than any that is asked in earnest: the header is enough to say so. */
		bool whole = (u.in[i].msg_hdr.msg_flags & MSG_TRUNC) == 0;

		query_parse(u.buf[i], whole ? u.in[i].msg_len : DNS_HEADER, &u.query[i]);
		answer_find(&world->zones, u.buf[i], &u.query[i]);
		who_asks(&u.in[i].msg_hdr, &u.from[i], &u.asker[i]);
		answer_admit(world, &u.asker[i], &u.query[i]);
	}
	answer_look_up(u.query, n);
	for (unsigned i = 0; i < n; i++) {
		size_t len = answer_one(i, world, now_ms, c);

		counters_query(c, COUNTERS_UDP, u.query[i].type, u.query[i].result);
		if (len == 0) {
			take_response(i, c);
			continue;
		}
		if (u.query[i].by_tunnel)
			remember(i, l, now_ms);
		u.out_iov[i].iov_len = len;
		u.out[out].msg_hdr = (struct msghdr){.msg_name = &u.from[i], .msg_namelen = u.in[i].msg_hdr.msg_namelen,
		    .msg_iov = &u.out_iov[i], .msg_iovlen = 1};
		if (l->wildcard) {
			u.out[out].msg_hdr.msg_control = u.in[i].msg_hdr.msg_control;
			u.out[out].msg_hdr.msg_controllen = u.in[i].msg_hdr.msg_controllen;
			answer_from(&u.out[out].msg_hdr);
		}
		out++;
	}
	counters_add(&c->answers, out);
	send_all(l->udp, out, c);
}

void udp_serve(const struct listener *l, const struct answer_world *world, struct counters *c)
{
	for (int i = 0; i < BATCHES; i++) {
		int n = receive(l);

		if (n > 0)
			answer_batch((unsigned)n, l, world, c);
		if (n < BATCH)
			return;
	}
}

/* ---- NOTIFY ---- */

static socklen_t subscriber_address(const struct notify_message *m, struct sockaddr_storage *out)
{
	struct sockaddr_in *sin = (void *)out;
	struct sockaddr_in6 *sin6 = (void *)out;

	memset(out, 0, sizeof(*out));
	if (m->to[0] == 4) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(m->port);
		memcpy(&sin->sin_addr, m->to + 1, 4);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(m->port);
	memcpy(&sin6->sin6_addr, m->to + 1, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr))
		sin6->sin6_scope_id = m->ifindex;
	return sizeof(*sin6);
}

/* The address to leave from, and the device: whatever the routes say, it is for nobody elsewhere. */
static size_t leave_by(const struct notify_message *m, struct cmsghdr *c)
{
	if (m->to[0] == 4) {
		struct in_pktinfo info = {.ipi_ifindex = (int)m->ifindex};

		memcpy(&info.ipi_spec_dst, m->local, 4);
		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = m->ifindex};

		memcpy(&info.ipi6_addr, m->local, 16);
		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
}

static bool send_notify(struct notify_message *m)
{
	union control control = {0};
	struct sockaddr_storage to;
	struct iovec iov = {.iov_base = m->buf, .iov_len = m->len};
	struct msghdr mh = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};

	mh.msg_namelen = subscriber_address(m, &to);
	mh.msg_controllen = leave_by(m, &control.align);
	return sendmsg(m->listener->udp, &mh, MSG_DONTWAIT) >= 0;
}

int udp_notify(struct counters *c)
{
	static struct notify_message m;
	uint64_t now_ms;

	counters_set(&c->interests, interest_count());
	if (!notify_is_waiting())
		return -1;
	now_ms = worker_now_ms();
	while (notify_next(now_ms, &m)) {
		if (send_notify(&m))
			counters_add(&c->notify_sent, 1);
		else
			counters_add(&c->notify_unsent, 1);
	}
	return notify_wait_ms(now_ms);
}
