#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "poke.h"
#include "suites.h"

/* Loopback is the tunnel: it has a host that answers. */
static const uint8_t alice[KEY_LEN] = {1}, bob[KEY_LEN] = {2};

static struct wg_allowedip net(const char *text)
{
	struct wg_allowedip ip;

	ck_assert(allowedip_from_text(text, &ip));
	return ip;
}

static bool answered(struct poker *p, uint8_t key[KEY_LEN])
{
	struct pollfd fds[POKE_FDS];

	poke_fill(p, fds);
	ck_assert_int_eq(poll(fds, POKE_FDS, 5000), 1);
	ck_assert_int_ne(fds[0].revents & POLLERR, 0);
	return poke_take(p, key);
}

START_TEST(test_answers_are_known_by_their_addresses)
{
	struct wg_allowedip a = net("127.0.0.2/32"), b = net("127.1.0.0/16");
	uint8_t key[KEY_LEN];
	struct poker p;

	poke_open(&p, "lo");
	ck_assert_int_eq(poke_send(&p, alice, &a, 1), 0);
	ck_assert(answered(&p, key));
	ck_assert_mem_eq(key, alice, KEY_LEN);
	ck_assert_int_eq(poke_send(&p, bob, &b, 1), 0);
	ck_assert(answered(&p, key));
	ck_assert_mem_eq(key, bob, KEY_LEN);
	ck_assert(!poke_take(&p, key));
	/* Nothing is left that poll(2) would tell of again and again. */
	struct pollfd fds[POKE_FDS];
	poke_fill(&p, fds);
	ck_assert_int_eq(poll(fds, POKE_FDS, 0), 0);
	poke_close(&p);
}
END_TEST

/* Of the narrowest prefix the first host. */
START_TEST(test_address)
{
	static const struct {
		const char *ips[3], *to;
	} cases[] = {
	    {{"127.0.0.5/32"}, "127.0.0.5"},
	    {{"127.4.0.0/16"}, "127.4.0.1"},
	    {{"127.0.0.0/8", "127.7.7.0/24"}, "127.7.7.1"},
	    {{"127.0.0.9/32", "127.0.0.0/8"}, "127.0.0.9"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(9)};
		struct wg_allowedip ips[3];
		struct pollfd fds;
		struct poker p;
		size_t n = 0;
		char octet;

		for (; n < 3 && cases[i].ips[n] != NULL; n++)
			ips[n] = net(cases[i].ips[n]);
		inet_pton(AF_INET, cases[i].to, &sin.sin_addr);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
		poke_open(&p, "lo");
		ck_assert_int_eq(poke_send(&p, alice, ips, n), 0);
		fds = (struct pollfd){.fd = fd, .events = POLLIN};
		ck_assert_int_eq(poll(&fds, 1, 5000), 1);
		ck_assert_int_eq(recv(fd, &octet, 1, 0), 0); /* an empty datagram */
		poke_close(&p);
		close(fd);
	}
}
END_TEST

START_TEST(test_nothing_to_send_to)
{
	struct wg_allowedip ip = net("127.0.0.2/32");
	uint8_t key[KEY_LEN];
	struct poker p;

	poke_open(&p, "lo");
	ck_assert_int_eq(poke_send(&p, alice, NULL, 0), -EADDRNOTAVAIL);
	ck_assert(!poke_take(&p, key));
	poke_close(&p);
	poke_open(&p, "nosuchdevice");
	ck_assert_int_eq(poke_send(&p, alice, &ip, 1), -ENODEV);
	poke_close(&p);
}
END_TEST

/* Whoever sends to it fills no buffer: answers come all the same, and poll(2) rests. */
START_TEST(test_flood)
{
	struct wg_allowedip ip = net("127.0.0.2/32");
	static uint8_t junk[1000];
	struct sockaddr_in at = {0};
	socklen_t len = sizeof(at);
	struct pollfd fds[POKE_FDS];
	uint8_t key[KEY_LEN];
	struct poker p;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	poke_open(&p, "lo");
	ck_assert_int_eq(poke_send(&p, alice, &ip, 1), 0);
	ck_assert(answered(&p, key));
	ck_assert_int_eq(getsockname(p.fds[0], (struct sockaddr *)&at, &len), 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 1000; i++)
		sendto(fd, junk, i < 500 ? sizeof(junk) : 1, 0, (struct sockaddr *)&at, sizeof(at));
	ck_assert_int_eq(poke_send(&p, alice, &ip, 1), 0);
	ck_assert(answered(&p, key));
	ck_assert(!poke_take(&p, key));
	poke_fill(&p, fds);
	ck_assert_int_eq(poll(fds, POKE_FDS, 0), 0);
	poke_close(&p);
	close(fd);
}
END_TEST

/* An error that waits in the socket is one of before, and no reason not to send. */
START_TEST(test_refused_before)
{
	struct wg_allowedip ip = net("127.0.0.2/32");
	uint8_t key[KEY_LEN];
	struct poker p;

	poke_open(&p, "lo");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(poke_send(&p, alice, &ip, 1), 0);
	for (int i = 0; i < 3; i++)
		ck_assert(poke_take(&p, key));
	ck_assert(!poke_take(&p, key));
	poke_close(&p);
}
END_TEST

Suite *suite_poke(void)
{
	Suite *s = suite_create("poke");
	TCase *t = tcase_create("poke");

	suite_add_tcase(s, t);
	tcase_add_test(t, test_answers_are_known_by_their_addresses);
	tcase_add_test(t, test_address);
	tcase_add_test(t, test_nothing_to_send_to);
	tcase_add_test(t, test_flood);
	tcase_add_test(t, test_refused_before);
	return s;
}
