/* What is out of reach is so for root, too. Each child process goes where there is no way out. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"
#include "sandbox.h"
#include "suites.h"
#include "util.h"

static char dir[64], inside[96], outside[96], state[80];

static void setup(void)
{
	char path[96];

	util_tmpdir(dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	ck_assert_int_eq(mkdir(state, 0700), 0);
	snprintf(inside, sizeof(inside), "%s/new", state);
	snprintf(outside, sizeof(outside), "%s/new", dir);
	snprintf(path, sizeof(path), "%s/old", dir);
	util_write_file(path, "old", 3);
	snprintf(path, sizeof(path), "%s/old", state);
	util_write_file(path, "old", 3);
}

static void teardown(void)
{
	util_rmdir(dir);
}

/* Tests of what a kernel of that version holds a process to. */
static void need_version(long version)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < version)
		util_child_skip("this kernel has no Landlock, or an older one");
	CHILD_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static int try_open(const char *in, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", in, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : errno;
}

static void reads_everywhere(void)
{
	CHILD_CHECK(try_open(dir, "old", O_RDONLY) == 0);
	CHILD_CHECK(try_open(dir, ".", O_RDONLY | O_DIRECTORY) == 0);
	CHILD_CHECK(try_open("/proc", "version", O_RDONLY) == 0);
}

static void cannot_write_in(const char *in)
{
	char old[128], new[128];

	CHILD_CHECK(try_open(in, "old", O_WRONLY) == EACCES);
	CHILD_CHECK(try_open(in, "old", O_RDWR) == EACCES);
	CHILD_CHECK(try_open(in, "new", O_WRONLY | O_CREAT) == EACCES);
	snprintf(old, sizeof(old), "%s/old", in);
	snprintf(new, sizeof(new), "%s/new", in);
	CHILD_CHECK(rename(old, new) < 0 && errno == EACCES);
	CHILD_CHECK(unlink(old) < 0 && errno == EACCES);
}

/* As the serial of a zone is kept. */
static void can_keep_a_file(void)
{
	char old[96];
	int fd = open(inside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHILD_CHECK(fd >= 0 && write(fd, "new", 3) == 3 && close(fd) == 0);
	snprintf(old, sizeof(old), "%s/old", state);
	CHILD_CHECK(rename(inside, old) == 0);
	CHILD_CHECK(try_open(state, "old", O_WRONLY | O_TRUNC) == 0);
	CHILD_CHECK(try_open(state, "new", O_WRONLY | O_CREAT) == 0);
	CHILD_CHECK(rename(inside, outside) < 0 && (errno == EXDEV || errno == EACCES));
	CHILD_CHECK(unlink(inside) == 0 && unlink(old) == 0);
}

static void in_role(void *arg)
{
	enum sandbox_role role = *(const enum sandbox_role *)arg;

	need_version(1);
	sandbox_enter(role, NULL, state);
	reads_everywhere();
	cannot_write_in(dir);
	can_keep_a_file();
}

START_TEST(an_observer_writes_in_its_state_directory_alone)
{
	static const enum sandbox_role roles[] = {SANDBOX_OBSERVER, SANDBOX_READER};

	util_in_child("an_observer_writes_in_its_state_directory_alone", in_role, (void *)&roles[_i]);
}
END_TEST

static void setter(void *arg)
{
	(void)arg;
	need_version(1);
	sandbox_enter(SANDBOX_SETTER, NULL, NULL);
	reads_everywhere();
	CHILD_CHECK(try_open(dir, "old", O_WRONLY) == EACCES);
	CHILD_CHECK(try_open(state, "new", O_WRONLY | O_CREAT) == EACCES);
}

START_TEST(a_setter_writes_nowhere)
{
	util_in_child("a_setter_writes_nowhere", setter, NULL);
}
END_TEST

static void no_state(void *arg)
{
	(void)arg;
	need_version(1);
	sandbox_enter(SANDBOX_READER, NULL, outside); /* which is not there */
	reads_everywhere();
	cannot_write_in(dir);
}

START_TEST(a_state_directory_that_is_not_there_is_no_error)
{
	util_in_child("a_state_directory_that_is_not_there_is_no_error", no_state, NULL);
}
END_TEST

static void no_files(void *arg)
{
	int fd;

	(void)arg;
	need_version(1);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHILD_CHECK(fd >= 0);
	landlock_enter(false, NULL, false);
	CHILD_CHECK(try_open(dir, "old", O_RDONLY) == EACCES);
	CHILD_CHECK(try_open(dir, ".", O_RDONLY | O_DIRECTORY) == EACCES);
	CHILD_CHECK(openat(fd, "old", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES); /* nor from where it has been */
	CHILD_CHECK(mkdir(inside, 0700) < 0 && errno == EACCES);
	CHILD_CHECK(symlink("x", inside) < 0 && errno == EACCES);
	cannot_write_in(state);
}

START_TEST(who_sees_no_files_sees_none)
{
	util_in_child("who_sees_no_files_sees_none", no_files, NULL);
}
END_TEST

static void no_program(void *arg)
{
	(void)arg;
	need_version(1);
	landlock_enter(true, NULL, false);
	execl("/bin/true", "true", NULL);
	CHILD_CHECK(errno == EACCES);
}

START_TEST(nothing_is_executed)
{
	util_in_child("nothing_is_executed", no_program, NULL);
}
END_TEST

static void connections(void *arg)
{
	const bool *tcp = arg;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need_version(4);
	CHILD_CHECK(bind(listener, (struct sockaddr *)&addr, len) == 0 && listen(listener, 1) == 0);
	CHILD_CHECK(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	landlock_enter(false, NULL, *tcp);
	if (*tcp) {
		CHILD_CHECK(connect(fd, (struct sockaddr *)&addr, len) == 0);
		return;
	}
	CHILD_CHECK(connect(fd, (struct sockaddr *)&addr, len) < 0 && errno == EACCES);
	addr.sin_port = 0;
	CHILD_CHECK(bind(fd, (struct sockaddr *)&addr, len) < 0 && errno == EACCES);
}

START_TEST(connections_are_for_those_who_make_them)
{
	bool tcp = _i == 1;

	util_in_child("connections_are_for_those_who_make_them", connections, &tcp);
}
END_TEST

static void signals(void *arg)
{
	(void)arg;
	need_version(6);
	CHILD_CHECK(kill(getppid(), 0) == 0);
	landlock_enter(true, NULL, false);
	CHILD_CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
	CHILD_CHECK(kill(getpid(), 0) == 0);
}

START_TEST(no_other_program_gets_a_signal)
{
	util_in_child("no_other_program_gets_a_signal", signals, NULL);
}
END_TEST

Suite *suite_landlock(void)
{
	Suite *s = suite_create("landlock");
	TCase *t = tcase_create("landlock");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, an_observer_writes_in_its_state_directory_alone, 0, 2);
	tcase_add_test(t, a_setter_writes_nowhere);
	tcase_add_test(t, a_state_directory_that_is_not_there_is_no_error);
	tcase_add_test(t, who_sees_no_files_sees_none);
	tcase_add_test(t, nothing_is_executed);
	tcase_add_loop_test(t, connections_are_for_those_who_make_them, 0, 2);
	tcase_add_test(t, no_other_program_gets_a_signal);
	return s;
}
