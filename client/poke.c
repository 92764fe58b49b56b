#include "poke.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISCARD 9
#define AT_ONCE 64 /* errors that are looked at in a row: they come from strangers */

void poke_open(struct poker *p, const char *device)
{
	*p = (struct poker){.fds = {-1, -1}};
	snprintf(p->device, sizeof(p->device), "%s", device);
}

/* An address that WireGuard routes to the peer: of the narrowest prefix, the least likely to be another's in part; the
 * first host of a network; of a default route an address that is nobody's (RFC 5737, RFC 3849). */
static bool pick(const struct wg_allowedip *ips, size_t len, struct endpoint *to)
{
	static const uint8_t nobody4[4] = {192, 0, 2, 1}, nobody6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	const struct wg_allowedip *best = NULL;
	int host = 0, best_host = 129;
	size_t octets;

	for (size_t i = 0; i < len; i++) {
		host = (ips[i].family == AF_INET ? 32 : 128) - ips[i].cidr;
		if (host < best_host) {
			best = &ips[i];
			best_host = host;
		}
	}
	if (best == NULL)
		return false;
	octets = best->family == AF_INET ? 4 : 16;
	*to = (struct endpoint){.family = best->family, .port = DISCARD};
	if (best->cidr == 0) {
		memcpy(to->addr, best->family == AF_INET ? nobody4 : nobody6, octets);
	} else {
		memcpy(to->addr, best->addr, octets);
		to->addr[octets - 1] |= best_host > 0;
	}
	return true;
}

/* The ICMP errors of an unconnected socket are told by its error queue alone (ip(7), IP_RECVERR). Nothing else is for it: what
 * a peer sends there would fill its buffer, in which the errors have to have room, too. */
static int open_socket(const struct poker *p, sa_family_t family)
{
	static struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	static const struct sock_fprog program = {.len = 1, .filter = &nothing};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, e;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->device, (socklen_t)strlen(p->device)) == 0 &&
	    setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &on,
	        sizeof(on)) == 0)
		return fd;
	e = -errno;
	close(fd);
	return e;
}

int poke_send(struct poker *p, const uint8_t key[KEY_LEN], const struct wg_allowedip *ips, size_t len)
{
	struct sockaddr_storage sa;
	struct endpoint to;
	socklen_t sa_len;
	int *fd;

	if (!pick(ips, len, &to))
		return -EADDRNOTAVAIL;
	fd = &p->fds[to.family == AF_INET6];
	if (*fd < 0)
		*fd = open_socket(p, to.family);
	if (*fd < 0)
		return *fd;
	p->sent[p->next] = (struct poke){.to = to};
	memcpy(p->sent[p->next].key, key, KEY_LEN);
	p->next = (p->next + 1) % POKE_SENT;
	sa_len = endpoint_to_sockaddr(&to, &sa);
	for (int i = 0; i < 2; i++) { /* the first time it may tell the error of one before */
		if (sendto(*fd, "", 0, MSG_NOSIGNAL, (struct sockaddr *)&sa, sa_len) >= 0)
			return 0;
		if (errno != ECONNREFUSED && errno != EHOSTUNREACH)
			break;
	}
	return -errno;
}

void poke_fill(const struct poker *p, struct pollfd fds[POKE_FDS])
{
	for (int i = 0; i < POKE_FDS; i++)
		fds[i] = (struct pollfd){.fd = p->fds[i]}; /* POLLERR is always told */
}

/* Who has said so? Not a host on the way, nor another one that only claims to have got our packet. */
static bool is_from(const struct sock_extended_err *e, const struct endpoint *to)
{
	struct sockaddr_storage sa = {0};
	struct endpoint offender;
	socklen_t len = to->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	memcpy(&sa, SO_EE_OFFENDER(e), len);
	return endpoint_from_sockaddr((const struct sockaddr *)&sa, len, &offender) && offender.family == to->family &&
	    memcmp(offender.addr, to->addr, sizeof(to->addr)) == 0;
}

static bool is_refusal(const struct msghdr *mh, const struct endpoint *to)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR((struct msghdr *)mh, c)) {
		union {
			struct sock_extended_err e;
			uint8_t buf[sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)];
		} err = {0};

		if ((c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR) &&
		    (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_RECVERR))
			continue;
		memcpy(&err, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) < sizeof(err) ? c->cmsg_len - CMSG_LEN(0) : sizeof(err));
		return err.e.ee_errno == ECONNREFUSED && is_from(&err.e, to) &&
		    (err.e.ee_origin == SO_EE_ORIGIN_ICMP || err.e.ee_origin == SO_EE_ORIGIN_ICMP6);
	}
	return false;
}

/* The address that the packet was sent to, which the error carries, tells who it is. */
static bool find_sent(const struct poker *p, const struct endpoint *to, uint8_t key[KEY_LEN])
{
	for (unsigned i = 0; i < POKE_SENT; i++) {
		const struct poke *sent = &p->sent[i];

		if (sent->to.family == to->family && memcmp(sent->to.addr, to->addr, sizeof(to->addr)) == 0) {
			memcpy(key, sent->key, KEY_LEN);
			return true;
		}
	}
	return false;
}

enum taken { TAKEN_NOTHING, TAKEN_OTHER, TAKEN_ANSWER };

static enum taken take_error(const struct poker *p, int fd, uint8_t key[KEY_LEN])
{
	union {
		struct cmsghdr align;
		uint8_t buf[256];
	} control;
	struct sockaddr_storage sa;
	struct endpoint to;
	uint8_t octet;
	struct iovec iov = {.iov_base = &octet, .iov_len = sizeof(octet)};
	struct msghdr mh = {.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	socklen_t len = sizeof(int);
	int e;

	if (recvmsg(fd, &mh, MSG_ERRQUEUE) < 0) {
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len); /* one that found no room in the queue: poll(2) would tell it for ever */
		return TAKEN_NOTHING;
	}
	if (!endpoint_from_sockaddr((const struct sockaddr *)&sa, mh.msg_namelen, &to) || !is_refusal(&mh, &to))
		return TAKEN_OTHER;
	return find_sent(p, &to, key) ? TAKEN_ANSWER : TAKEN_OTHER;
}

bool poke_take(struct poker *p, uint8_t key[KEY_LEN])
{
	for (int i = 0; i < POKE_FDS; i++) {
		enum taken taken = p->fds[i] < 0 ? TAKEN_NOTHING : TAKEN_OTHER;

		for (int n = 0; taken == TAKEN_OTHER && n < AT_ONCE; n++)
			taken = take_error(p, p->fds[i], key);
		if (taken == TAKEN_ANSWER)
			return true;
	}
	return false;
}

void poke_close(struct poker *p)
{
	for (int i = 0; i < POKE_FDS; i++) {
		if (p->fds[i] >= 0)
			close(p->fds[i]);
		p->fds[i] = -1;
	}
}
