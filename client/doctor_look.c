#include "doctor_look.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "links.h"
#include "reported.h"
#include "wgdev_uapi.h"

#define FILE_MOST 65536 /* octets that are read of a file */
#define REPORT_MS 5000  /* for all that wgmeet run reports */

static void look_at_link(struct doctor_seen *s)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", s->settings->device);
	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0) {
		s->link_is_there = true;
		s->link_is_up = (ifr.ifr_flags & IFF_UP) != 0;
		if (ioctl(fd, SIOCGIFMTU, &ifr) == 0)
			s->mtu = (unsigned)ifr.ifr_mtu;
	}
	if (fd >= 0)
		close(fd);
}

static void look_at_addresses(struct doctor_seen *s)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i != NULL && s->addresses_len < DOCTOR_ADDRESSES; i = i->ifa_next) {
		bool v4 = i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET;
		struct endpoint ep;

		if (i->ifa_addr == NULL || strcmp(i->ifa_name, s->settings->device) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0 ||
		    !endpoint_from_sockaddr(i->ifa_addr, v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6), &ep))
			continue;
		ep.port = 0;
		ep.scope = 0;
		s->addresses[s->addresses_len++] = ep;
	}
	freeifaddrs(all);
}

/* Returns how many octets; with a NUL behind them. */
static size_t read_file(const char *path, char *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while (len < FILE_MOST && (n = read(fd, out + len, FILE_MOST - len)) > 0)
			len += (size_t)n;
	if (fd >= 0)
		close(fd);
	out[len] = '\0';
	return len;
}

enum doctor_port doctor_port_of(const char *text, size_t len)
{
	enum doctor_port port = DOCTOR_PORT_UNKNOWN;
	bool in_interface = false;

	for (const char *at = text, *end = text + len; at < end;) {
		const char *value;
		size_t n;

		at += strspn(at, " \t");
		if (*at == '[') {
			in_interface = strncasecmp(at, "[Interface]", 11) == 0;
			if (in_interface && port == DOCTOR_PORT_UNKNOWN)
				port = DOCTOR_PORT_ANY;
		} else if (in_interface && strncasecmp(at, "ListenPort", 10) == 0) {
			value = at + 10 + strspn(at + 10, " \t=");
			port = strtoul(value, NULL, 10) != 0 ? DOCTOR_PORT_FIXED : DOCTOR_PORT_ANY;
		}
		n = strcspn(at, "\n");
		at += n + 1; /* behind a line break, or a NUL that does not belong there */
	}
	return port;
}

/* It has a private key, which goes again. */
static void look_at_wg_quick(struct doctor_seen *s, char *buf)
{
	char path[64 + IFNAMSIZ];
	size_t len;

	snprintf(path, sizeof(path), DOCTOR_WG_QUICK, s->settings->device);
	len = read_file(path, buf);
	s->port = doctor_port_of(buf, len);
	explicit_bzero(buf, len);
}

/* ---- what keeps the paths ---- */

static bool is_word(const char *at, size_t len, const char *line)
{
	return (at == line || strchr(" \t/", at[-1]) != NULL) && (at[len] == '\0' || strchr(" \t;&|>\n", at[len]) != NULL);
}

bool doctor_is_cron_line(const char *line, const char *device)
{
	const char *sync = strstr(line, "wgmeet sync");
	size_t len = strlen(device);

	if (line[strspn(line, " \t")] == '#' || sync == NULL || !is_word(sync, strlen("wgmeet sync"), line))
		return false;
	for (const char *at = strstr(sync + strlen("wgmeet sync"), device); at != NULL; at = strstr(at + 1, device))
		if (is_word(at, len, line) && at[-1] != '/')
			return true;
	return false;
}

static bool has_cron_line(const char *path, const char *device, char *buf)
{
	char *rest = buf, *line;
	bool found = false;

	read_file(path, buf);
	while (!found && (line = strsep(&rest, "\n")) != NULL)
		found = doctor_is_cron_line(line, device);
	return found;
}

