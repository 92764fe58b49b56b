/* Both ends of the daemon's status socket: over a pair of sockets, with a clock that the test turns; and at the real place, in a
 * mount namespace of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "reported.h"
#include "reporter.h"
#include "sandbox.h"
#include "suites.h"
#include "util.h"

#define NOW 1000000

static struct reporter r;
static struct paths paths;
static struct wg_device dev;
static struct report_head head;
static int64_t now_ms;

static void set_peers(size_t n)
{
	util_device(&dev, n);
	ck_assert_int_eq(paths_see(&paths, &dev, now_ms, 1800000000), 0);
}

static void setup(void)
{
	static const struct report_daemon daemon = {.started_ms = NOW, .told_ms = PATH_NEVER, .is_there = true};
	static struct settings settings = {.device = "wg0"};

	now_ms = NOW;
	settings.zone = util_name("wg.example.com");
	paths_init(&paths, 1, &settings.servers, now_ms);
	set_peers(2);
	report_head_fill(&settings, &paths, &daemon, now_ms, &head);
	r = (struct reporter){.listener = -1, .dir = -1, .self = geteuid()};
	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		r.clients[i].fd = -1;
}

static void teardown(void)
{
	reporter_close(&r);
	paths_free(&paths);
	wgdev_free(&dev);
	memset(&dev, 0, sizeof(dev));
}

/* ---- over a pair ---- */

/* A client that has just come, in a free place. */
static int come(void)
{
	int pair[2];

	channel_pair(pair);
	for (size_t i = 0; i < REPORTER_CLIENTS; i++) {
		if (r.clients[i].fd >= 0)
			continue;
		r.clients[i] = (struct reporter_client){.fd = pair[0], .moved_ms = now_ms};
		return pair[1];
	}
	ck_abort_msg("no place is free");
}

static void say(int fd, const char *octets)
{
	for (; *octets != '\0'; octets++)
		ck_assert_int_eq(send(fd, octets, 1, MSG_NOSIGNAL), 1);
}

/* One turn of the daemon's loop. */
static void turn(void)
{
	struct pollfd p[REPORTER_FDS];

	ck_assert_uint_eq(reporter_fill(&r, p), REPORTER_FDS);
	ck_assert_int_ge(poll(p, REPORTER_FDS, 0), 0);
	reporter_serve(&r, p, &paths, &head, now_ms);
}

static void turn_at(int64_t ms)
{
	now_ms = ms;
	turn();
}

static uint32_t magic_of_next(int fd, union report_message *m)
{
	int e = reported_next(fd, 0, m);

	return e == 1 ? m->magic : 0;
}

/* A whole report is there: of so many peers. */
static void has_report(int fd, uint32_t peers)
{
	union report_message m;

	ck_assert_uint_eq(magic_of_next(fd, &m), REPORT_HEAD);
	ck_assert_str_eq(m.head.device, "wg0");
	for (uint32_t i = 0; i < peers; i++) {
		ck_assert_uint_eq(magic_of_next(fd, &m), REPORT_PEER);
		ck_assert_mem_eq(m.peer.key, dev.peers[i].public_key, KEY_LEN);
	}
	ck_assert_uint_eq(magic_of_next(fd, &m), REPORT_END);
	ck_assert_uint_eq(m.end.peers, peers);
}

static void has_nothing(int fd)
{
	union report_message m;

	ck_assert_int_eq(reported_next(fd, 0, &m), -ETIMEDOUT);
}

static void is_cut_off(int fd)
{
	union report_message m;

	ck_assert_int_eq(reported_next(fd, 0, &m), 0);
	close(fd);
}

START_TEST(who_asks_once_is_told_once)
{
	int fd = come();

	turn();
	has_nothing(fd);
	ck_assert(reporter_is_asked(&r));
	say(fd, "1");
	turn();
	has_report(fd, 2);
	ck_assert(!reporter_is_asked(&r));
	is_cut_off(fd);
	ck_assert_int_eq(reporter_wakes_at(&r), PATH_NEVER);
}
END_TEST

START_TEST(a_device_without_peers_has_a_report_too)
{
	int fd = come();

	set_peers(0);
	say(fd, "1");
	turn();
	has_report(fd, 0);
	is_cut_off(fd);
}
END_TEST

