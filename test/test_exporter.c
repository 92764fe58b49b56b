/* The socket that tells metrics, with a clock that the test turns, and the reader at its other end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter.h"
#include "scrape.h"
#include "suites.h"
#include "util.h"

/* ---- the socket ---- */

static struct exporter e;
static char path[64];
static int64_t now_ms;
static size_t lines; /* that are told */
static unsigned asked;

static void tell(struct metrics *m, void *data)
{
	ck_assert_ptr_eq(data, &e);
	asked++;
	metrics_family(m, "a", "gauge", "A.");
	for (size_t i = 0; i < lines; i++)
		metrics_count(m, i, "x", "of some length", NULL);
}

static void setup(void)
{
	char dir[] = "/tmp/wgmeet-test.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/metrics", dir);
	now_ms = 1000;
	lines = 10;
	asked = 0;
	exporter_init(&e);
}

static void teardown(void)
{
	exporter_close(&e);
	unlink(path);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
}

static int open_it(void)
{
	return exporter_open(&e, path, 0640, true);
}

static void turn(void)
{
	struct pollfd p[EXPORTER_FDS];

	exporter_fill(&e, p);
	ck_assert_int_ge(poll(p, EXPORTER_FDS, 0), 0);
	exporter_serve(&e, p, tell, &e, now_ms);
}

