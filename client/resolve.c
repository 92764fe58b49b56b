#include "resolve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "dns.h"
#include "log.h"
#include "records.h"
#include "sandbox.h"

/* Many look-ups are in flight at once, but no more than the answers that a socket's buffer holds: what comes when it
 * is full is lost, and costs a time-out. */
#define IN_FLIGHT  256
#define TYPE_A     1
#define TYPE_PTR   12
#define TYPE_AAAA  28
#define TYPE_SRV   33
#define AGAIN      2

enum slot_state { FREE, TO_ASK, ASKING, ANSWERED };

/* Registries name a peer by its key with and without base32's padding; some only with. What was found to work is asked
 * first from then on. */
enum naming { NAMING_UNKNOWN, NAMING_BARE, NAMING_PADDED };

struct in_flight {
	struct resolving *r;
	enum slot_state state;
	struct lookup lookup;
	struct name name; /* that is asked for now */
	struct reply reply;
	size_t server;      /* that is asked now */
	size_t failed;      /* servers that were asked before it */
	unsigned again;     /* times that it was asked anew */
	unsigned waits_for; /* address questions without an answer yet */
	unsigned aliases;   /* that were followed by a question of their own */
	bool padded, both;  /* which naming is asked; both were */
	bool more;          /* of a list: another one follows */
	enum lookup_status status, address_status;
	enum lookup_status failure; /* of the servers before this one */
};

struct resolving {
	int channel, mark_channel, epoll;
	const struct settings *settings;
	struct dns *dns;
	size_t first; /* the server where the next look-up begins: one that answered */
	enum naming naming;
	struct in_flight slots[IN_FLIGHT];
	unsigned to_ask;
	unsigned busy, answered; /* slots that are not FREE; and of those, that only wait for the asker */
	/* The list that is being looked up, and the slot that asked for it. */
	struct name list[LOOKUP_LIST_MAX];
	size_t list_len, list_next, list_open;
	struct in_flight *list_slot;
	bool asker_gone;
};

static void ask(struct in_flight *f);

static bool is_failure(enum lookup_status status)
{
	return status == LOOKUP_NOT_READY || status == LOOKUP_REFUSED || status == LOOKUP_NO_ANSWER ||
	    status == LOOKUP_UNREACHABLE;
}

static void give(struct in_flight *f, enum lookup_status status)
{
	f->status = status;
	f->state = ANSWERED;
	f->r->answered++;
}

/* Asks the next server, or gives up. */
static void fail(struct in_flight *f, enum lookup_status status)
{
	struct resolving *r = f->r;

	/* A TCP connection that is closed on us, for one question's sake, takes with it all that were asked over it. So what
	 * could not be asked is asked again. */
	if (status == LOOKUP_UNREACHABLE && f->again++ < AGAIN) {
		f->state = TO_ASK; /* not from here: c-ares is still busy with what it closed */
		r->to_ask++;
		return;
	}
	f->again = 0;
	/* Of several servers' failures the one that says most is told: they are in that order. */
	if (f->failure == LOOKUP_FOUND || status < f->failure)
		f->failure = status;
	if (++f->failed == dns_servers(r->dns)) {
		give(f, f->failure);
		return;
	}
	f->server = (f->server + 1) % dns_servers(r->dns);
	ask(f);
}

static void name_instance(struct in_flight *f)
{
	f->aliases = 0;
	if (!records_instance_name(&f->r->settings->zone, f->lookup.key, f->padded, &f->name))
		diex("a zone without room for a peer: this is a bug");
}

static void finish(struct in_flight *f, enum lookup_status status)
{
	struct resolving *r = f->r;

	if (is_failure(status)) {
		fail(f, status);
		return;
	}
	r->first = f->server; /* it answers */
	if (f->lookup.kind == LOOKUP_KEY && status == LOOKUP_FOUND)
		r->naming = f->padded ? NAMING_PADDED : NAMING_BARE;
	/* The naming may have been found out while this was on its way. */
	if (f->lookup.kind == LOOKUP_KEY && status == LOOKUP_NOT_IN_ZONE && !f->both &&
	    (r->naming == NAMING_UNKNOWN || f->padded != (r->naming == NAMING_PADDED))) {
		f->both = true;
		f->padded = !f->padded;
		name_instance(f);
		ask(f);
		return;
	}
	give(f, status);
}

static int mark_socket(int fd, void *data);

