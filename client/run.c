/* wgmeet run: stays, and keeps the path to each peer good. Around the machine of paths.h, this is its I/O:
 *
 *     device --dumps----.                          .---> endpoints, packets
 *     links ---events---+--> paths.h (pure) -------+---> look-ups --> resolver
 *     resolver -answers-'                          `---> status socket, log
 *              `NOTIFY
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "dns.h"
#include "log.h"
#include "ready.h"
#include "running.h"
#include "sandbox.h"
#include "verbs.h"

#define SETTLE_MS 100  /* several events about the routes are one change */
#define SLEPT_MS  5000 /* what is more is no interrupt, but a suspended machine */

static const struct settings_usage usage = {.text = "wgmeet run DEVICE [OPTION...]", .needs_device = true, .stays = true};

/* How long this machine has slept, since it was started. */
static int64_t slept_ms(void)
{
	return running_now_ms() - clock_ms(CLOCK_MONOTONIC);
}

/* ---- what is due ---- */

static void on_link(enum links_event event, const char *name, void *data)
{
	struct run *r = data;
	bool own = (event == LINKS_PRESENT || event == LINKS_GONE) && strcmp(name, r->settings.device) == 0;

	if (own || event == LINKS_LOST)
		r->paths.dumped_ms = running_now_ms() - PATHS_DUMP_MS;
	if (!own && r->settled_ms == PATH_NEVER)
		r->settled_ms = running_now_ms() + SETTLE_MS;
}

static void check_ways(struct run *r)
{
	size_t n = ways_check(&r->ways, r->links, r->settings.fwmark, &r->paths, running_now_ms());

	r->settled_ms = PATH_NEVER;
	r->look_for_servers = r->system_servers;
	if (n > 0)
		running_renew(r);
	if (n > 0)
		info("%s: our own address or route has changed: %zu path%s in doubt", r->settings.device, n, n == 1 ? " is" : "s are");
}

static void check_sleep(struct run *r)
{
	int64_t slept = slept_ms();

	if (slept - r->slept_ms > SLEPT_MS) {
		info("%s: this machine has slept: all paths are in doubt", r->settings.device);
		paths_moved(&r->paths, running_now_ms());
		r->look_for_servers = r->system_servers;
		running_renew(r);
		paths_suspect(&r->paths, SIZE_MAX, PATH_WHY_ADDRESS, running_now_ms());
	}
	r->slept_ms = slept;
}

/* ---- other settings ---- */

/* False: the resolver cannot take them now. No look-up is open. */
static bool use(struct run *r, const struct settings *fresh)
{
	int e = resolver_use(&r->resolver, fresh);

	if (e == -EAGAIN)
		return false;
	if (e < 0)
		diex("the resolver does not take the new settings: %s", strerror(-e));
	r->settings = *fresh;
	memset(r->registry, 0, sizeof(r->registry));
	paths_use(&r->paths, &r->settings.servers, running_now_ms());
	return true;
}

static bool same_servers(const struct server_list *a, const struct server_list *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (!endpoint_equal(&a->at[i], &b->at[i]))
			return false;
	return true;
}

/* Another network has other name servers. */
static void look_for_servers(struct run *r)
{
	static struct settings fresh;

	fresh = r->settings;
	dns_system_servers(&fresh.servers);
	if (!same_servers(&fresh.servers, &r->settings.servers)) {
		if (!use(r, &fresh))
			return;
		info("%s: the system's name servers have changed", r->settings.device);
	}
	r->look_for_servers = false;
}

/* ---- signals ---- */

static void reload(struct run *r)
{
	static struct settings fresh;
	unsigned errors = settings_reread(&fresh, r->argc, r->argv, &usage);
	uint16_t port = (uint16_t)r->settings.notify_port;
	bool system_servers, other;

	if (errors > 0) {
		r->reload = false;
		warnx("%u error%s: everything stays as it was", errors, errors == 1 ? "" : "s");
		r->untold = true;
		return;
	}
	system_servers = fresh.servers.len == 0;
	if (system_servers)
		dns_system_servers(&fresh.servers);
	other = strcmp(fresh.user, r->settings.user) != 0 || strcmp(fresh.family, r->settings.family) != 0;
	memcpy(fresh.user, r->settings.user, sizeof(fresh.user));
	memcpy(fresh.family, r->settings.family, sizeof(fresh.family));
	r->reload = !use(r, &fresh);
	if (r->reload)
		return;
	r->system_servers = system_servers;
	if (other)
		warnx("User and Family stay as they were: another one takes a restart");
	log_init("wgmeet", r->settings.verbose);
	if (port != r->settings.notify_port)
		running_hear(r);
	info("%s: read the settings again", r->settings.device);
	r->untold = true;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		die("sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd");
	return fd;
}

/* False: it is time to end. */
static bool on_signal(struct run *r, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo != SIGHUP)
			return false;
		ready_tell_reloading();
		r->reload = true;
	}
	return true;
}

/* ---- the loop ---- */

#define FD_SIGNALS  0
#define FD_LINKS    1
#define FD_RESOLVER 2
#define FD_POKER    (FD_RESOLVER + RESOLVER_FDS)
#define FD_REPORTER (FD_POKER + POKE_FDS)
#define FD_METRICS  (FD_REPORTER + REPORTER_FDS)
#define FDS         (FD_METRICS + EXPORTER_FDS)

