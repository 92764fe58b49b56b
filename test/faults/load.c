#include "load.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "query.h"
#include "serials.h"
#include "sources.h"
#include "wire.h"

#define UDP_CLIENTS 64
#define TCP_CLIENTS 8
#define CLIENTS     (UDP_CLIENTS + TCP_CLIENTS)
#define SLOTS       32
#define TCP_SLOTS   4
#define TCP_SHARE   24 /* one of so many questions goes over TCP at once */
#define LOST_US     1500000
#define CONNECT_US  20000
#define OUTAGE_US   250000 /* worth a line */
#define OUTAGES     24
#define SHOWN       10

enum state { FREE, WAITING, LOST };

struct asked {
	enum state state;
	struct question question;
};

struct client {
	struct watch watch;
	bool tcp, connected;
	const struct endpoint *server;
	struct asked slots[SLOTS];
	uint16_t next;
	struct question_seen seen[MODEL_ZONES];
	int64_t right_us, connect_us;
	size_t have;
	uint8_t in[2 + ANSWER_MAX];
};

struct load_result load_result;

static struct client clients[CLIENTS];
static void (*drain)(void);
static bool shuffled;
static unsigned rate_s;
static int64_t started_us, right_us;
static size_t turn;

static struct {
	int64_t begin_us, len_us;
	const char *after;
} outages[OUTAGES];
static size_t outages_len, outages_more;

/* ---- what was found ---- */

static void print_hex(const char *what, const uint8_t *bytes, size_t len)
{
	printf("#   %s, %zu octets: ", what, len);
	for (size_t i = 0; i < len && i < 600; i++)
		printf("%02x", bytes[i]);
	printf("%s\n", len > 600 ? "..." : "");
}

static void on_wrong(const struct client *c, const struct question *q, const uint8_t *msg, size_t len, int64_t received_us,
    const struct verdict *v)
{
	const struct model_zone *z = &model_zones[q->zone];
	const struct model_window *w = &v->window;

	if (++load_result.wrong > SHOWN)
		return;
	printf("mismatch: %s\n", v->wrong);
	printf("#   zone %s, %s of peer %u, over %s; sent %.3f s ago, received at %.3f s; the last fault was \"%s\"\n", z->text,
	    question_kinds[q->kind], q->peer, c->tcp ? "TCP" : "UDP", (double)(received_us - q->sent_us) / 1e6,
	    (double)(received_us - started_us) / 1e6, note_last());
	printf("#   rcode %u, version %u; right are %u to %u%s%s%s; before: version %u, serial %u\n", v->rcode, v->version, w->first,
	    w->last, w->absent ? ", SERVFAIL" : "", w->refused ? ", REFUSED" : "", w->fault ? " (at fault)" : "",
	    c->seen[q->zone].version, c->seen[q->zone].serial);
	if (v->version > 0 && v->version <= z->version)
		printf("#   version %u was current from %.3f to %.3f s\n", v->version,
		    (double)(z->versions[v->version].from_us - started_us) / 1e6,
		    z->versions[v->version].to_us == MODEL_OPEN ? -1 : (double)(z->versions[v->version].to_us - started_us) / 1e6);
	serials_tell(q->zone);
	if (load_result.wrong == 1)
		note_events_print(received_us);
	print_hex("question", q->msg, q->len);
	print_hex("answer", msg, len);
	fflush(stdout);
}

static void on_right(struct client *c, int64_t now_us)
{
	int64_t gap_us = now_us - right_us;

	if (now_us - c->right_us > load_result.longest_one_us)
		load_result.longest_one_us = now_us - c->right_us;
	if (gap_us > load_result.longest_us)
		load_result.longest_us = gap_us;
	if (gap_us > OUTAGE_US && outages_len == OUTAGES)
		outages_more++;
	else if (gap_us > OUTAGE_US) {
		outages[outages_len].begin_us = right_us - started_us;
		outages[outages_len].len_us = gap_us;
		outages[outages_len++].after = note_last();
	}
	right_us = c->right_us = now_us;
}

/* ---- asking ---- */

