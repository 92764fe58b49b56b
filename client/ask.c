/* The asker's side of the resolver, in the process that has the powers. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "dns.h"
#include "log.h"
#include "resolve.h"

#define SILENCE_MS 600000 /* of the resolver, which has time-outs of its own: 7 s a server and question */
#define CONTROL_MS 10000  /* it does at once what it is told */
#define EAR_BUFFER 32768  /* a burst; the kernel doubles it */
#define AT_ONCE    64     /* wishes; then others have their turn, whatever the resolver wants */

/* What the kernel counts for a datagram of as much as we take (1232 octets), and for a question; and room for the most that
 * may be in flight. The kernel doubles what it is told. */
#define ANSWER_SIZE    2304
#define QUESTION_SIZE  1024
#define RECEIVE_BUFFER (DNS_WINDOW_MOST * ANSWER_SIZE / 2)
#define SEND_BUFFER    (DNS_WINDOW_MOST * QUESTION_SIZE / 2)

struct asking {
	struct resolver *r;
	struct lookup *questions;
	size_t n, next, open, listed;
	bool *answered;
	resolver_fn *fn;
	resolver_wait_fn *on_wait;
	void *data;
};

_Noreturn static void resolver_lies(void)
{
	diex("the resolver says what it was not asked: this is a bug");
}

/* The resolver heard a stranger: what it says is judged again. */
static void judge(struct lookup_result *result, bool has_endpoint)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (result->status >= LOOKUP_STATUSES || !name_is_sound(result->instance.wire, result->instance.len) ||
	    memchr(result->allowed, '\0', sizeof(result->allowed)) == NULL ||
	    result->allowed[strspn(result->allowed, "0123456789abcdef.:/,")] != '\0')
		resolver_lies();
	len = endpoint_to_sockaddr(&result->endpoint, &sa);
	if (result->status == LOOKUP_FOUND && has_endpoint &&
	    (!endpoint_from_sockaddr(&sa, len, &result->endpoint) || !endpoint_is_reachable(&result->endpoint)))
		result->status = LOOKUP_BAD_ENDPOINT;
}

static void on_result(struct asking *a, struct lookup_result *result)
{
	bool known = result->number < a->next && !a->answered[result->number];

	if (!known || (result->more != 0 && ++a->listed > LOOKUP_PEERS_MAX) ||
	    (result->more != 0 && a->questions[result->number].kind != LOOKUP_LIST))
		resolver_lies();
	judge(result, a->questions[result->number].kind != LOOKUP_LIST || result->more != 0);
	if (result->more == 0) {
		a->answered[result->number] = true;
		a->open--;
	}
	a->fn(&a->questions[result->number], result, a->data);
}

/* What it said before it died is as good as any: that is done first. A question that it never read may have come back as an error
 * ahead of its results. */
_Noreturn static void resolver_is_gone(struct asking *a)
{
	struct lookup_result result;

	while (channel_recv(a->r->channel, &result, sizeof(result), NULL) > 0)
		on_result(a, &result);
	if (a->on_wait != NULL)
		a->on_wait(a->data);
	diex("the resolver is gone");
}

/* As many as the channel takes now. */
static void ask(struct asking *a)
{
	for (; a->next < a->n; a->next++) {
		struct lookup *q = &a->questions[a->next];
		int r;

		q->number = (uint32_t)a->next;
		r = channel_send(a->r->channel, q, sizeof(*q), -1);
		if (r == -EAGAIN)
			return;
		if (r < 0)
			resolver_is_gone(a);
		a->open++;
	}
}

/* Large enough for all that may be in flight, where that is ours to say; else as large as it may be. */
static int32_t enlarge(int fd)
{
	int receive = RECEIVE_BUFFER, send = SEND_BUFFER;
	socklen_t len = sizeof(receive);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof(send)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, &len) < 0)
		return 0;
	return receive / ANSWER_SIZE < send / QUESTION_SIZE ? receive / ANSWER_SIZE : send / QUESTION_SIZE;
}

/* A socket of the resolver's gets what it has not the power for itself. */
bool resolver_serve(struct resolver *r)
{
	struct socket_wish wish;
	int fd, got = 1;

	for (int n = 0; n < AT_ONCE && (got = channel_recv(r->socket_channel, &wish, sizeof(wish), &fd)) > 0; n++) {
		if (wish.done != 0) {
			if (fd >= 0 || wish.done != r->told || r->done == r->told || wish.room > 0)
				resolver_lies();
			r->done = wish.done;
			r->result = wish.room;
			continue;
		}
		wish.room = fd < 0 ? -1 : 0;
		if (fd >= 0 && r->fwmark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &r->fwmark, sizeof(r->fwmark)) < 0) {
			warn("cannot set FwMark on a resolver's socket");
			wish.room = -1;
		}
		if (fd >= 0 && wish.room == 0 && wish.udp != 0)
			wish.room = enlarge(fd);
		if (fd >= 0)
			close(fd);
		channel_send(r->socket_channel, &wish, sizeof(wish), -1);
	}
	return got != 0;
}

