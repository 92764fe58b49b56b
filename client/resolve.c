#include "resolve.h"

#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "records.h"
#include "sandbox.h"

/* Each server has a c-ares channel of its own, so that it is ours to say who is asked next: a look-up that one server fails
 * goes on to the next, and those that come after begin there. A dead server costs one time-out in all. */

/* Many look-ups are in flight at once, but no more than the answers that a socket's buffer holds: what comes when it
 * is full is lost, and costs a time-out. */
#define IN_FLIGHT  256
#define BUFFER     (1 << 20)
#define TIMEOUT_MS 1000 /* of the first try; c-ares doubles it */
#define TRIES      3
#define UDP_SIZE   1232
#define TYPE_A     1
#define TYPE_AAAA  28
#define TYPE_SRV   33
#define CLASS_IN   1

enum slot_state { FREE, ASKING, ANSWERED };

struct in_flight {
	struct resolving *r;
	enum slot_state state;
	struct lookup lookup;
	struct name instance;
	struct reply reply;
	size_t server;      /* that is asked now */
	size_t failed;      /* servers that were asked before it */
	unsigned waits_for; /* address questions without an answer yet */
	enum lookup_status status, address_status;
	enum lookup_status failure; /* of the servers before this one */
};

struct resolving {
	int channel, epoll;
	const struct settings *settings;
	ares_channel ares[SETTINGS_SERVERS];
	size_t servers, first; /* where the next look-up begins */
	struct in_flight slots[IN_FLIGHT];
	unsigned busy, answered; /* slots that are not FREE; and of those, that only wait for the setter */
	bool setter_gone;
};

static void ask_srv(struct in_flight *f);

static bool is_failure(enum lookup_status status)
{
	return status == LOOKUP_NOT_READY || status == LOOKUP_REFUSED || status == LOOKUP_NO_ANSWER ||
	    status == LOOKUP_UNREACHABLE;
}

static void finish(struct in_flight *f, enum lookup_status status)
{
	if (is_failure(status)) {
		/* Of several servers' failures the one that says most is told: they are in that order. */
		if (f->failure == LOOKUP_FOUND || status < f->failure)
			f->failure = status;
		if (++f->failed < f->r->servers) {
			f->server = (f->server + 1) % f->r->servers;
			ask_srv(f);
			return;
		}
		status = f->failure;
	} else {
		f->r->first = f->server; /* it answers */
	}
	f->status = status;
	f->state = ANSWERED;
	f->r->answered++;
}

/* A result keeps its slot until the setter has room for it. */
static void deliver(struct resolving *r)
{
	for (size_t i = 0; r->answered > 0 && i < IN_FLIGHT; i++) {
		struct in_flight *f = &r->slots[i];
		struct lookup_result result = {.number = f->lookup.number, .status = f->status};
		int err;

		if (f->state != ANSWERED)
			continue;
		if (f->status == LOOKUP_FOUND)
			result.endpoint = f->reply.endpoint;
		err = channel_send(r->channel, &result, sizeof(result), -1);
		if (err == -EAGAIN)
			return;
		if (err < 0)
			r->setter_gone = true;
		f->state = FREE;
		r->busy--;
		r->answered--;
	}
}

static enum lookup_status status_of(int ares_status)
{
	switch (ares_status) {
	case ARES_SUCCESS:
		return LOOKUP_FOUND;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return LOOKUP_NOT_IN_ZONE;
	case ARES_ESERVFAIL:
		return LOOKUP_NOT_READY;
	case ARES_EREFUSED:
	case ARES_ENOTIMP:
		return LOOKUP_REFUSED;
	case ARES_ETIMEOUT:
		return LOOKUP_NO_ANSWER;
	case ARES_ECONNREFUSED:
		return LOOKUP_UNREACHABLE;
	default:
		return LOOKUP_BAD_ANSWER;
	}
}

static void on_address(void *arg, int ares_status, int timeouts, unsigned char *msg, int len)
{
	struct in_flight *f = arg;
	enum lookup_status status = status_of(ares_status);

	(void)timeouts;
	if (status == LOOKUP_FOUND)
		status = reply_read_address(msg, (size_t)len, &f->reply);
	else if (status == LOOKUP_NOT_IN_ZONE)
		status = LOOKUP_NO_ADDRESS;
	/* Of the two answers the better one counts. */
	if (f->address_status != LOOKUP_FOUND && status != LOOKUP_NO_ADDRESS)
		f->address_status = status;
	if (--f->waits_for == 0)
		finish(f, f->address_status);
}

