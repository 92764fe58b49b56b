#include "dns.h"

#include <ares.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "clock.h"
#include "dns_message.h"
#include "log.h"

#define TIMEOUT_MS 1000 /* of the first try; c-ares doubles it */
#define TRIES      3
#define TCP_MS     7000 /* over TCP c-ares asks once: as long as the tries over UDP take in all */
#define TCP_ASKING 512 /* at once; c-ares writes all of them in one call, which takes 1024 (IOV_MAX) */

/* Over one transport. */
struct way {
	struct server *server;
	ares_channel ares;
	size_t asking; /* in flight */
	bool lost;     /* something was not answered */
	bool refused;  /* what is cancelled now */
	struct question *first, **last; /* that wait to be asked */
};

struct server {
	struct dns *dns;
	struct endpoint ep;
	struct way udp, tcp;
	size_t asking; /* in flight or waiting */
	size_t window, window_most;
	int64_t lost_us; /* when the window was last made smaller */
	struct dns_cookie cookie;
	int64_t quickest_us; /* answer */
	bool plain;    /* it knows no EDNS */
	bool answered; /* something, once */
};

struct dns {
	int epoll;
	size_t servers_len;
	struct server servers[SETTINGS_SERVERS];
	dns_socket_fn *on_socket;
	void *data;
	size_t asking;
	int64_t ticked_us;
	uint8_t random[256];
	size_t random_left;
};

/* One question's way through c-ares. */
struct question {
	struct question *next;
	struct server *server;
	dns_fn *fn;
	void *arg;
	uint16_t type;
	bool tcp, plain, again;
	int64_t sent_us;
	struct name name;
};

static void on_answer(void *arg, int ares_status, int timeouts, unsigned char *msg, int len);

/* ---- sockets ---- */

/* What epoll tells: which way, from 1, and which of its sockets. */
static uint64_t token_of(const struct way *way, int fd)
{
	const struct server *s = way->server;
	size_t i = (size_t)(s - s->dns->servers);

	return (uint64_t)(1 + 2 * i + (way == &s->tcp)) << 32 | (uint32_t)fd;
}

static void on_state(void *data, ares_socket_t fd, int readable, int writable)
{
	const struct way *way = data;
	struct epoll_event ev = {.events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0),
	    .data.u64 = token_of(way, fd)};
	int epoll = way->server->dns->epoll;

	if (!readable && !writable)
		epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &ev) < 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static int on_new_socket(ares_socket_t fd, int type, void *data)
{
	struct server *s = ((struct way *)data)->server;
	int room = s->dns->on_socket(fd, type == SOCK_DGRAM, s->dns->data);

	if (room < 0)
		return -1;
	if (type == SOCK_DGRAM && (size_t)room < s->window_most)
		s->window_most = (size_t)room > DNS_WINDOW ? (size_t)room : DNS_WINDOW;
	return 0;
}

