/* Each sandbox is entered by a child process, since there is no way out. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"
#include "suites.h"
#include "util.h"

static const struct sandbox_user someone = {.uid = 64901, .gid = 64902}; /* nobody has them */

START_TEST(users_are_found_by_name_and_number)
{
	static const struct {
		const char *text;
		bool found;
		struct sandbox_user user;
	} cases[] = {
	    {"root", true, {0, 0}}, {"0", true, {0, 0}}, {"0:5", true, {0, 5}}, {"64901", true, {64901, 64901}},
	    {"64901:64902", true, {64901, 64902}}, {"4294967294", true, {4294967294, 4294967294}},
	    {"4294967295", false, {0}}, {"1:4294967295", false, {0}}, {"4294967296", false, {0}},
	    {"18446744073709551616", false, {0}}, {"", false, {0}}, {"1:", false, {0}}, {":1", false, {0}}, {"1:x", false, {0}},
	    {"1:2:3", false, {0}}, {"-1", false, {0}}, {"1 ", false, {0}}, {"no-such-user-here", false, {0}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sandbox_user user = {1, 1};

		ck_assert_msg(sandbox_find_user(cases[i].text, &user) == cases[i].found, "\"%s\"", cases[i].text);
		if (cases[i].found)
			ck_assert_msg(user.uid == cases[i].user.uid && user.gid == cases[i].user.gid, "%s", cases[i].text);
	}
}
END_TEST

/* ---- in the child: what a process really may do, asked of the kernel ---- */

static void check_capabilities(uint64_t expected)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	CHILD_CHECK(syscall(SYS_capget, &header, data) == 0);
	CHILD_CHECK((data[0].effective | (uint64_t)data[1].effective << 32) == expected);
	CHILD_CHECK((data[0].permitted | (uint64_t)data[1].permitted << 32) == expected);
	CHILD_CHECK(data[0].inheritable == 0 && data[1].inheritable == 0);
	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		CHILD_CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) <= 0);
}

static void check_bounding_set_is_empty(void)
{
	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		CHILD_CHECK(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) <= 0);
}

static void check_always(void)
{
	struct rlimit core;

	CHILD_CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHILD_CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHILD_CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
}

static void check_user(const struct sandbox_user *user)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;
	gid_t groups[1];

	CHILD_CHECK(getresuid(&r, &e, &s) == 0 && r == user->uid && e == user->uid && s == user->uid);
	CHILD_CHECK(getresgid(&rg, &eg, &sg) == 0 && rg == user->gid && eg == user->gid && sg == user->gid);
	CHILD_CHECK(getgroups(0, NULL) == 0 || (getgroups(1, groups) == 1 && groups[0] == user->gid));
	if (user->uid != 0) {
		CHILD_CHECK(setuid(0) < 0 && errno == EPERM);
		CHILD_CHECK(setgid(0) < 0 && errno == EPERM);
		CHILD_CHECK(setgroups(0, NULL) < 0 && errno == EPERM);
	}
}

