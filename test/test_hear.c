/* The whole resolver, in its sandbox: who is asked what, and the NOTIFY that is heard. The name servers are sockets of the test's on
 * loopback, which is the device, too. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "push_message.h"
#include "records.h"
#include "resolve.h"
#include "suites.h"
#include "util.h"

#define WAIT_MS  5000
#define NXDOMAIN 3
#define SERVFAIL 2
#define SERVERS  2
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

static struct settings settings;
static struct resolver r;
static struct endpoint servers[SERVERS];
static int sockets[SERVERS];
static uint16_t port;
static struct name zone;
static uint8_t msg[2 * PUSH_MAX]; /* that came last */
static size_t len;

static struct {
	struct sockaddr_storage from;
	socklen_t from_len;
	uint32_t mark;
} q;

static int socket_at(struct endpoint *ep)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(ep, &sa);
	int fd = socket(ep->family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVMARK, &one, sizeof(one)); /* since Linux 5.19 */
	if (bind(fd, (struct sockaddr *)&sa, sa_len) < 0) {
		close(fd);
		return -1;
	}
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &sa_len), 0);
	ck_assert(endpoint_from_sockaddr(&sa, sa_len, ep));
	return fd;
}

/* At a port that is free, on the device. */
static int hear_somewhere(void)
{
	struct endpoint ep = util_endpoint("127.0.0.1");
	int fd = socket_at(&ep);

	port = ep.port;
	close(fd);
	return resolver_listen(&r, "lo", port);
}

static void setup(void)
{
	log_init("wgmeet", false);
	zone = util_name("wg.test");
	settings = (struct settings){.user = "nobody", .zone = zone, .servers.len = SERVERS};
	for (size_t i = 0; i < SERVERS; i++) {
		servers[i] = util_endpoint("127.0.0.1");
		sockets[i] = socket_at(&servers[i]);
		settings.servers.at[i] = servers[i];
	}
	resolver_start(&settings, &r);
	ck_assert_int_eq(hear_somewhere(), 0);
}

static void teardown(void)
{
	resolver_stop(&r);
}

/* Does what the resolver wants until there is something to read at fd. */
static void serve_until(int fd)
{
	struct pollfd p[RESOLVER_FDS + 1];

	do {
		ck_assert(resolver_serve(&r));
		resolver_fill(&r, false, p);
		p[0].fd = p[2].fd = -1;
		p[RESOLVER_FDS] = (struct pollfd){.fd = fd, .events = POLLIN};
		ck_assert_int_gt(poll(p, COUNT(p), WAIT_MS), 0);
	} while (p[RESOLVER_FDS].revents == 0);
}

/* ---- NOTIFY ---- */

static struct push_message notify(uint64_t n)
{
	struct name name;
	uint8_t key[KEY_LEN];

	util_key(n, key);
	ck_assert(records_instance_name(&zone, key, n % 2 != 0, &name));
	return push_message((uint16_t)n, &name);
}

static void send_from(int fd, const struct push_message *m)
{
	struct sockaddr_storage sa;
	struct endpoint to = {.family = AF_INET, .addr = {127, 0, 0, 1}, .port = port};
	socklen_t sa_len = endpoint_to_sockaddr(&to, &sa);

	ck_assert_int_eq(sendto(fd, m->octets, m->len, 0, (struct sockaddr *)&sa, sa_len), (ssize_t)m->len);
}

static bool nothing_at(int fd)
{
	return recv(fd, msg, sizeof(msg), MSG_DONTWAIT) < 0;
}

/* The next one that was passed on is peer n's, of that server. */
static void is_passed_on(uint64_t n, const struct endpoint *from)
{
	struct push push = {.key = {0}};
	uint8_t key[KEY_LEN];

	util_key(n, key);
	serve_until(r.control);
	ck_assert_int_eq(resolver_take_push(&r, &push), 1);
	ck_assert_mem_eq(push.key, key, KEY_LEN);
	ck_assert(endpoint_equal(&push.from, from));
}

/* The next thing that comes from there is the answer to m. */
static void is_answered(int fd, const struct push_message *m)
{
	serve_until(fd);
	len = (size_t)recv(fd, msg, sizeof(msg), 0);
	ck_assert_uint_eq(len, m->len);
	ck_assert_uint_eq(msg[2], m->octets[2] | 0x80);
	ck_assert_mem_eq(msg, m->octets, 2);
	ck_assert_mem_eq(msg + 3, m->octets + 3, len - 3);
}