/* The system's files are read only for the system's servers, and only for them. */
static void open_way(struct way *way, int flags, bool system)
{
	struct ares_options options = {
	    /* NOCHECKRESP: a SERVFAIL or REFUSED comes to us as what it is. EDNS: else what is behind 512 octets is cut off. */
	    .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | flags,
	    .ednspsz = DNS_UDP_SIZE,
	    .timeout = (flags & ARES_FLAG_USEVC) != 0 ? TCP_MS : TIMEOUT_MS,
	    .tries = TRIES,
	    .ndots = 1,
	    .lookups = (char *)"b",
	    .sock_state_cb = on_state,
	    .sock_state_cb_data = way,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
	    ARES_OPT_DOMAINS | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST, status;

	status = ares_library_init(ARES_LIB_INIT_ALL); /* the first time */
	if (status == ARES_SUCCESS)
		status = ares_init_options(&way->ares, &options, system ? mask : mask | ARES_OPT_SERVERS);
	if (status != ARES_SUCCESS)
		diex("cannot start c-ares: %s", ares_strerror(status));
	ares_set_socket_configure_callback(way->ares, on_new_socket, way);
}

void dns_system_servers(struct server_list *out)
{
	struct ares_addr_port_node *nodes = NULL;
	struct way way; /* that nobody is asked by */

	open_way(&way, 0, true);
	if (ares_get_servers_ports(way.ares, &nodes) != ARES_SUCCESS)
		diex("cannot read the system's name servers");
	*out = (struct server_list){0};
	for (struct ares_addr_port_node *n = nodes; n != NULL && out->len < SETTINGS_SERVERS; n = n->next) {
		struct endpoint *ep = &out->at[out->len++];

		ep->family = (uint8_t)n->family;
		ep->port = n->udp_port != 0 ? (uint16_t)n->udp_port : 53;
		memcpy(ep->addr, &n->addr, n->family == AF_INET ? 4 : 16);
	}
	ares_free_data(nodes);
	ares_destroy(way.ares);
}

static void get_random(struct dns *dns, void *out, size_t len)
{
	if (dns->random_left < len) {
		if (getrandom(dns->random, sizeof(dns->random), 0) != (ssize_t)sizeof(dns->random))
			die("getrandom");
		dns->random_left = sizeof(dns->random);
	}
	dns->random_left -= len;
	memcpy(out, dns->random + dns->random_left, len);
}

/* Also closes its sockets. Nothing is in flight. */
static void set_server(struct way *way)
{
	char text[ENDPOINT_TEXT];
	int status = ares_set_servers_ports_csv(way->ares, endpoint_to_text(&way->server->ep, text));

	if (status != ARES_SUCCESS)
		diex("c-ares does not take the server %s: %s", text, ares_strerror(status));
	way->lost = false;
}

/* A socket of UDP is closed when nothing is in flight: a program that stays shall ask from the address that its host has by then, and
 * not always from the same port. */
static void open_server(struct dns *dns, struct server *s, const struct endpoint *ep)
{
	*s = (struct server){.dns = dns, .ep = *ep, .udp = {.server = s, .last = &s->udp.first},
	    .tcp = {.server = s, .last = &s->tcp.first}, .window = DNS_WINDOW, .window_most = DNS_WINDOW_MOST,
	    .cookie.len = REPLY_COOKIE_CLIENT};
	get_random(dns, s->cookie.at, REPLY_COOKIE_CLIENT);
	open_way(&s->udp, ARES_FLAG_IGNTC, false);
	open_way(&s->tcp, ARES_FLAG_USEVC | ARES_FLAG_STAYOPEN, false);
	set_server(&s->udp);
	set_server(&s->tcp);
}

static void open_servers(struct dns *dns, const struct server_list *list)
{
	for (dns->servers_len = 0; dns->servers_len < list->len; dns->servers_len++)
		open_server(dns, &dns->servers[dns->servers_len], &list->at[dns->servers_len]);
}

struct dns *dns_open(const struct settings *settings, int epoll, dns_socket_fn *on_socket, void *data)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	struct server_list list = settings->servers;

	if (dns == NULL)
		die("out of memory");
	*dns = (struct dns){.epoll = epoll, .on_socket = on_socket, .data = data};
	if (list.len == 0)
		dns_system_servers(&list);
	open_servers(dns, &list);
	return dns;
}

/* c-ares looks for /dev/urandom then, for numbers that are not used: each question has its number from us. */
void dns_use(struct dns *dns, const struct server_list *servers)
{
	assert(dns->asking == 0);
	for (size_t i = 0; i < dns->servers_len; i++) {
		ares_destroy(dns->servers[i].udp.ares);
		ares_destroy(dns->servers[i].tcp.ares);
	}
	open_servers(dns, servers);
}

/* on_answer() puts back what was in flight. */
static void renew(struct way *way)
{
	ares_cancel(way->ares);
	set_server(way);
}

void dns_renew(struct dns *dns)
{
	for (size_t i = 0; i < dns->servers_len; i++) {
		renew(&dns->servers[i].udp);
		renew(&dns->servers[i].tcp);
	}
}

size_t dns_servers(const struct dns *dns)
{
	return dns->servers_len;
}

bool dns_has_room(const struct dns *dns, size_t server)
{
	return dns->servers[server].asking < dns->servers[server].window;
}

bool dns_has_answered(const struct dns *dns, size_t server)
{
	return dns->servers[server].answered;
}

