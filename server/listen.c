#include "listen.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* A burst that comes while a worker is not on the processor waits here: some 2,700 queries. Without CAP_NET_ADMIN the kernel
 * cuts it to net.core.rmem_max, which is 550 on most systems. */
#define RECEIVE_BUFFER (1 << 20)
#define TCP_BACKLOG    128
/* What a connection that is not read may hold in the kernel: two of the longest answers, and not the megabytes to which the
 * kernel would let it grow. */
#define TCP_SEND_BUFFER (128 * 1024)
/* And what it may send ahead while its answers wait: some hundred queries. */
#define TCP_RECEIVE_BUFFER (16 * 1024)

static void set(int fd, int level, int option, int value, const char *what)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		die("setsockopt %s", what);
}

/* By number, for a name would be looked up once and its device's number kept all the same. */
static int bind_interface(int fd, unsigned ifindex)
{
	int value = ifindex == 0 ? INT_MAX : (int)ifindex;

	return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int open_socket(const struct listen_conf *conf, int type, bool shared)
{
	const struct endpoint *ep = &conf->at;
	int fd = socket(ep->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* [::]:53 and 0.0.0.0:53 are two sockets: an IPv4 client is never seen as ::ffff:a.b.c.d. */
	if (ep->family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
	/* An address may come later than the server: a tunnel's, or one that moves between hosts. */
	if (ep->family == AF_INET)
		set(fd, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
	else
		set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND");
	if (type == SOCK_STREAM) /* connections of a server that was stopped may still be in TIME_WAIT */
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
	if (conf->device[0] != '\0' && bind_interface(fd, conf->ifindex) < 0)
		die("setsockopt SO_BINDTOIFINDEX");
	if (shared) /* each worker has a socket of its own, and the kernel spreads the clients over them */
		set(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
	return fd;
}

static int bind_socket(const struct listen_conf *conf, int type, bool shared)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&conf->at, &sa);
	int fd = open_socket(conf, type, shared), err;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0 || (type == SOCK_STREAM && listen(fd, TCP_BACKLOG) < 0)) {
		err = errno;
		if (fd >= 0)
			close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

_Noreturn static void die_bind(const struct listen_conf *conf, int type)
{
	const struct endpoint *ep = &conf->at;
	const char *proto = type == SOCK_DGRAM ? "udp" : "tcp";
	char text[ENDPOINT_TEXT], owner[128];
	int err = errno;

	endpoint_to_text(ep, text);
	if (err == EADDRINUSE) {
		port_owner(proto, ep, owner);
		if (conf->device[0] != '\0')
			diex("cannot listen on %%%s, which is %s (%s) of that device: the port is taken%s%s; to share it, that "
			     "program must be bound to a device, too",
			    conf->device, text, proto, *owner != '\0' ? " by " : "", owner);
		diex("cannot listen on %s (%s): the port is taken%s%s; stop that program, or give another address or port "
		     "with --listen or Listen =%s", text, proto, *owner != '\0' ? " by " : "", owner,
		    strstr(owner, "systemd-resolve") != NULL ?
		        " (systemd-resolved only holds 127.0.0.53 and 127.0.0.54: listen on the host's own addresses instead "
		        "of all, or set DNSStubListener=no)" : "");
	}
	if (err == EACCES)
		diex("cannot listen on %s (%s): ports below 1024 need CAP_NET_BIND_SERVICE; run as root, or grant it "
		     "(AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit), or listen on a higher port", text, proto);
	errno = err;
	die("cannot listen on %s (%s)", text, proto);
}

int listen_try(const struct listen_conf *conf, int type)
{
	int fd = bind_socket(conf, type, false);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* SO_REUSEPORT would let a second server of the same user share the port and take half of the queries. So the port is
 * first taken without it. */
static void probe(const struct listen_conf *conf, int type)
{
	int r = listen_try(conf, type);

	if (r < 0) {
		errno = -r;
		die_bind(conf, type);
	}
}

static void prepare_udp(const struct listener *l)
{
	int size = RECEIVE_BUFFER;

	/* More than the system lets everybody have takes CAP_NET_ADMIN, which is there for the device. Less is fine. */
	if (setsockopt(l->udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(l->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* No forged ICMP shall make the kernel believe in a small path and send fragments. */
	if (l->family == AF_INET)
		set(l->udp, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT, "IP_MTU_DISCOVER");
	else
		set(l->udp, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT, "IPV6_MTU_DISCOVER");
}

int listen_bind_interface(const struct listener *l, unsigned ifindex)
{
	int udp = bind_interface(l->udp, ifindex), tcp = bind_interface(l->tcp, ifindex);

	return udp < 0 ? udp : tcp;
}

void listen_open(struct listen_list *list, size_t workers, struct listener *out)
{
	for (size_t i = 0; i < list->len; i++) {
		if (list->at[i].device[0] != '\0') /* once, for it may change while this goes on */
			list->at[i].ifindex = if_nametoindex(list->at[i].device);
		probe(&list->at[i], SOCK_DGRAM);
		probe(&list->at[i], SOCK_STREAM);
	}
	for (size_t w = 0; w < workers; w++) {
		for (size_t i = 0; i < list->len; i++) {
			const struct listen_conf *conf = &list->at[i];
			struct listener *l = &out[w * list->len + i];

			l->family = conf->at.family;
			l->wildcard = endpoint_addr_is_any(&conf->at);
			memcpy(l->device, conf->device, sizeof(l->device));
			l->udp = bind_socket(conf, SOCK_DGRAM, true);
			if (l->udp < 0)
				die_bind(conf, SOCK_DGRAM);
			prepare_udp(l);
			l->tcp = bind_socket(conf, SOCK_STREAM, true);
			if (l->tcp < 0)
				die_bind(conf, SOCK_STREAM);
			if (l->wildcard && listen_tell_interface(l) < 0)
				die("setsockopt IP_PKTINFO");
			/* An answer is written whole; nothing is gained by waiting for more. */
			set(l->tcp, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
			set(l->tcp, SOL_SOCKET, SO_SNDBUF, TCP_SEND_BUFFER, "SO_SNDBUF"); /* connections inherit these */
			set(l->tcp, SOL_SOCKET, SO_RCVBUF, TCP_RECEIVE_BUFFER, "SO_RCVBUF");
		}
	}
}
