#include "reported.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unixsock.h"

/* May the device's directory be one of a daemon's? Whose it is, then. */
static int find_owner(const char *device, uid_t *owner)
{
	char path[REPORT_PATH];
	struct stat st;

	if (lstat(REPORT_DIR, &st) < 0)
		return -errno;
	if (!report_may_trust(&st, geteuid()))
		return -EPERM;
	report_path(device, "", path);
	if (lstat(path, &st) < 0)
		return -errno;
	*owner = st.st_uid;
	return report_may_trust(&st, st.st_uid) ? 0 : -EPERM;
}

static bool may_tell(int fd, uid_t owner)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid() || peer.uid == owner);
}

static int connect_to(const char *device)
{
	char path[REPORT_PATH];
	int fd;

	report_path(device, "status", path);
	fd = unixsock_connect(path, SOCK_SEQPACKET);
	/* Its queue is full; or it was killed and could not tidy up. */
	return fd == -EAGAIN ? -ETIMEDOUT : fd == -ECONNREFUSED ? -ENOENT : fd;
}

static int ask(int fd, bool watch, struct report_head *head)
{
	const char octet = watch ? REPORT_WATCH : REPORT_ONCE;
	union report_message message;
	int e;

	if (send(fd, &octet, 1, MSG_NOSIGNAL) != 1)
		return errno == EPIPE || errno == ECONNRESET ? -EUSERS : -errno;
	e = reported_next(fd, REPORTED_ANSWER_MS, &message);
	if (e <= 0)
		return e == 0 ? -EUSERS : e;
	if (message.magic != REPORT_HEAD)
		return -EPROTO;
	*head = message.head;
	return 0;
}

int reported_open(const char *device, bool watch, struct report_head *head)
{
	uid_t owner = 0;
	int e = find_owner(device, &owner), fd;

	if (e < 0)
		return e;
	fd = connect_to(device);
	if (fd < 0)
		return fd;
	e = may_tell(fd, owner) ? ask(fd, watch, head) : -EPERM;
	if (e == 0 && strcmp(head->device, device) != 0)
		e = -EPROTO;
	if (e == 0)
		return fd;
	close(fd);
	return e;
}

const char *reported_error(int err)
{
	switch (-err) {
	case ENOENT:
		return "it does not run";
	case EACCES:
		return "only root and its own user may ask it";
	case EPERM:
		return "who answers in its place is not to be trusted: see " REPORT_DIR;
	case ETIMEDOUT:
		return "it does not answer: is it stopped?";
	case EUSERS:
		return "it hung up: too many ask it already";
	case EPROTONOSUPPORT:
		return "it is of another version than this program: restart it";
	case EPROTO:
		return "what it says makes no sense";
	default:
		return strerror(-err);
	}
}

static int wait_for(int fd, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	int n;

	do
		n = poll(p, 2, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	return (p[1].revents & (POLLERR | POLLHUP)) != 0 ? -EPIPE : 0;
}

int reported_next(int fd, int timeout_ms, union report_message *out)
{
	struct iovec iov = {.iov_base = out, .iov_len = sizeof(*out)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;
	int e;

	memset(out, 0, sizeof(*out));
	while ((n = recvmsg(fd, &mh, MSG_DONTWAIT)) < 0) {
		if (errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		e = wait_for(fd, timeout_ms);
		if (e < 0)
			return e;
	}
	if (n == 0)
		return 0;
	/* A head of another version may have any length. */
	switch (report_judge(out, (size_t)n)) {
	case REPORT_GOOD:
		return (mh.msg_flags & MSG_TRUNC) == 0 ? 1 : -EPROTO;
	case REPORT_OTHER_VERSION:
		return -EPROTONOSUPPORT;
	case REPORT_BAD:
		break;
	}
	return -EPROTO;
}
