/* The asker's side of the resolver, in the process that has the powers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "resolve.h"

#define SILENCE_MS 600000 /* of the resolver, which has time-outs of its own: 7 s a server and question */

struct asking {
	struct resolver *r;
	struct lookup *questions;
	size_t n, next, open, listed;
	bool *answered;
	resolver_fn *fn;
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
			diex("the resolver is gone");
		a->open++;
	}
}

/* A socket of the resolver's gets the mark, for which it has not the power itself. */
static void mark_socket(const struct resolver *r)
{
	uint8_t msg;
	int fd, got;

	while ((got = channel_recv(r->mark_channel, &msg, sizeof(msg), &fd)) > 0) {
		uint8_t failed = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &r->fwmark, sizeof(r->fwmark)) < 0;

		if (failed)
			warn("cannot set FwMark on a resolver's socket");
		if (fd >= 0)
			close(fd);
		channel_send(r->mark_channel, &failed, sizeof(failed), -1);
	}
	if (got == 0)
		diex("the resolver is gone");
}

void resolver_ask(struct resolver *r, struct lookup *questions, size_t n, resolver_fn *on_result_fn, resolver_wait_fn *on_wait,
    void *data)
{
	struct asking a = {.r = r, .questions = questions, .n = n, .fn = on_result_fn, .data = data,
	    .answered = calloc(n + 1, sizeof(bool))};
	struct lookup_result result;
	int got;

	if (a.answered == NULL)
		die("out of memory");
	while (ask(&a), a.next < n || a.open > 0) {
		struct pollfd p[2] = {{.fd = r->channel, .events = POLLIN}, {.fd = r->mark_channel, .events = POLLIN}};

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
		if (p[1].revents != 0)
			mark_socket(r);
		while ((got = channel_recv(r->channel, &result, sizeof(result), NULL)) > 0)
			on_result(&a, &result);
		if (got == 0)
			diex("the resolver is gone");
	}
	free(a.answered);
}

void resolver_stop(struct resolver *r)
{
	close(r->channel);
	if (r->mark_channel >= 0)
		close(r->mark_channel);
	waitpid(r->pid, NULL, 0);
}