static void is_heard(uint64_t n, int fd, const struct endpoint *from)
{
	struct push_message m = notify(n);

	send_from(fd, &m);
	is_answered(fd, &m);
	is_passed_on(n, from);
}

static void nothing_else_is_heard(void)
{
	struct push push;

	ck_assert_int_eq(resolver_take_push(&r, &push), -EAGAIN);
	for (size_t i = 0; i < SERVERS; i++)
		ck_assert(nothing_at(sockets[i]));
}

/* It is the only one, and the only one that is answered. */
static void only_this_is_heard(uint64_t n)
{
	is_heard(n, sockets[0], &servers[0]);
	nothing_else_is_heard();
}

START_TEST(a_server_is_heard)
{
	is_heard(1, sockets[0], &servers[0]);
	is_heard(2, sockets[1], &servers[1]);
	only_this_is_heard(3);
}
END_TEST

START_TEST(nobody_else_is_heard)
{
	struct endpoint another = {.family = AF_INET, .addr = {127, 0, 0, 2}, .port = servers[0].port},
	                another_port = util_endpoint("127.0.0.1");
	int fds[] = {socket_at(&another), socket_at(&another_port)};
	struct push_message m = notify(1);

	for (size_t i = 0; i < COUNT(fds); i++) {
		ck_assert_int_ge(fds[i], 0);
		send_from(fds[i], &m);
	}
	only_this_is_heard(2);
	for (size_t i = 0; i < COUNT(fds); i++)
		ck_assert(nothing_at(fds[i]));
}
END_TEST

START_TEST(what_is_no_notify_is_not_heard)
{
	struct push_message m[7];

	for (size_t i = 0; i < COUNT(m); i++)
		m[i] = notify(i);
	m[0].octets[2] = 0;    /* a query */
	m[1].octets[2] |= 0x80; /* an answer */
	m[2].octets[5] = 2;    /* two questions */
	memcpy(m[2].octets + m[2].len, m[2].octets + PUSH_HEADER, m[2].len - PUSH_HEADER);
	m[2].len += m[2].len - PUSH_HEADER;
	m[3].octets[m[3].len - 9] = 'b'; /* another zone */
	m[4].octets[m[4].len - 3] = 1;       /* another type */
	m[5].len--;                          /* truncated */
	memset(m[6].octets, 0x24, m[6].len); /* nothing at all */
	for (size_t i = 0; i < COUNT(m); i++)
		send_from(sockets[0], &m[i]);
	m[0].len = 0;
	send_from(sockets[0], &m[0]);
	m[0].len = sizeof(m[0].octets);
	send_from(sockets[0], &m[0]);
	only_this_is_heard(8);
}
END_TEST

/* More of them than the socket holds, so that the one behind them may have to be repeated. */
START_TEST(many_for_one_peer_are_one)
{
	struct push_message many = notify(1), last = notify(2);
	struct pollfd p = {.fd = sockets[0], .events = POLLIN};

	for (int i = 0; i < 100; i++)
		send_from(sockets[0], &many);
	is_answered(sockets[0], &many);
	is_passed_on(1, &servers[0]);
	do
		send_from(sockets[0], &last);
	while (poll(&p, 1, 100) == 0);
	is_answered(sockets[0], &last);
	is_passed_on(2, &servers[0]);
	nothing_else_is_heard();
}
END_TEST

START_TEST(an_ipv6_server_is_heard)
{
	struct endpoint v6 = util_endpoint("::1"), to;
	struct push_message m = notify(1);
	struct sockaddr_storage sa;
	socklen_t sa_len;
	int fd = socket_at(&v6);

	if (fd < 0) {
		util_skip("an_ipv6_server_is_heard", "no IPv6 here");
		return;
	}
	settings.servers.at[1] = v6;
	ck_assert_int_eq(resolver_use(&r, &settings), 0);
	to = v6;
	to.port = port;
	sa_len = endpoint_to_sockaddr(&to, &sa);
	ck_assert_int_eq(sendto(fd, m.octets, m.len, 0, (struct sockaddr *)&sa, sa_len), (ssize_t)m.len);
	is_answered(fd, &m);
	is_passed_on(1, &v6);
	only_this_is_heard(2);
}
END_TEST

/* ---- where it is heard ---- */

