#include "ready.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "log.h"

static struct {
	struct sockaddr_un sun;
	socklen_t len;
	int fd;
} manager = {.fd = -1};

static bool find_manager(void)
{
	return connect(manager.fd, (const struct sockaddr *)&manager.sun, manager.len) == 0;
}

void ready_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name != NULL ? strlen(name) : 0;

	if (len < 2 || len >= sizeof(manager.sun.sun_path) || (*name != '/' && *name != '@')) {
		unsetenv("NOTIFY_SOCKET");
		return;
	}
	manager.sun.sun_family = AF_UNIX;
	memcpy(manager.sun.sun_path, name, len);
	if (*name == '@')
		manager.sun.sun_path[0] = '\0';
	manager.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager.fd < 0 || !find_manager())
		warn("cannot tell the service manager anything (NOTIFY_SOCKET=%s)", name);
	unsetenv("NOTIFY_SOCKET"); /* the name is in there */
}

static bool send_state(const char *state)
{
	return send(manager.fd, state, strlen(state), MSG_NOSIGNAL) >= 0;
}

bool ready_tell(const char *state)
{
	if (manager.fd < 0 || send_state(state))
		return true;
	/* A manager that was started anew has another socket of that name. */
	if ((errno == ECONNREFUSED || errno == ENOTCONN) && find_manager() && send_state(state))
		return true;
	if (errno == EAGAIN)
		return false;
	debug("cannot tell the service manager \"%s\": %s", state, strerror(errno));
	return true;
}

bool ready_tell_reloading(void)
{
	struct timespec now;
	char state[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld%06ld", (long long)now.tv_sec, now.tv_nsec / 1000);
	return ready_tell(state);
}