START_TEST(who_asks_for_something_else_is_cut_off)
{
	static const char *const octets[] = {"2", "W", " ", "\xff", "GET / HTTP/1.0"};

	for (size_t i = 0; i < COUNT(octets); i++) {
		int fd = come();

		say(fd, octets[i]);
		turn();
		ck_assert(!reporter_is_asked(&r));
		is_cut_off(fd);
	}
}
END_TEST

START_TEST(only_the_first_octet_is_read)
{
	struct pollfd p[REPORTER_FDS];
	int fd = come();

	say(fd, "w111x");
	turn();
	has_report(fd, 2);
	turn_at(now_ms + REPORTER_GAP_MS);
	has_nothing(fd);
	ck_assert(reporter_is_asked(&r));
	/* What is not read does not wake anybody either. */
	reporter_fill(&r, p);
	ck_assert_int_eq(poll(p, REPORTER_FDS, 0), 0);
	ck_assert_int_eq(recv(r.clients[0].fd, &(char){0}, 1, MSG_DONTWAIT), 1); /* the second one */
	close(fd);
}
END_TEST

START_TEST(who_watches_is_told_of_changes)
{
	int fd = come();

	say(fd, "w");
	turn();
	has_report(fd, 2);
	turn_at(NOW + 1000);
	has_nothing(fd);
	ck_assert_int_eq(reporter_wakes_at(&r), NOW + REPORTER_FRESH_MS);
	reporter_changed(&r);
	ck_assert_int_eq(reporter_wakes_at(&r), NOW + REPORTER_GAP_MS);
	turn();
	has_report(fd, 2);
	/* Two changes at once are one; and one that comes too soon waits. */
	reporter_changed(&r);
	reporter_changed(&r);
	turn_at(NOW + 1000 + REPORTER_GAP_MS - 1);
	has_nothing(fd);
	ck_assert_int_eq(reporter_wakes_at(&r), NOW + 1000 + REPORTER_GAP_MS);
	turn_at(NOW + 1000 + REPORTER_GAP_MS);
	has_report(fd, 2);
	turn_at(NOW + 1000 + 2 * REPORTER_GAP_MS);
	has_nothing(fd);
	close(fd);
	turn();
	ck_assert(!reporter_is_asked(&r));
}
END_TEST

START_TEST(who_watches_is_told_anew_when_it_grows_old)
{
	int fd = come();

	say(fd, "w");
	turn();
	has_report(fd, 2);
	turn_at(NOW + REPORTER_FRESH_MS - 1);
	has_nothing(fd);
	turn_at(NOW + REPORTER_FRESH_MS);
	has_report(fd, 2);
	/* It may wait for as long as it likes: nobody cuts it off. */
	for (int i = 0; i < 10; i++) {
		turn_at(now_ms + 4 * REPORTER_CUT_MS);
		has_report(fd, 2);
	}
	close(fd);
}
END_TEST

START_TEST(each_has_its_own_pace)
{
	int a = come(), b;

	say(a, "w");
	turn();
	has_report(a, 2);
	now_ms += 100;
	b = come();
	say(b, "w");
	turn();
	has_nothing(a);
	has_report(b, 2);
	reporter_changed(&r);
	turn_at(NOW + REPORTER_GAP_MS);
	has_report(a, 2);
	has_nothing(b);
	turn_at(NOW + 100 + REPORTER_GAP_MS);
	has_nothing(a);
	has_report(b, 2);
	close(a);
	close(b);
}
END_TEST

/* More than the socket holds. */
#define MANY 3000

