#include "unixsock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int address(const char *path, struct sockaddr_un *sun)
{
	size_t len = strlen(path);

	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	memcpy(sun->sun_path, path, len);
	return 0;
}

static int open_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int unixsock_connect(const char *path, int type)
{
	struct sockaddr_un sun;
	int e = address(path, &sun), fd = e < 0 ? e : open_socket(type);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	e = -errno;
	close(fd);
	return e;
}

int unixsock_listen(const char *path, int type, mode_t mode, int backlog)
{
	struct sockaddr_un sun;
	int e = address(path, &sun), fd = e < 0 ? e : open_socket(type);
	mode_t mask;

	if (fd < 0)
		return fd;
	mask = umask(0777 & ~mode);
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, backlog) < 0)
		e = -errno;
	umask(mask);
	if (e == 0)
		return fd;
	close(fd);
	return e;
}