/* Is there a way to it from here? A connected UDP socket sends nothing, but is told if there is no route. */
static bool has_route(struct resolving *r, const struct endpoint *ep)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(ep, &sa);
	int fd = socket(ep->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && mark_socket(fd, r) == 0 && connect(fd, (struct sockaddr *)&sa, len) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The first address that a peer can have and this host can reach. */
static enum lookup_status choose(struct resolving *r, const struct reply *reply, struct endpoint *out, uint32_t *unroutable)
{
	enum lookup_status status = LOOKUP_NO_ADDRESS;

	for (size_t i = 0; i < reply->addrs_len; i++) {
		if (!endpoint_is_reachable(&reply->addrs[i])) {
			status = status == LOOKUP_NO_ADDRESS ? LOOKUP_BAD_ENDPOINT : status;
		} else if (!has_route(r, &reply->addrs[i])) {
			status = LOOKUP_NO_ROUTE;
			++*unroutable;
		} else {
			*out = reply->addrs[i];
			return LOOKUP_FOUND;
		}
	}
	return status;
}

static void fill_result(const struct in_flight *f, struct lookup_result *result)
{
	result->number = f->lookup.number;
	result->status = f->status;
	result->more = f->more;
	result->instance = f->name;
	if (f->lookup.kind == LOOKUP_KEY && f->status != LOOKUP_FOUND) /* whichever was asked for last */
		records_instance_name(&f->r->settings->zone, f->lookup.key, false, &result->instance);
	if (f->status != LOOKUP_FOUND || f->lookup.kind == LOOKUP_LIST)
		return;
	result->status = choose(f->r, &f->reply, &result->endpoint, &result->unroutable);
	result->ttl_s = f->reply.ttl_s;
	result->has_key = f->reply.has_key;
	memcpy(result->key, f->reply.key, KEY_LEN);
	memcpy(result->allowed, f->reply.allowed, sizeof(result->allowed));
}

/* A result keeps its slot until the asker has room for it. */
static void deliver(struct resolving *r)
{
	for (size_t i = 0; r->answered > 0 && i < IN_FLIGHT; i++) {
		struct in_flight *f = &r->slots[i];
		struct lookup_result result = {0};
		int err;

		if (f->state != ANSWERED || (f == r->list_slot && r->list_open > 0))
			continue;
		fill_result(f, &result);
		err = channel_send(r->channel, &result, sizeof(result), -1);
		if (err == -EAGAIN)
			return;
		if (err < 0)
			r->asker_gone = true;
		if (f->more)
			r->list_open--;
		if (f == r->list_slot)
			r->list_slot = NULL;
		f->state = FREE;
		r->busy--;
		r->answered--;
	}
}

static void on_address(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct in_flight *f = arg;

	if (status == LOOKUP_FOUND)
		status = reply_read_addresses(msg, len, &f->reply);
	else if (status == LOOKUP_NOT_IN_ZONE)
		status = LOOKUP_NO_ADDRESS;
	/* Of the two answers the better one counts. */
	if (f->address_status != LOOKUP_FOUND && status != LOOKUP_NO_ADDRESS)
		f->address_status = status;
	if (--f->waits_for == 0)
		finish(f, f->address_status);
}

static bool query(struct in_flight *f, const struct name *name, uint16_t type, dns_fn *fn)
{
	return dns_query(f->r->dns, f->server, name, type, fn, f);
}

static void on_srv(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct in_flight *f = arg;

	if (status == LOOKUP_FOUND)
		status = reply_read_srv(msg, len, &f->name, f->lookup.kind == LOOKUP_KEY ? f->lookup.key : NULL,
		    &f->reply);
	if (status == LOOKUP_FOUND && f->reply.is_alias) {
		f->name = f->reply.instance;
		if (f->aliases++ < REPLY_ALIASES)
			ask(f);
		else
			finish(f, LOOKUP_BAD_ANSWER);
		return;
	}
	if (status != LOOKUP_FOUND || f->reply.addrs_len > 0) {
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

static void on_list(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct in_flight *f = arg;
	struct resolving *r = f->r;

	if (status == LOOKUP_FOUND)
		status = reply_read_list(msg, len, &f->name, r->list, LOOKUP_LIST_MAX, &r->list_len);
	finish(f, status);
	if (f->state == ANSWERED)
		r->list_open = r->list_len;
}

static void ask(struct in_flight *f)
{
	bool list = f->lookup.kind == LOOKUP_LIST && !f->more;

	if (!query(f, &f->name, list ? TYPE_PTR : TYPE_SRV, list ? on_list : on_srv))
		give(f, LOOKUP_BAD_ANSWER);
}

static struct in_flight *take_slot(struct resolving *r, const struct lookup *lookup)
{
	struct in_flight *f = r->slots;

	while (f->state != FREE)
		f++;
	*f = (struct in_flight){.r = r, .lookup = *lookup, .state = ASKING, .server = r->first};
	r->busy++;
	return f;
}

static void start_lookup(struct resolving *r, const struct lookup *lookup)
{
	struct in_flight *f = take_slot(r, lookup);

	if (lookup->kind == LOOKUP_KEY) {
		f->padded = r->naming == NAMING_PADDED;
		name_instance(f);
	} else if (lookup->kind == LOOKUP_NAME) {
		f->name = lookup->name;
	} else {
		records_service_name(&r->settings->zone, &f->name);
		r->list_slot = f;
		r->list_len = r->list_next = r->list_open = 0;
	}
	ask(f);
}

/* The peers of a list are looked up as others are, in what places are free. */
static void continue_list(struct resolving *r)
{
	while (r->list_slot != NULL && r->list_next < r->list_len && r->busy < IN_FLIGHT) {
		struct lookup lookup = r->list_slot->lookup;
		struct in_flight *f;

		lookup.kind = LOOKUP_NAME;
		lookup.name = r->list[r->list_next++];
		f = take_slot(r, &lookup);
		f->name = lookup.name;
		f->more = true;
		ask(f);
	}
}

static void ask_again(struct resolving *r)
{
	for (size_t i = 0; r->to_ask > 0 && i < IN_FLIGHT; i++) {
		if (r->slots[i].state != TO_ASK)
			continue;
		r->slots[i].state = ASKING;
		r->to_ask--;
		ask(&r->slots[i]);
	}
}

static void take_lookups(struct resolving *r)
{
	struct lookup lookup;
	int got = -EAGAIN;

	while (r->busy < IN_FLIGHT && (got = channel_recv(r->channel, &lookup, sizeof(lookup), NULL)) > 0)
		start_lookup(r, &lookup);
	if (got == 0)
		r->asker_gone = true;
}

/* ---- the process ---- */

/* The mark takes a power that this process has not; its parent has. */
static int mark_socket(int fd, void *data)
{
	const struct resolving *r = data;
	struct pollfd p = {.fd = r->mark_channel, .events = POLLIN};
	uint8_t msg = 0;

	if (r->mark_channel < 0)
		return 0;
	if (channel_send(r->mark_channel, &msg, sizeof(msg), fd) < 0 || poll(&p, 1, -1) < 0 ||
	    channel_recv(r->mark_channel, &msg, sizeof(msg), NULL) <= 0)
		return -1;
	return msg == 0 ? 0 : -1;
}


/* While all slots are taken the channel is not read: the asker's questions wait in it. */
static void watch_channel(struct resolving *r)
{
	struct epoll_event ev = {.events = (r->busy < IN_FLIGHT ? (uint32_t)EPOLLIN : 0) |
	        (r->answered > (r->list_slot != NULL && r->list_open > 0) ? (uint32_t)EPOLLOUT : 0),
	    .data.fd = r->channel};

	if (epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->channel, &ev) < 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->channel, &ev) < 0)
		die("epoll_ctl");
}

_Noreturn static void run(struct resolving *r, const struct sandbox_user *user)
{
	struct epoll_event events[64];

	log_name("wgmeet: resolver");
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		die("epoll_create1");
	r->dns = dns_open(r->settings, r->epoll, mark_socket, r); /* reads resolv.conf, which is out of sight afterwards */
	sandbox_enter(SANDBOX_RESOLVER, user, NULL);
	while (!r->asker_gone) {
		int n;

		watch_channel(r);
		n = epoll_wait(r->epoll, events, sizeof(events) / sizeof(*events), r->to_ask > 0 ? 0 : dns_timeout_ms(r->dns));
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			uint32_t what = events[i].events;

			if (fd == r->channel && (what & EPOLLHUP) != 0)
				r->asker_gone = true;
			else if (fd == r->channel)
				take_lookups(r);
			else
				dns_process(r->dns, fd, what);
		}
		dns_process(r->dns, -1, 0);
		ask_again(r);
		deliver(r);
		continue_list(r); /* in the places that are free now: else nothing might be in flight that wakes us */
	}
	_exit(EXIT_FINE);
}

void resolver_start(const struct settings *settings, struct resolver *out)
{
	struct sandbox_user user = {0};
	int channel[2], mark[2] = {-1, -1};

	if (sandbox_changes_user() && !sandbox_find_user(settings->user, &user))
		die_usage("there is no user %s for the resolver: name another with --user (a number will do)", settings->user);
	if (sandbox_changes_user() && user.uid == 0)
		die_usage("the resolver shall not be root: name another user with --user");
	channel_pair(channel);
	if (settings->fwmark != 0)
		channel_pair(mark);
	*out = (struct resolver){.channel = channel[0], .mark_channel = mark[0], .fwmark = settings->fwmark, .pid = fork()};
	if (out->pid < 0)
		die("fork");
	if (out->pid == 0) {
		struct resolving *r = calloc(1, sizeof(*r));

		if (r == NULL)
			die("out of memory");
		close(channel[0]);
		if (mark[0] >= 0)
			close(mark[0]);
		r->channel = channel[1];
		r->mark_channel = mark[1];
		r->settings = settings;
		run(r, &user);
	}
	close(channel[1]);
	if (mark[1] >= 0)
		close(mark[1]);
}
