/* confine CALL... -- COMMAND... - with those system calls; each other one fails with EPERM, as SystemCallFilter= and
 * SystemCallErrorNumber=EPERM in a unit have it. Names that are not known here are passed over, as systemd does. */
#include <err.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int i;

	if (ctx == NULL)
		errx(1, "out of memory");
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		int call = seccomp_syscall_resolve_name(argv[i]), r;

		if (call == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
		if (r < 0 && r != -EDOM)
			errx(1, "%s: %s", argv[i], strerror(-r));
	}
	if (i + 1 >= argc)
		errx(2, "usage: confine CALL... -- COMMAND...");
	if (seccomp_load(ctx) < 0)
		errx(1, "cannot load the filter");
	execvp(argv[i + 1], argv + i + 1);
	err(1, "%s", argv[i + 1]);
}
