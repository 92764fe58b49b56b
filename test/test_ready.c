/* Against a manager's socket of our own. Each child process is the program that tells it something. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ready.h"
#include "sandbox.h"
#include "suites.h"
#include "util.h"

static char dir[64], name[96];
static int manager;

static socklen_t address(const char *text, struct sockaddr_un *out)
{
	size_t len = strlen(text);

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	ck_assert_uint_lt(len, sizeof(out->sun_path));
	memcpy(out->sun_path, text, len);
	if (*text == '@')
		out->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int listen_at(const char *text)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	socklen_t len = address(text, &sun);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, len), 0);
	return fd;
}

static void setup(void)
{
	util_tmpdir(dir);
	snprintf(name, sizeof(name), "%s/notify", dir);
	manager = listen_at(name);
	setenv("NOTIFY_SOCKET", name, 1);
}

static void teardown(void)
{
	close(manager);
	unsetenv("NOTIFY_SOCKET");
	util_rmdir(dir);
}

/* What the manager hears next; "" if there is nothing. */
static const char *heard(void)
{
	static char text[256];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void tell_ready(void *arg)
{
	(void)arg;
	ready_open();
	CHILD_CHECK(getenv("NOTIFY_SOCKET") == NULL);
	CHILD_CHECK(ready_tell("READY=1"));
	CHILD_CHECK(ready_tell("STATUS=two peers\nSTOPPING=1"));
}

START_TEST(the_manager_hears_what_is_told)
{
	util_in_child("the_manager_hears_what_is_told", tell_ready, NULL);
	ck_assert_str_eq(heard(), "READY=1");
	ck_assert_str_eq(heard(), "STATUS=two peers\nSTOPPING=1");
	ck_assert_str_eq(heard(), "");
}
END_TEST

/* The roles that tell it something, each at a path and at an abstract name. */
static const enum sandbox_role roles[] = {SANDBOX_OBSERVER, SANDBOX_READER, SANDBOX_SETTER};

static void tell_from_sandbox(void *arg)
{
	const enum sandbox_role *role = arg;

	ready_open();
	sandbox_enter(*role, NULL, NULL);
	CHILD_CHECK(ready_tell("READY=1"));
	CHILD_CHECK(ready_tell_reloading());
}

static void hear_from_sandboxes(const char *test)
{
	for (size_t i = 0; i < COUNT(roles); i++) {
		enum sandbox_role role = roles[i];

		util_in_child(test, tell_from_sandbox, &role);
		ck_assert_str_eq(heard(), "READY=1");
		ck_assert_int_eq(strncmp(heard(), "RELOADING=1\n", 12), 0);
	}
}

START_TEST(it_hears_it_from_the_sandbox)
{
	hear_from_sandboxes("it_hears_it_from_the_sandbox");
}
END_TEST

START_TEST(it_may_have_an_abstract_socket)
{
	char text[64];

	snprintf(text, sizeof(text), "@wgmeet-test-%d", (int)getpid());
	close(manager);
	manager = listen_at(text);
	setenv("NOTIFY_SOCKET", text, 1);
	hear_from_sandboxes("it_may_have_an_abstract_socket");
}
END_TEST

static void tell_reloading(void *arg)
{
	(void)arg;
	ready_open();
	CHILD_CHECK(ready_tell_reloading());
}

START_TEST(a_reload_has_its_time)
{
	struct timespec before, after;
	long long us;
	int end = 0;

	clock_gettime(CLOCK_MONOTONIC, &before);
	util_in_child("a_reload_has_its_time", tell_reloading, NULL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_eq(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%lld%n", &us, &end), 1);
	ck_assert_int_gt(end, 0);
	ck_assert_int_ge(us, before.tv_sec * 1000000LL + before.tv_nsec / 1000);
	ck_assert_int_le(us, after.tv_sec * 1000000LL + after.tv_nsec / 1000);
}
END_TEST

/* A manager that was started anew: its old socket is gone. */
static void tell_the_next(void *arg)
{
	const int *went = arg;
	char byte;

	ready_open();
	CHILD_CHECK(ready_tell("STATUS=first"));
	CHILD_CHECK(write(went[1], "x", 1) == 1 && read(went[1], &byte, 1) == 1);
	CHILD_CHECK(ready_tell("STATUS=second"));
}

START_TEST(a_manager_that_was_started_anew_is_found)
{
	int went[2], status;
	char byte;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, went), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(manager); /* or it would stay open here */
		alarm(20);
		tell_the_next(went);
		_exit(0);
	}
	ck_assert_int_eq(read(went[0], &byte, 1), 1);
	ck_assert_str_eq(heard(), "STATUS=first");
	close(manager);
	ck_assert_int_eq(unlink(name), 0);
	manager = listen_at(name);
	ck_assert_int_eq(write(went[0], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(heard(), "STATUS=second");
	close(went[0]);
	close(went[1]);
}
END_TEST

static void tell_too_much(void *arg)
{
	int n = 0;

	(void)arg;
	ready_open();
	alarm(5); /* it would wait for ever */
	while (ready_tell("STATUS=again"))
		CHILD_CHECK(n++ < 100000);
	CHILD_CHECK(n > 0 && !ready_tell("READY=1"));
	CHILD_CHECK(recv(manager, (char[16]){0}, 16, 0) > 0);
	CHILD_CHECK(ready_tell("READY=1"));
}

START_TEST(a_manager_that_does_not_listen_is_not_waited_for)
{
	util_in_child("a_manager_that_does_not_listen_is_not_waited_for", tell_too_much, NULL);
}
END_TEST

static void tell_nobody(void *arg)
{
	if (arg != NULL)
		setenv("NOTIFY_SOCKET", arg, 1);
	else
		unsetenv("NOTIFY_SOCKET");
	ready_open();
	CHILD_CHECK(getenv("NOTIFY_SOCKET") == NULL);
	CHILD_CHECK(ready_tell("READY=1") && ready_tell_reloading());
}

START_TEST(without_a_socket_nothing_is_told)
{
	/* none; of another kind; without a name; too long */
	static char none[] = "", other[] = "vsock:2:1234", slash[] = "/", at[] = "@", relative[] = "notify", far[200];
	char *const names[] = {NULL, none, other, slash, at, relative, far};

	memset(far, '/', sizeof(far) - 1);
	for (size_t i = 0; i < COUNT(names); i++) {
		char err[256];
		int status = util_child(tell_nobody, names[i], err, sizeof(err));

		ck_assert_msg(status == 0, "%zu: status %d: %s", i, status, err);
		ck_assert_str_eq(err, "");
	}
}
END_TEST

START_TEST(a_socket_that_nobody_has_is_said_once)
{
	char err[512], text[128];

	snprintf(text, sizeof(text), "%s/nowhere", dir);
	ck_assert_int_eq(util_child(tell_nobody, text, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, text));
	ck_assert_ptr_eq(strchr(err, '\n'), strrchr(err, '\n'));
}
END_TEST

Suite *suite_ready(void)
{
	Suite *s = suite_create("ready");
	TCase *t = tcase_create("ready");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_manager_hears_what_is_told);
	tcase_add_test(t, it_hears_it_from_the_sandbox);
	tcase_add_test(t, it_may_have_an_abstract_socket);
	tcase_add_test(t, a_reload_has_its_time);
	tcase_add_test(t, a_manager_that_was_started_anew_is_found);
	tcase_add_test(t, a_manager_that_does_not_listen_is_not_waited_for);
	tcase_add_test(t, without_a_socket_nothing_is_told);
	tcase_add_test(t, a_socket_that_nobody_has_is_said_once);
	return s;
}