START_TEST(who_reads_slowly_gets_all_and_holds_nobody_up)
{
	static union report_message m;
	int slow = come(), quick;
	uint32_t peers = 0, magic;

	set_peers(MANY);
	say(slow, "1");
	for (int i = 0; i < 100; i++)
		turn();
	ck_assert(reporter_is_asked(&r));
	ck_assert_uint_lt(r.clients[0].peers, MANY);
	quick = come();
	say(quick, "1");
	for (int i = 0; magic_of_next(quick, &m) != REPORT_END; i++) {
		ck_assert_int_lt(i, 4 * MANY);
		turn();
	}
	ck_assert_uint_eq(m.end.peers, MANY);
	close(quick);
	/* It takes one message each time, 50 ms apart: 150 s in all. */
	ck_assert_uint_eq(magic_of_next(slow, &m), REPORT_HEAD);
	while ((magic = magic_of_next(slow, &m)) == REPORT_PEER) {
		ck_assert_mem_eq(m.peer.key, dev.peers[peers++].public_key, KEY_LEN);
		turn_at(now_ms + 50);
	}
	ck_assert_uint_eq(magic, REPORT_END);
	ck_assert_uint_eq(m.end.peers, MANY);
	ck_assert_uint_eq(peers, MANY);
	is_cut_off(slow);
}
END_TEST

/* Be there as much room as there may, or somebody who reads as quickly as it is told. */
START_TEST(one_turn_does_not_last_for_ever)
{
	int fd = come(), room = 64 << 20;

	if (setsockopt(r.clients[0].fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0) {
		util_skip("one_turn_does_not_last_for_ever", "needs root, for a larger buffer");
		close(fd);
		return;
	}
	set_peers(MANY);
	say(fd, "1");
	turn();
	ck_assert_uint_ge(r.clients[0].peers, 100);
	ck_assert_uint_le(r.clients[0].peers, 256);
	close(fd);
}
END_TEST

START_TEST(who_does_not_read_is_cut_off)
{
	int64_t moved_ms;
	int fd = come();

	set_peers(MANY);
	say(fd, "w");
	for (int i = 0; i < 100; i++)
		turn();
	moved_ms = now_ms;
	ck_assert_int_eq(reporter_wakes_at(&r), moved_ms + REPORTER_CUT_MS);
	turn_at(moved_ms + REPORTER_CUT_MS - 1);
	ck_assert(reporter_is_asked(&r));
	turn_at(moved_ms + REPORTER_CUT_MS);
	ck_assert(!reporter_is_asked(&r));
	close(fd);
}
END_TEST

START_TEST(who_never_asks_is_cut_off)
{
	int fd = come();

	ck_assert_int_eq(reporter_wakes_at(&r), NOW + REPORTER_CUT_MS);
	turn_at(NOW + REPORTER_CUT_MS - 1);
	ck_assert(reporter_is_asked(&r));
	turn_at(NOW + REPORTER_CUT_MS);
	ck_assert(!reporter_is_asked(&r));
	is_cut_off(fd);
}
END_TEST

START_TEST(who_is_gone_makes_room)
{
	for (int i = 0; i < 3; i++) {
		int fd = come();

		if (i > 0)
			say(fd, i == 1 ? "1" : "w");
		if (i == 2)
			turn();
		close(fd);
		turn();
		ck_assert_msg(!reporter_is_asked(&r), "%d", i);
	}
}
END_TEST

/* Places are told of as they are when their turn comes. */
START_TEST(peers_may_go_meanwhile)
{
	static union report_message m;
	uint32_t peers = 0, magic;
	int fd = come();

	set_peers(MANY);
	say(fd, "1");
	for (int i = 0; i < 100; i++)
		turn();
	set_peers(1);
	ck_assert_uint_eq(magic_of_next(fd, &m), REPORT_HEAD);
	while ((magic = magic_of_next(fd, &m)) == REPORT_PEER) {
		peers++;
		turn();
	}
	ck_assert_uint_eq(magic, REPORT_END);
	ck_assert_uint_eq(m.end.peers, peers);
	ck_assert(peers > 1 && peers < MANY);
	is_cut_off(fd);
}
END_TEST

START_TEST(a_change_during_a_report_makes_another_one)
{
	static union report_message m;
	int fd = come();

	set_peers(MANY);
	say(fd, "w");
	turn();
	reporter_changed(&r);
	for (int i = 0; magic_of_next(fd, &m) != REPORT_END; i++) {
		ck_assert_int_lt(i, 4 * MANY);
		turn();
	}
	turn();
	has_nothing(fd);
	turn_at(NOW + REPORTER_GAP_MS);
	ck_assert_uint_eq(magic_of_next(fd, &m), REPORT_HEAD);
	close(fd);
}
END_TEST

/* ---- at its place, in a child process ---- */

#define STATUS "/run/wgmeet/wg0/status"

static void private_run(void)
{
	char *real;

	util_private_run();
	real = realpath("/var/run", NULL);
	CHILD_CHECK(real != NULL && strcmp(real, "/run") == 0);
	free(real);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_mode : 0;
}

/* A daemon that serves, until it is killed or its standard input ends. `sandboxed`: as the real one is. */
static pid_t start_daemon(bool sandboxed, int *end)
{
	int pair[2], started[2];
	pid_t pid;
	char c;

	CHILD_CHECK(pipe2(pair, O_CLOEXEC) == 0 && pipe2(started, O_CLOEXEC) == 0);
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		struct pollfd p[REPORTER_FDS + 1];

		close(pair[1]);
		reporter_open(&r, "wg0");
		CHILD_CHECK(reporter_directory(&r) != NULL);
		if (sandboxed)
			sandbox_enter(SANDBOX_KEEPER, NULL, reporter_directory(&r));
		CHILD_CHECK(write(started[1], "", 1) == 1);
		do {
			size_t n = reporter_fill(&r, p);

			p[n] = (struct pollfd){.fd = pair[0], .events = POLLIN};
			CHILD_CHECK(poll(p, n + 1, -1) > 0);
			reporter_serve(&r, p, &paths, &head, now_ms);
		} while (p[REPORTER_FDS].revents == 0);
		reporter_close(&r);
		_exit(0);
	}
	close(pair[0]);
	close(started[1]);
	CHILD_CHECK(read(started[0], &c, 1) == 1);
	close(started[0]);
	*end = pair[1];
	return pid;
}