static int come(void)
{
	int fd = scrape_open(path);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_ended(int fd)
{
	char octet;

	return recv(fd, &octet, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

START_TEST(who_connects_is_told_and_that_is_the_end)
{
	struct metrics got = {0};
	struct stat st;
	int fd;

	ck_assert_int_eq(open_it(), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(exporter_wakes_at(&e), EXPORTER_NEVER);
	turn();
	ck_assert_uint_eq(asked, 0);
	fd = come();
	turn();
	ck_assert_uint_eq(asked, 1);
	ck_assert_int_eq(exporter_wakes_at(&e), EXPORTER_NEVER);
	ck_assert_int_eq(scrape_read(fd, &got), 0);
	ck_assert_ptr_nonnull(strstr(got.buf, "a{x=\"of some length\"} 9\n"));
	ck_assert_ptr_null(strstr(got.buf, "EOF"));
	ck_assert_uint_eq(got.len, strlen(got.buf));
	metrics_free(&got);
	close(fd);
}
END_TEST

/* What it says is not even read. */
START_TEST(who_talks_is_told_the_same)
{
	char got[4096];
	ssize_t n;
	int fd;

	ck_assert_int_eq(open_it(), 0);
	fd = come();
	ck_assert_int_eq(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	turn();
	n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(strncmp(got, "# HELP a A.\n", 12), 0);
	close(fd);
}
END_TEST

/* A snapshot each: what is told is of the moment when it came, however slowly it reads. */
START_TEST(who_reads_slowly_gets_all_and_who_does_not_is_cut)
{
	struct metrics got = {0};
	int slow, stuck;

	ck_assert_int_eq(open_it(), 0);
	lines = 100000;
	slow = come();
	turn();
	stuck = come();
	turn();
	ck_assert_uint_eq(asked, 2);
	ck_assert_int_eq(exporter_wakes_at(&e), 1000 + EXPORTER_CUT_MS);
	now_ms += EXPORTER_CUT_MS - 1;
	for (int i = 0; i < 1000 && !is_ended(slow); i++) {
		char octets[16384];
		ssize_t n = recv(slow, octets, sizeof(octets), MSG_DONTWAIT);

		if (n > 0)
			metrics_octets(&got, octets, (size_t)n);
		turn();
	}
	ck_assert_uint_gt(got.len, 2000000);
	ck_assert_str_eq(got.buf + got.len - 6, METRICS_EOF);
	ck_assert(!is_ended(stuck));
	now_ms++;
	turn();
	ck_assert_int_eq(exporter_wakes_at(&e), EXPORTER_NEVER);
	ck_assert_int_eq(scrape_read(stuck, &got), -EPROTO); /* half of it is not taken for the whole */
	metrics_free(&got);
	close(slow);
	close(stuck);
}
END_TEST

START_TEST(so_many_at_once_and_the_next_one_waits)
{
	int fds[EXPORTER_CLIENTS], next;

	ck_assert_int_eq(open_it(), 0);
	lines = 100000;
	for (size_t i = 0; i < EXPORTER_CLIENTS; i++) {
		fds[i] = come();
		turn();
	}
	next = come();
	turn();
	turn();
	ck_assert_uint_eq(asked, EXPORTER_CLIENTS);
	close(fds[1]); /* its place is free as soon as that is seen */
	turn();
	turn();
	ck_assert_uint_eq(asked, EXPORTER_CLIENTS + 1);
	for (size_t i = 0; i < EXPORTER_CLIENTS; i++)
		if (i != 1)
			close(fds[i]);
	close(next);
}
END_TEST

START_TEST(a_dead_ones_socket_is_replaced_and_a_living_ones_is_not)
{
	struct exporter other;

	ck_assert_int_eq(open_it(), 0);
	ck_assert_int_eq(exporter_open(&other, path, 0600, true), -EADDRINUSE);
	ck_assert_int_eq(other.listener, -1);
	for (unsigned i = 0; i < 2 * EXPORTER_CLIENTS; i++) { /* nor if its queue is full */
		ck_assert_int_eq(exporter_open(&other, path, 0600, true), -EADDRINUSE);
	}
	turn();
	exporter_close(&e);
	ck_assert_int_eq(scrape_open(path), -ENOENT); /* the socket is there, and nobody listens */
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(exporter_open(&other, path, 0600, true), 0);
	exporter_close(&other);
}
END_TEST

START_TEST(what_is_no_socket_stays)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	char far[200] = "/tmp/";

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(open_it(), -EEXIST);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(exporter_open(&e, "/nowhere/metrics", 0600, true), -ENOENT);
	memset(far + 5, 'a', 150);
	ck_assert_int_eq(exporter_open(&e, far, 0600, true), -ENAMETOOLONG);
	ck_assert_int_eq(scrape_open(far), -ENAMETOOLONG);
	ck_assert_int_eq(e.listener, -1);
	turn(); /* and that is no trouble */
}
END_TEST

/* ---- the reader ---- */

/* What a reader says of these octets, and then the end. */
static int read_octets(const char *octets, size_t len)
{
	struct metrics got = {0};
	int pair[2], r;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(send(pair[0], octets, len, 0), (ssize_t)len);
	close(pair[0]);
	r = scrape_read(pair[1], &got);
	close(pair[1]);
	metrics_free(&got);
	return r;
}

START_TEST(only_what_is_whole_and_text_is_taken)
{
	static const struct {
		const char *octets;
		int result;
	} texts[] = {
	    {"# EOF\n", 0}, {"a 1\n# EOF\n", 0}, {"", -EPROTO}, {"a 1\n", -EPROTO}, {"a 1\n# EOF", -EPROTO}, {"a 1# EOF\n", -EPROTO},
	    {"# EOF\na 1\n", -EPROTO}, {"a 1\nbcd 1\n", -EPROTO}, {"a\t1\n# EOF\n", -EPROTO}, {"\033[2J\n# EOF\n", -EPROTO}, {"\302\2332J\n# EOF\n", -EPROTO},
	    {"a{x=\"\303\244\"} 1\n# EOF\n", 0},
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		ck_assert_int_eq(read_octets(texts[i].octets, strlen(texts[i].octets)), texts[i].result);
	ck_assert_int_eq(read_octets("a\0b\n# EOF\n", 10), -EPROTO);
}
END_TEST

START_TEST(a_file_is_replaced_whole)
{
	struct metrics m = {0};
	char got[16] = "";
	struct stat st;
	int fd;

	metrics_octets(&m, "old\n", 4);
	ck_assert_int_eq(scrape_write(path, &m), 0);
	ck_assert_int_eq(scrape_write("/nowhere/metrics", &m), -ENOENT);
	m.len = 0;
	metrics_octets(&m, "new\n", 4);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(scrape_write(path, &m), 0);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 4);
	ck_assert_str_eq(got, "old\n"); /* who has begun to read goes on */
	close(fd);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 4);
	ck_assert_str_eq(got, "new\n");
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	close(fd);
	metrics_free(&m);
}
END_TEST

Suite *suite_exporter(void)
{
	Suite *s = suite_create("exporter");
	TCase *t = tcase_create("exporter");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, who_connects_is_told_and_that_is_the_end);
	tcase_add_test(t, who_talks_is_told_the_same);
	tcase_add_test(t, who_reads_slowly_gets_all_and_who_does_not_is_cut);
	tcase_add_test(t, so_many_at_once_and_the_next_one_waits);
	tcase_add_test(t, a_dead_ones_socket_is_replaced_and_a_living_ones_is_not);
	tcase_add_test(t, what_is_no_socket_stays);
	tcase_add_test(t, only_what_is_whole_and_text_is_taken);
	tcase_add_test(t, a_file_is_replaced_whole);
	return s;
}
