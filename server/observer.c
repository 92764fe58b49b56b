#include <errno.h>
#include <poll.h>
#include <sodium/randombytes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "links.h"
#include "log.h"
#include "observed.h"
#include "ready.h"

#define STOP_S     3    /* that the workers have to end */
#define STATUS_MS  1000 /* between two lines about how it is doing */
#define STATUS_MAX 768  /* octets of one */

/* A device that came or went is looked at now; so is one whose zone has the host's addresses. */
static void on_link(enum links_event event, const char *name, void *data)
{
	struct observer *o = data;

	if (event != LINKS_ADDRESS)
		publish_devices(o);
	for (size_t i = 0; i < CONFIG_ZONES; i++) {
		struct observed *z = &o->zones[i];

		if (!z->in_use)
			continue;
		if ((event == LINKS_ADDRESS || event == LINKS_LOST) && z->conf->self.is_auto)
			observed_forget(z);
		else if (event == LINKS_ADDRESS || (event != LINKS_LOST && strcmp(name, z->conf->device) != 0))
			continue;
		z->due_ms = 0;
	}
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	/* A worker that is stopped or goes on is no news. */
	if (sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP}, NULL) < 0)
		die("sigaction");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		die("sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd");
	return fd;
}

enum signal_verdict { SIGNAL_NONE, SIGNAL_RELOAD, SIGNAL_STOP };

static enum signal_verdict on_signal(const struct observer *o, int fd)
{
	enum signal_verdict verdict = SIGNAL_NONE;
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			publish_die_of_child(o, false);
		else if (si.ssi_signo == SIGHUP)
			verdict = SIGNAL_RELOAD;
		else
			return SIGNAL_STOP;
	}
	return verdict;
}

/* What is waited for: the signals, the links, the binder, then each zone's daemon, who asks for metrics, then each worker. */
#define FD_SIGNALS 0
#define FD_LINKS   1
#define FD_BINDER  2
#define FD_ZONES   3
#define FD_METRICS (FD_ZONES + CONFIG_ZONES)
#define FD_WORKERS (FD_METRICS + EXPORTER_FDS)
#define FDS        (FD_WORKERS + CONFIG_WORKERS)

static void fill(const struct observer *o, struct pollfd *p)
{
	for (size_t i = 0; i < CONFIG_ZONES; i++) {
		const struct observed *z = &o->zones[i];

		p[FD_ZONES + i] = (struct pollfd){.fd = z->in_use && z->pending ? source_fd(&z->source) : -1, .events = POLLIN};
	}
	metrics_server_fill(p + FD_METRICS);
	for (size_t i = 0; i < o->workers_len; i++) {
		struct pollfd *w = &p[FD_WORKERS + i];

		*w = (struct pollfd){.fd = o->workers[i].channel, .events = POLLIN};
		if (!publish_is_taken(o, i))
			w->events = POLLIN | POLLOUT;
	}
}

static int timeout_ms(const struct observer *o)
{
	int64_t first = metrics_server_wakes_at(), left;

	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].in_use && observed_wakes_at(&o->zones[i]) < first)
			first = observed_wakes_at(&o->zones[i]);
	left = first - observed_now_ms();
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* Ready is who has looked at each source, whatever came of it, and has told every worker. */
static void tell_ready(struct observer *o)
{
	bool ready = !o->told_ready;

	for (size_t i = 0; i < CONFIG_ZONES; i++)
		ready = ready && (!o->zones[i].in_use || o->zones[i].condition != NEW);
	for (size_t i = 0; i < o->workers_len; i++)
		ready = ready && publish_is_taken(o, i);
	if (ready)
		o->told_ready = ready_tell("READY=1");
}

static void add_text(char *out, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add_text(char *out, size_t cap, const char *fmt, ...)
{
	size_t len = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + len, cap - len, fmt, ap);
	va_end(ap);
}

/* "wg.example.com: 5 peers"; of several zones their sums, and after them those that something is wrong with. */
static void describe(const struct observer *o, char *out, size_t cap)
{
	size_t zones = 0, peers = 0;
	bool some = false;
	const char *name = "";

	for (size_t i = 0; i < CONFIG_ZONES; i++) {
		const struct observed *z = &o->zones[i];

		zones += z->in_use;
		peers += z->in_use && z->published ? z->zone.peers_len : 0;
		some |= z->in_use && z->published;
		name = z->in_use ? z->text : name;
	}
	if (zones == 1)
		add_text(out, cap, "%s", name);
	else
		add_text(out, cap, "%zu zones", zones);
	if (some)
		add_text(out, cap, "%s %zu peer%s", zones == 1 ? ":" : ",", peers, peers == 1 ? "" : "s");
	for (size_t i = 0; i < CONFIG_ZONES; i++) {
		const struct observed *z = &o->zones[i];

		if (z->in_use && (z->condition == STALE || z->condition == ABSENT))
			add_text(out, cap, "; %s%s%s: %s", zones == 1 ? "" : z->text, zones == 1 ? "" : ": ",
			    z->published ? "as last read" : "SERVFAIL", z->source.why);
	}
}

