/* wgmeetd --init, from its options to its exit status. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "wgdev_kernel.h"

#define HELD_MAX (2 * CONFIG_LISTEN)

bool init_is_wanted(int argc, char *argv[])
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--init") == 0)
			return true;
	return false;
}

/* ---- the file ---- */

_Noreturn static void die_exists(const char *file)
{
	diex("%s is there already, and is left as it is: `wgmeetd --check --config %s` says whether it is right; `wgmeetd --init --dry-run` looks "
	     "at the host once more; to begin anew, `mv %s %s.old`, or give another file with --config", file, file, file, file);
}

static void make_directory(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *dir;

	if (slash == NULL || slash == file)
		return;
	dir = strndup(file, (size_t)(slash - file));
	if (dir == NULL)
		die("out of memory");
	if (mkdir(dir, 0755) == 0)
		printf("\nmade the directory %s\n", dir);
	else if (errno != EEXIST)
		die("cannot make the directory %s", dir);
	free(dir);
}

/* It is read as the server would, before anybody else sees it. */
static void check_file(const struct init_plan *plan, char *path)
{
	static struct config config;
	static char name[] = "wgmeetd", check[] = "--check", option[] = "--config";
	char *argv[] = {name, check, option, path, NULL};
	unsigned errors = config_read(&config, NULL, 4, argv);

	config_free(&config);
	if (errors > 0) {
		unlink(path);
		die_usage("%s would have %u error%s: give other options; nothing written", plan->file, errors, errors == 1 ? "" : "s");
	}
}

/* There is never half a file, and never one that was there before is lost. */
static void write_file(const struct init_plan *plan)
{
	char *path;
	FILE *fp;
	int fd;

	make_directory(plan->file);
	if (asprintf(&path, "%s.XXXXXX", plan->file) < 0)
		die("out of memory");
	fd = mkostemp(path, O_CLOEXEC);
	fp = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (fp == NULL)
		die("cannot write %s", plan->file);
	init_print_file(plan, fp);
	/* There is no secret in it, and the observer's user reads it again at SIGHUP. */
	if (fchmod(fd, 0644) < 0 || fflush(fp) != 0 || fsync(fd) < 0 || fclose(fp) != 0) {
		unlink(path);
		die("cannot write %s", plan->file);
	}
	check_file(plan, path);
	if (link(path, plan->file) < 0) {
		int err = errno;

		unlink(path);
		errno = err;
		if (err == EEXIST)
			die_exists(plan->file);
		die("cannot write %s", plan->file);
	}
	unlink(path);
	free(path);
	printf("\nwrote %s\n", plan->file);
}

/* ---- all of it ---- */

static void tell(const struct init_plan *plan, const struct init_host *host, const struct init_report *report)
{
	init_print_records(plan, host, stdout);
	init_print_peers(plan, stdout);
	init_print_start(plan, host, stdout);
	if (report->failures > 0)
		printf("\n%u of the lines above begin%s with fail: see to %s first.\n", report->failures, report->failures == 1 ? "s" : "",
		    report->failures == 1 ? "it" : "them");
}

int init_main(int argc, char *argv[])
{
	static struct init_host host;
	static struct init_plan plan;
	static struct init_held held[HELD_MAX];
	struct init_report report = {.out = stdout};
	const char *family;
	struct stat st;
	size_t held_len;

	init_options_read(&plan, argc, argv);
	if (geteuid() != 0)
		diex("--init reads the WireGuard device and the firewall: run it as root (`sudo wgmeetd --init`)");
	if (!plan.dry_run && lstat(plan.file, &st) == 0)
		die_exists(plan.file);
	family = init_value(&plan, "Family");
	init_look(&host, family != NULL ? family : WGDEV_KERNEL_FAMILY);
	init_judge_devices(&host, &report);
	fflush(stdout);
	if (host.devices_len == 0)
		diex("nothing written");
	init_ask_all(&(struct init_dialog){.in = stdin, .out = stdout, .yes = plan.yes}, &host, &plan);
	init_plan_finish(&plan, &host);
	init_look_users(&host, &plan);
	held_len = init_ports_held(&plan.listen, held, HELD_MAX);
	init_judge_all(&host, &plan, held, held_len, &report);
	fflush(stdout); /* before what goes to standard error */
	if (!plan.dry_run)
		write_file(&plan);
	tell(&plan, &host, &report);
	if (fflush(stdout) != 0)
		die("standard output");
	init_plan_free(&plan);
	init_host_free(&host);
	return report.failures > 0 ? EXIT_WRONG : EXIT_FINE;
}
