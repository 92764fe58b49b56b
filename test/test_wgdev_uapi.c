#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_scalarmult_curve25519.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "suites.h"
#include "util.h"
#include "wgdev_uapi.h"

#define PRIVATE "a8dac1d8a70a751f0f699fb14ba1cff7b79cf4fbd8f09f44c6e6a90d0369604f"
#define PSK     "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"
#define KEY_1   "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
#define KEY_2   "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"

static const char device_text[] = "private_key=" PRIVATE "\nlisten_port=12912\nfwmark=1\n";
static const char peer_1_text[] = "public_key=" KEY_1 "\npreshared_key=" PSK
                                  "\nprotocol_version=1\nendpoint=[abcd:23::33%2]:51820\n"
                                  "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\ntx_bytes=34\n"
                                  "rx_bytes=12\npersistent_keepalive_interval=25\nallowed_ip=192.168.4.4/32\n"
                                  "allowed_ip=fd00::/64\n";
static const char peer_2_text[] = "public_key=" KEY_2 "\nendpoint=182.122.22.19:3233\nallowed_ip=192.168.4.6/32\n";
static const char end_text[] = "errno=0\n\n";

static void check_device(const struct wg_device *dev)
{
	uint8_t private_key[KEY_LEN], public_key[KEY_LEN];
	char text[ENDPOINT_TEXT];

	ck_assert(key_from_hex(PRIVATE, private_key));
	ck_assert_int_eq(crypto_scalarmult_curve25519_base(public_key, private_key), 0);
	ck_assert(dev->has_public_key);
	ck_assert_mem_eq(dev->public_key, public_key, KEY_LEN);
	ck_assert_uint_eq(dev->listen_port, 12912);
	ck_assert_uint_eq(dev->peers_len, 2);
	ck_assert_str_eq(util_hex(dev->peers[0].public_key, KEY_LEN), KEY_1);
	ck_assert_str_eq(endpoint_to_text(&dev->peers[0].endpoint, text), "[abcd:23::33%2]:51820");
	ck_assert_uint_eq(dev->peers[0].last_handshake_s, 1700000000);
	ck_assert_uint_eq(dev->peers[0].rx_bytes, 12);
	ck_assert_uint_eq(dev->peers[0].tx_bytes, 34);
	ck_assert_uint_eq(dev->peers[0].keepalive_s, 25);
	ck_assert_uint_eq(dev->peers[0].allowed_len, 2);
	ck_assert_str_eq(allowedip_to_text(&dev->allowed[1], text), "fd00::/64");
	ck_assert_str_eq(util_hex(dev->peers[1].public_key, KEY_LEN), KEY_2);
	ck_assert_str_eq(endpoint_to_text(&dev->peers[1].endpoint, text), "182.122.22.19:3233");
	ck_assert_uint_eq(dev->peers[1].keepalive_s, 0);
	ck_assert_uint_eq(dev->peers[1].allowed_off, 2);
	ck_assert_uint_eq(dev->peers[1].allowed_len, 1);
}

static bool has_secret(const void *bytes, size_t len)
{
	uint8_t raw[KEY_LEN];
	bool found = util_has_bytes(bytes, len, PRIVATE, 16) || util_has_bytes(bytes, len, PSK, 16);

	ck_assert(key_from_hex(PRIVATE, raw));
	found |= util_has_bytes(bytes, len, raw, 8);
	ck_assert(key_from_hex(PSK, raw));
	return found | util_has_bytes(bytes, len, raw, 8);
}

/* A read under way, with the daemon's end of the connection in our hand. */
struct conversation {
	struct wgdev_uapi u;
	struct wg_device dev;
	int daemon;
};

static void begin(struct conversation *c)
{
	int fd[2];

	memset(c, 0, sizeof(*c));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	c->u.fd = fd[0];
	c->daemon = fd[1];
}

static void say(struct conversation *c, const void *text, size_t len)
{
	ck_assert_int_eq(send(c->daemon, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void finish(struct conversation *c)
{
	ck_assert_int_eq(c->u.fd, -1);
	ck_assert(!has_secret(&c->u, sizeof(c->u)));
	close(c->daemon);
	wgdev_free(&c->dev);
}

START_TEST(a_whole_answer_is_read)
{
	struct conversation c;
	char text[2048];
	int len = snprintf(text, sizeof(text), "%s%s%s%s", device_text, peer_1_text, peer_2_text, end_text);

	begin(&c);
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EAGAIN);
	say(&c, text, (size_t)len);
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), 0);
	check_device(&c.dev);
	finish(&c);
}
END_TEST

