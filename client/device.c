#include "device.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define TIMEOUT_MS 2000 /* a daemon that hangs is not waited for longer */
#define CHANGE_MS  100  /* but for each change, which some have to work for */
#define NETWORKS   16   /* of its own that count */

_Noreturn void device_die(const struct device *d, int err)
{
	const char *name = d->name;

	switch (-err) {
	case ENODEV:
	case ENOENT:
	case ECONNREFUSED:
		diex("there is no WireGuard device %s here: make it first (wg-quick up %s), or see `wg show interfaces`", name, name);
	case EOPNOTSUPP:
		diex("%s is no WireGuard device; see `wg show interfaces`", name);
	case EPERM:
		diex("no permission to read %s: that needs CAP_NET_ADMIN: run wgmeet as root, give it "
		     "AmbientCapabilities=CAP_NET_ADMIN in a systemd unit, or `setcap cap_net_admin+ep wgmeet`", name);
	case EACCES:
		diex("no permission to open " WGDEV_UAPI_DIR "/%s.sock: run wgmeet as the user whose it is (root, mostly); "
		     "a service needs the drop-in wgmeet-userspace.conf", name);
	case ETIMEDOUT:
	case EAGAIN:
		diex("the daemon of device %s does not answer: is it stopped?", name);
	default:
		diex("cannot read device %s: %s", name, strerror(-err));
	}
}

bool device_may_come(int err)
{
	return err == -ENODEV || err == -ENOENT || err == -ECONNREFUSED || err == -ECONNRESET || err == -ETIMEDOUT ||
	    err == -EAGAIN || err == -EINTR || err == -ENOMEM || err == -ENOBUFS;
}

int device_look(struct device *d, struct wg_device *dev)
{
	int r = -ENOENT;

	/* As wg(8) does: a socket of that name stands for the device, unless nobody listens there any more. */
	if (d->kernel == NULL && wgdev_uapi_exists(d->name))
		r = wgdev_uapi_read(d->name, TIMEOUT_MS, dev);
	if (r != -ENOENT && r != -ECONNREFUSED)
		return r;
	r = d->kernel == NULL ? wgdev_kernel_open(d->family, &d->kernel) : 0;
	if (r == 0)
		r = wgdev_kernel_dump(d->kernel, d->name, dev);
	if (r < 0) /* a module that was unloaded takes its family's number with it */
		device_close(d);
	return r;
}

void device_open(struct device *d, const char *name, const char *family, struct wg_device *dev)
{
	*d = (struct device){.name = name, .family = family};
	device_read(d, dev);
}

void device_read(struct device *d, struct wg_device *dev)
{
	int r = device_look(d, dev);

	if (r < 0)
		device_die(d, r);
}

/* A daemon that hangs will not have done with the next peer either. */
static bool hangs(int r)
{
	return r == -ETIMEDOUT || r == -EAGAIN;
}

static int set_all(const struct device *d, const struct wg_change *changes, size_t n)
{
	return wgdev_uapi_set(d->name, TIMEOUT_MS + (int)n * CHANGE_MS, changes, n);
}

static int set_endpoint(struct device *d, const struct wg_change *c)
{
	struct wg_change part = *c;

	part.keepalive_s = 0;
	return d->kernel != NULL ? wgdev_kernel_set_endpoint(d->kernel, d->name, c->public_key, &c->endpoint) :
	                           set_all(d, &part, 1);
}

static int kick(struct device *d, const struct wg_change *c)
{
	struct wg_change part = *c;

	part.endpoint.family = AF_UNSPEC;
	return d->kernel != NULL ? wgdev_kernel_kick(d->kernel, d->name, c->public_key, c->keepalive_s) : set_all(d, &part, 1);
}

int device_change(struct device *d, const struct wg_change *changes, size_t n, struct device_changed *out)
{
	int r = d->kernel == NULL ? set_all(d, changes, n) : -EOPNOTSUPP;

	memset(out, 0, n * sizeof(*out));
	/* A daemon takes many at once for the price of one. If it does not take one of them, it does not say which. */
	if (r == 0 || hangs(r))
		return r;
	for (size_t i = 0; i < n; i++) {
		if (changes[i].endpoint.family != AF_UNSPEC)
			out[i].set = set_endpoint(d, &changes[i]);
		if (changes[i].keepalive_s != 0 && out[i].set == 0)
			out[i].kick = kick(d, &changes[i]);
		if (hangs(out[i].set) || hangs(out[i].kick))
			return hangs(out[i].set) ? out[i].set : out[i].kick;
	}
	return 0;
}

static unsigned prefix_length(const struct endpoint *mask)
{
	unsigned bits = 0;

	while (bits < 128 && (mask->addr[bits / 8] & 0x80 >> bits % 8) != 0)
		bits++;
	return bits;
}

/* The networks of its own addresses. Returns how many, at most cap. */
static size_t find_networks(const struct device *d, struct wg_allowedip *out, size_t cap)
{
	struct ifaddrs *all = NULL;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i != NULL && n < cap; i = i->ifa_next) {
		struct endpoint addr, mask;

		if (strcmp(i->ifa_name, d->name) != 0 || i->ifa_addr == NULL || i->ifa_netmask == NULL ||
		    !endpoint_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in6), &addr) ||
		    !endpoint_from_sockaddr(i->ifa_netmask, sizeof(struct sockaddr_in6), &mask))
			continue;
		out[n] = (struct wg_allowedip){.family = addr.family, .cidr = (uint8_t)prefix_length(&mask)};
		memcpy(out[n++].addr, addr.addr, sizeof(addr.addr));
	}
	freeifaddrs(all);
	return n;
}

void device_tunnel(const struct device *d, const struct wg_device *dev, struct plan_tunnel *out)
{
	struct wg_allowedip own[NETWORKS];

	plan_tunnel_free(out);
	if (plan_tunnel_build(dev, own, d != NULL ? find_networks(d, own, NETWORKS) : 0, out) < 0)
		die("out of memory");
}

bool device_is_up(const struct device *d)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = true;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", d->name);
	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0)
		up = (ifr.ifr_flags & IFF_UP) != 0;
	if (fd >= 0)
		close(fd);
	return up;
}

void device_close(struct device *d)
{
	wgdev_kernel_close(d->kernel);
	d->kernel = NULL;
}
