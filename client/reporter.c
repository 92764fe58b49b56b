#include "reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "unixsock.h"

#define AT_ONCE 256 /* messages for a client, before the device has its turn again */

/* ---- the place ---- */

/* The directory of all devices, if it is one that nobody else can change. */
static int open_parent(uid_t self)
{
	struct stat st;
	int fd;

	if (mkdir(REPORT_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(REPORT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && report_may_trust(&st, self))
		return fd;
	close(fd);
	return -EPERM;
}

/* Root takes over what another user's daemon has left behind. */
static int own_directory(int fd, uid_t self)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_uid != self && fchown(fd, self, getegid()) < 0))
		return -errno;
	/* Who can open it could lock it. */
	return (st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0 ? -errno : 0;
}

static int open_directory(const char *device, uid_t self)
{
	int parent = open_parent(self), fd = -1, e;

	if (parent < 0)
		return parent;
	if (mkdirat(parent, device, 0700) == 0 || errno == EEXIST)
		fd = openat(parent, device, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	e = fd < 0 ? -errno : 0;
	close(parent);
	if (e == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		e = -errno;
	if (e == 0)
		e = own_directory(fd, self);
	if (e < 0 && fd >= 0)
		close(fd);
	return e < 0 ? e : fd;
}

static int listen_at(const char *path)
{
	unlink(path); /* the lock says that it is nobody's */
	return unixsock_listen(path, SOCK_SEQPACKET, 0600, REPORTER_CLIENTS);
}

void reporter_open(struct reporter *r, const char *device)
{
	*r = (struct reporter){.listener = -1, .self = geteuid()};
	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		r->clients[i].fd = -1;
	report_path(device, "", r->dir_path);
	report_path(device, "status", r->path);
	r->dir = open_directory(device, r->self);
	if (r->dir == -EWOULDBLOCK)
		diex("another wgmeet run is on %s already", device);
	if (r->dir >= 0)
		r->listener = listen_at(r->path);
	if (r->dir < 0 || r->listener < 0)
		warnx("%s: wgmeet status cannot ask this program: no socket in %s: %s", device, r->dir_path,
		    strerror(r->dir < 0 ? -r->dir : -r->listener));
}

const char *reporter_directory(const struct reporter *r)
{
	return r->dir >= 0 ? r->dir_path : NULL;
}

static void drop(struct reporter_client *c)
{
	close(c->fd);
	*c = (struct reporter_client){.fd = -1};
}

void reporter_close(struct reporter *r)
{
	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		if (r->clients[i].fd >= 0)
			drop(&r->clients[i]);
	/* Before the lock goes, for then it may be another's. */
	if (r->listener >= 0) {
		if (unlink(r->path) < 0)
			debug("cannot remove %s: %s", r->path, strerror(errno));
		close(r->listener);
	}
	if (r->dir >= 0)
		close(r->dir);
	r->listener = r->dir = -1;
}

/* ---- who is told, and when ---- */

void reporter_changed(struct reporter *r)
{
	r->change++;
}

static bool is_telling(const struct reporter_client *c)
{
	return c->stage >= REPORTER_AT_HEAD;
}

/* The next report of a watcher that has had one. */
static int64_t due_at(const struct reporter *r, const struct reporter_client *c)
{
	return c->begun_ms + (c->change != r->change ? REPORTER_GAP_MS : REPORTER_FRESH_MS);
}

bool reporter_is_asked(const struct reporter *r)
{
	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		if (r->clients[i].fd >= 0)
			return true;
	return false;
}

size_t reporter_fill(const struct reporter *r, struct pollfd p[REPORTER_FDS])
{
	p[0] = (struct pollfd){.fd = r->listener < 0 ? -1 : r->listener, .events = POLLIN};
	for (size_t i = 0; i < REPORTER_CLIENTS; i++) {
		const struct reporter_client *c = &r->clients[i];

		/* That it is gone is told in any case. */
		p[1 + i] = (struct pollfd){.fd = c->fd, .events = is_telling(c) ? POLLOUT : c->stage == REPORTER_WAITS ? 0 : POLLIN};
	}
	return REPORTER_FDS;
}

int64_t reporter_wakes_at(const struct reporter *r)
{
	int64_t first = PATH_NEVER;

	for (size_t i = 0; i < REPORTER_CLIENTS; i++) {
		const struct reporter_client *c = &r->clients[i];
		int64_t at = c->stage == REPORTER_WAITS ? due_at(r, c) : c->moved_ms + REPORTER_CUT_MS;

		if (c->fd >= 0 && at < first)
			first = at;
	}
	return first;
}

/* ---- clients come ---- */

static bool may_ask(const struct reporter *r, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == r->self);
}

static void take(struct reporter *r, int fd, int64_t now_ms)
{
	size_t i = 0;

	while (i < REPORTER_CLIENTS && r->clients[i].fd >= 0)
		i++;
	if (i < REPORTER_CLIENTS && may_ask(r, fd))
		r->clients[i] = (struct reporter_client){.fd = fd, .moved_ms = now_ms};
	else
		close(fd); /* it need not wait to know */
}

static void take_all(struct reporter *r, int64_t now_ms)
{
	for (unsigned i = 0; i < REPORTER_CLIENTS; i++) {
		int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return; /* none, or no descriptor to spare: it waits */
		take(r, fd, now_ms);
	}
}

static void begin(struct reporter_client *c, uint64_t change, int64_t now_ms)
{
	c->stage = REPORTER_AT_HEAD;
	c->place = 0;
	c->peers = 0;
	c->change = change;
	c->begun_ms = c->moved_ms = now_ms;
}

/* Its one octet. False: it is none that means anything, or it is gone. */
static bool hear(struct reporter *r, struct reporter_client *c, int64_t now_ms)
{
	char octet;
	ssize_t n = recv(c->fd, &octet, 1, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0 || (octet != REPORT_ONCE && octet != REPORT_WATCH))
		return false;
	c->watches = octet == REPORT_WATCH;
	begin(c, r->change, now_ms);
	return true;
}

/* ---- telling ---- */

/* The message that it is at; false: a place without a path. */
static bool next_message(const struct reporter_client *c, const struct paths *ps, const struct report_head *head, int64_t now_ms,
    union report_message *out, size_t *len)
{
	switch (c->stage) {
	case REPORTER_AT_HEAD:
		out->head = *head;
		*len = sizeof(out->head);
		return true;
	case REPORTER_AT_PEERS:
		*len = sizeof(out->peer);
		return report_peer_fill(ps, c->place, now_ms, &out->peer);
	default:
		out->end = (struct report_end){.magic = REPORT_END, .peers = c->peers};
		*len = sizeof(out->end);
		return true;
	}
}

static void step(struct reporter_client *c, bool told, const struct paths *ps)
{
	if (c->stage == REPORTER_AT_HEAD) {
		c->stage = REPORTER_AT_PEERS;
	} else if (c->stage == REPORTER_AT_PEERS) {
		c->place++;
		c->peers += told;
	} else {
		c->stage = REPORTER_WAITS;
	}
	if (c->stage == REPORTER_AT_PEERS && c->place >= ps->len)
		c->stage = REPORTER_AT_END;
}

/* As much as it takes. False: it is gone, or has what it asked for. */
static bool tell(struct reporter_client *c, const struct paths *ps, const struct report_head *head, int64_t now_ms)
{
	union report_message message;
	size_t len;

	for (unsigned n = 0; is_telling(c) && n < AT_ONCE;) {
		bool told = next_message(c, ps, head, now_ms, &message, &len);
		int e = told ? channel_send(c->fd, &message, len, -1) : 0;

		if (e == -EAGAIN || e == -EINTR)
			return true;
		if (e < 0)
			return false;
		step(c, told, ps);
		c->moved_ms = now_ms;
		n += told;
	}
	return is_telling(c) || c->watches;
}

static bool serve(struct reporter *r, struct reporter_client *c, short events, const struct paths *ps,
    const struct report_head *head, int64_t now_ms)
{
	if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		return false;
	if (c->stage == REPORTER_ASKED_NOTHING && !hear(r, c, now_ms))
		return false;
	if (c->stage == REPORTER_WAITS && now_ms >= due_at(r, c))
		begin(c, r->change, now_ms);
	if (is_telling(c) && !tell(c, ps, head, now_ms))
		return false;
	return c->stage == REPORTER_WAITS || now_ms - c->moved_ms < REPORTER_CUT_MS;
}

bool reporter_is_called(const struct reporter *r, const struct pollfd p[REPORTER_FDS])
{
	bool called = p[0].revents != 0;

	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		called |= r->clients[i].fd >= 0 && r->clients[i].stage == REPORTER_ASKED_NOTHING && p[1 + i].revents != 0;
	return called;
}

void reporter_serve(struct reporter *r, const struct pollfd p[REPORTER_FDS], const struct paths *ps, const struct report_head *head,
    int64_t now_ms)
{
	for (size_t i = 0; i < REPORTER_CLIENTS; i++)
		if (r->clients[i].fd >= 0 && !serve(r, &r->clients[i], p[1 + i].revents, ps, head, now_ms))
			drop(&r->clients[i]);
	if (r->listener >= 0 && (p[0].revents & POLLIN) != 0)
		take_all(r, now_ms);
}
