/* The rules of the firewall, from nft(8), which is asked as a program of its own: its library would be one more in each worker. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "init.h"

#define RULES_MAX (16 << 20) /* octets */
#define NFT_MS    10000

/* All that comes, until the end or the deadline. Returns NULL if it is not whole. */
static char *read_all(int fd)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + NFT_MS;
	size_t len = 0, cap = 64 * 1024;
	char *text = malloc(cap);

	while (text != NULL) {
		int64_t left_ms = end_ms - clock_ms(CLOCK_MONOTONIC);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n = -1;

		if (len + 1 == cap && cap < RULES_MAX) {
			char *more = realloc(text, cap * 2);

			if (more == NULL)
				break;
			text = more;
			cap *= 2;
		}
		if (len + 1 < cap && left_ms > 0 && poll(&p, 1, (int)left_ms) == 1)
			n = read(fd, text + len, cap - len - 1);
		if (n == 0) {
			text[len] = '\0';
			return text;
		}
		if (n < 0)
			break;
		len += (size_t)n;
	}
	free(text);
	return NULL;
}

static pid_t start(const char *path, int out)
{
	static char name[] = "nft", json[] = "-j", list[] = "list", ruleset[] = "ruleset", locale[] = "LC_ALL=C";
	char *argv[] = {name, json, list, ruleset, NULL}, *env[] = {locale, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(&pid, path, &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return r == 0 ? pid : -1;
}

static bool has_lines(const char *path)
{
	FILE *fp = fopen(path, "re");
	bool some = fp != NULL && getc(fp) != EOF;

	if (fp != NULL)
		fclose(fp);
	return some;
}

static void run_nft(struct init_host *host, const char *path)
{
	int fds[2], status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = start(path, fds[1]);
	close(fds[1]);
	if (pid > 0) {
		host->ruleset = read_all(fds[0]);
		if (host->ruleset == NULL)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	if (host->ruleset != NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	free(host->ruleset);
	host->ruleset = NULL;
	snprintf(host->rules_why, sizeof(host->rules_why), "`nft -j list ruleset` failed");
}

void init_look_rules(struct init_host *host)
{
	static const char *const paths[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"};

	host->legacy_rules = has_lines("/proc/self/net/ip_tables_names") || has_lines("/proc/self/net/ip6_tables_names");
	snprintf(host->rules_why, sizeof(host->rules_why), "nft is not installed");
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		if (access(paths[i], X_OK) == 0) {
			run_nft(host, paths[i]);
			return;
		}
	}
}
