#include "resolve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "records.h"
#include "resolving.h"
#include "sandbox.h"

#define TYPE_A     1
#define TYPE_PTR   12
#define TYPE_TXT   16
#define TYPE_AAAA  28
#define TYPE_SRV   33
#define AGAIN      2

static bool is_failure(enum lookup_status status)
{
	return status == LOOKUP_NOT_READY || status == LOOKUP_REFUSED || status == LOOKUP_NO_ANSWER ||
	    status == LOOKUP_UNREACHABLE;
}

static void slot_put(struct slots *list, struct in_flight *f)
{
	f->next = NULL;
	if (list->first == NULL)
		list->first = f;
	else
		list->last->next = f;
	list->last = f;
}

static struct in_flight *slot_get(struct slots *list)
{
	struct in_flight *f = list->first;

	list->first = f->next;
	return f;
}

static void give(struct in_flight *f, enum lookup_status status)
{
	if (f->question != SLOT_SRV) {
		lists_answered(f, status);
		return;
	}
	f->status = status;
	slot_put(&f->r->answered, f);
}

/* Asks the next server, or gives up. */
static void fail(struct in_flight *f, enum lookup_status status)
{
	struct resolving *r = f->r;

	/* A TCP connection that is closed on us, for one question's sake, takes with it all that were asked over it. So what
	 * could not be asked is asked again, of a server that answers. Not from here: c-ares is still busy with what it closed;
	 * and a little later, because what hinders it may pass. */
	if (status == LOOKUP_UNREACHABLE && dns_has_answered(r->dns, f->server) && f->again++ < AGAIN) {
		slot_put(&r->to_ask, f);
		return;
	}
	/* Hosts say only once a second or so that nobody listens. */
	if (status == LOOKUP_NO_ANSWER && f->again > 0)
		status = LOOKUP_UNREACHABLE;
	f->again = 0;
	/* Of several servers' failures the one that says most is told: they are in that order. */
	if (f->failure == LOOKUP_FOUND || status < f->failure)
		f->failure = status;
	if (++f->failed == dns_servers(r->dns) || f->lookup.server != 0) {
		give(f, f->failure);
		return;
	}
	f->server = (f->server + 1) % dns_servers(r->dns);
	slot_ask(f);
}

static void name_instance(struct in_flight *f)
{
	f->aliases = 0;
	if (!records_instance_name(&f->r->settings.zone, f->lookup.key, f->padded, &f->name))
		diex("a zone without room for a peer: this is a bug");
}

/* What a question came to: another server is asked, or it is over. */
static void finish(struct in_flight *f, enum lookup_status status)
{
	struct resolving *r = f->r;

	if (is_failure(status)) {
		fail(f, status);
		return;
	}
	if (f->lookup.server == 0)
		r->first = f->server; /* it answers */
	if (f->lookup.kind == LOOKUP_KEY && status == LOOKUP_FOUND)
		r->naming = f->padded ? NAMING_PADDED : NAMING_BARE;
	/* The naming may have been found out while this was on its way. */
	if (f->lookup.kind == LOOKUP_KEY && status == LOOKUP_NOT_IN_ZONE && !f->both &&
	    (r->naming == NAMING_UNKNOWN || f->padded != (r->naming == NAMING_PADDED))) {
		f->both = true;
		f->padded = !f->padded;
		name_instance(f);
		slot_ask(f);
		return;
	}
	give(f, status);
}

static int ask_setter(struct resolving *r, int fd, bool udp);

/* Is there a way to it from here? A connected UDP socket sends nothing, but is told if there is no route. */
static bool has_route(struct resolving *r, const struct endpoint *ep)
{
	static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(ep, &sa);
	int *fd = &r->route[ep->family == AF_INET6];

	if (*fd < 0) {
		*fd = socket(ep->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (*fd >= 0 && r->settings.fwmark != 0 && ask_setter(r, *fd, false) < 0) {
			close(*fd);
			*fd = -1;
		}
	}
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&sa, len) < 0)
		return false;
	/* The next one shall be free to leave from another address. */
	connect(*fd, &nowhere, sizeof(nowhere));
	return true;
}

enum lookup_status resolving_choose(struct resolving *r, const struct reply *reply, struct endpoint *out,
    uint32_t *unroutable)
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
	result->more = f->listed;
	result->instance = f->name;
	if (f->lookup.kind == LOOKUP_KEY && f->status != LOOKUP_FOUND) /* whichever was asked for last */
		records_instance_name(&f->r->settings.zone, f->lookup.key, false, &result->instance);
	if (f->status != LOOKUP_FOUND)
		return;
	result->status = resolving_choose(f->r, &f->reply, &result->endpoint, &result->unroutable);
	result->ttl_s = f->reply.ttl_s;
	result->has_key = f->reply.has_key;
	memcpy(result->key, f->reply.key, KEY_LEN);
	memcpy(result->allowed, f->reply.allowed, sizeof(result->allowed));
}

