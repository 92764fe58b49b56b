/* Questions in flight, and what becomes of their number; cookies; other servers and sockets than before. The name server is a
 * socket of the test's. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns.h"
#include "sandbox.h"
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
static size_t answered, made;
static struct settings settings;

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
	made++;
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
	settings.servers.len = COUNT(servers);
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
	answered = made = 0;
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

/* Whoever forges an answer has not seen the cookie that is in the question. */
START_TEST(an_answer_without_our_cookie_is_not_believed)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&settings.servers.at[0], &sa);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), conn = -1;
	uint8_t framed[2 + sizeof(q.msg)];

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	for (size_t i = 0; i < 2; i++) { /* the second is of a server that gives cookies */
		ask(0, 1);
		ck_assert(receive(0));
		answer(0, NXDOMAIN, i == 0 ? NULL : "monday!!");
		wait_for(i + 1);
	}
	for (size_t i = 0; i < 2; i++) {
		ask(0, 1);
		ck_assert(receive(0));
		q.msg[12 + name.len + 4 + OPT + 4] ^= i == 0; /* another's */
		answer(0, NXDOMAIN, i == 0 ? "tuesday!" : NULL);
		if (i == 0) {
			while ((conn = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
				look();
		}
		ck_assert_uint_eq(answered, 2 + i);
		while (read(conn, framed, sizeof(framed)) <= 0)
			look();
		framed[4] |= 0x80;
		ck_assert_int_gt(write(conn, framed, 2 + ((size_t)framed[0] << 8 | framed[1])), 0);
		wait_for(3 + i);
	}
	close(conn);
	close(listener);
}
END_TEST

/* ---- sockets and servers ---- */

/* The next time this host may have another address, and somebody may have learned the port. */
START_TEST(no_socket_is_kept_when_nothing_is_in_flight)
{
	for (size_t i = 1; i <= 3; i++) {
		ask(0, 2);
		ck_assert_uint_eq(made, i);
		for (size_t k = 0; k < 2; k++) {
			ck_assert(receive(0));
			answer(0, NXDOMAIN, NULL);
		}
		wait_for(2 * i);
	}
}
END_TEST

/* Also what waits to be asked is, once. */
START_TEST(what_is_in_flight_is_asked_again_from_a_new_socket)
{
	ask(0, DNS_WINDOW + 3);
	ck_assert_uint_eq(receive_all(0), DNS_WINDOW);
	ck_assert_uint_eq(made, 1);
	dns_renew(dns);
	dns_continue(dns);
	ck_assert_uint_eq(made, 2);
	ck_assert(!dns_has_room(dns, 0));
	for (size_t i = 0; i < DNS_WINDOW; i++) {
		ck_assert(receive(0));
		answer(0, NXDOMAIN, NULL);
	}
	ck_assert(!receive(0));
	wait_for(DNS_WINDOW);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(receive(0));
		answer(0, NXDOMAIN, NULL);
	}
	wait_for(DNS_WINDOW + 3);
	ck_assert(!receive(0));
	ck_assert_int_eq(dns_timeout_ms(dns), -1);
}
END_TEST

/* It takes the time that is given to TCP. */
START_TEST(a_connection_that_answers_nothing_is_given_up)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&settings.servers.at[0], &sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	dns_query(dns, 0, &name, 33, true, on_answer, NULL);
	ck_assert_int_ge(accept(listener, NULL, NULL), 0);
	dns_query(dns, 0, &name, 33, true, on_answer, NULL);
	ck_assert_uint_eq(made, 1);
	wait_for(2);
	dns_query(dns, 0, &name, 33, true, on_answer, NULL);
	ck_assert_uint_eq(made, 2);
	ck_assert_int_ge(accept(listener, NULL, NULL), 0);
}
END_TEST

START_TEST(other_servers_can_be_asked_afterwards)
{
	struct server_list other = {.at = {settings.servers.at[1]}, .len = 1};

	be_quick(0);
	dns_use(dns, &other);
	ck_assert_uint_eq(dns_servers(dns), 1);
	ck_assert_uint_eq(window(0), DNS_WINDOW); /* nothing is known of it */
	ck_assert(!receive(0));
	for (size_t i = 0; i < DNS_WINDOW; i++) {
		ck_assert(receive(1));
		answer(1, NXDOMAIN, NULL);
	}
	wait_for(QUICK + DNS_WINDOW);
	dns_use(dns, &settings.servers);
	ck_assert_uint_eq(dns_servers(dns), 2);
	ask(0, 1);
	ask(1, 1);
	ck_assert(receive(0));
	answer(0, NXDOMAIN, NULL);
	ck_assert(receive(1));
	answer(1, NXDOMAIN, NULL);
	wait_for(QUICK + DNS_WINDOW + 2);
}
END_TEST

/* As the setter may, when it has long been in its sandbox. NULL: there is no file. */
static void read_system_servers(void *arg)
{
	const char *text = arg;
	struct server_list list;
	char got[ENDPOINT_TEXT];
	FILE *fp;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		util_child_skip("a mount namespace is not allowed here");
	CHILD_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("none", "/etc", "tmpfs", 0, NULL) == 0);
	if (text != NULL) {
		fp = fopen("/etc/resolv.conf", "we");
		CHILD_CHECK(fp != NULL && fputs(text, fp) >= 0 && fclose(fp) == 0);
	}
	sandbox_enter(SANDBOX_SETTER, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		dns_system_servers(&list);
		CHILD_CHECK(list.len == (text != NULL ? 2 : 1));
		CHILD_CHECK(strcmp(endpoint_to_text(&list.at[0], got), text != NULL ? "192.0.2.1:53" : "127.0.0.1:53") == 0);
		CHILD_CHECK(text == NULL || strcmp(endpoint_to_text(&list.at[1], got), "[2001:db8::1]:53") == 0);
	}
}

START_TEST(the_system_s_servers_are_those_of_its_file)
{
	static const char text[] = "domain example.com\noptions timeout:1\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n";

	util_in_child("the_system_s_servers_are_those_of_its_file", read_system_servers, (void *)text);
	util_in_child("the_system_s_servers_are_those_of_its_file", read_system_servers, NULL);
}
END_TEST

Suite *suite_dns(void)
{
	Suite *s = suite_create("dns");
	TCase *w = tcase_create("window"), *c = tcase_create("cookie"), *k = tcase_create("sockets");

	suite_add_tcase(s, w);
	tcase_add_checked_fixture(w, setup, NULL);
	tcase_add_test(w, no_more_is_in_flight_than_the_window_whoever_asks);
	tcase_add_test(w, the_window_grows_where_answers_are_quick);
	tcase_add_test(w, who_refuses_loses_nothing);
	tcase_add_test(w, what_is_lost_together_is_one_loss_and_its_server_s);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, the_newest_cookie_is_sent);
	tcase_add_test(c, an_answer_without_our_cookie_is_not_believed);
	suite_add_tcase(s, k);
	tcase_add_checked_fixture(k, setup, NULL);
	tcase_add_test(k, no_socket_is_kept_when_nothing_is_in_flight);
	tcase_add_test(k, what_is_in_flight_is_asked_again_from_a_new_socket);
	tcase_add_test(k, a_connection_that_answers_nothing_is_given_up);
	tcase_add_test(k, other_servers_can_be_asked_afterwards);
	tcase_add_test(k, the_system_s_servers_are_those_of_its_file);
	return s;
}