START_TEST(an_answer_octet_by_octet_is_the_same_and_leaves_no_secret_behind)
{
	struct conversation c;
	char text[2048];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s%s", device_text, peer_1_text, peer_2_text, end_text);

	begin(&c);
	for (size_t i = 0; i < len - 2; i++) {
		say(&c, text + i, 1);
		ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EAGAIN);
		if (text[i] == '\n')
			ck_assert(!has_secret(&c.u, sizeof(c.u)));
	}
	say(&c, text + len - 2, 1);
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), 0);
	check_device(&c.dev);
	finish(&c);
}
END_TEST

/* An answer that is longer than the buffer, in pieces that end anywhere. */
START_TEST(many_peers_are_read)
{
	struct conversation c;
	uint64_t state = 1;
	uint8_t key[KEY_LEN];
	int r = -EAGAIN;

	begin(&c);
	for (uint64_t n = 1; n <= 2000; n++) {
		char text[512];
		size_t len, cut;

		util_key(n, key);
		len = (size_t)snprintf(text, sizeof(text), "public_key=%s\npreshared_key=" PSK "\nendpoint=192.0.2.1:%u\n%s",
		    util_hex(key, KEY_LEN), (unsigned)n, n == 2000 ? end_text : "allowed_ip=10.0.0.0/8\n");
		cut = util_random(&state) % len;
		say(&c, text, cut);
		if (n % 7 == 0)
			ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EAGAIN);
		say(&c, text + cut, len - cut);
		if (n % 50 == 0)
			r = wgdev_uapi_step(&c.u, &c.dev);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(c.dev.peers_len, 2000);
	for (uint64_t n = 1; n <= 2000; n++) {
		util_key(n, key);
		ck_assert_mem_eq(c.dev.peers[n - 1].public_key, key, KEY_LEN);
		ck_assert_uint_eq(c.dev.peers[n - 1].endpoint.port, n);
	}
	finish(&c);
}
END_TEST

START_TEST(an_answer_that_ends_early_is_no_answer)
{
	struct conversation c;
	char text[2048];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s%s", device_text, peer_1_text, peer_2_text, end_text) - 2;

	for (size_t cut = 0; cut <= len; cut += 7) {
		begin(&c);
		say(&c, text, cut);
		shutdown(c.daemon, SHUT_WR);
		ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -ECONNRESET);
		finish(&c);
	}
}
END_TEST

START_TEST(the_daemon_s_errno_is_the_result)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {{"errno=0\n", 0}, {"errno=1\n", -1}, {"errno=-1\n", -1}, {"errno=-71\n", -71}, {"errno=-0\n", 0},
	    {"errno=4095\n", -4095}, {"errno=4096\n", -EBADMSG}, {"errno=\n", -EBADMSG}, {"errno=x\n", -EBADMSG},
	    {"errno=--1\n", -EBADMSG}, {"errno=-\n", -EBADMSG}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conversation c;

		begin(&c);
		say(&c, cases[i].text, strlen(cases[i].text));
		ck_assert_msg(wgdev_uapi_step(&c.u, &c.dev) == cases[i].r, "%s", cases[i].text);
		finish(&c);
	}
}
END_TEST

START_TEST(a_daemon_s_eagain_is_an_end_and_no_wait)
{
	struct conversation c;
	char text[32];

	begin(&c);
	say(&c, text, (size_t)snprintf(text, sizeof(text), "errno=%d\n", EAGAIN));
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EIO);
	finish(&c);
}
END_TEST

static const char *const garbage[] = {
    "garbage\n", "\1\2\3\n", "HTTP/1.1 400 Bad Request\n", "=\nx\n", "private_key=\n", "private_key=" PRIVATE "0\n",
    "private_key=x8dac1d8a70a751f0f699fb14ba1cff7b79cf4fbd8f09f44c6e6a90d0369604f\n", "listen_port=65536\n",
    "listen_port=-1\n", "listen_port=\n", "public_key=\n", "public_key=" KEY_1 "00\n",
    "public_key=zz5996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n",
    "public_key=" KEY_1 "\nendpoint=\n", "public_key=" KEY_1 "\nendpoint=host:1\n", "public_key=" KEY_1 "\nendpoint=1.2.3.4\n",
    "public_key=" KEY_1 "\nallowed_ip=1.2.3.4/33\n", "public_key=" KEY_1 "\nallowed_ip=\n",
    "public_key=" KEY_1 "\npersistent_keepalive_interval=65536\n", "public_key=" KEY_1 "\nrx_bytes=x\n",
    "public_key=" KEY_1 "\ntx_bytes=18446744073709551616\n", "public_key=" KEY_1 "\nlast_handshake_time_sec=-1\n",
    "a_key_that_is_longer_than_any_key_there_is_by_far=1\n",
};