/* A result keeps its slot until the asker has room for it. */
static void deliver(struct resolving *r)
{
	while (r->answered.first != NULL) {
		struct in_flight *f = r->answered.first;
		struct lookup_result result = {0};
		int err;

		fill_result(f, &result);
		err = channel_send(r->channel, &result, sizeof(result), -1);
		if (err == -EAGAIN)
			return;
		if (err < 0)
			r->asker_gone = true;
		r->lists.peers_asking -= f->listed;
		slot_get(&r->answered);
		slot_free(f);
	}
}

static const uint8_t *key_of(const struct in_flight *f)
{
	return f->has_key ? f->lookup.key : NULL;
}

/* One answer of those behind the SRV. */
static void end_one(struct in_flight *f)
{
	if (--f->waits_for == 0)
		finish(f, f->address_status != LOOKUP_FOUND ? f->address_status : f->txt_status);
}

/* A peer need not have a TXT. */
static void on_txt(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct in_flight *f = arg;

	if (status == LOOKUP_FOUND)
		status = reply_read_txt(msg, len, key_of(f), &f->reply);
	f->txt_status = status == LOOKUP_NOT_IN_ZONE ? LOOKUP_FOUND : status;
	end_one(f);
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
	end_one(f);
}

static void query(struct in_flight *f, const struct name *name, uint16_t type, dns_fn *fn)
{
	dns_query(f->r->dns, f->server, name, type, f->tcp, fn, f);
}

/* What a server left out, because it was too much or for a reason of its own, is asked for. */
static void ask_rest(struct in_flight *f, enum lookup_status status)
{
	bool address = f->reply.addrs_len == 0, txt = f->lookup.with_txt != 0 && !f->reply.has_txt;

	if (status != LOOKUP_FOUND || (!address && !txt)) {
		finish(f, status);
		return;
	}
	f->address_status = address ? LOOKUP_NO_ADDRESS : LOOKUP_FOUND;
	f->txt_status = LOOKUP_FOUND;
	f->waits_for = (address ? 2u : 0) + (txt ? 1u : 0);
	if (txt)
		query(f, &f->reply.instance, TYPE_TXT, on_txt);
	if (address) {
		query(f, &f->reply.target, TYPE_A, on_address);
		query(f, &f->reply.target, TYPE_AAAA, on_address);
	}
}

static void on_srv(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct in_flight *f = arg;

	if (status == LOOKUP_FOUND)
		status = reply_read_srv(msg, len, &f->name, key_of(f), &f->reply);
	if (status == LOOKUP_FOUND && f->reply.is_alias) {
		f->name = f->reply.instance;
		if (f->aliases++ < REPLY_ALIASES)
			slot_ask(f);
		else
			finish(f, LOOKUP_BAD_ANSWER);
		return;
	}
	ask_rest(f, status);
}

static void on_list(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct in_flight *f = arg;

	finish(f, status == LOOKUP_FOUND ? lists_read(f, msg, len) : status);
}

void slot_ask(struct in_flight *f)
{
	static const uint16_t types[] = {[SLOT_SRV] = TYPE_SRV, [SLOT_LIST] = TYPE_PTR, [SLOT_SHARD] = TYPE_TXT};

	query(f, &f->name, types[f->question], f->question == SLOT_SRV ? on_srv : on_list);
}

struct in_flight *slot_take(struct resolving *r, const struct lookup *lookup)
{
	struct in_flight *f = r->free.first != NULL ? slot_get(&r->free) : &r->slots[r->used++];

	*f = (struct in_flight){.r = r, .lookup = *lookup, .server = lookup->server > 0 ? lookup->server - 1 : r->first};
	r->busy++;
	return f;
}

void slot_free(struct in_flight *f)
{
	f->r->busy--;
	slot_put(&f->r->free, f);
}

static void start_lookup(struct resolving *r, const struct lookup *lookup)
{
	struct in_flight *f;

	if (lookup->server > dns_servers(r->dns))
		diex("a look-up at a server that is not there: this is a bug");
	if (lookup->kind == LOOKUP_LIST) {
		lists_start(r, lookup);
		return;
	}
	f = slot_take(r, lookup);
	if (lookup->kind == LOOKUP_KEY) {
		f->has_key = true;
		f->padded = r->naming == NAMING_PADDED;
		name_instance(f);
	} else {
		f->name = lookup->name;
		f->has_key = reply_name_key(&f->name, f->lookup.key);
	}
	slot_ask(f);
}

static void ask_again(struct resolving *r)
{
	struct slots list = r->to_ask;

	r->to_ask.first = NULL;
	while (list.first != NULL)
		slot_ask(slot_get(&list));
}

/* The first ones find out how peers are named here, before the others are asked for in vain. */
bool resolving_has_room(const struct resolving *r)
{
	return r->busy < (r->naming == NAMING_UNKNOWN ? DNS_WINDOW : DNS_WINDOW_MOST) && dns_has_room(r->dns, r->first);
}