/* The system's, and root's own: another user's line may not set anything. */
static bool has_cron(const char *device, char *buf)
{
	static const char *const patterns[] = {"/etc/crontab", "/etc/cron.d/*", "/var/spool/cron/crontabs/root", "/var/spool/cron/root",
	    "/etc/crontabs/root"};
	bool found = false;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns) && !found; i++) {
		glob_t files = {0};

		if (glob(patterns[i], 0, NULL, &files) == 0)
			for (size_t k = 0; k < files.gl_pathc && !found; k++)
				found = has_cron_line(files.gl_pathv[k], device, buf);
		globfree(&files);
	}
	return found;
}

static bool has_timer(const char *device)
{
	static const char *const directories[] = {"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};
	char path[128 + IFNAMSIZ];
	struct stat st;

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		snprintf(path, sizeof(path), "%s/timers.target.wants/wgmeet-sync@%s.timer", directories[i], device);
		if (lstat(path, &st) == 0)
			return true;
	}
	return false;
}

/* Whom it has no path to. The daemon may be another user's, who shall not make root wait. */
static int read_report(struct doctor_seen *s, int fd)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + REPORT_MS, left_ms;
	union report_message m;
	int r = -ETIMEDOUT;

	while ((left_ms = end_ms - clock_ms(CLOCK_MONOTONIC)) > 0 && (r = reported_next(fd, (int)left_ms, &m)) == 1 && m.magic == REPORT_PEER)
		if (s->run.is_up && report_is_problem(&m.peer) && s->lost_len++ < DOCTOR_LOST)
			s->lost[s->lost_len - 1] = m.peer;
	if (left_ms <= 0)
		return -ETIMEDOUT;
	return r < 0 ? r : r == 1 && m.magic == REPORT_END ? 0 : -EPROTO;
}

/* The packages' example, or make install's. */
static const char *find_example(void)
{
	static const char *const files[] = {"/usr/local/share/doc/wgmeet/examples/wgmeet-userspace.conf",
	    "/usr/share/doc/wgmeet/examples/wgmeet-userspace.conf"};

	return access(files[0], F_OK) == 0 ? files[0] : files[1];
}

/* Whatever it is for. */
static bool has_drop_in(const char *device)
{
	char pattern[128 + IFNAMSIZ];
	glob_t found = {0};
	bool any = false;

	for (size_t i = 0; i < 2 && !any; i++) {
		snprintf(pattern, sizeof(pattern), "/etc/systemd/system/wgmeet@%s.service.d/*.conf", i == 0 ? "" : device);
		any = glob(pattern, 0, NULL, &found) == 0;
		globfree(&found);
	}
	return any;
}

static void look_at_keeper(struct doctor_seen *s, char *buf)
{
	const char *device = s->settings->device;
	int fd = reported_open(device, false, &s->run);
	uid_t uid;
	gid_t gid;

	s->has_systemd = access("/run/systemd/system", F_OK) == 0;
	if (wgdev_uapi_owner(device, &uid, &gid) && uid == 0 && !has_drop_in(device))
		s->drop_in = find_example();
	s->run_error = fd < 0 ? fd : read_report(s, fd);
	if (fd >= 0)
		close(fd);
	else if (has_timer(device))
		s->keeper = DOCTOR_TIMER;
	else if (has_cron(device, buf))
		s->keeper = DOCTOR_CRON;
}

/* ---- all of it ---- */

void doctor_look_host(struct doctor_seen *s)
{
	static char buf[FILE_MOST + 1];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	s->now_s = (uint64_t)now.tv_sec;
	look_at_link(s);
	look_at_addresses(s);
	look_at_wg_quick(s, buf);
	look_at_keeper(s, buf);
}

static void on_link(enum links_event event, const char *name, void *data)
{
	(void)event;
	(void)name;
	(void)data;
}

void doctor_look_ways(struct doctor_seen *s)
{
	unsigned ifindex = if_nametoindex(s->settings->device);
	struct links *links;

	if (links_open(false, on_link, NULL, &links) < 0)
		return;
	for (size_t i = 0; i < s->settings->servers.len; i++) {
		struct links_way way;
		int r = links_way(links, &s->settings->servers.at[i], s->settings->fwmark, &way);

		s->through[i] = r == 0 && ifindex != 0 && way.ifindex == ifindex;
		s->unrouted[i] = r == -ENETUNREACH;
	}
	links_close(links);
}