void resolver_ask(struct resolver *r, struct lookup *questions, size_t n, resolver_fn *on_result_fn, resolver_wait_fn *on_wait,
    void *data)
{
	struct asking a = {.r = r, .questions = questions, .n = n, .fn = on_result_fn, .on_wait = on_wait, .data = data,
	    .answered = calloc(n + 1, sizeof(bool))};
	struct lookup_result result;
	int got;

	if (a.answered == NULL)
		die("out of memory");
	while (ask(&a), a.next < n || a.open > 0) {
		struct pollfd p[2] = {{.fd = r->channel, .events = POLLIN}, {.fd = r->socket_channel, .events = POLLIN}};

		if (a.next < n)
			p[0].events |= POLLOUT;
		if (on_wait != NULL)
			on_wait(data);
		switch (poll(p, 2, SILENCE_MS)) {
		case 0:
			diex("the resolver says nothing: this is a bug");
		case -1:
			if (errno != EINTR)
				die("poll");
		}
		if (p[1].revents != 0 && !resolver_serve(r))
			resolver_is_gone(&a);
		while ((got = channel_recv(r->channel, &result, sizeof(result), NULL)) > 0)
			on_result(&a, &result);
		if (got == 0)
			resolver_is_gone(&a);
	}
	free(a.answered);
}

void resolver_stop(struct resolver *r)
{
	close(r->channel);
	close(r->socket_channel);
	close(r->control);
	waitpid(r->pid, NULL, 0);
}

/* ---- for a program that waits for other things, too ---- */

void resolver_fill(const struct resolver *r, bool want_room, struct pollfd p[RESOLVER_FDS])
{
	p[0] = (struct pollfd){.fd = r->channel, .events = (short)(POLLIN | (want_room ? POLLOUT : 0))};
	p[1] = (struct pollfd){.fd = r->socket_channel, .events = POLLIN};
	p[2] = (struct pollfd){.fd = r->control, .events = POLLIN};
}

int resolver_post(struct resolver *r, const struct lookup *q)
{
	int err = channel_send(r->channel, q, sizeof(*q), -1);

	return err == 0 || err == -EAGAIN ? err : -EPIPE;
}

int resolver_take(struct resolver *r, struct lookup_result *out)
{
	int got = channel_recv(r->channel, out, sizeof(*out), NULL);

	if (got == 0) /* the same error, see resolver_is_gone() */
		got = channel_recv(r->channel, out, sizeof(*out), NULL);
	if (got <= 0)
		return got;
	if (out->more != 0)
		resolver_lies();
	judge(out, true);
	return 1;
}

/* What a server said that is asked no more is none. */
int resolver_take_push(struct resolver *r, struct push *out)
{
	int got = channel_recv(r->control, out, sizeof(*out), NULL);

	return got > 0 && !settings_has_server(&r->servers, &out->from) ? -EAGAIN : got;
}

/* Returns what came of it. Before that the resolver may want a socket prepared. */
static int tell(struct resolver *r, struct resolver_control *c, int fd)
{
	struct pollfd p = {.fd = r->socket_channel, .events = POLLIN};
	int64_t until_ms = clock_ms(CLOCK_MONOTONIC) + CONTROL_MS;
	int err;

	c->number = r->told + 1 != 0 ? r->told + 1 : 1;
	err = channel_send(r->control, c, sizeof(*c), fd);
	if (err < 0)
		return err == -EAGAIN ? err : -EPIPE;
	r->told = c->number;
	while (r->done != r->told) {
		int64_t left_ms = until_ms - clock_ms(CLOCK_MONOTONIC);

		if (left_ms <= 0)
			diex("the resolver does not do what it is told: this is a bug");
		if (poll(&p, 1, (int)left_ms) < 0 && errno != EINTR)
			die("poll");
		if (!resolver_serve(r))
			return -EPIPE;
	}
	return r->result;
}

/* Bound to the device before it is to the port, so that each device has all ports for itself. */
static int open_ear(sa_family_t family, const char *device, uint16_t port)
{
	const struct endpoint any = {.family = (uint8_t)family, .port = port};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&any, &sa);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, size = EAR_BUFFER, err;

	if (fd >= 0 && (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0 && bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int resolver_listen(struct resolver *r, const char *device, uint16_t port)
{
	static const sa_family_t families[RESOLVER_EARS] = {AF_INET, AF_INET6};
	struct resolver_control deaf = {.what = CONTROL_DEAF}, hear = {.what = CONTROL_HEAR};
	int fds[RESOLVER_EARS], err = tell(r, &deaf, -1), result = -EAFNOSUPPORT; /* first: its sockets have the port */
	size_t n = 0;

	if (err < 0 || *device == '\0' || port == 0)
		return err;
	for (size_t i = 0; i < RESOLVER_EARS && (result == 0 || result == -EAFNOSUPPORT); i++) {
		int fd = open_ear(families[i], device, port);

		if (fd >= 0)
			fds[n++] = fd;
		if (fd != -EAFNOSUPPORT)
			result = fd < 0 ? fd : 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (result == 0)
			result = tell(r, &hear, fds[i]);
		close(fds[i]);
	}
	return result;
}

int resolver_use(struct resolver *r, const struct settings *s)
{
	struct resolver_control c = {.what = CONTROL_USE, .zone = s->zone, .servers = s->servers, .fwmark = s->fwmark};
	int err = s->servers.len > 0 ? tell(r, &c, -1) : -EINVAL;

	if (err == 0) {
		r->fwmark = s->fwmark;
		r->servers = s->servers;
	}
	return err;
}

int resolver_renew(struct resolver *r)
{
	struct resolver_control c = {.what = CONTROL_RENEW};

	return tell(r, &c, -1);
}
