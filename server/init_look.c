/* What there is on this host: devices, addresses, users, the clock. Nothing is changed. */
#include <ifaddrs.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "init.h"
#include "links.h"
#include "listen.h"
#include "log.h"
#include "sandbox.h"
#include "wgdev_kernel.h"
#include "wgdev_uapi.h"

#define UAPI_MS 3000

/* ---- devices ---- */

/* A socket in the file system may be that of another network namespace: the interface says whether it is here. */
static bool read_device(struct wgdev_kernel *kernel, const char *name, struct init_device *d)
{
	uid_t uid;
	gid_t gid;

	memset(d, 0, sizeof(*d));
	if (wgdev_uapi_exists(name) && wgdev_uapi_read(name, UAPI_MS, &d->dev) == 0) {
		d->userspace = true;
		d->root_socket = wgdev_uapi_owner(name, &uid, &gid) && uid == 0;
	} else if (kernel == NULL || wgdev_kernel_dump(kernel, name, &d->dev) < 0) {
		wgdev_free(&d->dev);
		return false;
	}
	snprintf(d->dev.name, sizeof(d->dev.name), "%s", name); /* no daemon tells */
	return true;
}

/* The file has a private key, so what was read is wiped. */
enum init_port init_port_of(FILE *fp, uint16_t port)
{
	enum init_port what = INIT_PORT_RANDOM;
	char line[512];

	while (fgets(line, sizeof(line), fp) != NULL) {
		const char *at = line + strspn(line, " \t");
		unsigned number;

		if (strncasecmp(at, "ListenPort", 10) == 0 && sscanf(at + 10, " = %u", &number) == 1 && number != 0)
			what = number == port || port == 0 ? INIT_PORT_FIXED : INIT_PORT_UNKNOWN;
	}
	explicit_bzero(line, sizeof(line));
	return what;
}

static enum init_port look_port(const char *name, uint16_t port)
{
	enum init_port what = INIT_PORT_UNKNOWN;
	static char buffer[4096];
	char path[64];
	FILE *fp;

	snprintf(path, sizeof(path), "/etc/wireguard/%s.conf", name);
	fp = fopen(path, "re");
	if (fp == NULL)
		return what;
	setvbuf(fp, buffer, _IOFBF, sizeof(buffer));
	what = init_port_of(fp, port);
	fclose(fp);
	explicit_bzero(buffer, sizeof(buffer));
	return what;
}

static void look_devices(struct init_host *host, const char *family)
{
	struct if_nameindex *all = if_nameindex();
	struct wgdev_kernel *kernel = NULL;

	host->kernel_error = wgdev_kernel_open(family, &kernel);
	for (size_t i = 0; all != NULL && all[i].if_index != 0 && host->devices_len < INIT_DEVICES; i++) {
		struct init_device *d = &host->devices[host->devices_len];

		if (!init_is_plain(all[i].if_name) || !read_device(kernel, all[i].if_name, d))
			continue;
		d->port = look_port(d->dev.name, d->dev.listen_port);
		host->devices_len++;
	}
	if_freenameindex(all);
	wgdev_kernel_close(kernel);
}

/* ---- addresses ---- */

static struct init_device *find_device(struct init_host *host, const char *name)
{
	for (size_t i = 0; i < host->devices_len; i++)
		if (strcmp(host->devices[i].dev.name, name) == 0)
			return &host->devices[i];
	return NULL;
}

static void add(struct endpoint *list, size_t *len, size_t cap, const struct endpoint *ep)
{
	for (size_t i = 0; i < *len; i++)
		if (endpoint_equal(&list[i], ep))
			return;
	if (*len < cap)
		list[(*len)++] = *ep;
}

