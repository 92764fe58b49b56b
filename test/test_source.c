#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source.h"
#include "suites.h"
#include "util.h"

#define DEVICE "SECRETSECRETSECRETSECRETSECRETSECRETSECRETSE=\tAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\t51820\toff\n"
#define PEER   "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\t(none)\t192.0.2.1:1001\t10.0.0.1/32\t0\t0\t0\toff\n"

static struct zone_conf conf;
static struct source source;
static struct wg_device dev;

/* ---- a file ---- */

static char dir[64];

static void setup(void)
{
	util_tmpdir(dir);
	util_zone_conf(&conf, "wg.example.com");
	conf.device[0] = '\0';
	snprintf(conf.dump_file, sizeof(conf.dump_file), "%s/peers", dir);
	source_init(&source, &conf);
}

static void teardown(void)
{
	wgdev_free(&dev);
	util_rmdir(dir);
}

static void replace_file(const char *text)
{
	char other[128];

	snprintf(other, sizeof(other), "%s/new", dir);
	util_write_file(other, text, strlen(text));
	ck_assert_int_eq(rename(other, conf.dump_file), 0);
}

START_TEST(a_file_is_read_and_the_same_until_it_changes)
{
	ck_assert_int_eq(source_fd(&source), -1);
	replace_file(DEVICE PEER);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	ck_assert_uint_eq(dev.peers_len, 1);
	ck_assert_int_eq(source_fd(&source), -1);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_SAME);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_SAME);
	ck_assert_uint_eq(dev.peers_len, 1);
	replace_file(DEVICE);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	ck_assert_uint_eq(dev.peers_len, 0);
}
END_TEST

START_TEST(a_read_that_is_forgotten_is_done_again)
{
	replace_file(DEVICE PEER);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	source_forget(&source);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_SAME);
}
END_TEST

START_TEST(a_file_that_goes_is_absent_and_read_when_it_is_back)
{
	char away[128];

	ck_assert_int_eq(source_start(&source, &dev), SOURCE_ABSENT);
	ck_assert_ptr_nonnull(strstr(source.why, conf.dump_file));
	replace_file(DEVICE PEER);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	snprintf(away, sizeof(away), "%s/away", dir);
	ck_assert_int_eq(rename(conf.dump_file, away), 0);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_ABSENT);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_ABSENT);
	/* The very same file: what was made of it is gone meanwhile, so it is read. */
	ck_assert_int_eq(rename(away, conf.dump_file), 0);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_SAME);
}
END_TEST

START_TEST(a_file_below_a_file_is_absent)
{
	snprintf(conf.dump_file, sizeof(conf.dump_file), "/dev/null/peers");
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_ABSENT);
}
END_TEST

START_TEST(a_wrong_file_fails_and_says_where)
{
	char expected[128];

	replace_file(DEVICE PEER "junk\n");
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_FAILED);
	snprintf(expected, sizeof(expected), "%s/peers:3: a peer has 8 fields", dir);
	ck_assert_str_eq(source.why, expected);
}
END_TEST

/* SAME would say that all is as it was when it was last read, and that was wrong. */
START_TEST(a_wrong_file_does_not_become_right_by_itself)
{
	replace_file(DEVICE PEER);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	replace_file("junk\n");
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_FAILED);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(source.why, "peers:1: "));
	replace_file(DEVICE PEER);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_READ);
	ck_assert_uint_eq(dev.peers_len, 1);
}
END_TEST

START_TEST(a_directory_fails)
{
	snprintf(conf.dump_file, sizeof(conf.dump_file), "%s", dir);
	ck_assert_int_eq(source_start(&source, &dev), SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(source.why, dir));
}
END_TEST

/* ---- the kernel's device, as far as any kernel can tell ---- */

START_TEST(a_device_that_is_not_there_is_absent)
{
	conf.dump_file[0] = '\0';
	strcpy(conf.device, "wgmeet-none");
	if (geteuid() != 0) {
		util_skip("a_device_that_is_not_there_is_absent", "needs root, or the kernel may not even say that");
		return;
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(source_start(&source, &dev), SOURCE_ABSENT);
		ck_assert_str_eq(source.why, "device wgmeet-none is not there");
	}
	wgdev_kernel_close(source.kernel);
}
END_TEST

/* ---- a userspace device, in a /var/run of our own; both sides in one process, since no side blocks ---- */

#define PRIVATE "a8dac1d8a70a751f0f699fb14ba1cff7b79cf4fbd8f09f44c6e6a90d0369604f"
#define KEY     "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
#define HEAD    "private_key=" PRIVATE "\nlisten_port=51820\n"
#define ANSWER  HEAD "public_key=" KEY "\nendpoint=192.0.2.1:1001\nallowed_ip=10.0.0.1/32\n"