static struct asked *free_slot(struct client *c, int64_t now_us)
{
	struct asked *a = &c->slots[c->next % (c->tcp ? TCP_SLOTS : SLOTS)];

	if (a->state == WAITING && now_us - a->question.sent_us < LOST_US)
		return NULL;
	load_result.lost += a->state == WAITING;
	return a;
}

static void lose_all(struct client *c)
{
	for (size_t i = 0; i < SLOTS; i++) {
		load_result.lost += c->slots[i].state == WAITING;
		c->slots[i].state = c->slots[i].state == WAITING ? LOST : c->slots[i].state;
	}
}

/* What its answer would be judged by is another server's by now. */
static void forget_all(struct client *c)
{
	lose_all(c);
	for (size_t i = 0; i < SLOTS; i++)
		c->slots[i].state = FREE;
}

static void end_connection(struct client *c)
{
	watch_close(&c->watch);
	c->connected = false;
	c->connect_us = model_now_us() + CONNECT_US;
	forget_all(c);
	memset(c->seen, 0, sizeof(c->seen));
}

static void ask(struct client *c, struct asked *a)
{
	uint8_t framed[2 + QUESTION_MAX];
	const struct question *q = &a->question;
	size_t len = c->tcp ? 2u + q->len : q->len;

	put16(a->question.msg, c->next++);
	put16(framed, q->len);
	memcpy(framed + (c->tcp ? 2 : 0), q->msg, q->len);
	a->state = WAITING;
	a->question.sent_us = model_now_us();
	load_result.asked++;
	if (send(c->watch.fd, framed, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return;
	load_result.lost++;
	a->state = FREE; /* nobody listens: the kernel said so of an earlier one */
	if (c->tcp)
		end_connection(c);
}

static bool ask_new(struct client *c, int64_t now_us)
{
	struct asked *a = c->tcp && !c->connected ? NULL : free_slot(c, now_us);

	if (a == NULL)
		return false;
	question_make(&a->question, 0);
	ask(c, a);
	return true;
}

/* What was truncated is asked once more, of a connection that has room. */
static void ask_again(const struct question *q, int64_t now_us)
{
	for (size_t i = 0; i < TCP_CLIENTS; i++) {
		struct client *c = &clients[UDP_CLIENTS + (turn + i) % TCP_CLIENTS];
		struct asked *a = c->connected ? free_slot(c, now_us) : NULL;

		if (a == NULL)
			continue;
		a->question = *q;
		ask(c, a);
		return;
	}
}

/* ---- answers ---- */

static void on_answer(struct client *c, const uint8_t *msg, size_t len)
{
	int64_t now_us = model_now_us();
	struct asked *a = len < DNS_HEADER ? NULL : &c->slots[get16(msg) % (c->tcp ? TCP_SLOTS : SLOTS)];
	struct verdict v;

	drain();
	if (a == NULL || a->state == FREE || memcmp(a->question.msg, msg, 2) != 0) {
		load_result.strange++;
		return;
	}
	load_result.late += a->state == LOST;
	a->state = FREE;
	if (shuffled)
		memset(c->seen, 0, sizeof(c->seen));
	question_judge(&a->question, msg, len, c->tcp, now_us, &c->seen[a->question.zone], &v);
	load_result.answered++;
	if (v.wrong != NULL)
		on_wrong(c, &a->question, msg, len, now_us, &v);
	else if (v.no_help)
		load_result.no_help++;
	else
		on_right(c, now_us);
	if (v.wrong == NULL && v.truncated)
		ask_again(&a->question, now_us);
}

static void on_udp(struct watch *w, uint32_t events)
{
	struct client *c = (struct client *)w;

	(void)events;
	for (int i = 0; i < SLOTS; i++) {
		ssize_t n = recv(w->fd, c->in, sizeof(c->in), MSG_DONTWAIT);

		if (n < 0 && errno == ECONNREFUSED)
			lose_all(c);
		if (n < 0)
			return;
		on_answer(c, c->in, (size_t)n);
	}
}

static void on_tcp(struct watch *w, uint32_t events)
{
	struct client *c = (struct client *)w;
	ssize_t n;
	size_t at = 0;

	if ((events & EPOLLOUT) != 0 && !c->connected) {
		c->connected = true;
		watch_change(w, EPOLLIN);
		load_result.connections++;
	}
	n = recv(w->fd, c->in + c->have, sizeof(c->in) - c->have, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end_connection(c);
		return;
	}
	c->have += (size_t)n;
	while (c->have - at >= 2 && c->have - at >= 2u + get16(c->in + at)) {
		on_answer(c, c->in + at + 2, get16(c->in + at));
		if (!c->connected) /* an answer that was to be asked again ended it */
			return;
		at += 2u + get16(c->in + at);
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
}

/* ---- sockets ---- */

static void open_client(struct client *c)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(c->server, &sa);
	int fd = socket(c->server->family, (c->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	c->connect_us = model_now_us() + CONNECT_US;
	c->have = 0;
	if (fd < 0)
		err(2, "socket");
	if (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
		if (!c->tcp)
			err(2, "connect");
		close(fd);
		return;
	}
	c->watch.on_event = c->tcp ? on_tcp : on_udp;
	watch_add(&c->watch, fd, c->tcp ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void load_start(const struct endpoint *servers, size_t servers_len, unsigned rate, void (*on_each)(void))
{
	drain = on_each;
	rate_s = rate;
	started_us = right_us = model_now_us();
	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i].tcp = i >= UDP_CLIENTS;
		clients[i].server = &servers[i % servers_len];
		clients[i].right_us = started_us;
		clients[i].watch.fd = -1;
		clients[i].next = (uint16_t)model_random();
		if (!clients[i].tcp)
			open_client(&clients[i]);
	}
}

/* What the rate allows since the start, but no more than a burst of it; 0: as many as there is room for. */
void load_tick(void)
{
	static int64_t last_us;
	static double allowed;
	int64_t now_us = model_now_us();
	size_t misses = 0;

	for (size_t i = UDP_CLIENTS; i < CLIENTS; i++)
		if (clients[i].watch.fd < 0 && clients[i].connect_us <= now_us)
			open_client(&clients[i]);
	allowed = rate_s == 0 ? CLIENTS * 4 : allowed + (double)(now_us - last_us) * rate_s / 1e6;
	last_us = now_us;
	if (allowed > CLIENTS * 4)
		allowed = CLIENTS * 4;
	for (; allowed >= 1 && misses < CLIENTS; allowed--) {
		struct client *c = &clients[turn % UDP_CLIENTS];

		if (model_random() % TCP_SHARE == 0)
			c = &clients[UDP_CLIENTS + turn % TCP_CLIENTS];
		turn++;
		misses = ask_new(c, now_us) ? 0 : misses + 1;
	}
}

void load_unsee(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		memset(clients[i].seen, 0, sizeof(clients[i].seen));
}

void load_shuffle(bool on)
{
	shuffled = on;
	load_unsee();
}

void load_forget(void)
{
	load_shuffle(true);
	for (size_t i = 0; i < CLIENTS; i++)
		forget_all(&clients[i]);
}

void load_print(void)
{
	const struct load_result *r = &load_result;

	printf("%lu questions, %lu answers compared, %lu mismatches; %lu without an answer, %lu late, %lu to no question; %lu SERVFAIL "
	       "just after a start; %lu connections\n",
	    r->asked, r->answered, r->wrong, r->lost, r->late, r->strange, r->no_help, r->connections);
	printf("outages of more than %d ms:\n", OUTAGE_US / 1000);
	for (size_t i = 0; i < outages_len; i++)
		printf("  at %8.3f s  %6.0f ms  after \"%s\"\n", (double)outages[i].begin_us / 1e6, (double)outages[i].len_us / 1e3,
		    outages[i].after);
	if (outages_more > 0)
		printf("  and %zu more\n", outages_more);
	printf("longest outage: %.0f ms for all clients, %.0f ms for any one of them\n", (double)r->longest_us / 1e3,
	    (double)r->longest_one_us / 1e3);
}
