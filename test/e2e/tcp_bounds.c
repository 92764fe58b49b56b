/* tcp_bounds frames TO PORT
 *      how queries may come: in pieces, many at once, broken
 * tcp_bounds crowd TO PORT PID
 *      thousands of idle connections; PID is the one worker
 * tcp_bounds clock TO PORT FILE
 *      deadlines, by the clock of clock_shim.c that FILE moves
 * tcp_bounds idle TO PORT
 *      the deadline by the real clock
 * The list of the zone wg.test has 900 peers.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "dns_io.h"

#define ZONE "wg.test"
#define LIST "_wireguard._udp." ZONE
#define CROWD 2000
#define TABLE 256 /* the server's */
#define SHARE 32  /* one source's */

static const char *to;
static uint16_t port;
static uint8_t answer[MESSAGE];

static int from(const char *source)
{
	return dns_connect(SOCK_STREAM, source, to, port);
}

static size_t soa_query(uint8_t *out, uint16_t id)
{
	return dns_query(out, id, ZONE, 6);
}

/* Does the connection answer? */
static bool is_served(int fd)
{
	uint8_t query[512];

	return dns_ask(fd, true, query, soa_query(query, 77), answer) > 12 && answer[1] == 77;
}

/* Has it ended? Waits for that, but not for long. */
static bool has_ended(int fd, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t octet;

	return poll(&p, 1, wait_ms) == 1 && recv(fd, &octet, 1, MSG_DONTWAIT) <= 0;
}

static void write_raw(int fd, const void *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		warn("send");
}

/* ---- frames ---- */

static size_t two_frames(uint8_t *out)
{
	size_t a = soa_query(out + 2, 1), b;

	put16(out, (uint16_t)a);
	b = soa_query(out + 2 + a + 2, 2);
	put16(out + 2 + a, (uint16_t)b);
	return 4 + a + b;
}

static void split_everywhere(void)
{
	uint8_t stream[512];
	size_t len = two_frames(stream), good = 0;

	for (size_t at = 1; at < len; at++) {
		int fd = from(NULL);

		write_raw(fd, stream, at);
		write_raw(fd, stream + at, len - at);
		good += tcp_read(fd, answer) > 12 && answer[1] == 1 && tcp_read(fd, answer) > 12 && answer[1] == 2;
		close(fd);
	}
	check(good == len - 1, "two queries, split at every octet: %zu of %zu", good, len - 1);
}

/* Of that length, with one query before it: that is answered, and the connection goes on or ends. */
static void odd_length(size_t len, bool goes_on)
{
	static uint8_t frame[2 + MESSAGE];
	uint8_t query[512];
	int fd = from(NULL), other = from(NULL);
	size_t n = soa_query(frame + 2, 5);

	memset(frame + 2 + n, 0, sizeof(frame) - 2 - n);
	put16(frame, (uint16_t)len);
	tcp_write(fd, query, soa_query(query, 4));
	if (send(fd, frame, 2 + len, MSG_NOSIGNAL) < 0)
		goes_on = goes_on && check(false, "cannot write");
	check(tcp_read(fd, answer) > 12 && answer[1] == 4, "what stands before a frame of %zu octets is answered", len);
	if (goes_on)
		check(tcp_read(fd, answer) >= 12 && answer[1] == 5 && is_served(fd), "a frame of %zu octets is answered", len);
	else
		check(has_ended(fd, PATIENCE_MS), "a frame of %zu octets ends the connection", len);
	check(is_served(other), "others are served");
	close(fd);
	close(other);
}

/* Queries without an answer (a response is none) are stepped over. */
static void dropped(void)
{
	uint8_t query[512];
	int fd = from(NULL);
	size_t n = soa_query(query, 3);

	query[2] |= 0x80;
	tcp_write(fd, query, n);
	check(is_served(fd), "a response is stepped over");
	close(fd);
}

static void half_close(void)
{
	static uint8_t stream[200 * 64];
	size_t len = 0;
	int fd = from(NULL);
	unsigned got = 0;

	for (unsigned i = 0; i < 200; i++) {
		size_t n = dns_query(stream + len + 2, (uint16_t)i, i % 50 == 0 ? LIST : ZONE, i % 50 == 0 ? 12 : 6);

		put16(stream + len, (uint16_t)n);
		len += 2 + n;
	}
	write_raw(fd, stream, len);
	shutdown(fd, SHUT_WR);
	while (got < 200 && tcp_read(fd, answer) > 12 && answer[1] == got)
		got++;
	check(got == 200, "200 queries, then a half close: %u answers", got);
	check(has_ended(fd, PATIENCE_MS), "then the other half");
	close(fd);
}