static void take_lookups(struct resolving *r)
{
	struct lookup lookup;
	int got = -EAGAIN;

	while (resolving_has_room(r) && (got = channel_recv(r->channel, &lookup, sizeof(lookup), NULL)) > 0)
		start_lookup(r, &lookup);
	if (got == 0)
		r->asker_gone = true;
}

/* ---- the process ---- */

/* The mark, and buffers of more than the system's limit, take a power that this process has not; its parent has. Returns
 * what is in the message. */
static int ask_setter(struct resolving *r, int fd, bool udp)
{
	struct pollfd p = {.fd = r->socket_channel, .events = POLLIN};
	struct socket_wish wish = {.udp = udp};

	if (channel_send(r->socket_channel, &wish, sizeof(wish), fd) < 0 || poll(&p, 1, -1) < 0 ||
	    channel_recv(r->socket_channel, &wish, sizeof(wish), NULL) <= 0)
		return -1;
	return wish.room;
}

static int on_socket(int fd, bool udp, void *data)
{
	struct resolving *r = data;

	return udp || r->settings.fwmark != 0 ? ask_setter(r, fd, udp) : 0;
}

/* While all slots are taken the channel is not read: the asker's questions wait in it. */
static void watch_channel(struct resolving *r)
{
	uint32_t events = (resolving_has_room(r) ? (uint32_t)EPOLLIN : 0) |
	    (r->answered.first != NULL || r->lists.blocked ? (uint32_t)EPOLLOUT : 0);
	struct epoll_event ev = {.events = events, .data.u64 = TOKEN_CHANNEL};

	if (r->watched && events == r->events)
		return;
	r->watched = true;
	r->events = events;

	if (epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->channel, &ev) < 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->channel, &ev) < 0)
		die("epoll_ctl");
}

static void on_event(struct resolving *r, uint64_t token, uint32_t what)
{
	if (token == TOKEN_CHANNEL && (what & EPOLLHUP) != 0)
		r->asker_gone = true;
	else if (token == TOKEN_CHANNEL)
		take_lookups(r);
	else if (token < TOKEN_EAR + RESOLVER_EARS)
		hear_notify(r, token - TOKEN_EAR);
	else
		dns_process(r->dns, token, what);
}

static void on_events(struct resolving *r, const struct epoll_event *events, int n)
{
	/* What the asker tells goes alone: the others may be about sockets that are no more then. They come again. */
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 == TOKEN_CONTROL) {
			hear_control(r);
			return;
		}
	}
	for (int i = 0; i < n; i++)
		on_event(r, events[i].data.u64, events[i].events);
}

static void open_all(struct resolving *r)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = TOKEN_CONTROL};

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		die("epoll_create1");
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->control, &ev) < 0)
		die("epoll_ctl");
	r->dns = dns_open(&r->settings, r->epoll, on_socket, r); /* reads resolv.conf, which is out of sight afterwards */
}

_Noreturn static void run(struct resolving *r, const struct sandbox_user *user)
{
	struct epoll_event events[64];

	log_name("wgmeet: resolver");
	open_all(r);
	sandbox_enter(SANDBOX_RESOLVER, user, NULL);
	while (!r->asker_gone) {
		int n;

		watch_channel(r);
		n = epoll_wait(r->epoll, events, sizeof(events) / sizeof(*events),
		    lists_are_idle(r) ? 0 : r->to_ask.first != NULL ? DNS_TICK_MS : dns_timeout_ms(r->dns));
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		on_events(r, events, n);
		if (dns_continue(r->dns))
			ask_again(r);
		deliver(r);
		lists_continue(r); /* in the places that are free now: else nothing might be in flight that wakes us */
	}
	_exit(EXIT_FINE);
}

void resolver_start(const struct settings *settings, struct resolver *out)
{
	struct sandbox_user user = {0};
	int channel[2], sockets[2], control[2];

	if (sandbox_changes_user() && !sandbox_find_user(settings->user, &user))
		die_usage("there is no user %s for the resolver: name another with --user (a number will do)", settings->user);
	if (sandbox_changes_user() && user.uid == 0)
		die_usage("the resolver shall not be root: name another user with --user");
	channel_pair(channel);
	channel_pair(sockets);
	channel_pair(control);
	*out = (struct resolver){.channel = channel[0], .socket_channel = sockets[0], .control = control[0],
	    .fwmark = settings->fwmark, .servers = settings->servers, .pid = fork()};
	if (out->pid < 0)
		die("fork");
	if (out->pid == 0) {
		struct resolving *r = calloc(1, sizeof(*r));

		if (r == NULL)
			die("out of memory");
		close(channel[0]);
		close(sockets[0]);
		close(control[0]);
		r->channel = channel[1];
		r->socket_channel = sockets[1];
		r->control = control[1];
		r->route[0] = r->route[1] = r->ears[0] = r->ears[1] = -1;
		r->settings = *settings;
		run(r, &user);
	}
	close(channel[1]);
	close(sockets[1]);
	close(control[1]);
}
