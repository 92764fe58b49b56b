#include "sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"
#include "log.h"
#include "seccomp.h"

static const struct powers {
	int capability;  /* that it keeps, if it has it; -1: none */
	bool empty_root; /* sees no file */
	bool tcp;        /* makes connections */
} powers[] = {
    [SANDBOX_OBSERVER] = {.capability = CAP_NET_ADMIN},
    [SANDBOX_READER] = {.capability = -1},
    [SANDBOX_WORKER] = {.capability = -1, .empty_root = true},
    [SANDBOX_BINDER] = {.capability = CAP_NET_RAW, .empty_root = true},
    [SANDBOX_SETTER] = {.capability = CAP_NET_ADMIN},
    [SANDBOX_KEEPER] = {.capability = CAP_NET_ADMIN},
    [SANDBOX_RESOLVER] = {.capability = -1, .empty_root = true, .tcp = true},
};

static bool find_number(const char *text, struct sandbox_user *out)
{
	const struct passwd *pw;
	char *end;
	unsigned long uid = strtoul(text, &end, 10), gid = uid;

	if (*text < '0' || *text > '9')
		return false;
	if (*end == ':' && end[1] >= '0' && end[1] <= '9')
		gid = strtoul(end + 1, &end, 10);
	/* The highest number means "no change" to setresuid(2). */
	if (*end != '\0' || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return false;
	*out = (struct sandbox_user){.uid = (uid_t)uid, .gid = (gid_t)gid};
	/* A user who has a name has a group, which need not have the same number. */
	pw = strchr(text, ':') == NULL ? getpwuid((uid_t)uid) : NULL;
	if (pw != NULL)
		out->gid = pw->pw_gid;
	return true;
}

bool sandbox_find_user(const char *text, struct sandbox_user *out)
{
	const struct passwd *pw;

	if (find_number(text, out))
		return true;
	pw = getpwnam(text);
	if (pw == NULL)
		return false;
	*out = (struct sandbox_user){.uid = pw->pw_uid, .gid = pw->pw_gid};
	return true;
}

bool sandbox_has(int capability)
{
	return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, (unsigned)capability) != 0;
}

bool sandbox_changes_user(void)
{
	return geteuid() == 0 || (sandbox_has(CAP_SETUID) && sandbox_has(CAP_SETGID));
}

void sandbox_start(void)
{
	int fd;

	do /* a closed standard descriptor would be given to the next socket, and log lines to whoever is at its other end */
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	close_range(3, ~0u, 0);
	signal(SIGCHLD, SIG_DFL); /* ignored, nobody would be told how a child ended */
	signal(SIGPIPE, SIG_IGN);
	umask(022);
}

/* The terminal would take what is "typed" with TIOCSTI as its user's own words; the session keyring may hold root's keys. */
static void leave_session(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid(); /* fails for a session's leader, which none of our children is */
	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		die("/dev/null");
	close(fd);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL); /* fails where the kernel has no keyrings */
}

/* A directory that has no name any more: nothing is in it, and nothing can be made in it. */
static void enter_empty_root(void)
{
	char path[] = "/tmp/wgmeet.XXXXXX", run[] = "/run/wgmeet.XXXXXX";
	const char *made = mkdtemp(run);
	int fd;

	if (made == NULL)
		made = mkdtemp(path);
	if (made == NULL)
		die("cannot make an empty directory for chroot in /run or /tmp");
	fd = open(made, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (rmdir(made) < 0 || fd < 0 || fchdir(fd) < 0 || chroot(".") < 0)
		die("chroot to an empty directory");
	close(fd);
}

static void verify(const struct powers *p, const struct sandbox_user *user)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		diex("no_new_privs or not dumpable did not hold");
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		die("getresuid");
	if (user != NULL && (r != user->uid || e != r || s != r || rg != user->gid || eg != rg || sg != rg))
		diex("the change of the user did not hold");
	if (user != NULL && getgroups(0, NULL) != 0)
		diex("the supplementary groups did not drop");
	if (capng_get_caps_process() < 0)
		diex("cannot read the capabilities");
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if ((capng_have_capability(CAPNG_PERMITTED, (unsigned)cap) != 0 && cap != p->capability) ||
		    capng_have_capability(CAPNG_INHERITABLE, (unsigned)cap) != 0) /* without it none is ambient either */
			diex("capability %d did not drop", cap);
}

void sandbox_enter(enum sandbox_role role, const struct sandbox_user *user, const char *writable)
{
	const struct powers *p = &powers[role];
	bool keeps, bounding;

	if (!sandbox_changes_user())
		user = NULL;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		die("cannot drop ambient capabilities");
	if (capng_get_caps_process() < 0)
		diex("cannot read the capabilities");
	keeps = p->capability >= 0 && capng_have_capability(CAPNG_EFFECTIVE, (unsigned)p->capability) != 0;
	/* The bounding set takes CAP_SETPCAP to clear; without it there is nothing to gain from the set either. */
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
	if (p->empty_root)
		leave_session();
	if (p->empty_root && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_CHROOT) != 0)
		enter_empty_root();
	capng_clear(CAPNG_SELECT_BOTH);
	if (keeps)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)p->capability);
	if (user != NULL) {
		if (capng_change_id((int)user->uid, (int)user->gid, CAPNG_DROP_SUPP_GRP | (bounding ? CAPNG_CLEAR_BOUNDING : 0)) != 0)
			die("cannot become user %u", (unsigned)user->uid);
	} else if (capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0) {
		die("cannot drop capabilities");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		die("prctl");
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){0}) < 0)
		die("setrlimit");
	verify(p, user);
	landlock_enter(!p->empty_root, writable, p->tcp);
	seccomp_enter(role);
}