static bool has_secret(const void *bytes, size_t len)
{
	uint8_t raw[KEY_LEN];

	return !key_from_hex(PRIVATE, raw) || util_has_bytes(bytes, len, PRIVATE, 8) || util_has_bytes(bytes, len, raw, 8);
}

static int listener;

static void begin_userspace(void)
{
	util_private_run();
	memset(&conf, 0, sizeof(conf));
	strcpy(conf.device, "wg7");
	strcpy(conf.family, "wgmeet-none");
	source_init(&source, &conf);
	listener = util_uapi_listen("wg7");
}

/* Starts a read, and returns the daemon's end of it, with the request taken. */
static int start_userspace(void)
{
	char request[16];
	int fd;

	CHILD_CHECK(source_start(&source, &dev) == SOURCE_PENDING);
	CHILD_CHECK(source.userspace && source_fd(&source) >= 0);
	fd = accept(listener, NULL, NULL);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(recv(fd, request, sizeof(request), 0) == 7 && memcmp(request, "get=1\n\n", 7) == 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CHILD_CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* The source is at rest, and holds no secret. */
static void check_end(int fd)
{
	CHILD_CHECK(source_fd(&source) == -1);
	CHILD_CHECK(!has_secret(&source, sizeof(source)));
	CHILD_CHECK(!has_secret(&dev, sizeof(dev)));
	CHILD_CHECK(dev.peers == NULL || !has_secret(dev.peers, dev.peers_cap * sizeof(*dev.peers)));
	close(fd);
}

static void answers(void *arg)
{
	struct pollfd p = {.events = POLLIN};
	int fd;

	(void)arg;
	begin_userspace();
	for (int i = 0; i < 3; i++) { /* the second time as the first */
		fd = start_userspace();
		CHILD_CHECK(source_step(&source, &dev) == SOURCE_PENDING);
		say(fd, ANSWER);
		p.fd = source_fd(&source);
		CHILD_CHECK(poll(&p, 1, 5000) == 1);
		CHILD_CHECK(source_step(&source, &dev) == SOURCE_PENDING);
		say(fd, "errno=0\n\n");
		CHILD_CHECK(source_step(&source, &dev) == SOURCE_READ);
		CHILD_CHECK(dev.peers_len == 1 && dev.peers[0].endpoint.port == 1001 && dev.has_public_key);
		CHILD_CHECK(strcmp(dev.name, "wg7") == 0);
		check_end(fd);
	}
}

START_TEST(a_daemon_s_answer_is_read)
{
	util_in_child("a_daemon_s_answer_is_read", answers, NULL);
}
END_TEST

static void fails(void *arg)
{
	static const struct {
		const char *said;
		bool ends;
	} cases[] = {
	    {ANSWER, true}, {"", true}, {"private_key=" PRIVATE, true}, {"errno=1\n\n", false}, {ANSWER "errno=-5\n\n", false},
	    {ANSWER "errno=22\n\n", false}, {"garbage\n", false}, {HEAD "\1\2\3\4\n", false}, {ANSWER "endpoint=x\n", false},
	    {HEAD "errno=x\n", false},
	};
	static char line[65536];
	int fd;

	(void)arg;
	begin_userspace();
	for (size_t i = 0; i < COUNT(cases); i++) {
		fd = start_userspace();
		say(fd, cases[i].said);
		if (cases[i].ends)
			shutdown(fd, SHUT_RDWR);
		CHILD_CHECK(source_step(&source, &dev) == SOURCE_FAILED);
		CHILD_CHECK(strstr(source.why, "wg7") != NULL);
		check_end(fd);
	}
	/* 64 KiB without an end, behind a secret. */
	memset(line, 'x', sizeof(line));
	memcpy(line, HEAD, strlen(HEAD));
	fd = start_userspace();
	CHILD_CHECK(send(fd, line, sizeof(line), MSG_NOSIGNAL | MSG_DONTWAIT) > 8192);
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_FAILED);
	check_end(fd);
	/* And after all that, a good one. */
	fd = start_userspace();
	say(fd, ANSWER "errno=0\n\n");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_READ && dev.peers_len == 1);
	check_end(fd);
}

START_TEST(a_daemon_that_fails_talks_nonsense_or_dies_is_there_all_the_same)
{
	util_in_child("a_daemon_that_fails_talks_nonsense_or_dies_is_there_all_the_same", fails, NULL);
}
END_TEST

/* The device is there, or who would answer? An error that looks as if it were not must not take the zone down. */
static void fails_as_if_absent(void *arg)
{
	static const int errors[] = {ENOENT, ENODEV, ECONNREFUSED, EOPNOTSUPP, EAGAIN, EACCES, EPERM};

	(void)arg;
	begin_userspace();
	for (size_t i = 0; i < COUNT(errors); i++) {
		char text[32];
		int fd = start_userspace();

		snprintf(text, sizeof(text), "errno=-%d\n\n", errors[i]);
		say(fd, text);
		CHILD_CHECK(source_step(&source, &dev) == SOURCE_FAILED);
		check_end(fd);
	}
}