static bool ends_well(pid_t pid, int end)
{
	int status;

	close(end);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void ask_a_daemon(void *arg)
{
	struct report_head got;
	union report_message m;
	int end, fd;
	pid_t pid;

	private_run();
	CHILD_CHECK(reported_open("wg0", false, &got) == -ENOENT);
	pid = start_daemon(arg != NULL, &end);
	CHILD_CHECK(mode_of("/run/wgmeet") == (S_IFDIR | 0755) && mode_of("/run/wgmeet/wg0") == (S_IFDIR | 0700));
	CHILD_CHECK(mode_of(STATUS) == (S_IFSOCK | 0600));
	fd = reported_open("wg0", false, &got);
	CHILD_CHECK(fd >= 0 && memcmp(&got, &head, sizeof(got)) == 0);
	for (size_t i = 0; i < 2; i++)
		CHILD_CHECK(reported_next(fd, 5000, &m) == 1 && m.magic == REPORT_PEER);
	CHILD_CHECK(reported_next(fd, 5000, &m) == 1 && m.magic == REPORT_END && m.end.peers == 2);
	CHILD_CHECK(reported_next(fd, 5000, &m) == 0);
	close(fd);
	CHILD_CHECK(reported_open("wg1", false, &got) == -ENOENT);
	CHILD_CHECK(ends_well(pid, end));
	CHILD_CHECK(mode_of(STATUS) == 0); /* nothing is left */
	CHILD_CHECK(reported_open("wg0", false, &got) == -ENOENT);
}

START_TEST(a_daemon_is_asked)
{
	util_in_child("a_daemon_is_asked", ask_a_daemon, NULL);
}
END_TEST

START_TEST(a_daemon_in_its_sandbox_is_asked)
{
	util_in_child("a_daemon_in_its_sandbox_is_asked", ask_a_daemon, &r);
}
END_TEST

static void ask_too_many(void *arg)
{
	struct report_head got;
	int fd[REPORTER_CLIENTS], end;
	union report_message m;
	pid_t pid;

	(void)arg;
	private_run();
	pid = start_daemon(false, &end);
	for (size_t i = 0; i < REPORTER_CLIENTS; i++) {
		fd[i] = reported_open("wg0", true, &got);
		CHILD_CHECK(fd[i] >= 0);
	}
	CHILD_CHECK(reported_open("wg0", false, &got) == -EUSERS);
	close(fd[3]);
	while ((fd[3] = reported_open("wg0", false, &got)) == -EUSERS) /* it may not have noticed yet */
		;
	CHILD_CHECK(fd[3] >= 0);
	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		CHILD_CHECK(reported_next(fd[i], 5000, &m) == 1 && m.magic == REPORT_PEER);
	CHILD_CHECK(ends_well(pid, end));
}

START_TEST(so_many_may_ask_at_once)
{
	util_in_child("so_many_may_ask_at_once", ask_too_many, NULL);
}
END_TEST

static void open_a_second_one(void *arg)
{
	int end;

	(void)arg;
	private_run();
	log_init("wgmeet", false);
	start_daemon(false, &end);
	reporter_open(&r, "wg0");
}

START_TEST(a_second_daemon_is_told_so)
{
	char err[512];
	int status = util_child(open_a_second_one, NULL, err, sizeof(err));

	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIP) {
		util_skip("a_second_daemon_is_told_so", err);
		return;
	}
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WRONG);
	ck_assert_str_eq(err, "wgmeet: another wgmeet run is on wg0 already\n");
}
END_TEST