/* ---- questions ---- */

static struct way *way_of(const struct question *q)
{
	return q->tcp ? &q->server->tcp : &q->server->udp;
}

static bool is_full(const struct way *way)
{
	return way->asking >= (way == &way->server->tcp ? TCP_ASKING : way->server->window);
}

static void send_question(struct question *q)
{
	uint8_t msg[DNS_QUESTION];
	uint16_t id;
	size_t len;

	get_random(q->server->dns, &id, sizeof(id));
	q->plain = q->server->plain;
	len = dns_write_question(id, &q->name, q->type, q->plain ? NULL : &q->server->cookie, msg);
	q->sent_us = clock_us(CLOCK_MONOTONIC);
	way_of(q)->asking++;
	ares_send(way_of(q)->ares, msg, (int)len, on_answer, q);
}

static void put_off(struct question *q)
{
	struct way *way = way_of(q);

	q->next = NULL;
	*way->last = q;
	way->last = &q->next;
}

/* An answer may ask for three more: they are not sent before the socket's buffers have room. */
static void ask(struct question *q)
{
	if (is_full(way_of(q)))
		put_off(q);
	else
		send_question(q);
}

/* Those that had to wait. Not from a callback: c-ares may be busy with a connection that broke. */
static void ask_waiting(struct way *way)
{
	while (way->first != NULL && !is_full(way)) {
		struct question *q = way->first;

		way->first = q->next;
		if (way->first == NULL)
			way->last = &way->first;
		ask(q);
	}
}

/* The window grows while it is the way that takes the time: by two with each answer, so it is three times as large after the time that one takes.
 * When answers take twice as long as the quickest, more at once would only wait longer, in somebody's buffer. A loss begins
 * anew, and ends sooner; but once for all that were in flight at that time, which were lost together. Where a server refuses,
 * cannot or truncates, more at once will not help. */
static void move_window(struct question *q, bool lost, bool good)
{
	struct server *s = q->server;
	int64_t now = clock_us(CLOCK_MONOTONIC), us = now - q->sent_us;

	if (lost && q->sent_us > s->lost_us) {
		s->lost_us = now;
		s->window_most = s->window_most / 2 > DNS_WINDOW ? s->window_most / 2 : DNS_WINDOW;
		s->window = DNS_WINDOW;
	}
	if (lost || !good)
		return;
	if (s->quickest_us == 0 || us < s->quickest_us)
		s->quickest_us = us;
	if (us < 2 * s->quickest_us)
		s->window = s->window + 2 < s->window_most ? s->window + 2 : s->window_most;
}

/* Is it worth asking the same server for the same another time, in another way? */
static bool ask_otherwise(struct question *q, const uint8_t *msg, size_t len)
{
	enum dns_rcode rcode = dns_rcode(msg);

	if (rcode == DNS_FORMERR && !q->plain) { /* an old server (RFC 6891 section 7) */
		q->server->plain = true;
	} else if (rcode == DNS_BADCOOKIE && !q->plain && !q->again) { /* RFC 7873 section 5.3 */
		dns_take_cookie(&q->server->cookie, msg, len, true);
		q->again = true;
	} else if (dns_is_truncated(msg) && !q->tcp) {
		q->tcp = true;
	} else {
		return false;
	}
	ask(q);
	return true;
}

static enum lookup_status status_of(int ares_status, const uint8_t *msg, size_t len)
{
	if (ares_status == ARES_ETIMEOUT)
		return LOOKUP_NO_ANSWER;
	if (ares_status == ARES_ECONNREFUSED || ares_status == ARES_ECANCELLED)
		return LOOKUP_UNREACHABLE;
	return ares_status == ARES_SUCCESS && len >= 12 ? dns_status(msg) : LOOKUP_BAD_ANSWER;
}

/* An answer without the cookie of who has one is of somebody who has not seen the question (RFC 7873 section 5.3), or of another
 * server behind that address. TCP tells which. */
static bool may_be_forged(const struct question *q, const uint8_t *msg, size_t len)
{
	return !q->tcp && !q->plain && dns_lacks_cookie(&q->server->cookie, msg, len);
}