START_TEST(garbage_is_refused_and_wiped)
{
	struct conversation c;

	begin(&c);
	say(&c, device_text, strlen(device_text));
	say(&c, garbage[_i], strlen(garbage[_i]));
	say(&c, end_text, strlen(end_text));
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EBADMSG);
	finish(&c);
}
END_TEST

START_TEST(what_newer_daemons_say_is_stepped_over)
{
	static const char text[] = "jc=4\njmin=40\ni1=\nnew_thing=with=equal=signs\n\nerrno=0\n";
	struct conversation c;

	begin(&c);
	say(&c, device_text, strlen(device_text));
	say(&c, text, strlen(text));
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), 0);
	ck_assert_uint_eq(c.dev.listen_port, 12912);
	finish(&c);
}
END_TEST

START_TEST(a_line_without_an_end_is_refused_when_the_buffer_is_full)
{
	static char text[65536];
	struct conversation c;

	memset(text, 'x', sizeof(text));
	memcpy(text, "private_key=" PRIVATE, 12 + KEY_HEX);
	begin(&c);
	say(&c, text, sizeof(c.u.buf) - 1);
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EAGAIN);
	say(&c, text, 1);
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EBADMSG);
	finish(&c);
	begin(&c);
	say(&c, text, sizeof(text));
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EBADMSG);
	finish(&c);
}
END_TEST

START_TEST(a_read_that_is_given_up_leaves_no_secret)
{
	struct conversation c;

	begin(&c);
	say(&c, device_text, 40); /* within the private key */
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EAGAIN);
	ck_assert(has_secret(&c.u, sizeof(c.u)));
	wgdev_uapi_close(&c.u);
	finish(&c);
	wgdev_uapi_close(&c.u); /* once more does no harm */
}
END_TEST

/* A daemon that talks faster than we read must not hold us in one step: its owner has other devices, and deadlines. Here is
 * as much as a socket holds, several hundred kilobytes. */
