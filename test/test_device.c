/* Changes of a device behind a UAPI socket: one request for many, and what follows if that fails. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "suites.h"
#include "util.h"

static unsigned think_ms; /* of a daemon, for each request */

/* A daemon that refuses what has that line in it, and counts requests. It ends with the number of those. */
static pid_t start_daemon(int listener, int requests, const char *refused)
{
	pid_t pid = fork();

	CHILD_CHECK(pid >= 0);
	if (pid != 0)
		return pid;
	for (int i = 0; i < requests; i++) {
		int fd = accept(listener, NULL, NULL);
		char got[WGDEV_UAPI_CHANGES * 512] = "";
		const char *answer;
		size_t len = 0;

		while (strstr(got, "\n\n") == NULL) {
			ssize_t n = read(fd, got + len, sizeof(got) - len - 1);

			CHILD_CHECK(n > 0);
			len += (size_t)n;
		}
		usleep(1000 * think_ms);
		answer = refused != NULL && strstr(got, refused) != NULL ? "errno=-22\n\n" : "errno=0\n\n";
		CHILD_CHECK(send(fd, answer, strlen(answer), MSG_NOSIGNAL) == (ssize_t)strlen(answer));
		close(fd);
	}
	_exit(requests);
}

static bool ended_after(pid_t pid, int requests)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == requests;
}

static void change_them(void *arg)
{
	struct device d = {.name = "wg7"};
	struct wg_change changes[3] = {0};
	struct device_changed out[3];
	int listener;
	pid_t pid;

	(void)arg;
	util_private_run();
	listener = util_uapi_listen("wg7");
	for (uint64_t i = 0; i < COUNT(changes); i++) {
		util_key(i, changes[i].public_key);
		changes[i].endpoint = (struct endpoint){.family = AF_INET, .addr = {192, 0, 2, 1}, .port = (uint16_t)(1000 + i)};
		changes[i].keepalive_s = (uint16_t)(25 + i);
	}
	pid = start_daemon(listener, 1, NULL);
	device_change(&d, changes, 3, out);
	CHILD_CHECK(ended_after(pid, 1));
	for (size_t i = 0; i < COUNT(out); i++)
		CHILD_CHECK(out[i].set == 0 && out[i].kick == 0);

	/* All at once, then each endpoint and each kick, but of the one whose endpoint is refused. */
	pid = start_daemon(listener, 1 + 2 + 1 + 2, "endpoint=192.0.2.1:1001\n");
	device_change(&d, changes, 3, out);
	CHILD_CHECK(ended_after(pid, 6));
	CHILD_CHECK(out[0].set == 0 && out[0].kick == 0 && out[2].set == 0 && out[2].kick == 0);
	CHILD_CHECK(out[1].set == -EINVAL && out[1].kick == 0);

	pid = start_daemon(listener, 1 + 2 + 2 + 2, "interval=26\n");
	device_change(&d, changes, 3, out);
	CHILD_CHECK(ended_after(pid, 7));
	CHILD_CHECK(out[0].set == 0 && out[0].kick == 0 && out[2].set == 0 && out[2].kick == 0);
	CHILD_CHECK(out[1].set == 0 && out[1].kick == -EINVAL);

	/* Nothing but a kick. */
	changes[0].endpoint.family = AF_UNSPEC;
	pid = start_daemon(listener, 1, "endpoint=");
	device_change(&d, changes, 1, out);
	CHILD_CHECK(ended_after(pid, 1) && out[0].set == 0 && out[0].kick == 0);
}

/* A daemon that needs longer than one change may take. */
static void change_many(void *arg)
{
	struct wg_change changes[DEVICE_CHANGES] = {0};
	struct device_changed out[DEVICE_CHANGES];
	struct device d = {.name = "wg7"};
	int listener;
	pid_t pid;

	(void)arg;
	util_private_run();
	listener = util_uapi_listen("wg7");
	for (uint64_t i = 0; i < COUNT(changes); i++) {
		util_key(i, changes[i].public_key);
		changes[i].endpoint = util_endpoint("192.0.2.1:1000");
	}
	think_ms = 2500;
	pid = start_daemon(listener, 1, NULL);
	device_change(&d, changes, COUNT(changes), out);
	CHILD_CHECK(ended_after(pid, 1) && out[0].set == 0);
}

START_TEST(many_changes_have_more_time)
{
	util_in_child("many_changes_have_more_time", change_many, NULL);
}
END_TEST

START_TEST(changes_are_made_at_once_or_one_by_one)
{
	util_in_child("changes_are_made_at_once_or_one_by_one", change_them, NULL);
}
END_TEST

Suite *suite_device(void)
{
	Suite *s = suite_create("device");
	TCase *t = tcase_create("device");

	tcase_add_test(t, changes_are_made_at_once_or_one_by_one);
	tcase_add_test(t, many_changes_have_more_time);
	suite_add_tcase(s, t);
	return s;
}