/* c-ares takes names as text, and of RFC 1035's escapes only the backslash before a character. A NUL has no such form. */
static bool query(struct in_flight *f, const struct name *name, int type, ares_callback fn)
{
	char text[2 * NAME_MAX_LEN], *to = text;

	for (size_t at = 0; name->wire[at] != 0; at += name->wire[at] + 1u) {
		if (at > 0)
			*to++ = '.';
		for (size_t i = 1; i <= name->wire[at]; i++) {
			uint8_t c = name->wire[at + i];

			if (c == '\0')
				return false;
			if (c == '.' || c == '\\')
				*to++ = '\\';
			*to++ = (char)c;
		}
	}
	*to = '\0';
	ares_query(f->r->ares[f->server], text, CLASS_IN, type, fn, f);
	return true;
}

static void on_srv(void *arg, int ares_status, int timeouts, unsigned char *msg, int len)
{
	struct in_flight *f = arg;
	enum lookup_status status = status_of(ares_status);

	(void)timeouts;
	if (status == LOOKUP_FOUND)
		status = reply_read_srv(msg, (size_t)len, &f->instance, f->lookup.key, &f->reply);
	if (status != LOOKUP_FOUND || f->reply.endpoint.family != AF_UNSPEC) {
		finish(f, status);
		return;
	}
	f->address_status = LOOKUP_NO_ADDRESS;
	f->waits_for = 2;
	if (!query(f, &f->reply.target, TYPE_A, on_address))
		finish(f, LOOKUP_NO_ADDRESS);
	else
		query(f, &f->reply.target, TYPE_AAAA, on_address);
}

static void ask_srv(struct in_flight *f)
{
	query(f, &f->instance, TYPE_SRV, on_srv);
}

static void start_lookup(struct resolving *r, const struct lookup *lookup)
{
	struct in_flight *f = r->slots;

	while (f->state != FREE)
		f++;
	*f = (struct in_flight){.r = r, .lookup = *lookup, .state = ASKING, .server = r->first};
	r->busy++;
	if (!records_instance_name(&r->settings->zone, lookup->key, false, &f->instance))
		diex("a zone without room for a peer: this is a bug");
	ask_srv(f);
}

static void take_lookups(struct resolving *r)
{
	struct lookup lookup;
	int got = -EAGAIN;

	while (r->busy < IN_FLIGHT && (got = channel_recv(r->channel, &lookup, sizeof(lookup), NULL)) > 0)
		start_lookup(r, &lookup);
	if (got == 0)
		r->setter_gone = true;
}

/* ---- c-ares ---- */

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolving *r = data;
	struct epoll_event ev = {.events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0),
	    .data.fd = fd};
	int size = BUFFER;

	if (!readable && !writable) {
		epoll_ctl(r->epoll, EPOLL_CTL_DEL, fd, NULL);
	} else if (epoll_ctl(r->epoll, EPOLL_CTL_MOD, fd, &ev) < 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* less is fine */
		if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
			die("epoll_ctl");
	}
}