/* What was killed leaves a socket behind; nobody listens there, and the next one takes its place. */
static void kill_and_start_again(void *arg)
{
	struct report_head got;
	int end, fd;
	pid_t pid;

	(void)arg;
	private_run();
	pid = start_daemon(false, &end);
	CHILD_CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHILD_CHECK(S_ISSOCK(mode_of(STATUS)));
	CHILD_CHECK(reported_open("wg0", false, &got) == -ENOENT);
	close(end);
	CHILD_CHECK(chown("/run/wgmeet/wg0", 65534, 65534) == 0 && chmod("/run/wgmeet/wg0", 0755) == 0); /* it was another user's */
	pid = start_daemon(false, &end);
	CHILD_CHECK(mode_of("/run/wgmeet/wg0") == (S_IFDIR | 0700));
	fd = reported_open("wg0", false, &got);
	CHILD_CHECK(fd >= 0 && ends_well(pid, end));
}

START_TEST(a_socket_that_was_left_behind_is_replaced)
{
	util_in_child("a_socket_that_was_left_behind_is_replaced", kill_and_start_again, NULL);
}
END_TEST

/* ---- who could sit there in its place ---- */

static int listen_as(const char *path, uid_t uid)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	CHILD_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	CHILD_CHECK(seteuid(uid) == 0 && listen(fd, 8) == 0 && seteuid(0) == 0);
	return fd;
}

static void make_place(void)
{
	private_run();
	CHILD_CHECK(mkdir("/run/wgmeet", 0755) == 0 && mkdir("/run/wgmeet/wg0", 0700) == 0);
}

static void ask_squatters(void *arg)
{
	static const mode_t open_to_others[] = {0775, 0757, 01777};
	struct report_head got;
	char octet;
	int fd, client;

	(void)arg;
	make_place();
	fd = listen_as(STATUS, 0);
	for (size_t i = 0; i < COUNT(open_to_others); i++) {
		CHILD_CHECK(chmod("/run/wgmeet", open_to_others[i]) == 0);
		CHILD_CHECK(reported_open("wg0", false, &got) == -EPERM);
		CHILD_CHECK(chmod("/run/wgmeet", 0755) == 0 && chmod("/run/wgmeet/wg0", open_to_others[i]) == 0);
		CHILD_CHECK(reported_open("wg0", false, &got) == -EPERM);
		CHILD_CHECK(chmod("/run/wgmeet/wg0", 0700) == 0);
	}
	CHILD_CHECK(chown("/run/wgmeet", 65534, 0) == 0);
	CHILD_CHECK(reported_open("wg0", false, &got) == -EPERM);
	CHILD_CHECK(chown("/run/wgmeet", 0, 0) == 0);
	CHILD_CHECK(accept4(fd, NULL, NULL, 0) < 0 && errno == EAGAIN); /* none of these even came so far */
	CHILD_CHECK(rename("/run/wgmeet/wg0", "/run/wgmeet/wg1") == 0 && symlink("wg1", "/run/wgmeet/wg0") == 0);
	CHILD_CHECK(reported_open("wg0", false, &got) == -EPERM);
	CHILD_CHECK(unlink("/run/wgmeet/wg0") == 0 && rename("/run/wgmeet/wg1", "/run/wgmeet/wg0") == 0);
	close(fd);

	/* The directory's owner leads root to a third one's socket. */
	CHILD_CHECK(unlink(STATUS) == 0 && chown("/run/wgmeet/wg0", 65534, 0) == 0);
	fd = listen_as("/run/elsewhere", 65533);
	CHILD_CHECK(symlink("/run/elsewhere", STATUS) == 0);
	CHILD_CHECK(reported_open("wg0", false, &got) == -EPERM);
	client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	CHILD_CHECK(client >= 0 && recv(client, &octet, 1, MSG_DONTWAIT) == 0); /* and is sent nothing */
	close(client);
	close(fd);
	/* But the owner itself is a daemon. */
	CHILD_CHECK(unlink("/run/elsewhere") == 0 && unlink(STATUS) == 0);
	fd = listen_as(STATUS, 65534);
	CHILD_CHECK(reported_open("wg0", false, &got) == -ETIMEDOUT);
	client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	CHILD_CHECK(client >= 0 && recv(client, &octet, 1, MSG_DONTWAIT) == 1 && octet == REPORT_ONCE);
}