/* Nobody is at the port: loopback says so at once. */
static void nowhere(void)
{
	struct endpoint ep = {.family = AF_INET, .addr = {127, 0, 0, 1}, .port = port}, any = util_endpoint("127.0.0.1");
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(&ep, &sa);
	int fd = socket_at(&any);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sa_len), 0);
	ck_assert_int_eq(send(fd, "", 1, 0), 1);
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_lt(recv(fd, msg, sizeof(msg), 0), 0);
	ck_assert_int_eq(errno, ECONNREFUSED);
	close(fd);
}

START_TEST(nothing_is_heard_where_nobody_listens)
{
	uint16_t before = port;

	ck_assert_int_eq(resolver_listen(&r, "", port), 0);
	nowhere();
	ck_assert_int_eq(resolver_listen(&r, "lo", port), 0);
	is_heard(1, sockets[0], &servers[0]);
	ck_assert_int_eq(resolver_listen(&r, "lo", 0), 0);
	nowhere();
	ck_assert_int_eq(hear_somewhere(), 0);
	is_heard(2, sockets[0], &servers[0]);
	ck_assert_int_eq(hear_somewhere(), 0);
	ck_assert_uint_ne(port, before);
	is_heard(3, sockets[0], &servers[0]);
	port = before;
	nowhere();
}
END_TEST

START_TEST(it_is_said_why_nothing_is_heard)
{
	struct endpoint taken = util_endpoint("127.0.0.1");
	int fd = socket_at(&taken);

	ck_assert_int_eq(resolver_listen(&r, "lo", port), 0); /* its own sockets do not hinder it */
	ck_assert_int_eq(resolver_listen(&r, "wgtest9", port), -ENODEV);
	nowhere();
	ck_assert_int_eq(resolver_listen(&r, "lo", taken.port), -EADDRINUSE);
	close(fd);
	ck_assert_int_eq(resolver_listen(&r, "lo", taken.port), 0);
	port = taken.port;
	only_this_is_heard(1);
}
END_TEST

/* ---- look-ups ---- */

/* The question that a server gets next. */
static void is_asked(size_t server)
{
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(msg)};
	char control[CMSG_SPACE(sizeof(uint32_t))];
	struct msghdr mh = {.msg_name = &q.from, .msg_namelen = sizeof(q.from), .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n;

	serve_until(sockets[server]);
	n = recvmsg(sockets[server], &mh, 0);
	ck_assert_int_gt(n, 0);
	len = (size_t)n;
	q.from_len = mh.msg_namelen;
	q.mark = 0;
	c = CMSG_FIRSTHDR(&mh);
	if (c != NULL)
		memcpy(&q.mark, CMSG_DATA(c), sizeof(q.mark));
}

static void answer(size_t server, uint8_t rcode)
{
	msg[2] |= 0x80;
	msg[3] = rcode;
	ck_assert_int_eq(sendto(sockets[server], msg, len, 0, (struct sockaddr *)&q.from, q.from_len), (ssize_t)len);
}

static void post(uint32_t number, uint32_t server)
{
	struct lookup lookup = {.number = number, .kind = LOOKUP_KEY, .server = server};

	util_key(number, lookup.key);
	ck_assert_int_eq(resolver_post(&r, &lookup), 0);
}

static void is_result(uint32_t number, enum lookup_status status)
{
	struct lookup_result result;

	serve_until(r.channel);
	ck_assert_int_eq(resolver_take(&r, &result), 1);
	ck_assert_uint_eq(result.number, number);
	ck_assert_uint_eq(result.status, status);
}

/* To what it was asked, and to the other naming. */
static void answers_no(size_t server)
{
	answer(server, NXDOMAIN);
	is_asked(server);
	answer(server, NXDOMAIN);
}

static void says_no(size_t server)
{
	is_asked(server);
	answers_no(server);
}

START_TEST(any_server_is_asked_or_one)
{
	post(1, 2);
	is_asked(1);
	answer(1, SERVFAIL); /* and no other is asked */
	is_result(1, LOOKUP_NOT_READY);
	post(2, 1);
	says_no(0);
	is_result(2, LOOKUP_NOT_IN_ZONE);
	post(3, 2);
	says_no(1);
	is_result(3, LOOKUP_NOT_IN_ZONE);
	post(4, 0);
	is_asked(0); /* which is still the first one, whatever the other said */
	answer(0, SERVFAIL);
	says_no(1);
	is_result(4, LOOKUP_NOT_IN_ZONE);
	post(5, 0);
	says_no(1); /* and is no longer */
	is_result(5, LOOKUP_NOT_IN_ZONE);
	nothing_else_is_heard();
}
END_TEST