static void check_empty_root(void)
{
	static const char *const paths[] = {"/etc/passwd", "../../../../../../etc/passwd", "/proc", "/dev/null", "/tmp"};
	DIR *root = opendir("/");
	const struct dirent *entry;

	CHILD_CHECK((root != NULL) == (geteuid() == 0));
	while (root != NULL && (entry = readdir(root)) != NULL)
		CHILD_CHECK(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	if (root != NULL)
		closedir(root);
	for (size_t i = 0; i < COUNT(paths); i++) /* the directory is root's, who alone may even look */
		CHILD_CHECK(access(paths[i], F_OK) < 0 && (errno == ENOENT || (errno == EACCES && geteuid() != 0)));
	CHILD_CHECK(mkdir("/x", 0700) < 0);
	CHILD_CHECK(open("/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0);
	CHILD_CHECK(chroot("/") < 0);
}

/* Nothing to read from, nowhere to "type" to, and no file but standard error. */
static void check_no_terminal(void)
{
	char c;

	CHILD_CHECK(read(STDIN_FILENO, &c, 1) == 0);
	CHILD_CHECK(write(STDOUT_FILENO, "x", 1) == 1); /* to nobody */
	CHILD_CHECK(getsid(0) == getpid());
}

/* No directory of ours is left behind in the file system. */
static size_t leftovers(void)
{
	static const char *const places[] = {"/run", "/tmp"};
	const struct dirent *entry;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(places); i++) {
		DIR *d = opendir(places[i]);

		while (d != NULL && (entry = readdir(d)) != NULL)
			n += strncmp(entry->d_name, "wgmeet.", 7) == 0;
		if (d != NULL)
			closedir(d);
	}
	return n;
}

/* ---- as root ---- */

static void need_root(void)
{
	if (geteuid() != 0)
		util_child_skip("needs root");
}

static void worker_as_root(void *arg)
{
	static const gid_t groups[] = {0, 1, 2};

	(void)arg;
	need_root();
	CHILD_CHECK(setgroups(COUNT(groups), groups) == 0);
	sandbox_enter(SANDBOX_WORKER, &someone);
	check_user(&someone);
	check_capabilities(0);
	check_bounding_set_is_empty();
	check_always();
	check_empty_root();
	check_no_terminal();
	CHILD_CHECK(!sandbox_has_net_admin());
}

START_TEST(a_worker_is_another_user_without_powers_in_an_empty_directory)
{
	size_t before = leftovers();

	util_in_child("a_worker_is_another_user_without_powers_in_an_empty_directory", worker_as_root, NULL);
	ck_assert_uint_eq(leftovers(), before);
}
END_TEST

static void resolver_as_root(void *arg)
{
	(void)arg;
	need_root();
	sandbox_enter(SANDBOX_RESOLVER, &someone);
	check_user(&someone);
	check_capabilities(0);
	check_bounding_set_is_empty();
	check_always();
	check_empty_root();
	check_no_terminal();
}

START_TEST(a_resolver_is_the_same)
{
	util_in_child("a_resolver_is_the_same", resolver_as_root, NULL);
}
END_TEST

static bool had_net_admin(void)
{
	need_root();
	return sandbox_has_net_admin();
}

static void observer_as_root(void *arg)
{
	uint64_t expected = had_net_admin() ? UINT64_C(1) << CAP_NET_ADMIN : 0;

	(void)arg;
	sandbox_enter(SANDBOX_OBSERVER, &someone);
	check_user(&someone);
	check_capabilities(expected);
	check_bounding_set_is_empty();
	check_always();
	CHILD_CHECK(sandbox_has_net_admin() == (expected != 0));
	CHILD_CHECK(access("/etc/passwd", F_OK) == 0);
}

START_TEST(an_observer_is_another_user_with_net_admin_alone)
{
	util_in_child("an_observer_is_another_user_with_net_admin_alone", observer_as_root, NULL);
}
END_TEST

static void reader_as_root(void *arg)
{
	(void)arg;
	need_root();
	sandbox_enter(SANDBOX_READER, &someone);
	check_user(&someone);
	check_capabilities(0);
	check_bounding_set_is_empty();
	check_always();
	CHILD_CHECK(access("/etc/passwd", F_OK) == 0);
}

START_TEST(a_reader_of_files_is_another_user_without_powers)
{
	util_in_child("a_reader_of_files_is_another_user_without_powers", reader_as_root, NULL);
}
END_TEST

static void observer_that_stays_root(void *arg)
{
	static const struct sandbox_user root = {0, 0};
	uint64_t expected = had_net_admin() ? UINT64_C(1) << CAP_NET_ADMIN : 0;

	sandbox_enter(SANDBOX_OBSERVER, arg != NULL ? &root : NULL);
	check_capabilities(expected);
	check_bounding_set_is_empty();
	check_always();
	CHILD_CHECK(getuid() == 0);
	/* uid 0 without its powers: it owns files, and may no longer become somebody else */
	CHILD_CHECK(setuid(64901) < 0 && errno == EPERM);
	CHILD_CHECK(chroot("/") < 0 && errno == EPERM);
}

START_TEST(root_that_stays_root_keeps_net_admin_alone)
{
	util_in_child("root_that_stays_root_keeps_net_admin_alone", observer_that_stays_root, NULL);
	util_in_child("root_that_stays_root_keeps_net_admin_alone", observer_that_stays_root, (void *)&someone);
}
END_TEST

static void worker_that_stays_root(void *arg)
{
	(void)arg;
	need_root();
	sandbox_enter(SANDBOX_WORKER, NULL);
	check_capabilities(0);
	check_always();
	check_empty_root();
}

START_TEST(a_worker_without_a_user_loses_its_powers_all_the_same)
{
	util_in_child("a_worker_without_a_user_loses_its_powers_all_the_same", worker_that_stays_root, NULL);
}
END_TEST

/* A new program does not get root's powers back. */
static void exec_as_root(void *arg)
{
	int status;
	pid_t pid;

	(void)arg;
	need_root();
	sandbox_enter(SANDBOX_OBSERVER, NULL);
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status", NULL);
		_exit(9);
	}
	CHILD_CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(a_program_that_is_started_has_no_powers)
{
	util_in_child("a_program_that_is_started_has_no_powers", exec_as_root, NULL);
}
END_TEST

/* Another process of the same user may not look into it. */
static void spy(void *arg)
{
	char path[64];
	int ready[2];
	pid_t pid;

	(void)arg;
	need_root();
	CHILD_CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		sandbox_enter(SANDBOX_OBSERVER, &someone);
		CHILD_CHECK(write(ready[1], "", 1) == 1);
		pause();
		_exit(0);
	}
	CHILD_CHECK(read(ready[0], path, 1) == 1);
	CHILD_CHECK(setgroups(0, NULL) == 0);
	CHILD_CHECK(setresgid(someone.gid, someone.gid, someone.gid) == 0);
	CHILD_CHECK(setresuid(someone.uid, someone.uid, someone.uid) == 0);
	CHILD_CHECK(kill(pid, 0) == 0); /* it is one of ours */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	CHILD_CHECK(open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

START_TEST(its_memory_is_closed_to_others_of_its_user)
{
	util_in_child("its_memory_is_closed_to_others_of_its_user", spy, NULL);
}
END_TEST

/* Nowhere to make the empty directory. */
static void no_place(void *arg)
{
	(void)arg;
	need_root();
	if (unshare(CLONE_NEWNS) < 0)
		util_child_skip("a mount namespace is not allowed here");
	CHILD_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHILD_CHECK(mount("none", "/run", "tmpfs", MS_RDONLY, NULL) == 0);
	CHILD_CHECK(mount("none", "/tmp", "tmpfs", MS_RDONLY, NULL) == 0);
	sandbox_enter(SANDBOX_WORKER, &someone);
}

START_TEST(what_does_not_drop_is_fatal)
{
	char err[512];
	int status = util_child(no_place, NULL, err, sizeof(err));

	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIP) {
		util_skip("what_does_not_drop_is_fatal", err);
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s", err);
	ck_assert_ptr_nonnull(strstr(err, "empty directory"));
}
END_TEST

/* ---- not as root ---- */

static void become_someone(void)
{
	if (geteuid() != 0)
		return;
	CHILD_CHECK(setgroups(0, NULL) == 0);
	CHILD_CHECK(setresgid(someone.gid, someone.gid, someone.gid) == 0);
	CHILD_CHECK(setresuid(someone.uid, someone.uid, someone.uid) == 0);
}

static void every_role_not_as_root(void *arg)
{
	static const struct sandbox_user other = {64903, 64903};
	enum sandbox_role role = *(const enum sandbox_role *)arg;
	uid_t uid;

	become_someone();
	uid = getuid();
	CHILD_CHECK(uid != 0);
	sandbox_enter(role, &other);
	CHILD_CHECK(getuid() == uid && geteuid() == uid);
	check_capabilities(0);
	check_always();
	CHILD_CHECK(!sandbox_has_net_admin());
}

START_TEST(who_is_not_root_keeps_his_user_and_has_no_powers)
{
	enum sandbox_role role = (enum sandbox_role)_i;

	util_in_child("who_is_not_root_keeps_his_user_and_has_no_powers", every_role_not_as_root, &role);
}
END_TEST

/* As a systemd unit with User= and AmbientCapabilities= starts it. */
static void ambient(void *arg)
{
	enum sandbox_role role = *(const enum sandbox_role *)arg;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (!had_net_admin())
		util_child_skip("needs CAP_NET_ADMIN");
	CHILD_CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	become_someone();
	data[0].effective = data[0].permitted = data[0].inheritable = 1u << CAP_NET_ADMIN;
	CHILD_CHECK(syscall(SYS_capset, &header, data) == 0);
	CHILD_CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0);
	CHILD_CHECK(sandbox_has_net_admin());
	sandbox_enter(role, NULL);
	check_user(&someone);
	check_capabilities(role == SANDBOX_OBSERVER || role == SANDBOX_SETTER ? 1u << CAP_NET_ADMIN : 0);
	check_always();
}

START_TEST(an_ambient_net_admin_is_kept_where_it_is_needed_and_no_longer_ambient)
{
	enum sandbox_role role = (enum sandbox_role)_i;

	util_in_child("an_ambient_net_admin_is_kept_where_it_is_needed_and_no_longer_ambient", ambient, &role);
}
END_TEST

/* ---- the start of a program ---- */

static void starts(void *arg)
{
	int high = fcntl(STDIN_FILENO, F_DUPFD, 100);
	struct sigaction action;

	(void)arg;
	CHILD_CHECK(high >= 100);
	CHILD_CHECK(open("/dev/null", O_RDONLY) > 2); /* not close-on-exec: as if it was inherited */
	signal(SIGCHLD, SIG_IGN);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	sandbox_start();
	for (int fd = 0; fd < 200; fd++)
		CHILD_CHECK((fcntl(fd, F_GETFD) >= 0) == (fd <= 2));
	CHILD_CHECK(sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	CHILD_CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
}

START_TEST(a_program_begins_with_three_descriptors_and_no_more)
{
	util_in_child("a_program_begins_with_three_descriptors_and_no_more", starts, NULL);
}
END_TEST

Suite *suite_sandbox(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");

	suite_add_tcase(s, t);
	tcase_add_test(t, users_are_found_by_name_and_number);
	tcase_add_test(t, a_program_begins_with_three_descriptors_and_no_more);
	tcase_add_test(t, a_worker_is_another_user_without_powers_in_an_empty_directory);
	tcase_add_test(t, a_resolver_is_the_same);
	tcase_add_test(t, an_observer_is_another_user_with_net_admin_alone);
	tcase_add_test(t, a_reader_of_files_is_another_user_without_powers);
	tcase_add_test(t, root_that_stays_root_keeps_net_admin_alone);
	tcase_add_test(t, a_worker_without_a_user_loses_its_powers_all_the_same);
	tcase_add_test(t, a_program_that_is_started_has_no_powers);
	tcase_add_test(t, its_memory_is_closed_to_others_of_its_user);
	tcase_add_test(t, what_does_not_drop_is_fatal);
	tcase_add_loop_test(t, who_is_not_root_keeps_his_user_and_has_no_powers, 0, SANDBOX_RESOLVER + 1);
	tcase_add_loop_test(t, an_ambient_net_admin_is_kept_where_it_is_needed_and_no_longer_ambient, 0, SANDBOX_RESOLVER + 1);
	return s;
}