START_TEST(a_squatter_is_not_asked)
{
	util_in_child("a_squatter_is_not_asked", ask_squatters, NULL);
}
END_TEST

/* The daemon does not take a place that others can change, nor dies for want of one. */
static void open_where_others_write(void *arg)
{
	(void)arg;
	private_run();
	CHILD_CHECK(mkdir("/run/wgmeet", 0755) == 0 && chmod("/run/wgmeet", 01777) == 0);
	reporter_open(&r, "wg0");
	CHILD_CHECK(reporter_directory(&r) == NULL && r.listener < 0);
	CHILD_CHECK(chmod("/run/wgmeet", 0755) == 0 && mkdir("/run/elsewhere", 0700) == 0);
	CHILD_CHECK(symlink("../elsewhere", "/run/wgmeet/wg0") == 0);
	reporter_open(&r, "wg0");
	CHILD_CHECK(reporter_directory(&r) == NULL);
	CHILD_CHECK(unlink("/run/wgmeet/wg0") == 0);
	CHILD_CHECK(setresuid(65534, 65534, 65534) == 0);
	reporter_open(&r, "wg0");
	CHILD_CHECK(reporter_directory(&r) == NULL);
	turn();
	CHILD_CHECK(reporter_wakes_at(&r) == PATH_NEVER);
	reporter_close(&r);
}

START_TEST(without_a_place_nobody_asks)
{
	util_in_child("without_a_place_nobody_asks", open_where_others_write, NULL);
}
END_TEST

/* Another user is kept away by the directory, and by the daemon if that were open. */
static void ask_as_another(void *arg)
{
	struct report_head got;
	int end;
	pid_t pid, asker;
	int status;

	(void)arg;
	private_run();
	pid = start_daemon(false, &end);
	for (int i = 0; i < 2; i++) {
		asker = fork();
		CHILD_CHECK(asker >= 0);
		if (asker == 0) {
			CHILD_CHECK(setresuid(65534, 65534, 65534) == 0);
			CHILD_CHECK(reported_open("wg0", false, &got) == (i == 0 ? -EACCES : -EUSERS));
			_exit(0);
		}
		CHILD_CHECK(waitpid(asker, &status, 0) == asker && status == 0);
		CHILD_CHECK(chmod("/run/wgmeet/wg0", 0755) == 0 && chmod(STATUS, 0666) == 0);
	}
	CHILD_CHECK(ends_well(pid, end));
}

START_TEST(another_user_may_not_ask)
{
	util_in_child("another_user_may_not_ask", ask_as_another, NULL);
}
END_TEST

/* ---- a daemon that talks nonsense ---- */