static void look_addresses(struct init_host *host)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		warn("getifaddrs");
	for (struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		struct init_device *d = find_device(host, a->ifa_name);
		struct endpoint ep;

		if (d != NULL)
			d->up |= (a->ifa_flags & IFF_UP) != 0;
		if (a->ifa_addr == NULL || (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
			continue;
		if (!endpoint_from_sockaddr(a->ifa_addr, a->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
		        sizeof(struct sockaddr_in6), &ep) || ep.scope != 0)
			continue;
		ep.port = 1;
		if (!endpoint_is_reachable(&ep))
			continue;
		ep.port = 0;
		add(host->own_addrs, &host->own_len, INIT_OWN, &ep);
		if (d != NULL)
			add(d->addrs, &d->addrs_len, INIT_ADDRS, &ep);
		else if (endpoint_is_private(&ep))
			add(host->private_addrs, &host->private_len, INIT_ADDRS, &ep);
	}
	freeifaddrs(all);
}

/* Those of a tunnel are not public, whatever they are: they are no way to the tunnel. */
static void look_public(struct init_host *host)
{
	struct endpoint all[4 * INIT_ADDRS];
	int n = links_addresses("", all, sizeof(all) / sizeof(*all));

	for (int i = 0; i < n; i++) {
		bool tunnel = false;

		for (size_t j = 0; j < host->devices_len; j++)
			tunnel |= init_is_tunnel(&host->devices[j], &all[i]);
		if (!tunnel)
			add(host->public_addrs, &host->public_len, INIT_ADDRS, &all[i]);
	}
	if (n < 0)
		warnx("cannot read this host's addresses: %s", strerror(-n));
}

/* Without a default route: where it has an address that is not the tunnel's. */
static void find_wan(struct init_host *host)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *a = all; a != NULL && host->wan[0] == '\0'; a = a->ifa_next)
		if (a->ifa_addr != NULL && a->ifa_addr->sa_family == AF_INET && (a->ifa_flags & IFF_LOOPBACK) == 0 &&
		    find_device(host, a->ifa_name) == NULL && init_is_plain(a->ifa_name))
			snprintf(host->wan, sizeof(host->wan), "%s", a->ifa_name);
	freeifaddrs(all);
}

static void look_wan(struct init_host *host)
{
	FILE *fp = fopen("/proc/self/net/route", "re");
	char line[256], name[IFNAMSIZ];
	unsigned to, mask;

	while (fp != NULL && *host->wan == '\0' && fgets(line, sizeof(line), fp) != NULL)
		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", name, &to, &mask) == 3 && to == 0 && mask == 0 &&
		    find_device(host, name) == NULL && init_is_plain(name))
			snprintf(host->wan, sizeof(host->wan), "%s", name);
	if (fp != NULL)
		fclose(fp);
	if (host->wan[0] == '\0')
		find_wan(host);
}

/* ---- the rest ---- */

/* vpn.example.com is in example.com. */
static void look_domain(struct init_host *host)
{
	struct utsname names;
	const char *dot;
	struct name name;
	char text[NAME_TEXT];

	if (uname(&names) < 0)
		return;
	dot = strchr(names.nodename, '.');
	if (dot == NULL || strchr(dot + 1, '.') == NULL || !name_from_text(dot + 1, &name))
		return;
	name_to_text(&name, text);
	if (strchr(text, '\\') == NULL && strlen(text) < sizeof(host->domain) && strcmp(text, "localdomain") != 0)
		memcpy(host->domain, text, strlen(text) + 1);
}

/* The package's, or else that of make install. */
static void look_drop_in(struct init_host *host)
{
	static const char *const examples[] = {"/usr/share/doc/wgmeetd/examples/" INIT_DROP_IN,
	    "/usr/local/share/doc/wgmeet/examples/" INIT_DROP_IN};

	host->has_drop_in = access(INIT_DROP_IN_DIR "/" INIT_DROP_IN, F_OK) == 0;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples) && host->drop_in == NULL; i++)
		if (access(examples[i], F_OK) == 0)
			host->drop_in = examples[i];
}

void init_look(struct init_host *host, const char *family)
{
	static const struct endpoint stub = {.family = AF_INET, .addr = {127, 0, 0, 53}, .port = 53};
	struct timex clock = {0};
	struct timespec now = {0};

	memset(host, 0, sizeof(*host));
	host->has_admin = sandbox_has(CAP_NET_ADMIN);
	look_devices(host, family);
	look_addresses(host);
	look_public(host);
	look_wan(host);
	look_domain(host);
	port_owner("udp", &stub, host->stub);
	clock_gettime(CLOCK_REALTIME, &now);
	host->now_s = now.tv_sec;
	host->clock_synced = adjtimex(&clock) != TIME_ERROR;
	host->has_systemd = access("/run/systemd/system", F_OK) == 0;
	look_drop_in(host);
	init_look_rules(host);
}

void init_look_users(struct init_host *host, const struct init_plan *plan)
{
	const char *user = init_value(plan, "User"), *observer = init_value(plan, "ObserverUser"),
		   *dir = init_value(plan, "StateDirectory");
	struct sandbox_user found;

	host->has_user = sandbox_find_user(user != NULL ? user : "wgmeet", &found);
	host->has_observer = sandbox_find_user(observer != NULL ? observer : "wgmeet-observer", &found);
	host->has_state_directory = access(dir != NULL ? dir : "/var/lib/wgmeet", F_OK) == 0;
}

void init_host_free(struct init_host *host)
{
	for (size_t i = 0; i < host->devices_len; i++)
		wgdev_free(&host->devices[i].dev);
	free(host->ruleset);
	memset(host, 0, sizeof(*host));
}