static void on_answer(void *arg, int ares_status, int timeouts, unsigned char *msg, int msg_len)
{
	struct question *q = arg;
	size_t len = msg != NULL && msg_len > 0 ? (size_t)msg_len : 0;
	enum lookup_status status = status_of(ares_status, msg, len);
	bool whole = ares_status == ARES_SUCCESS && len >= 12, truncated = whole && dns_is_truncated(msg);

	way_of(q)->asking--;
	if (ares_status == ARES_ECANCELLED && !way_of(q)->refused) { /* dns_renew() */
		put_off(q);
		return;
	}
	way_of(q)->lost |= ares_status == ARES_ETIMEOUT;
	q->server->answered |= whole;
	move_window(q, timeouts > 0, !truncated && (status == LOOKUP_FOUND || status == LOOKUP_NOT_IN_ZONE));
	if (whole && may_be_forged(q, msg, len)) {
		q->tcp = true;
		ask(q);
		return;
	}
	if (whole) {
		dns_take_cookie(&q->server->cookie, msg, len, false);
		if (ask_otherwise(q, msg, len))
			return;
	}
	q->server->asking--;
	q->server->dns->asking--;
	/* Truncated over TCP, too: what is missing is not known to be absent. */
	if (truncated)
		q->fn(q->arg, LOOKUP_BAD_ANSWER, NULL, 0);
	else
		q->fn(q->arg, status, msg, len);
	free(q);
}

void dns_query(struct dns *dns, size_t server, const struct name *name, uint16_t type, bool tcp, dns_fn *fn, void *arg)
{
	struct question *q = malloc(sizeof(*q));

	if (q == NULL)
		die("out of memory");
	*q = (struct question){.server = &dns->servers[server], .fn = fn, .arg = arg, .tcp = tcp, .type = type, .name = *name};
	q->server->asking++;
	dns->asking++;
	ask(q);
}

/* A host says that nobody listens there, or a router that there is no way. c-ares would ask on at once, twice; hosts limit how often
 * they say so, and it would wait for what is never told. */
static void take_error(struct way *way, int fd, bool readable)
{
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &(socklen_t){sizeof(err)}) < 0 || err == 0)
		return;
	if (readable) /* what came before it is none the worse */
		ares_process_fd(way->ares, fd, ARES_SOCKET_BAD);
	way->refused = true;
	ares_cancel(way->ares);
	way->refused = false;
}

void dns_process(struct dns *dns, uint64_t token, uint32_t events)
{
	size_t i = (size_t)(token >> 32) - 1;
	struct server *s = &dns->servers[i / 2];
	struct way *way = i % 2 == 0 ? &s->udp : &s->tcp;
	int fd = (int)(uint32_t)token;

	if ((events & EPOLLERR) != 0 && way == &s->udp) {
		take_error(way, fd, (events & EPOLLIN) != 0);
		return;
	}
	/* What ICMP says of a connection that is being made stands in a queue that c-ares does not read: epoll would tell of it
	 * again and again. */
	if ((events & EPOLLERR) != 0)
		recv(fd, &(uint8_t){0}, 1, MSG_ERRQUEUE | MSG_DONTWAIT);
	ares_process_fd(way->ares, (events & ~(uint32_t)EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD,
	    (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
}

bool dns_continue(struct dns *dns)
{
	bool tick = clock_us(CLOCK_MONOTONIC) - dns->ticked_us >= DNS_TICK_MS * 1000;

	if (tick)
		dns->ticked_us = clock_us(CLOCK_MONOTONIC);
	for (size_t i = 0; i < dns->servers_len; i++) {
		struct server *s = &dns->servers[i];

		if (tick) {
			ares_process_fd(s->udp.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
			ares_process_fd(s->tcp.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		}
		/* Over a connection that leads nowhere nothing is ever answered, but for a long time that is not told. */
		if (s->tcp.lost && s->tcp.asking == 0)
			set_server(&s->tcp);
		ask_waiting(&s->udp);
		ask_waiting(&s->tcp);
	}
	return tick;
}

int dns_timeout_ms(const struct dns *dns)
{
	return dns->asking > 0 ? DNS_TICK_MS : -1;
}