/* What stands in the queue of a client that connects is what the case says. */
static void hear(int listener, const void *message, size_t len, int expected)
{
	struct report_head got;
	pid_t pid = fork();
	int status;

	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		int e = reported_open("wg0", false, &got);

		errno = -e;
		CHILD_CHECK(e == expected);
		_exit(0);
	}
	if (message != NULL) {
		struct pollfd p = {.fd = listener, .events = POLLIN};
		int client;

		CHILD_CHECK(poll(&p, 1, 5000) == 1);
		client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		CHILD_CHECK(client >= 0 && send(client, message, len, MSG_NOSIGNAL) == (ssize_t)len);
		CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		close(client);
		return;
	}
	CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void hear_nonsense(void *arg)
{
	struct report_head other = head;
	struct report_end end = {.magic = REPORT_END};
	struct report_peer peer;
	char long_one[sizeof(union report_message) + 1];
	int fd;

	(void)arg;
	make_place();
	fd = listen_as(STATUS, 0);
	other.version++;
	hear(fd, &other, sizeof(other), -EPROTONOSUPPORT);
	hear(fd, &other, 8, -EPROTONOSUPPORT);
	other = head;
	strcpy(other.device, "wg1");
	hear(fd, &other, sizeof(other), -EPROTO);
	hear(fd, &head, sizeof(head) - 1, -EPROTO);
	hear(fd, "HTTP/1.0 200 OK", 15, -EPROTO);
	hear(fd, &end, sizeof(end), -EPROTO); /* sound, but not the first one */
	CHILD_CHECK(report_peer_fill(&paths, 0, now_ms, &peer));
	memcpy((char *)&peer + offsetof(struct report_head, device), "wg0", 4);
	hear(fd, &peer, sizeof(peer), -EPROTO);
	memcpy(long_one, &head, sizeof(head));
	memset(long_one + sizeof(head), 0, sizeof(long_one) - sizeof(head));
	hear(fd, long_one, sizeof(long_one), -EPROTO);
	hear(fd, NULL, 0, -ETIMEDOUT); /* a stopped one */
}

START_TEST(nonsense_is_told_from_a_report)
{
	util_in_child("nonsense_is_told_from_a_report", hear_nonsense, NULL);
}
END_TEST

START_TEST(each_error_has_words)
{
	static const int errors[] = {-ENOENT, -EACCES, -EPERM, -ETIMEDOUT, -EUSERS, -EPROTONOSUPPORT, -EPROTO, -EMFILE};

	for (size_t i = 0; i < COUNT(errors); i++)
		for (size_t k = 0; k <= i; k++)
			ck_assert_int_eq(strcmp(reported_error(errors[i]), reported_error(errors[k])) == 0, i == k);
}
END_TEST

Suite *suite_reporter(void)
{
	Suite *s = suite_create("reporter");
	TCase *t = tcase_create("pair"), *p = tcase_create("place");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, who_asks_once_is_told_once);
	tcase_add_test(t, a_device_without_peers_has_a_report_too);
	tcase_add_test(t, who_asks_for_something_else_is_cut_off);
	tcase_add_test(t, only_the_first_octet_is_read);
	tcase_add_test(t, who_watches_is_told_of_changes);
	tcase_add_test(t, who_watches_is_told_anew_when_it_grows_old);
	tcase_add_test(t, each_has_its_own_pace);
	tcase_add_test(t, who_reads_slowly_gets_all_and_holds_nobody_up);
	tcase_add_test(t, one_turn_does_not_last_for_ever);
	tcase_add_test(t, who_does_not_read_is_cut_off);
	tcase_add_test(t, who_never_asks_is_cut_off);
	tcase_add_test(t, who_is_gone_makes_room);
	tcase_add_test(t, peers_may_go_meanwhile);
	tcase_add_test(t, a_change_during_a_report_makes_another_one);
	suite_add_tcase(s, p);
	tcase_add_checked_fixture(p, setup, teardown);
	tcase_add_test(p, a_daemon_is_asked);
	tcase_add_test(p, a_daemon_in_its_sandbox_is_asked);
	tcase_add_test(p, so_many_may_ask_at_once);
	tcase_add_test(p, a_second_daemon_is_told_so);
	tcase_add_test(p, a_socket_that_was_left_behind_is_replaced);
	tcase_add_test(p, a_squatter_is_not_asked);
	tcase_add_test(p, without_a_place_nobody_asks);
	tcase_add_test(p, another_user_may_not_ask);
	tcase_add_test(p, nonsense_is_told_from_a_report);
	tcase_add_test(p, each_error_has_words);
	return s;
}
