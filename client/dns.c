#include "dns.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "log.h"

#define TIMEOUT_MS 1000 /* of the first try; c-ares doubles it */
#define TRIES      3
#define TCP_MS     7000 /* over TCP c-ares asks once: as long as the tries over UDP take in all */
#define UDP_SIZE   1232
#define BUFFER     (1 << 20) /* for the answers to all that is in flight */
#define CLASS_IN   1
#define FLAG_TC    0x02

struct dns {
	int epoll;
	size_t servers;
	ares_channel udp[SETTINGS_SERVERS], tcp[SETTINGS_SERVERS];
	dns_socket_fn *on_socket;
	void *data;
};

/* One question's way through c-ares. */
struct question {
	dns_fn *fn;
	void *arg;
	ares_channel tcp; /* to ask again if the answer is truncated; NULL: this is that */
	uint16_t type;
	char name[2 * NAME_MAX_LEN];
};

static void on_state(void *data, ares_socket_t fd, int readable, int writable)
{
	const struct dns *dns = data;
	struct epoll_event ev = {.events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0),
	    .data.fd = fd};

	if (!readable && !writable)
		epoll_ctl(dns->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(dns->epoll, EPOLL_CTL_MOD, fd, &ev) < 0 && epoll_ctl(dns->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static int on_new_socket(ares_socket_t fd, int type, void *data)
{
	const struct dns *dns = data;
	int size = BUFFER;

	(void)type;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* less is fine */
	return dns->on_socket(fd, dns->data);
}

static ares_channel open_channel(struct dns *dns, int flag)
{
	struct ares_options options = {
	    /* NOCHECKRESP: a SERVFAIL or REFUSED comes to us as what it is. */
	    .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN | ARES_FLAG_NOCHECKRESP |
	        flag,
	    .ednspsz = UDP_SIZE,
	    .timeout = (flag & ARES_FLAG_USEVC) != 0 ? TCP_MS : TIMEOUT_MS,
	    .tries = TRIES,
	    .sock_state_cb = on_state,
	    .sock_state_cb_data = dns,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	ares_channel ares;
	int status = ares_init_options(&ares, &options, mask);

	if (status != ARES_SUCCESS)
		diex("cannot start c-ares: %s", ares_strerror(status));
	ares_set_socket_configure_callback(ares, on_new_socket, dns);
	return ares;
}

/* The system's, as c-ares reads them. */
static struct server_list system_servers(struct dns *dns)
{
	ares_channel ares = open_channel(dns, 0);
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
	ares_destroy(ares);
	return list;
}

struct dns *dns_open(const struct settings *settings, int epoll, dns_socket_fn *on_socket, void *data)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	struct server_list list = settings->servers;
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	char text[ENDPOINT_TEXT];

	if (dns == NULL)
		die("out of memory");
	if (status != ARES_SUCCESS)
		diex("cannot start c-ares: %s", ares_strerror(status));
	*dns = (struct dns){.epoll = epoll, .on_socket = on_socket, .data = data};
	if (list.len == 0)
		list = system_servers(dns);
	for (; dns->servers < list.len; dns->servers++) {
		dns->udp[dns->servers] = open_channel(dns, ARES_FLAG_IGNTC);
		dns->tcp[dns->servers] = open_channel(dns, ARES_FLAG_USEVC);
		endpoint_to_text(&list.at[dns->servers], text);
		status = ares_set_servers_ports_csv(dns->udp[dns->servers], text);
		if (status == ARES_SUCCESS)
			status = ares_set_servers_ports_csv(dns->tcp[dns->servers], text);
		if (status != ARES_SUCCESS)
			diex("c-ares does not take the server %s: %s", text, ares_strerror(status));
	}
	return dns;
}

size_t dns_servers(const struct dns *dns)
{
	return dns->servers;
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

static void on_answer(void *arg, int ares_status, int timeouts, unsigned char *msg, int len)
{
	struct question *q = arg;
	bool truncated = msg != NULL && len > 2 && (msg[2] & FLAG_TC) != 0;
	ares_channel tcp = q->tcp;

	(void)timeouts;
	if (truncated && tcp != NULL) {
		q->tcp = NULL;
		ares_query(tcp, q->name, CLASS_IN, q->type, on_answer, q);
		return;
	}
	/* Truncated over TCP, too: what is missing is not known to be absent. */
	if (truncated)
		q->fn(q->arg, LOOKUP_BAD_ANSWER, NULL, 0);
	else
		q->fn(q->arg, status_of(ares_status), msg, (size_t)len);
	free(q);
}

/* c-ares takes names as text, and of RFC 1035's escapes only the backslash before a character. A NUL has no such form. */
static bool name_for_ares(const struct name *name, char text[2 * NAME_MAX_LEN])
{
	for (size_t at = 0; name->wire[at] != 0; at += name->wire[at] + 1u) {
		if (at > 0)
			*text++ = '.';
		for (size_t i = 1; i <= name->wire[at]; i++) {
			uint8_t c = name->wire[at + i];

			if (c == '\0')
				return false;
			if (c == '.' || c == '\\')
				*text++ = '\\';
			*text++ = (char)c;
		}
	}
	*text = '\0';
	return true;
}

bool dns_query(struct dns *dns, size_t server, const struct name *name, uint16_t type, bool tcp, dns_fn *fn, void *arg)
{
	struct question *q = malloc(sizeof(*q));

	if (q == NULL)
		die("out of memory");
	*q = (struct question){.fn = fn, .arg = arg, .tcp = tcp ? NULL : dns->tcp[server], .type = type};
	if (!name_for_ares(name, q->name)) {
		free(q);
		return false;
	}
	ares_query(tcp ? dns->tcp[server] : dns->udp[server], q->name, CLASS_IN, type, on_answer, q);
	return true;
}

/* Each c-ares channel knows its own sockets, and lets others be. */
void dns_process(struct dns *dns, int fd, uint32_t events)
{
	int readable = fd >= 0 && (events & ~(uint32_t)EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD;
	int writable = fd >= 0 && (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD;

	for (size_t i = 0; i < dns->servers; i++)
		for (int tcp = 0; tcp <= 1; tcp++)
			ares_process_fd(tcp ? dns->tcp[i] : dns->udp[i], readable, writable);
}

int dns_timeout_ms(struct dns *dns)
{
	int first = -1;

	for (size_t i = 0; i < 2 * dns->servers; i++) {
		ares_channel ares = i % 2 == 0 ? dns->udp[i / 2] : dns->tcp[i / 2];
		struct timeval tv, *next = ares_timeout(ares, NULL, &tv);
		int ms = next == NULL ? -1 : (int)(next->tv_sec * 1000 + (next->tv_usec + 999) / 1000);

		if (ms >= 0 && (first < 0 || ms < first))
			first = ms;
	}
	return first;
}