static int timeout_ms(const struct run *r)
{
	int64_t now = running_now_ms(), at = paths_wakes_at(&r->paths, now);

	if (r->is_held || r->looked != 0) /* nothing is done before there is room in the channel, or a look */
		at = paths_dump_at(&r->paths, now);
	if (at < r->dump_least_ms && at >= paths_dump_at(&r->paths, now))
		at = r->dump_least_ms;
	if (r->settled_ms < at)
		at = r->settled_ms;
	if (reporter_wakes_at(&r->reporter) < at)
		at = reporter_wakes_at(&r->reporter);
	if (exporter_wakes_at(&r->metrics.exporter) < at)
		at = exporter_wakes_at(&r->metrics.exporter);
	return at <= now ? 0 : at - now > PATHS_DUMP_MS ? PATHS_DUMP_MS : (int)(at - now);
}

static void do_due(struct run *r)
{
	int64_t now = running_now_ms();

	check_sleep(r);
	if (now >= r->settled_ms)
		check_ways(r);
	if (now >= paths_dump_at(&r->paths, now) && now >= r->dump_least_ms)
		running_look(r);
	if (r->reload && r->paths.asking == 0)
		reload(r);
	if (r->look_for_servers && r->paths.asking == 0)
		look_for_servers(r);
	if (r->renew)
		running_renew(r);
	if (r->untold)
		r->untold = !ready_tell("READY=1");
	running_act(r);
}

static void tell_metrics(struct run *r, const struct pollfd p[EXPORTER_FDS])
{
	struct metrics_view view = {.device = r->settings.device, .paths = &r->paths, .is_there = r->ifindex != 0};

	metrics_client_serve(&r->metrics, p, &view, running_now_ms());
}

static void report(struct run *r, const struct pollfd p[REPORTER_FDS])
{
	static struct report_head head;
	int64_t now = running_now_ms();

	/* What has come to life since the last dump, somebody may see by ping already. */
	if (reporter_is_called(&r->reporter, p) && now >= r->dump_least_ms && now - r->paths.dumped_ms >= PATHS_WATCH_MS)
		running_look(r);
	now = running_now_ms();
	r->daemon.is_there = r->ifindex != 0;
	if (reporter_is_asked(&r->reporter))
		report_head_fill(&r->settings, &r->paths, &r->daemon, now, &head);
	reporter_serve(&r->reporter, p, &r->paths, &head, now);
}

static void loop(struct run *r, int signals)
{
	struct pollfd p[FDS];

	for (;;) {
		do_due(r);
		p[FD_SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
		p[FD_LINKS] = (struct pollfd){.fd = links_fd(r->links), .events = POLLIN};
		resolver_fill(&r->resolver, r->is_held, p + FD_RESOLVER);
		poke_fill(&r->poker, p + FD_POKER);
		reporter_fill(&r->reporter, p + FD_REPORTER);
		exporter_fill(&r->metrics.exporter, p + FD_METRICS);
		if (poll(p, FDS, timeout_ms(r)) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		if (p[FD_SIGNALS].revents != 0 && !on_signal(r, signals))
			return;
		if (p[FD_LINKS].revents != 0 && links_read(r->links) < 0)
			die("cannot follow the network devices");
		running_take_echoes(r);
		running_take(r);
		report(r, p + FD_REPORTER);
		tell_metrics(r, p + FD_METRICS);
	}
}

static void start(struct run *r)
{
	struct sandbox_user owner;
	bool userspace = wgdev_uapi_owner(r->settings.device, &owner.uid, &owner.gid);
	uint32_t seed;
	int e;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		die("getrandom");
	r->system_servers = r->settings.servers.len == 0;
	if (r->system_servers)
		dns_system_servers(&r->settings.servers);
	resolver_start(&r->settings, &r->resolver);
	reporter_open(&r->reporter, r->settings.device);
	metrics_client_open(&r->metrics, r->settings.device, reporter_directory(&r->reporter) != NULL);
	ready_open();
	e = links_open(true, on_link, r, &r->links);
	if (e < 0)
		diex("cannot follow the network devices: %s", strerror(-e));
	r->device = (struct device){.name = r->settings.device, .family = r->settings.family};
	poke_open(&r->poker, r->settings.device);
	r->looked = 1;
	r->settled_ms = PATH_NEVER;
	r->slept_ms = slept_ms();
	paths_init(&r->paths, seed, &r->settings.servers, running_now_ms());
	r->daemon = (struct report_daemon){.started_ms = running_now_ms(), .told_ms = PATH_NEVER};
	sandbox_enter(SANDBOX_KEEPER, userspace ? &owner : NULL, reporter_directory(&r->reporter));
}

int run_main(int argc, char *argv[])
{
	static struct run r;
	int signals;

	r.argc = argc;
	r.argv = argv;
	settings_read(&r.settings, argc, argv, &usage);
	log_init("wgmeet", r.settings.verbose);
	start(&r);
	signals = open_signals();
	r.untold = true;
	do_due(&r);
	loop(&r, signals);
	ready_tell("STOPPING=1");
	metrics_client_close(&r.metrics); /* as long as the directory is locked */
	reporter_close(&r.reporter);
	links_close(r.links);
	resolver_stop(&r.resolver);
	paths_free(&r.paths);
	ways_free(&r.ways);
	plan_tunnel_free(&r.tunnel);
	wgdev_free(&r.dev);
	device_close(&r.device);
	poke_close(&r.poker);
	free(r.said);
	return EXIT_FINE;
}
