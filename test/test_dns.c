/* Questions in flight, and what becomes of their number; cookies. The name server is a socket of the test's. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

#define ROOM     1000 /* questions: of a socket's buffers */
#define QUICK    2000 /* questions that are answered at once: many of them as quick as the quickest */
#define SERVFAIL 2
#define NXDOMAIN 3
#define OPT      11 /* octets, without its options */

static struct dns *dns;
static struct name name;
static int servers[2], epoll;
static size_t answered;

static struct {
	struct sockaddr_storage from;
	socklen_t from_len;
	uint8_t msg[512];
	size_t len;
} q; /* that the server got last */

static int on_socket(int fd, bool udp, void *data)
{
	(void)fd;
	(void)udp;
	(void)data;
	return ROOM;
}

static void on_answer(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	(void)arg;
	(void)status;
	(void)msg;
	(void)len;
	answered++;
}

static void setup(void)
{
	static struct settings settings = {.servers.len = COUNT(servers)};

	for (size_t i = 0; i < COUNT(servers); i++) {
		struct sockaddr_storage sa;
		struct endpoint ep = util_endpoint("127.0.0.1");
		socklen_t len = endpoint_to_sockaddr(&ep, &sa);
		int size = 1 << 20;

		servers[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		ck_assert_int_ge(servers[i], 0);
		setsockopt(servers[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		ck_assert_int_eq(bind(servers[i], (struct sockaddr *)&sa, len), 0);
		len = sizeof(sa);
		ck_assert_int_eq(getsockname(servers[i], (struct sockaddr *)&sa, &len), 0);
		ck_assert(endpoint_from_sockaddr(&sa, len, &settings.servers.at[i]));
	}
	answered = 0;
	epoll = epoll_create1(0);
	name = util_name("alice._wireguard._udp.wg.test");
	dns = dns_open(&settings, epoll, on_socket, NULL);
}

static void ask(size_t server, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dns_query(dns, server, &name, 33, false, on_answer, NULL);
}

/* The next question that is there at a server. */
static bool receive(size_t server)
{
	ssize_t n;

	q.from_len = sizeof(q.from);
	n = recvfrom(servers[server], q.msg, sizeof(q.msg), 0, (struct sockaddr *)&q.from, &q.from_len);
	q.len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static size_t receive_all(size_t server)
{
	size_t n = 0;

	while (receive(server))
		n++;
	return n;
}

/* The question, with an OPT that has this cookie or none. */
static void answer(size_t server, uint8_t rcode, const char *cookie)
{
	uint8_t *end = q.msg + 12 + name.len + 4;

	q.msg[2] |= 0x80;
	q.msg[3] = rcode;
	put16(q.msg + 10, cookie != NULL);
	if (cookie != NULL) { /* ours is in the question */
		put16(end + OPT - 2, 4 + 16);
		put16(end + OPT + 2, 16);
		memcpy(end + OPT + 4 + 8, cookie, 8);
		end += OPT + 4 + 16;
	}
	ck_assert_int_gt(sendto(servers[server], q.msg, (size_t)(end - q.msg), 0, (struct sockaddr *)&q.from, q.from_len), 0);
}

static void look(void)
{
	struct epoll_event events[16];
	int got = epoll_wait(epoll, events, COUNT(events), DNS_TICK_MS);

	for (int i = 0; i < got; i++)
		dns_process(dns, events[i].data.u64, events[i].events);
	dns_continue(dns);
}

/* Until so many were answered in all. */
static void wait_for(size_t n)
{
	while (answered < n)
		look();
}

/* One after the other, so that the window grows. */
static void be_quick(size_t server)
{
	for (size_t i = 0; i < QUICK; i++) {
		ask(server, 1);
		ck_hot(receive(server));
		answer(server, NXDOMAIN, NULL);
		wait_for(answered + 1);
	}
}

/* So many may be asked before there is no room. */
static size_t window(size_t server)
{
	size_t n = 0;

	for (; dns_has_room(dns, server); n++)
		ask(server, 1);
	return n;
}

START_TEST(no_more_is_in_flight_than_the_window_whoever_asks)
{
	ask(0, DNS_WINDOW - 1);
	ck_assert(dns_has_room(dns, 0));
	ask(0, 3); /* as an answer's TXT, A and AAAA */
	ck_assert(!dns_has_room(dns, 0));
	ck_assert(dns_has_room(dns, 1));
	ck_assert_uint_eq(receive_all(0), DNS_WINDOW);
	answer(0, SERVFAIL, NULL);
	wait_for(1);
	ck_assert_uint_eq(receive_all(0), 1); /* one that waited */
	ck_assert(!dns_has_room(dns, 0));
	answer(0, SERVFAIL, NULL);
	wait_for(2);
	ck_assert(!dns_has_room(dns, 0));
	ck_assert(receive(0));
	answer(0, SERVFAIL, NULL);
	wait_for(3);
	ck_assert(dns_has_room(dns, 0));
}
END_TEST

START_TEST(the_window_grows_where_answers_are_quick)
{
	ck_assert_uint_eq(window(1), DNS_WINDOW);
	be_quick(0);
	ck_assert_uint_gt(window(0), ROOM / 2);
}
END_TEST

START_TEST(who_refuses_loses_nothing)
{
	for (size_t i = 0; i < 3; i++) {
		ask(0, 1);
		ck_assert(receive(0));
		answer(0, SERVFAIL, NULL);
		wait_for(i + 1);
	}
	be_quick(0);
	ck_assert_uint_gt(window(0), ROOM / 2);
}
END_TEST

/* Half of what the socket holds is the most then. It takes a second, after which c-ares asks again. */
START_TEST(what_is_lost_together_is_one_loss_and_its_server_s)
{
	ask(0, 8);
	ck_assert_uint_eq(receive_all(0), 8);
	while (answered < 8) {
		look();
		while (receive(0))
			answer(0, NXDOMAIN, NULL);
	}
	ck_assert_uint_eq(window(0), DNS_WINDOW);
	while (answered < 8 + DNS_WINDOW) {
		while (receive(0))
			answer(0, SERVFAIL, NULL);
		look();
	}
	be_quick(0);
	ck_assert_uint_eq(window(0), ROOM / 2);
	be_quick(1);
	ck_assert_uint_gt(window(1), ROOM / 2);
}
END_TEST

/* A server's new cookie is sent to it from then on, not only if it does not take the old one. */
START_TEST(the_newest_cookie_is_sent)
{
	static const char *const cookies[] = {"monday!!", "tuesday!", "tuesday!", "friday!!"};
	const uint8_t *sent = q.msg + 12 + name.len + 4 + OPT + 4 + 8;

	ask(0, 1);
	ck_assert(receive(0));
	ck_assert_ptr_eq(q.msg + q.len, sent);
	for (size_t i = 0; i < COUNT(cookies); i++) {
		answer(0, NXDOMAIN, cookies[i]);
		wait_for(i + 1);
		ask(0, 1);
		ck_assert(receive(0));
		ck_assert_ptr_eq(q.msg + q.len, sent + 8);
		ck_assert_mem_eq(sent, cookies[i], 8);
	}
}
END_TEST

Suite *suite_dns(void)
{
	Suite *s = suite_create("dns");
	TCase *w = tcase_create("window"), *c = tcase_create("cookie");

	suite_add_tcase(s, w);
	tcase_add_checked_fixture(w, setup, NULL);
	tcase_add_test(w, no_more_is_in_flight_than_the_window_whoever_asks);
	tcase_add_test(w, the_window_grows_where_answers_are_quick);
	tcase_add_test(w, who_refuses_loses_nothing);
	tcase_add_test(w, what_is_lost_together_is_one_loss_and_its_server_s);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, the_newest_cookie_is_sent);
	return s;
}