/* What stands in `systemctl status`. Peers may come and go all the time: the manager hears of it once a second. */
static void tell_status(struct observer *o, int64_t now_ms)
{
	static char told[STATUS_MAX];
	char text[STATUS_MAX] = "STATUS=";

	if (!o->told_ready || now_ms < o->status_ms)
		return;
	describe(o, text, sizeof(text));
	if (strcmp(text, told) == 0 || !ready_tell(text))
		return;
	memcpy(told, text, sizeof(told));
	o->status_ms = now_ms + STATUS_MS;
}

static void reload(struct observer *o, int argc, char *argv[])
{
	ready_tell_reloading();
	o->told_ready = false;
	reload_configuration(o, argc, argv);
}

static void dispatch(struct observer *o, struct links *links, const struct pollfd *p)
{
	if (p[FD_LINKS].revents != 0 && links_read(links) < 0)
		die("cannot follow the network devices");
	if (p[FD_BINDER].revents != 0) /* it never says anything either */
		publish_die_of_child(o, true);
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (p[FD_ZONES + i].revents != 0)
			observed_step(o, &o->zones[i]);
	for (size_t i = 0; i < o->workers_len; i++) {
		short events = p[FD_WORKERS + i].revents;

		if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) /* a worker never says anything */
			publish_die_of_child(o, true);
		if ((events & POLLOUT) != 0)
			publish_hand_over(o, i);
	}
	metrics_server_serve(o, p + FD_METRICS);
}

/* They end when their channels do. Until then they hold the ports, and whoever started us may start the next server as soon as
 * we are gone. One that was stopped is not waited for: it ends when it goes on. */
static void stop_children(const struct observer *o)
{
	struct timespec patience = {.tv_sec = STOP_S};
	size_t left = o->workers_len + (o->binder.channel >= 0);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < o->workers_len; i++)
		close(o->workers[i].channel);
	if (o->binder.channel >= 0)
		close(o->binder.channel);
	while (left > 0) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid > 0)
			left--;
		else if (pid < 0 || (sigtimedwait(&set, NULL, &patience) < 0 && errno != EINTR))
			return;
	}
}

void observer_run(struct config *config, int argc, char *argv[], const struct observer_children *children)
{
	static struct observer o;
	static struct pollfd p[FDS];
	struct links *links = NULL;
	int signals = open_signals(), r;

	/* One by one: what is never used stays zero, without a page. */
	o.config = config;
	o.workers = children->workers;
	o.workers_len = children->workers_len;
	o.binder = children->binder;
	if (getrandom(o.seed, sizeof(o.seed), 0) != (ssize_t)sizeof(o.seed))
		die("getrandom");
	randombytes_buf(&o.limits.secrets, sizeof(o.limits.secrets)); /* the one before the first is no secret that anybody knows */
	randombytes_buf(o.limits.notify_key, sizeof(o.limits.notify_key));
	publish_limits(&o, true);
	reload_take_zones(&o, config);
	r = links_open(false, on_link, &o, &links);
	if (r < 0)
		diex("cannot follow the network devices: %s", strerror(-r));
	p[FD_SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
	publish_devices(&o);
	p[FD_BINDER] = (struct pollfd){.fd = o.binder.channel, .events = POLLIN};
	p[FD_LINKS] = (struct pollfd){.fd = links_fd(links), .events = POLLIN};
	for (;;) {
		enum signal_verdict verdict = SIGNAL_NONE;
		int64_t now = observed_now_ms();

		if (now >= o.roll_ms)
			publish_limits(&o, true);
		for (size_t i = 0; i < CONFIG_ZONES; i++)
			if (o.zones[i].in_use)
				observed_on_time(&o, &o.zones[i], now);
		tell_ready(&o);
		tell_status(&o, now);
		fill(&o, p);
		if (poll(p, FD_WORKERS + o.workers_len, timeout_ms(&o)) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		if (p[FD_SIGNALS].revents != 0)
			verdict = on_signal(&o, signals);
		if (verdict == SIGNAL_STOP)
			break;
		dispatch(&o, links, p);
		if (verdict == SIGNAL_RELOAD)
			reload(&o, argc, argv);
	}
	ready_tell("STOPPING=1");
	links_close(links);
	stop_children(&o);
}

void observer_read_once(struct config *config, const struct zone_conf *conf, struct zone *zone)
{
	static struct observer o;
	struct observed z = {.conf = conf, .zone = *zone};
	enum source_result result;
	int64_t deadline_ms;
	int r;

	o.config = config;
	name_to_text(&conf->name, z.text);
	source_init(&z.source, conf);
	publish_load_serial(&o, &z);
	deadline_ms = observed_now_ms() + OBSERVED_HANG_MS;
	result = source_start(&z.source, &z.dev);
	while (result == SOURCE_PENDING) {
		struct pollfd p = {.fd = source_fd(&z.source), .events = POLLIN};
		int64_t left_ms = deadline_ms - observed_now_ms();

		if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
			diex("zone %s: the daemon of device %s does not answer", z.text, conf->device);
		result = source_step(&z.source, &z.dev);
	}
	if (result != SOURCE_READ)
		diex("zone %s: %s", z.text, z.source.why);
	r = observed_build(&z.zone, conf, &z.dev);
	if (r < 0)
		diex("zone %s: %s", z.text, strerror(-r));
	z.zone.serial = publish_serial_of(&z); /* only the server keeps it */
	*zone = z.zone;
	wgdev_free(&z.dev);
}