START_TEST(a_step_takes_its_part_and_leaves_the_rest_for_the_next)
{
	static char text[65536];
	struct conversation c;
	int room = 1 << 24, left, r;

	for (size_t i = 0; i < sizeof(text); i += 16)
		memcpy(text + i, "endpoint=[::]:1\n", 16);
	begin(&c);
	ck_assert_int_eq(setsockopt(c.daemon, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	say(&c, peer_2_text, strlen(peer_2_text));
	while (send(c.daemon, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	ck_assert_int_eq(ioctl(c.u.fd, FIONREAD, &left), 0);
	ck_assert_int_gt(left, 150000);
	ck_assert_int_eq(wgdev_uapi_step(&c.u, &c.dev), -EAGAIN);
	ck_assert_int_eq(ioctl(c.u.fd, FIONREAD, &left), 0);
	ck_assert_msg(left > 0, "one step took all of it");
	for (int i = 0; left > 0 && i < 10000; i++) {
		r = wgdev_uapi_step(&c.u, &c.dev);
		ck_assert_int_eq(r, -EAGAIN);
		ck_assert_int_eq(ioctl(c.u.fd, FIONREAD, &left), 0);
	}
	wgdev_uapi_close(&c.u);
	finish(&c);
}
END_TEST

/* ---- requests ---- */

START_TEST(an_endpoint_is_set_with_update_only_and_nothing_else)
{
	struct wg_change v4 = {.endpoint = util_endpoint("192.0.2.1:51820")}, v6 = {.endpoint = util_endpoint("[fe80::1%7]:1")}, none = {0};
	char text[512];
	size_t len;

	ck_assert(key_from_hex(KEY_1, v4.public_key) && key_from_hex(KEY_1, v6.public_key));
	len = wgdev_uapi_format(text, sizeof(text), &v4, 1);
	ck_assert_str_eq(text, "set=1\npublic_key=" KEY_1 "\nupdate_only=true\nendpoint=192.0.2.1:51820\n\n");
	ck_assert_uint_eq(len, strlen(text));
	len = wgdev_uapi_format(text, sizeof(text), &v6, 1);
	ck_assert_str_eq(text, "set=1\npublic_key=" KEY_1 "\nupdate_only=true\nendpoint=[fe80::1%7]:1\n\n");
	ck_assert_uint_eq(len, strlen(text));
	ck_assert_uint_eq(wgdev_uapi_format(text, len, &v6, 1), 0); /* no room for the NUL */
	ck_assert_uint_eq(wgdev_uapi_format(text, len + 1, &v6, 1), len);
	ck_assert_uint_eq(wgdev_uapi_format(text, sizeof(text), &none, 1), 0);
}
END_TEST

START_TEST(a_kick_is_keepalive_0_and_then_n)
{
	struct wg_change kick = {.keepalive_s = 65535};
	char text[512];
	size_t len;

	ck_assert(key_from_hex(KEY_1, kick.public_key));
	len = wgdev_uapi_format(text, sizeof(text), &kick, 1);
	ck_assert_str_eq(text, "set=1\npublic_key=" KEY_1 "\nupdate_only=true\npersistent_keepalive_interval=0\n"
	                       "public_key=" KEY_1 "\nupdate_only=true\npersistent_keepalive_interval=65535\n\n");
	ck_assert_uint_eq(len, strlen(text));
	ck_assert_uint_eq(wgdev_uapi_format(text, len, &kick, 1), 0);
}
END_TEST

START_TEST(many_changes_are_one_request)
{
	struct wg_change changes[WGDEV_UAPI_CHANGES] = {{.endpoint = util_endpoint("192.0.2.1:1"), .keepalive_s = 25}};
	char text[WGDEV_UAPI_CHANGES * 512];

	ck_assert(key_from_hex(KEY_1, changes[0].public_key) && key_from_hex(KEY_2, changes[1].public_key));
	changes[1].endpoint = util_endpoint("192.0.2.2:2");
	ck_assert_uint_eq(wgdev_uapi_format(text, sizeof(text), changes, 2), strlen(text));
	/* The endpoint comes before the keepalive, which goes to it. */
	ck_assert_str_eq(text, "set=1\npublic_key=" KEY_1 "\nupdate_only=true\nendpoint=192.0.2.1:1\n"
	                       "public_key=" KEY_1 "\nupdate_only=true\npersistent_keepalive_interval=0\n"
	                       "public_key=" KEY_1 "\nupdate_only=true\npersistent_keepalive_interval=25\n"
	                       "public_key=" KEY_2 "\nupdate_only=true\nendpoint=192.0.2.2:2\n\n");
	for (int i = 0; i < WGDEV_UAPI_CHANGES; i++) /* the longest ones */
		changes[i] = (struct wg_change){.endpoint =
		        util_endpoint("[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535"), .keepalive_s = 65535};
	ck_assert_uint_gt(wgdev_uapi_format(text, sizeof(text), changes, WGDEV_UAPI_CHANGES), 64 * 300);
}
END_TEST

/* ---- sockets, in a /var/run of our own ---- */

/* Accepts one connection, expects a request and says an answer; then holds the connection open until the other side is gone,
 * or closes it. */
static pid_t daemon_once(int listener, const char *request, const char *answer, bool hold)
{
	pid_t pid = fork();

	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		char got[1024];
		size_t len = 0;
		int fd = accept(listener, NULL, NULL);

		while (len < strlen(request)) {
			ssize_t n = read(fd, got + len, sizeof(got) - len);

			CHILD_CHECK(n > 0);
			len += (size_t)n;
		}
		CHILD_CHECK(len == strlen(request) && memcmp(got, request, len) == 0);
		CHILD_CHECK(send(fd, answer, strlen(answer), MSG_NOSIGNAL) == (ssize_t)strlen(answer));
		if (hold)
			CHILD_CHECK(read(fd, got, 1) <= 0);
		_exit(0);
	}
	return pid;
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void sockets(void *arg)
{
	struct wg_change change = {.endpoint = {.family = AF_INET, .addr = {192, 0, 2, 1}, .port = 51820}, .keepalive_s = 25};
	struct wg_device dev = {0};
	struct wgdev_uapi u;
	char text[2048];
	int listener;
	int64_t start;
	pid_t pid;

	(void)arg;
	util_private_run();
	CHILD_CHECK(!wgdev_uapi_exists("wg7"));
	CHILD_CHECK(wgdev_uapi_start(&u, "wg7", &dev) == -ENOENT && u.fd == -1);
	CHILD_CHECK(wgdev_uapi_start(&u, "../wg7", &dev) == -ENOENT && u.fd == -1);
	close(open(WGDEV_UAPI_DIR "/wg8.sock", O_CREAT | O_WRONLY, 0600));
	CHILD_CHECK(!wgdev_uapi_exists("wg8")); /* a file is no socket */
	listener = util_uapi_listen("wg7");
	CHILD_CHECK(wgdev_uapi_exists("wg7") && !wgdev_uapi_exists("wg") && !wgdev_uapi_exists("wg7.sock"));

	snprintf(text, sizeof(text), "%s%s%s%s", device_text, peer_1_text, peer_2_text, end_text);
	pid = daemon_once(listener, "get=1\n\n", text, false);
	CHILD_CHECK(wgdev_uapi_read("wg7", 5000, &dev) == 0);
	CHILD_CHECK(ended_well(pid) && dev.peers_len == 2 && strcmp(dev.name, "wg7") == 0);

	/* A daemon that goes silent in the middle, and one that is stopped: it does not even accept. */
	pid = daemon_once(listener, "get=1\n\n", device_text, true);
	start = now_ms();
	CHILD_CHECK(wgdev_uapi_read("wg7", 100, &dev) == -ETIMEDOUT && now_ms() - start >= 100);
	CHILD_CHECK(ended_well(pid));
	CHILD_CHECK(wgdev_uapi_read("wg7", 50, &dev) == -ETIMEDOUT);

	/* Its queue fills with the connections that were given up: then there is not even one. */
	for (int i = 0, r = -ETIMEDOUT; r == -ETIMEDOUT; i++) {
		CHILD_CHECK(i < 8);
		r = wgdev_uapi_read("wg7", 10, &dev);
		CHILD_CHECK(r == -ETIMEDOUT || r == -EAGAIN);
	}
	close(listener);
	CHILD_CHECK(wgdev_uapi_exists("wg7")); /* stale */
	CHILD_CHECK(wgdev_uapi_start(&u, "wg7", &dev) == -ECONNREFUSED && u.fd == -1);

	listener = util_uapi_listen("wg7");
	util_key(1, change.public_key);
	wgdev_uapi_format(text, sizeof(text), &change, 1);
	pid = daemon_once(listener, text, "errno=0\n\n", true);
	CHILD_CHECK(wgdev_uapi_set("wg7", 5000, &change, 1) == 0 && ended_well(pid));
	pid = daemon_once(listener, text, "errno=-22\n\n", true);
	CHILD_CHECK(wgdev_uapi_set("wg7", 5000, &change, 1) == -22 && ended_well(pid));
	pid = daemon_once(listener, text, "", false);
	CHILD_CHECK(wgdev_uapi_set("wg7", 5000, &change, 1) == -ECONNRESET && ended_well(pid));
	CHILD_CHECK(wgdev_uapi_set("wg9", 5000, &change, 1) == -ENOENT);
}

START_TEST(daemons_answer_hang_refuse_or_are_not_there)
{
	util_in_child("daemons_answer_hang_refuse_or_are_not_there", sockets, NULL);
}
END_TEST

Suite *suite_wgdev_uapi(void)
{
	Suite *s = suite_create("wgdev_uapi");
	TCase *t = tcase_create("answer"), *r = tcase_create("request"), *k = tcase_create("socket");

	suite_add_tcase(s, t);
	tcase_add_test(t, a_whole_answer_is_read);
	tcase_add_test(t, an_answer_octet_by_octet_is_the_same_and_leaves_no_secret_behind);
	tcase_add_test(t, many_peers_are_read);
	tcase_add_test(t, an_answer_that_ends_early_is_no_answer);
	tcase_add_test(t, the_daemon_s_errno_is_the_result);
	tcase_add_test(t, a_daemon_s_eagain_is_an_end_and_no_wait);
	tcase_add_loop_test(t, garbage_is_refused_and_wiped, 0, (int)COUNT(garbage));
	tcase_add_test(t, what_newer_daemons_say_is_stepped_over);
	tcase_add_test(t, a_line_without_an_end_is_refused_when_the_buffer_is_full);
	tcase_add_test(t, a_read_that_is_given_up_leaves_no_secret);
	tcase_add_test(t, a_step_takes_its_part_and_leaves_the_rest_for_the_next);
	suite_add_tcase(s, r);
	tcase_add_test(r, an_endpoint_is_set_with_update_only_and_nothing_else);
	tcase_add_test(r, a_kick_is_keepalive_0_and_then_n);
	tcase_add_test(r, many_changes_are_one_request);
	suite_add_tcase(s, k);
	tcase_add_test(k, daemons_answer_hang_refuse_or_are_not_there);
	return s;
}
