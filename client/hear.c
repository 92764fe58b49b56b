/* What a program that stays wants of the resolver beside answers: other settings, and to hear NOTIFY. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "log.h"
#include "resolving.h"

#define BATCH 32 /* datagrams, before something else has its turn */

/* ---- what the asker tells ---- */

static void close_socket(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void hear(struct resolving *r, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	size_t i = 0;

	while (i < RESOLVER_EARS && r->ears[i] >= 0)
		i++;
	if (fd < 0 || i == RESOLVER_EARS)
		diex("no socket to hear on, or one too many: this is a bug");
	ev.data.u64 = TOKEN_EAR + i;
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
	r->ears[i] = fd;
}

/* The asker may still have them, and epoll would go on to tell of them. */
static void be_deaf(struct resolving *r)
{
	for (size_t i = 0; i < RESOLVER_EARS; i++) {
		if (r->ears[i] >= 0)
			epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->ears[i], NULL);
		close_socket(&r->ears[i]);
	}
}

static int use(struct resolving *r, const struct resolver_control *c)
{
	if (r->busy > 0 || r->lists.step != LISTS_OFF)
		return -EBUSY;
	r->settings.zone = c->zone;
	r->settings.servers = c->servers;
	r->settings.fwmark = c->fwmark;
	r->naming = NAMING_UNKNOWN;
	r->first = 0;
	for (size_t i = 0; i < 2; i++) /* they have the mark */
		close_socket(&r->route[i]);
	dns_use(r->dns, &c->servers);
	return 0;
}

void hear_control(struct resolving *r)
{
	struct resolver_control c;
	int fd, got;

	while ((got = channel_recv(r->control, &c, sizeof(c), &fd)) > 0) {
		struct socket_wish done = {.done = c.number};

		switch (c.what) {
		case CONTROL_DEAF:
			be_deaf(r);
			break;
		case CONTROL_HEAR:
			hear(r, fd);
			break;
		case CONTROL_USE:
			done.room = use(r, &c);
			break;
		case CONTROL_RENEW:
			dns_renew(r->dns);
			break;
		default:
			diex("control %u: this is a bug", c.what);
		}
		channel_send(r->socket_channel, &done, sizeof(done), -1);
	}
	if (got == 0)
		r->asker_gone = true;
}

/* ---- NOTIFY ---- */

/* An IPv4 address comes to the socket for IPv4 only. */
static bool is_from_server(const struct resolving *r, const struct sockaddr_storage *sa, socklen_t len, struct endpoint *from)
{
	return endpoint_from_sockaddr(sa, len, from) && from->family == sa->ss_family &&
	    settings_has_server(&r->settings.servers, from);
}

/* What is not passed on is not answered either: then it is said again. */
void hear_notify(struct resolving *r, size_t ear)
{
	for (int i = 0; i < BATCH; i++) {
		uint8_t msg[PUSH_MAX + 1]; /* what is longer is seen to be */
		struct sockaddr_storage sa;
		socklen_t sa_len = sizeof(sa);
		struct push push = {0};
		ssize_t len = recvfrom(r->ears[ear], msg, sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&sa, &sa_len);

		if (len < 0)
			return;
		if (!is_from_server(r, &sa, sa_len, &push.from) || !push_read(msg, (size_t)len, &r->settings.zone, push.key) ||
		    !push_admit(&r->pushed, push.key, clock_ms(CLOCK_MONOTONIC)) || channel_send(r->control, &push, sizeof(push), -1) < 0)
			continue;
		push_answer(msg);
		sendto(r->ears[ear], msg, (size_t)len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len);
	}
}