static ares_channel open_channel(struct resolving *r)
{
	struct ares_options options = {
	    /* NOCHECKRESP: a SERVFAIL or REFUSED comes to us as what it is. */
	    .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN | ARES_FLAG_NOCHECKRESP,
	    .ednspsz = UDP_SIZE,
	    .timeout = TIMEOUT_MS,
	    .tries = TRIES,
	    .sock_state_cb = on_socket,
	    .sock_state_cb_data = r,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	ares_channel ares;
	int status = ares_init_options(&ares, &options, mask);

	if (status != ARES_SUCCESS)
		diex("cannot start c-ares: %s", ares_strerror(status));
	return ares;
}

/* The system's, as c-ares reads them. */
static struct server_list system_servers(ares_channel ares)
{
	struct server_list list = {0};
	struct ares_addr_port_node *nodes = NULL;

	if (ares_get_servers_ports(ares, &nodes) != ARES_SUCCESS)
		diex("cannot read the system's name servers");
	for (struct ares_addr_port_node *n = nodes; n != NULL && list.len < SETTINGS_SERVERS; n = n->next) {
		struct endpoint *ep = &list.at[list.len++];

		ep->family = (uint8_t)n->family;
		ep->port = n->udp_port != 0 ? (uint16_t)n->udp_port : 53;
		memcpy(ep->addr, &n->addr, n->family == AF_INET ? 4 : 16);
	}
	ares_free_data(nodes);
	return list;
}

static void open_ares(struct resolving *r)
{
	struct server_list list = r->settings->servers;
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	char text[ENDPOINT_TEXT];

	if (status != ARES_SUCCESS)
		diex("cannot start c-ares: %s", ares_strerror(status));
	if (list.len == 0) {
		ares_channel ares = open_channel(r);

		list = system_servers(ares);
		ares_destroy(ares);
	}
	r->servers = list.len;
	for (size_t i = 0; i < list.len; i++) {
		r->ares[i] = open_channel(r);
		status = ares_set_servers_ports_csv(r->ares[i], endpoint_to_text(&list.at[i], text));
		if (status != ARES_SUCCESS)
			diex("c-ares does not take the server %s: %s", text, ares_strerror(status));
	}
}

/* ---- the process ---- */

/* While all slots are taken the channel is not read: the setter's questions wait in it. */
static void watch_channel(struct resolving *r)
{
	struct epoll_event ev = {.events = (r->busy < IN_FLIGHT ? (uint32_t)EPOLLIN : 0) |
	        (r->answered > 0 ? (uint32_t)EPOLLOUT : 0),
	    .data.fd = r->channel};

	if (epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->channel, &ev) < 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->channel, &ev) < 0)
		die("epoll_ctl");
}

static int timeout_ms(struct resolving *r)
{
	int first = -1;

	for (size_t i = 0; i < r->servers; i++) {
		struct timeval tv, *next = ares_timeout(r->ares[i], NULL, &tv);
		int ms = next == NULL ? -1 : (int)(next->tv_sec * 1000 + (next->tv_usec + 999) / 1000);

		if (ms >= 0 && (first < 0 || ms < first))
			first = ms;
	}
	return first;
}

/* c-ares knows its own sockets, and lets others be; without one it looks at its time-outs. */
static void process(struct resolving *r, int readable, int writable)
{
	for (size_t i = 0; i < r->servers; i++)
		ares_process_fd(r->ares[i], readable, writable);
}

_Noreturn static void run(struct resolving *r, const struct sandbox_user *user)
{
	struct epoll_event events[64];

	log_name("wgmeet: resolver");
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		die("epoll_create1");
	open_ares(r); /* reads resolv.conf, which is out of sight afterwards */
	sandbox_enter(SANDBOX_RESOLVER, user);
	while (!r->setter_gone) {
		int n;

		watch_channel(r);
		n = epoll_wait(r->epoll, events, sizeof(events) / sizeof(*events), timeout_ms(r));
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			uint32_t what = events[i].events;

			if (fd == r->channel && (what & EPOLLHUP) != 0)
				r->setter_gone = true;
			else if (fd == r->channel)
				take_lookups(r);
			else
				process(r, (what & ~(uint32_t)EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD,
				    (what & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
		}
		process(r, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		deliver(r);
	}
	_exit(EXIT_FINE);
}

void resolver_start(const struct settings *settings, struct resolver *out)
{
	struct sandbox_user user = {0};
	int channel[2];

	if (geteuid() == 0 && !sandbox_find_user(settings->user, &user))
		die_usage("there is no user %s for the resolver: name another with --user (a number will do)", settings->user);
	if (geteuid() == 0 && user.uid == 0)
		die_usage("the resolver shall not be root: name another user with --user");
	channel_pair(channel);
	out->channel = channel[0];
	out->pid = fork();
	if (out->pid < 0)
		die("fork");
	if (out->pid == 0) {
		struct resolving *r = calloc(1, sizeof(*r));

		if (r == NULL)
			die("out of memory");
		close(channel[0]);
		r->channel = channel[1];
		r->settings = settings;
		run(r, &user);
	}
	close(channel[1]);
}

void resolver_stop(struct resolver *r)
{
	close(r->channel);
	waitpid(r->pid, NULL, 0);
}
