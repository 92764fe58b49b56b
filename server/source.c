#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char source_capability_hint[] =
    "reading a WireGuard device needs CAP_NET_ADMIN: run wgmeetd as root (it keeps no more than that), or give it "
    "AmbientCapabilities=CAP_NET_ADMIN in a systemd unit, or `setcap cap_net_admin+ep wgmeetd`; a file written by "
    "`wg show DEV dump` (--dump-file) needs none";

static bool was_root = true;

void source_started_as(uid_t uid)
{
	was_root = uid == 0;
}

void source_init(struct source *s, const struct zone_conf *conf)
{
	memset(s, 0, sizeof(*s));
	s->conf = conf;
	s->uapi.fd = -1;
}

static enum source_result judge(struct source *s, int err)
{
	const char *dev = s->conf->device;

	switch (-err) {
	case 0:
		return SOURCE_READ;
	case ENODEV:
	case ENOENT:
	case ECONNREFUSED:
		snprintf(s->why, sizeof(s->why), "device %s is not there", dev);
		return SOURCE_ABSENT;
	case EOPNOTSUPP:
		snprintf(s->why, sizeof(s->why), "device %s is there, but it is no WireGuard device", dev);
		return SOURCE_ABSENT;
	case EPERM:
		snprintf(s->why, sizeof(s->why), "may not read device %s: CAP_NET_ADMIN is missing", dev);
		return SOURCE_FAILED;
	case EACCES:
		if (was_root)
			snprintf(s->why, sizeof(s->why),
			    "may not open %s's socket in " WGDEV_UAPI_DIR ": start wgmeetd after the device, or with --observer-user root", dev);
		else
			snprintf(s->why, sizeof(s->why),
			    "may not open %s's socket in " WGDEV_UAPI_DIR ": wgmeetd was not started as root; a service needs the drop-in "
			    "wgmeetd-userspace.conf in /etc/systemd/system/wgmeetd.service.d, then `systemctl daemon-reload` and "
			    "`systemctl restart wgmeetd`", dev);
		return SOURCE_FAILED;
	default:
		snprintf(s->why, sizeof(s->why), "cannot read device %s: %s", dev, strerror(-err));
		return SOURCE_FAILED;
	}
}

static enum source_result start_file(struct source *s, struct wg_device *dev)
{
	const char *path = s->conf->dump_file, *what;
	size_t line;
	int r = wgdev_dump_read(path, &s->stamp, dev, &line, &what);

	if (r == 1 && s->wrong)
		return SOURCE_FAILED; /* as it was said */
	if (r >= 0) {
		s->wrong = false;
		return r == 0 ? SOURCE_READ : SOURCE_SAME;
	}
	s->wrong = r == -EBADMSG;
	if (r == -EBADMSG)
		snprintf(s->why, sizeof(s->why), "%.128s:%zu: %s", path, line, what);
	else
		snprintf(s->why, sizeof(s->why), "%.128s: %s", path, r == -ENOENT ? "the file is not there" :
		        r == -EINVAL ? "it is no regular file" : strerror(-r));
	if (r == -ENOENT || r == -ENOTDIR) {
		memset(&s->stamp, 0, sizeof(s->stamp));
		return SOURCE_ABSENT;
	}
	return SOURCE_FAILED;
}

static enum source_result start_kernel(struct source *s, struct wg_device *dev)
{
	int r = 0;

	s->userspace = false;
	if (s->kernel == NULL)
		r = wgdev_kernel_open(s->conf->family, &s->kernel);
	if (r == 0)
		r = wgdev_kernel_dump(s->kernel, s->conf->device, dev);
	/* A module that was unloaded takes its family's number with it, and an answer that came late is not for the next
	 * question: after an error all begins anew. */
	if (r < 0) {
		wgdev_kernel_close(s->kernel);
		s->kernel = NULL;
	}
	/* A userspace device that is gone leaves its place to the kernel's, which tells only those who may ask. */
	if (r == -EPERM && if_nametoindex(s->conf->device) == 0)
		r = -ENODEV;
	return judge(s, r);
}

enum source_result source_start(struct source *s, struct wg_device *dev)
{
	int r;

	if (s->conf->dump_file[0] != '\0')
		return start_file(s, dev);
	/* As wg(8) does: a socket of that name stands for the device, unless nobody listens there any more. */
	if (!wgdev_uapi_exists(s->conf->device))
		return start_kernel(s, dev);
	r = wgdev_uapi_start(&s->uapi, s->conf->device, dev);
	if (r == -ECONNREFUSED || r == -ENOENT)
		return start_kernel(s, dev);
	s->userspace = true;
	if (r == 0)
		return SOURCE_PENDING;
	return judge(s, r == -EAGAIN ? -ETIMEDOUT : r);
}

enum source_result source_step(struct source *s, struct wg_device *dev)
{
	int r = wgdev_uapi_step(&s->uapi, dev);
	bool going;

	if (r == -EAGAIN)
		return SOURCE_PENDING;
	/* Whatever a daemon says, it is there. */
	if (r < 0) {
		snprintf(s->why, sizeof(s->why), "cannot read device %s: %s", s->conf->device, strerror(-r));
		return SOURCE_FAILED;
	}
	dev->ifindex = if_nametoindex(s->conf->device); /* the daemon does not tell */
	/* A daemon whose interface was deleted forgets its peers, and then ends: between the two they seem to be none. */
	going = s->ifindex != 0 && dev->ifindex == 0 && s->has_peers && dev->peers_len == 0;
	s->ifindex = dev->ifindex;
	s->has_peers = dev->peers_len > 0;
	if (going) {
		snprintf(s->why, sizeof(s->why), "device %s is not there", s->conf->device);
		return SOURCE_ABSENT;
	}
	return SOURCE_READ;
}

int source_fd(const struct source *s)
{
	return s->uapi.fd;
}

void source_cancel(struct source *s)
{
	wgdev_uapi_close(&s->uapi);
}

void source_end(struct source *s)
{
	source_cancel(s);
	wgdev_kernel_close(s->kernel);
	s->kernel = NULL;
}

void source_forget(struct source *s)
{
	memset(&s->stamp, 0, sizeof(s->stamp));
}
