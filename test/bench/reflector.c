/* reflector: the least that a name server on this kernel costs. It sends each query back as an answer of L octets, and looks
 * nothing up:
 *
 *     reflector ADDR PORT
 *
 * Its calls are those of wgmeetd's worker: recvmmsg() and sendmmsg() of 64, up to 16 in a row before the next epoll_wait();
 * over TCP one recv() for an event and one send() for an answer. L is what the last control datagram said, octets of
 * "wgmeet-bench-len" and two of L; it comes back as it was.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reflector.h"
#include "wire.h"

#define BATCH       64
#define BATCHES     16
#define EVENTS      64
#define CONNECTIONS 256
#define QUERY_MAX   4096
#define LISTEN      1000 /* as an event's number; below it are connections, above it the UDP socket */
#define UDP         1001

static struct {
	uint8_t buf[BATCH][REFLECT_MAX];
	struct sockaddr_storage from[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	struct mmsghdr in[BATCH], out[BATCH];
} u;

static struct conn {
	int fd; /* -1: free */
	size_t have;
	uint8_t in[2 + QUERY_MAX];
} conns[CONNECTIONS];

static int epoll, udp, tcp;
static size_t answer_len = 512;

static void watch(int fd, uint64_t number)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = number};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static size_t reflect(uint8_t *msg, size_t len)
{
	if (len == REFLECT_CONTROL && memcmp(msg, REFLECT_MAGIC, REFLECT_CONTROL - 2) == 0) {
		answer_len = get16(msg + REFLECT_CONTROL - 2);
		if (answer_len > REFLECT_MAX)
			errx(1, "answers of %zu octets: too long", answer_len);
		return len;
	}
	msg[2] |= 0x80; /* QR */
	return answer_len;
}

/* ---- UDP ---- */

static int receive(void)
{
	for (size_t i = 0; i < BATCH; i++) {
		u.in_iov[i] = (struct iovec){.iov_base = u.buf[i], .iov_len = REFLECT_MAX};
		u.in[i].msg_hdr = (struct msghdr){.msg_name = &u.from[i], .msg_namelen = sizeof(u.from[i]),
		    .msg_iov = &u.in_iov[i], .msg_iovlen = 1};
	}
	return recvmmsg(udp, u.in, BATCH, MSG_DONTWAIT, NULL);
}

static void send_all(unsigned count)
{
	unsigned at = 0;

	while (at < count) {
		int n = sendmmsg(udp, u.out + at, count - at, MSG_DONTWAIT);

		if (n > 0)
			at += (unsigned)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			at++;
	}
}

static void serve_udp(void)
{
	int n = BATCH;

	for (int b = 0; b < BATCHES && n == BATCH; b++) {
		n = receive();
		for (int i = 0; i < n; i++) {
			u.out_iov[i] = (struct iovec){.iov_base = u.buf[i], .iov_len = reflect(u.buf[i], u.in[i].msg_len)};
			u.out[i].msg_hdr = u.in[i].msg_hdr;
			u.out[i].msg_hdr.msg_iov = &u.out_iov[i];
			u.out[i].msg_hdr.msg_flags = 0;
		}
		if (n > 0)
			send_all((unsigned)n);
	}
}

/* ---- TCP ---- */

static void accept_one(void)
{
	int fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i = 0;

	if (fd < 0)
		return;
	while (i < CONNECTIONS && conns[i].fd >= 0)
		i++;
	if (i == CONNECTIONS) {
		close(fd);
		return;
	}
	conns[i].fd = fd;
	conns[i].have = 0;
	watch(fd, i);
}

/* False: the connection is to end. An answer that does not fit into the socket's buffer ends it too: nobody here asks so
 * much at once. */
static bool serve_tcp(struct conn *c)
{
	static uint8_t out[2 + QUERY_MAX + REFLECT_MAX];
	ssize_t n = recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, MSG_DONTWAIT);
	size_t at = 0;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
	c->have += (size_t)n;
	while (c->have - at >= 2) {
		size_t len = get16(c->in + at);

		if (len < 12 || len > QUERY_MAX)
			return false;
		if (c->have - at < 2 + len)
			break;
		memcpy(out + 2, c->in + at + 2, len);
		at += 2 + len;
		len = reflect(out + 2, len);
		put16(out, (uint16_t)len);
		if (send(c->fd, out, 2 + len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(2 + len))
			return false;
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
	return true;
}

static void dispatch(uint64_t number)
{
	if (number == UDP) {
		serve_udp();
	} else if (number == LISTEN) {
		accept_one();
	} else if (conns[number].fd >= 0 && !serve_tcp(&conns[number])) {
		close(conns[number].fd);
		conns[number].fd = -1;
	}
}

static int open_socket(int type, const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 1 << 20; /* wgmeetd asks for as much */

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, type == SOCK_DGRAM ? SO_RCVBUF : SO_REUSEADDR, &size, sizeof(size));
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || (type == SOCK_STREAM && listen(fd, 128) < 0))
		err(1, "bind");
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct epoll_event events[EVENTS];

	if (argc != 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1)
		errx(2, "usage: reflector ADDR PORT");
	at.sin_port = htons((uint16_t)atoi(argv[2]));
	for (size_t i = 0; i < CONNECTIONS; i++)
		conns[i].fd = -1;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		err(1, "epoll_create1");
	udp = open_socket(SOCK_DGRAM, &at);
	tcp = open_socket(SOCK_STREAM, &at);
	watch(udp, UDP);
	watch(tcp, LISTEN);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++)
			dispatch(events[i].data.u64);
	}
}
