#include "exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unixsock.h"

#define LOCK_TRIES 50
#define LOCK_MS    20 /* between them: whoever has the lock needs it for a moment */
#define REST_MS    1000

void exporter_init(struct exporter *e)
{
	e->listener = -1;
	e->rests_until_ms = 0;
	for (size_t i = 0; i < EXPORTER_CLIENTS; i++)
		e->clients[i] = (struct exporter_client){.fd = -1};
}

/* ---- the place ---- */

static int lock_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	const struct timespec pause = {.tv_nsec = LOCK_MS * 1000000L};
	char dir[PATH_MAX];
	int fd;

	if (strlen(path) >= sizeof(dir))
		return -ENAMETOOLONG;
	snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : slash != NULL ? (int)(slash - path) : 1, slash != NULL ? path : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		nanosleep(&pause, NULL);
	}
	close(fd);
	return -EBUSY;
}

/* Takes away a socket that nobody listens at. */
static int clear(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = unixsock_connect(path, SOCK_STREAM);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return -EADDRINUSE;
	if (fd != -ECONNREFUSED)
		return fd;
	return unlink(path) < 0 ? -errno : 0;
}

int exporter_open(struct exporter *e, const char *path, mode_t mode, bool lock)
{
	int dir = -1, r;

	exporter_init(e);
	if (lock)
		dir = lock_directory(path);
	if (lock && dir < 0)
		return dir;
	r = clear(path);
	if (r == 0)
		r = unixsock_listen(path, SOCK_STREAM, mode, EXPORTER_CLIENTS);
	if (lock)
		close(dir);
	if (r < 0)
		return r;
	e->listener = r;
	return 0;
}

/* ---- the clients ---- */

static void drop(struct exporter_client *c)
{
	close(c->fd);
	metrics_free(&c->text);
	*c = (struct exporter_client){.fd = -1};
}

/* EXPORTER_CLIENTS: there is none. */
static size_t find_place(const struct exporter *e)
{
	size_t i = 0;

	while (i < EXPORTER_CLIENTS && e->clients[i].fd >= 0)
		i++;
	return i;
}

void exporter_fill(const struct exporter *e, struct pollfd p[EXPORTER_FDS])
{
	bool takes = find_place(e) < EXPORTER_CLIENTS && e->rests_until_ms == 0;

	p[0] = (struct pollfd){.fd = takes ? e->listener : -1, .events = POLLIN};
	for (size_t i = 0; i < EXPORTER_CLIENTS; i++)
		p[1 + i] = (struct pollfd){.fd = e->clients[i].fd, .events = POLLOUT};
}

int64_t exporter_wakes_at(const struct exporter *e)
{
	int64_t first = e->rests_until_ms != 0 ? e->rests_until_ms : EXPORTER_NEVER;

	for (size_t i = 0; i < EXPORTER_CLIENTS; i++)
		if (e->clients[i].fd >= 0 && e->clients[i].until_ms < first)
			first = e->clients[i].until_ms;
	return first;
}

/* As much as it takes. False: it has all, or is gone. */
static bool tell(struct exporter_client *c)
{
	while (c->at < c->text.len) {
		ssize_t n = send(c->fd, c->text.buf + c->at, c->text.len - c->at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		c->at += n > 0 ? (size_t)n : 0;
	}
	return false;
}

static void take(struct exporter *e, exporter_fn *write, void *data, int64_t now_ms)
{
	struct exporter_client *c;
	size_t place = find_place(e);
	int fd;

	if (place == EXPORTER_CLIENTS)
		return;
	fd = accept4(e->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* Without a descriptor to spare the listener would call again at once, and again. */
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		e->rests_until_ms = now_ms + REST_MS;
	if (fd < 0)
		return;
	c = &e->clients[place];
	*c = (struct exporter_client){.fd = fd, .until_ms = now_ms + EXPORTER_CUT_MS};
	write(&c->text, data);
	metrics_end(&c->text);
	/* Half a text would be taken for what there is. */
	if (c->text.failed || !tell(c))
		drop(c);
}

void exporter_serve(struct exporter *e, const struct pollfd p[EXPORTER_FDS], exporter_fn *write, void *data, int64_t now_ms)
{
	for (size_t i = 0; i < EXPORTER_CLIENTS; i++) {
		struct exporter_client *c = &e->clients[i];

		if (c->fd < 0)
			continue;
		if ((p[1 + i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 || now_ms >= c->until_ms ||
		    ((p[1 + i].revents & POLLOUT) != 0 && !tell(c)))
			drop(c);
	}
	if (now_ms >= e->rests_until_ms)
		e->rests_until_ms = 0;
	if (p[0].fd >= 0 && (p[0].revents & POLLIN) != 0)
		take(e, write, data, now_ms);
}

void exporter_close(struct exporter *e)
{
	for (size_t i = 0; i < EXPORTER_CLIENTS; i++)
		if (e->clients[i].fd >= 0)
			drop(&e->clients[i]);
	if (e->listener >= 0)
		close(e->listener);
	e->listener = -1;
}