START_TEST(what_is_in_flight_is_asked_again_if_all_is_new)
{
	struct sockaddr_storage before;

	post(1, 0);
	is_asked(0);
	memcpy(&before, &q.from, sizeof(before));
	ck_assert_int_eq(resolver_renew(&r), 0);
	is_asked(0);
	ck_assert_mem_ne(&before, &q.from, q.from_len);
	answers_no(0);
	is_result(1, LOOKUP_NOT_IN_ZONE);
	ck_assert_int_eq(resolver_renew(&r), 0);
	only_this_is_heard(1);
}
END_TEST

static bool is_for_zone(const char *text)
{
	struct name name = util_name(text);

	return len > PUSH_HEADER && util_has_bytes(msg + PUSH_HEADER, len - PUSH_HEADER, name.wire, name.len);
}

START_TEST(other_settings_are_used_from_then_on)
{
	struct settings other = {.zone = util_name("other.test"), .servers = {.at = {servers[1]}, .len = 1}};
	struct push_message m = notify(1);

	post(1, 0);
	is_asked(0);
	ck_assert(is_for_zone("wg.test"));
	ck_assert_int_eq(resolver_use(&r, &other), -EBUSY);
	answers_no(0);
	is_result(1, LOOKUP_NOT_IN_ZONE);
	ck_assert_int_eq(resolver_use(&r, &other), 0);
	for (uint32_t i = 2; i < 5; i++) {
		post(i, i % 2);
		says_no(1);
		ck_assert(is_for_zone("other.test"));
		is_result(i, LOOKUP_NOT_IN_ZONE);
	}
	send_from(sockets[1], &m); /* of the old zone */
	zone = other.zone;
	m = notify(2);
	send_from(sockets[0], &m); /* of the old server */
	is_heard(3, sockets[1], &servers[1]);
	nothing_else_is_heard();
	other.servers = settings.servers;
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(resolver_use(&r, &other), 0);
	is_heard(4, sockets[0], &servers[0]);
	post(9, 0);
	says_no(0);
	is_result(9, LOOKUP_NOT_IN_ZONE);
}
END_TEST

START_TEST(another_mark_is_used_from_then_on)
{
	int one = 1;

	if (setsockopt(sockets[0], SOL_SOCKET, SO_RCVMARK, &one, sizeof(one)) < 0 ||
	    setsockopt(sockets[0], SOL_SOCKET, SO_MARK, &one, sizeof(one)) < 0) {
		util_skip("another_mark_is_used_from_then_on", "the mark cannot be set, or not be read");
		return;
	}
	for (uint32_t mark = 0; mark < 3; mark++) {
		settings.fwmark = mark;
		ck_assert_int_eq(resolver_use(&r, &settings), 0);
		post(mark, 0);
		is_asked(0);
		ck_assert_uint_eq(q.mark, mark);
		answers_no(0);
		ck_assert_uint_eq(q.mark, mark);
		is_result(mark, LOOKUP_NOT_IN_ZONE);
	}
}
END_TEST

Suite *suite_hear(void)
{
	Suite *s = suite_create("hear");
	TCase *n = tcase_create("notify"), *l = tcase_create("look-ups");

	suite_add_tcase(s, n);
	tcase_add_checked_fixture(n, setup, teardown);
	tcase_add_test(n, a_server_is_heard);
	tcase_add_test(n, nobody_else_is_heard);
	tcase_add_test(n, what_is_no_notify_is_not_heard);
	tcase_add_test(n, many_for_one_peer_are_one);
	tcase_add_test(n, an_ipv6_server_is_heard);
	tcase_add_test(n, nothing_is_heard_where_nobody_listens);
	tcase_add_test(n, it_is_said_why_nothing_is_heard);
	suite_add_tcase(s, l);
	tcase_add_checked_fixture(l, setup, teardown);
	tcase_add_test(l, any_server_is_asked_or_one);
	tcase_add_test(l, what_is_in_flight_is_asked_again_if_all_is_new);
	tcase_add_test(l, other_settings_are_used_from_then_on);
	tcase_add_test(l, another_mark_is_used_from_then_on);
	return s;
}