static void reset_in_the_middle(void)
{
	static const struct linger reset = {.l_onoff = 1};
	uint8_t query[512];
	size_t n = dns_query(query, 1, LIST, 12);
	int other = from("127.9.9.9");

	for (unsigned i = 0; i < 200; i++) {
		int fd = from(NULL);

		if (i % 2 == 0)
			tcp_write(fd, query, n);
		else
			write_raw(fd, "\0\100xx", 4);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	check(is_served(other), "200 connections are reset in the middle of a query or an answer: others are served");
	close(other);
}

/* RFC 7828 */
static void keepalive(void)
{
	static const uint8_t option[4] = {0, 11}, given[6] = {0, 11, 0, 2, 0, 0};
	uint8_t query[512];
	struct dns_answer a;
	size_t len = 0;
	const uint8_t *data;
	int fd = from(NULL), udp = dns_connect(SOCK_DGRAM, NULL, to, port);
	size_t n = dns_opt(query, soa_query(query, 1), 1232, 0, option, 4);

	a = dns_read(answer, dns_ask(fd, true, query, n, answer));
	data = dns_option(&a, 11, &len);
	check(a.sound && data != NULL && len == 2 && get16(data) == 100, "keepalive over TCP: 10 s");
	a = dns_read(answer, dns_ask(udp, false, query, n, answer));
	check(a.sound && a.has_opt && dns_option(&a, 11, &len) == NULL, "none over UDP");
	n = dns_opt(query, soa_query(query, 1), 1232, 0, NULL, 0);
	a = dns_read(answer, dns_ask(fd, true, query, n, answer));
	check(a.sound && a.has_opt && dns_option(&a, 11, &len) == NULL, "none where none is asked for");
	n = dns_opt(query, soa_query(query, 1), 1232, 0, given, 6);
	check(dns_ask(fd, true, query, n, answer) > 12 && is_served(fd), "a client that gives a time: the connection goes on");
	close(fd);
	close(udp);
}

static void frames(void)
{
	static const size_t ends[] = {0, 1, 11, 4097, 65535};

	split_everywhere();
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		odd_length(ends[i], false);
	odd_length(12, true);
	odd_length(4096, true);
	dropped();
	half_close();
	reset_in_the_middle();
	keepalive();
}

/* ---- a crowd ---- */

static unsigned descriptors(const char *pid)
{
	char path[64];
	struct dirent *e;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (dir == NULL)
		err(1, "%s", path);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* 1,000 queries over UDP: the median in microseconds; how many were lost. */
static int64_t udp_median(unsigned *lost)
{
	static int64_t took[1000];
	uint8_t query[512];
	int fd = dns_connect(SOCK_DGRAM, "127.8.0.1", to, port);

	*lost = 0;
	for (unsigned i = 0; i < 1000; i++) {
		int64_t started = now_us();

		*lost += dns_ask(fd, false, query, soa_query(query, (uint16_t)i), answer) == 0;
		took[i] = now_us() - started;
	}
	close(fd);
	qsort(took, 1000, sizeof(*took), by_time);
	return took[500];
}

static unsigned count_open(const int *fds, unsigned len)
{
	unsigned open = 0;

	for (unsigned i = 0; i < len; i++) {
		struct pollfd p = {.fd = fds[i], .events = POLLIN};

		open += poll(&p, 1, 0) == 0;
	}
	return open;
}

/* Has as many as it may have; the rest was ended. */
static void check_open(const char *what, const int *fds, unsigned len, unsigned want)
{
	unsigned open = 0;

	for (unsigned i = 0; i < PATIENCE_MS / 20; i++) {
		open = count_open(fds, len);
		if (open <= want)
			break;
		poll(NULL, 0, 20);
	}
	check(open == want, "%s: %u of %u are open", what, open, len);
}

static void one_source(void)
{
	static int fds[500], others[100];
	unsigned served = 0;

	for (unsigned i = 0; i < 100; i++)
		others[i] = from(numbered(5, i));
	for (unsigned i = 0; i < 500; i++)
		fds[i] = from("127.6.0.1");
	check_open("500 of one source", fds, 500, SHARE);
	check(is_served(fds[499]) && has_ended(fds[0], 0), "the newest are");
	for (unsigned i = 0; i < 100; i++)
		served += is_served(others[i]);
	check(served == 100, "it pushes nobody out: %u of 100 others are served", served);
	for (unsigned i = 0; i < 100; i++)
		close(others[i]);
	for (unsigned i = 0; i < 500; i++)
		close(fds[i]);
}

static void crowd(const char *pid)
{
	static int fds[CROWD];
	unsigned before = descriptors(pid), now, lost, served = 0;
	int64_t median = udp_median(&lost), with_crowd;

	check(lost == 0, "1,000 queries over UDP, nobody else there: %u lost, median %lld us", lost, (long long)median);
	one_source();
	for (unsigned i = 0; i < CROWD; i++)
		fds[i] = from(numbered(7, i));
	check_open("2,000 of as many sources", fds, CROWD, TABLE);
	now = descriptors(pid);
	check(now <= before + TABLE, "the worker has %u descriptors, %u before", now, before);
	with_crowd = udp_median(&lost);
	check(lost == 0, "1,000 queries over UDP: %u lost", lost);
	check(with_crowd < 5 * median + 1000, "the median of their time is %lld us, was %lld", (long long)with_crowd,
	    (long long)median);
	for (unsigned i = 0; i < 20; i++) {
		int fd = from("127.8.0.2");

		served += is_served(fd);
		close(fd);
	}
	check(served == 20, "others are served all the same: %u of 20", served);
	for (unsigned i = 0; i < CROWD; i++)
		close(fds[i]);
	for (unsigned i = 0; i < PATIENCE_MS / 20 && descriptors(pid) > before; i++)
		poll(NULL, 0, 20);
	check(descriptors(pid) <= before, "when they are gone the worker has %u descriptors, %u before", descriptors(pid), before);
}

/* ---- the clock ---- */

static int64_t *shift_ms;

/* The worker looks at its clock when something comes. */
static void move_clock(int64_t ms)
{
	uint8_t query[512];
	int fd = dns_connect(SOCK_DGRAM, NULL, to, port);

	*shift_ms += ms;
	for (int i = 0; i < 2; i++)
		if (dns_ask(fd, false, query, soa_query(query, 9), answer) == 0)
			errx(1, "the server is gone");
	close(fd);
}

static void check_idle(void)
{
	int fd = from(NULL), busy = from(NULL);

	if (!check(is_served(fd) && is_served(busy), "two connections are served"))
		return;
	move_clock(9000);
	check(is_served(busy), "9 s later one is used");
	move_clock(900);
	check(!has_ended(fd, 50), "9.9 s idle: it is there");
	move_clock(200);
	check(has_ended(fd, 500), "10.1 s idle: it is ended");
	check(is_served(busy), "the other one is there");
	close(fd);
	close(busy);
}

static void check_octets(void)
{
	uint8_t stream[512];
	size_t len = two_frames(stream);
	int fd = from(NULL);
	unsigned s = 0;

	while (s < 20 && !has_ended(fd, 20)) {
		send(fd, stream + s, s < len ? 1 : 0, MSG_NOSIGNAL);
		move_clock(1000);
		s++;
	}
	check(s >= 9 && s <= 11, "a query that comes by an octet a second is not waited for: %u s", s);
	close(fd);
}

/* Asks for more than the sockets hold, and takes an octet a second. One answer that waits may still fit into the client's own
 * socket: that is the second deadline. */
static void check_reader(void)
{
	static uint8_t stream[64 * 64];
	size_t len = 0;
	int fd = dns_socket(SOCK_STREAM, NULL, to);
	struct sockaddr_storage sa;
	socklen_t sa_len = dns_address(to, port, &sa);
	struct tcp_info info = {.tcpi_state = TCP_ESTABLISHED};
	socklen_t info_len = sizeof(info);
	unsigned s = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
	if (connect(fd, (struct sockaddr *)&sa, sa_len) < 0)
		err(1, "connect");
	for (unsigned i = 0; i < 60; i++) {
		size_t n = dns_query(stream + len + 2, (uint16_t)i, LIST, 12);

		put16(stream + len, (uint16_t)n);
		len += 2 + n;
	}
	write_raw(fd, stream, len);
	while (s < 40 && info.tcpi_state == TCP_ESTABLISHED) {
		recv(fd, answer, 1, MSG_DONTWAIT);
		move_clock(1000);
		poll(NULL, 0, 5);
		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len);
		s++;
	}
	check(s >= 9 && s <= 21, "an answer that is taken by an octet a second is not waited for: %u s", s);
	close(fd);
}

/* As check_idle(), but it asks every few seconds. */
static void check_life(void)
{
	int fd = from(NULL);
	unsigned s = 0;

	while (s < 200 && is_served(fd)) {
		move_clock(4000);
		s += 4;
	}
	check(s == 120, "a connection that asks for ever lives for %u s", s);
	close(fd);
}

static void clock_tests(const char *path)
{
	int fd = open(path, O_RDWR);

	shift_ms = fd >= 0 ? mmap(NULL, sizeof(*shift_ms), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (shift_ms == MAP_FAILED)
		err(1, "%s", path);
	check_idle();
	check_octets();
	check_reader();
	check_life();
}

static void idle(void)
{
	int fd = from(NULL);
	int64_t started = now_us(), took_ms;

	is_served(fd);
	has_ended(fd, 20000);
	took_ms = (now_us() - started) / 1000;
	check(took_ms >= 9900 && took_ms < 15000, "an idle connection is ended after %lld ms", (long long)took_ms);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	const char *what = argc > 3 ? argv[1] : "";

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (files.rlim_max < 2 * CROWD || setrlimit(RLIMIT_NOFILE, &files) < 0)
		errx(77, "SKIP: no more than %llu descriptors", (unsigned long long)files.rlim_max);
	to = argc > 3 ? argv[2] : "";
	port = (uint16_t)(argc > 3 ? atoi(argv[3]) : 0);
	if (strcmp(what, "frames") == 0)
		frames();
	else if (strcmp(what, "idle") == 0)
		idle();
	else if (strcmp(what, "crowd") == 0 && argc == 5)
		crowd(argv[4]);
	else if (strcmp(what, "clock") == 0 && argc == 5)
		clock_tests(argv[4]);
	else
		errx(2, "see the top of tcp_bounds.c");
	return failures > 0;
}