START_TEST(an_error_in_an_answer_is_never_an_absence)
{
	util_in_child("an_error_in_an_answer_is_never_an_absence", fails_as_if_absent, NULL);
}
END_TEST

static void hangs(void *arg)
{
	int fd;

	(void)arg;
	begin_userspace();
	fd = start_userspace();
	say(fd, "private_key=a8dac1d8a70a751f0f69");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_PENDING);
	CHILD_CHECK(has_secret(&source, sizeof(source))); /* what is lost if the wiping is */
	source_cancel(&source);
	check_end(fd);
	source_cancel(&source);
	/* Stopped for good: it does not even accept, and each read that is given up stays in its queue. */
	for (int i = 0, r = SOURCE_PENDING; r == SOURCE_PENDING; i++) {
		CHILD_CHECK(i < 8);
		r = (int)source_start(&source, &dev);
		CHILD_CHECK(r == SOURCE_PENDING || r == SOURCE_FAILED);
		source_cancel(&source);
	}
	CHILD_CHECK(source_fd(&source) == -1 && source.userspace);
	CHILD_CHECK(strstr(source.why, "wg7") != NULL);
}

START_TEST(a_daemon_that_hangs_is_given_up_without_a_trace)
{
	util_in_child("a_daemon_that_hangs_is_given_up_without_a_trace", hangs, NULL);
}
END_TEST

/* A socket that nobody listens at stands for nothing: then it is the kernel's turn, which has no such device either. */
static void goes(void *arg)
{
	int fd;

	(void)arg;
	begin_userspace();
	fd = start_userspace();
	say(fd, ANSWER "errno=0\n\n");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_READ);
	check_end(fd);
	close(listener);
	CHILD_CHECK(source_start(&source, &dev) == SOURCE_ABSENT && !source.userspace);
	CHILD_CHECK(unlink(WGDEV_UAPI_DIR "/wg7.sock") == 0);
	CHILD_CHECK(source_start(&source, &dev) == SOURCE_ABSENT && !source.userspace);
	listener = util_uapi_listen("wg7");
	fd = start_userspace();
	say(fd, ANSWER "errno=0\n\n");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_READ);
	check_end(fd);
}

START_TEST(a_daemon_that_goes_is_absent_and_read_when_it_is_back)
{
	util_in_child("a_daemon_that_goes_is_absent_and_read_when_it_is_back", goes, NULL);
}
END_TEST

#define EMPTY "private_key=" PRIVATE "\nlisten_port=51820\n"

/* As wireguard-go is, for a moment, when its interface is deleted. */
static void is_going(void *arg)
{
	int fd;

	(void)arg;
	begin_userspace();
	fd = start_userspace();
	say(fd, ANSWER "errno=0\n\n");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_READ && source.has_peers);
	check_end(fd);
	source.ifindex = 7; /* as if there had been one */
	fd = start_userspace();
	say(fd, EMPTY "errno=0\n\n");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_ABSENT);
	check_end(fd);
	/* If it stays so, it is what it says. */
	fd = start_userspace();
	say(fd, EMPTY "errno=0\n\n");
	CHILD_CHECK(source_step(&source, &dev) == SOURCE_READ && dev.peers_len == 0);
	check_end(fd);
}

START_TEST(a_daemon_that_is_going_has_not_lost_its_peers)
{
	util_in_child("a_daemon_that_is_going_has_not_lost_its_peers", is_going, NULL);
}
END_TEST

Suite *suite_source(void)
{
	Suite *s = suite_create("source");
	TCase *t = tcase_create("file"), *u = tcase_create("userspace");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_is_read_and_the_same_until_it_changes);
	tcase_add_test(t, a_read_that_is_forgotten_is_done_again);
	tcase_add_test(t, a_file_that_goes_is_absent_and_read_when_it_is_back);
	tcase_add_test(t, a_file_below_a_file_is_absent);
	tcase_add_test(t, a_wrong_file_fails_and_says_where);
	tcase_add_test(t, a_wrong_file_does_not_become_right_by_itself);
	tcase_add_test(t, a_directory_fails);
	tcase_add_test(t, a_device_that_is_not_there_is_absent);
	suite_add_tcase(s, u);
	tcase_add_test(u, a_daemon_s_answer_is_read);
	tcase_add_test(u, a_daemon_that_fails_talks_nonsense_or_dies_is_there_all_the_same);
	tcase_add_test(u, an_error_in_an_answer_is_never_an_absence);
	tcase_add_test(u, a_daemon_that_hangs_is_given_up_without_a_trace);
	tcase_add_test(u, a_daemon_that_goes_is_absent_and_read_when_it_is_back);
	tcase_add_test(u, a_daemon_that_is_going_has_not_lost_its_peers);
	return s;
}
