/* The asker's side of the resolver, in the process that has the powers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "dns.h"
#include "log.h"
#include "resolve.h"

#define SILENCE_MS 600000 /* of the resolver, which has time-outs of its own: 7 s a server and question */

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

/* The resolver heard a stranger: what it says is judged again. */
static void on_result(struct asking *a, struct lookup_result *result)
{
	struct sockaddr_storage sa;
	socklen_t len;
	bool known = result->number < a->next && !a->answered[result->number] && result->status < LOOKUP_STATUSES;

	if (!known || !name_is_sound(result->instance.wire, result->instance.len) ||
	    (result->more != 0 && ++a->listed > LOOKUP_PEERS_MAX) || (result->more != 0 && a->questions[result->number].kind != LOOKUP_LIST) ||
	    memchr(result->allowed, '\0', sizeof(result->allowed)) == NULL ||
	    result->allowed[strspn(result->allowed, "0123456789abcdef.:/,")] != '\0')
		diex("the resolver says what it was not asked: this is a bug");
	len = endpoint_to_sockaddr(&result->endpoint, &sa);
	if (result->status == LOOKUP_FOUND && (a->questions[result->number].kind != LOOKUP_LIST || result->more != 0) &&
	    (!endpoint_from_sockaddr(&sa, len, &result->endpoint) || !endpoint_is_reachable(&result->endpoint)))
		result->status = LOOKUP_BAD_ENDPOINT;
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

/* A socket of the resolver's gets what it has not the power for itself. False: the resolver is gone. */
static bool prepare_socket(const struct resolver *r)
{
	struct socket_wish wish;
	int fd, got;

	while ((got = channel_recv(r->socket_channel, &wish, sizeof(wish), &fd)) > 0) {
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
		if (p[1].revents != 0 && !prepare_socket(r))
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
	waitpid(r->pid, NULL, 0);
}
