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

/* ---- what a process really may do: it may not even ask, so the kernel tells its parent ---- */

/* A child that is in the sandbox, and stays until it is killed. `before` is what it does first, and may be NULL. */
static pid_t enter(enum sandbox_role role, const struct sandbox_user *user, void (*before)(void))
{
	static char much[1 << 17]; /* more than a pipe takes */
	int ready[2];
	pid_t pid;
	char c;

	CHILD_CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		close(ready[0]);
		if (before != NULL)
			before();
		sandbox_enter(role, user, NULL);
		for (;;) /* every role may write */
			if (write(ready[1], much, sizeof(much)) < 0)
				_exit(98);
	}
	close(ready[1]);
	CHILD_CHECK(read(ready[0], &c, 1) == 1); /* else it died, and said why */
	return pid; /* the pipe stays open */
}

static void leave(pid_t pid)
{
	int status;

	CHILD_CHECK(kill(pid, SIGKILL) == 0);
	CHILD_CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The line of /proc/PID/FILE that begins with that, without it. */
static const char *line_of(pid_t pid, const char *file, const char *begin)
{
	static char line[4096];
	char path[64];
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fp = fopen(path, "re");
	CHILD_CHECK(fp != NULL);
	while (fgets(line, sizeof(line), fp) != NULL) {
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		fclose(fp);
		return line + strlen(begin);
	}
	util_child_failed(__FILE__, __LINE__, begin);
}

static const char *status_of(pid_t pid, const char *word)
{
	char begin[32];

	snprintf(begin, sizeof(begin), "%s:", word);
	return line_of(pid, "status", begin);
}

static void check_capabilities(pid_t pid, uint64_t expected)
{
	CHILD_CHECK(strtoull(status_of(pid, "CapEff"), NULL, 16) == expected);
	CHILD_CHECK(strtoull(status_of(pid, "CapPrm"), NULL, 16) == expected);
	CHILD_CHECK(strtoull(status_of(pid, "CapInh"), NULL, 16) == 0);
	CHILD_CHECK(strtoull(status_of(pid, "CapAmb"), NULL, 16) == 0);
}

static void check_bounding_set_is_empty(pid_t pid)
{
	CHILD_CHECK(strtoull(status_of(pid, "CapBnd"), NULL, 16) == 0);
}

static void check_always(pid_t pid)
{
	unsigned soft = 1, hard = 1;
	struct stat st;
	char path[64];

	CHILD_CHECK(atoi(status_of(pid, "NoNewPrivs")) == 1);
	CHILD_CHECK(atoi(status_of(pid, "Seccomp")) == 2);
	CHILD_CHECK(sscanf(line_of(pid, "limits", "Max core file size"), "%u %u", &soft, &hard) == 2 && soft == 0 && hard == 0);
	/* What is not dumpable belongs to root. */
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	CHILD_CHECK(stat(path, &st) == 0 && st.st_uid == 0);
}

static void check_ids(const char *line, unsigned expected)
{
	unsigned id[4];

	CHILD_CHECK(sscanf(line, "%u %u %u %u", &id[0], &id[1], &id[2], &id[3]) == 4);
	for (size_t i = 0; i < COUNT(id); i++)
		CHILD_CHECK(id[i] == expected);
}

static void check_user(pid_t pid, const struct sandbox_user *user)
{
	check_ids(status_of(pid, "Uid"), user->uid);
	check_ids(status_of(pid, "Gid"), user->gid);
	CHILD_CHECK(strspn(status_of(pid, "Groups"), " \t\n") == strlen(status_of(pid, "Groups")));
}

static void check_empty_root(pid_t pid)
{
	const struct dirent *entry;
	struct stat root, cwd;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	CHILD_CHECK(stat(path, &cwd) == 0);
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	CHILD_CHECK(stat(path, &root) == 0 && root.st_ino == cwd.st_ino && root.st_dev == cwd.st_dev);
	d = opendir(path);
	CHILD_CHECK(d != NULL);
	while ((entry = readdir(d)) != NULL)
		CHILD_CHECK(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	CHILD_CHECK(mkdirat(dirfd(d), "x", 0700) < 0 && errno == ENOENT); /* it has no name any more */
	closedir(d);
}

static void check_host_root(pid_t pid)
{
	struct stat root, host;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	CHILD_CHECK(stat(path, &root) == 0 && stat("/", &host) == 0 && root.st_ino == host.st_ino && root.st_dev == host.st_dev);
}

/* Nothing to read from, nowhere to "type" to, and no file but standard error. */
static void check_no_terminal(pid_t pid)
{
	char path[64], link[64] = "";

	for (int fd = 0; fd <= 1; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		CHILD_CHECK(readlink(path, link, sizeof(link) - 1) > 0);
		CHILD_CHECK(strcmp(link, "/dev/null") == 0);
	}
	CHILD_CHECK(getsid(pid) == pid);
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

static void have_groups(void)
{
	static const gid_t groups[] = {0, 1, 2};

	CHILD_CHECK(setgroups(COUNT(groups), groups) == 0);
}

static bool has_capability(int cap)
{
	uint64_t all = strtoull(status_of(getpid(), "CapEff"), NULL, 16);

	return (all >> cap & 1) != 0;
}

/* The role, and what it keeps. */
static const struct {
	enum sandbox_role role;
	int capability;
	bool empty_root;
} roles[] = {
    {SANDBOX_OBSERVER, CAP_NET_ADMIN, false},
    {SANDBOX_READER, -1, false},
    {SANDBOX_WORKER, -1, true},
    {SANDBOX_BINDER, CAP_NET_RAW, true},
    {SANDBOX_SETTER, CAP_NET_ADMIN, false},
    {SANDBOX_KEEPER, CAP_NET_ADMIN, false},
    {SANDBOX_RESOLVER, -1, true},
};

static uint64_t kept(int i)
{
	return roles[i].capability >= 0 && has_capability(roles[i].capability) ? UINT64_C(1) << roles[i].capability : 0;
}

static void as_root(void *arg)
{
	int i = *(const int *)arg;
	pid_t pid;

	need_root();
	pid = enter(roles[i].role, &someone, have_groups);
	check_user(pid, &someone);
	check_capabilities(pid, kept(i));
	check_bounding_set_is_empty(pid);
	check_always(pid);
	if (roles[i].empty_root) {
		check_empty_root(pid);
		check_no_terminal(pid);
	} else {
		check_host_root(pid);
	}
	leave(pid);
}

START_TEST(root_becomes_another_user_with_what_the_role_keeps)
{
	size_t before = leftovers();

	util_in_child("root_becomes_another_user_with_what_the_role_keeps", as_root, &_i);
	ck_assert_uint_eq(leftovers(), before);
}
END_TEST

static void that_stays_root(void *arg)
{
	static const struct sandbox_user root = {0, 0};
	int i = *(const int *)arg;

	need_root();
	for (int named = 0; named <= 1; named++) {
		/* uid 0 without its powers: it owns files, and that is all */
		pid_t pid = enter(roles[i].role, named ? &root : NULL, NULL);

		check_ids(status_of(pid, "Uid"), 0);
		check_capabilities(pid, kept(i));
		check_bounding_set_is_empty(pid);
		check_always(pid);
		if (roles[i].empty_root)
			check_empty_root(pid);
		leave(pid);
	}
}

START_TEST(root_that_stays_root_loses_the_rest_all_the_same)
{
	util_in_child("root_that_stays_root_loses_the_rest_all_the_same", that_stays_root, &_i);
}
END_TEST

/* Another process of the same user may not look into it. */
static void spy(void *arg)
{
	char path[64];
	pid_t pid;
	int fd;

	(void)arg;
	need_root();
	pid = enter(SANDBOX_OBSERVER, &someone, NULL);
	CHILD_CHECK(setgroups(0, NULL) == 0);
	CHILD_CHECK(setresgid(someone.gid, someone.gid, someone.gid) == 0);
	CHILD_CHECK(setresuid(someone.uid, someone.uid, someone.uid) == 0);
	CHILD_CHECK(kill(pid, 0) == 0); /* it is one of ours */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHILD_CHECK(fd < 0 && errno == EACCES);
	leave(pid);
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
	sandbox_enter(SANDBOX_WORKER, &someone, NULL);
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
	int i = *(const int *)arg;
	const struct sandbox_user own = {.uid = geteuid() == 0 ? someone.uid : getuid(), .gid = geteuid() == 0 ? someone.gid : getgid()};
	pid_t pid = enter(roles[i].role, &other, become_someone);

	check_ids(status_of(pid, "Uid"), own.uid);
	check_ids(status_of(pid, "Gid"), own.gid);
	check_capabilities(pid, 0);
	check_always(pid);
	leave(pid);
}

START_TEST(who_is_not_root_keeps_his_user_and_has_no_powers)
{
	util_in_child("who_is_not_root_keeps_his_user_and_has_no_powers", every_role_not_as_root, &_i);
}
END_TEST

/* As a systemd unit with User= and AmbientCapabilities= starts it. */
static uint64_t ambient_caps;

static void become_someone_with_caps(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	CHILD_CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	become_someone();
	data[0].effective = data[0].permitted = data[0].inheritable = (uint32_t)ambient_caps;
	CHILD_CHECK(syscall(SYS_capset, &header, data) == 0);
	for (unsigned long cap = 0; cap < 32; cap++)
		if ((ambient_caps >> cap & 1) != 0)
			CHILD_CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0);
}

static void ambient(void *arg)
{
	int i = *(const int *)arg;
	pid_t pid;

	need_root();
	if (!has_capability(CAP_NET_ADMIN) || !has_capability(CAP_NET_RAW))
		util_child_skip("needs CAP_NET_ADMIN and CAP_NET_RAW");
	ambient_caps = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;
	pid = enter(roles[i].role, NULL, become_someone_with_caps);
	check_user(pid, &someone);
	check_capabilities(pid, kept(i));
	check_always(pid);
	leave(pid);
}

/* Not root, but with root's power to become another user, and to see no files. */
static void ambient_user(void *arg)
{
	static const struct sandbox_user other = {64903, 64904};
	int i = *(const int *)arg;
	pid_t pid;

	need_root();
	ambient_caps = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW | 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SYS_CHROOT;
	pid = enter(roles[i].role, &other, become_someone_with_caps);
	check_user(pid, &other);
	check_capabilities(pid, kept(i));
	check_always(pid);
	if (roles[i].empty_root)
		check_empty_root(pid);
	leave(pid);
	/* One of the two is not enough, and no harm. */
	ambient_caps = 1u << CAP_SETUID;
	pid = enter(roles[i].role, &other, become_someone_with_caps);
	check_user(pid, &someone);
	check_capabilities(pid, 0);
	leave(pid);
}

START_TEST(who_may_becomes_another_user_and_keeps_no_more)
{
	util_in_child("who_may_becomes_another_user_and_keeps_no_more", ambient_user, &_i);
}
END_TEST

START_TEST(an_ambient_capability_is_kept_where_it_is_needed_and_no_longer_ambient)
{
	util_in_child("an_ambient_capability_is_kept_where_it_is_needed_and_no_longer_ambient", ambient, &_i);
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
	tcase_add_loop_test(t, root_becomes_another_user_with_what_the_role_keeps, 0, COUNT(roles));
	tcase_add_loop_test(t, root_that_stays_root_loses_the_rest_all_the_same, 0, COUNT(roles));
	tcase_add_test(t, its_memory_is_closed_to_others_of_its_user);
	tcase_add_test(t, what_does_not_drop_is_fatal);
	tcase_add_loop_test(t, who_is_not_root_keeps_his_user_and_has_no_powers, 0, COUNT(roles));
	tcase_add_loop_test(t, an_ambient_capability_is_kept_where_it_is_needed_and_no_longer_ambient, 0, COUNT(roles));
	tcase_add_loop_test(t, who_may_becomes_another_user_and_keeps_no_more, 0, COUNT(roles));
	return s;
}
