#include "observer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "links.h"
#include "log.h"
#include "snapshot.h"
#include "source.h"
#include "state.h"
#include "worker.h"
#include "zone.h"

/* A change shall be in DNS within a second, with a userspace device within two; so it is looked for more often than
 * that. But reading takes the kernel's rtnl_lock, or the daemon's time: the pause grows until all zones
 * together cost at most a twentieth of a processor. */
#define PAUSE_MS           250
#define PAUSE_USERSPACE_MS 1000
#define COST_FACTOR        20

/* A daemon that has not answered by then hangs. The question stays: it is answered when the daemon goes on. But it may be
 * that nobody remembers it, so at last it is asked again. */
#define HANG_MS  2000
#define AGAIN_MS 30000

#define SAY_MS 10000 /* between two lines about the number of peers */
#define STOP_S 3 /* that the workers have to end */

enum condition { NEW, SERVING, STALE, ABSENT };

struct observed {
	const struct zone_conf *conf;
	char text[NAME_TEXT];
	struct source source;
	struct wg_device dev, last; /* being read; what the zone was made of */
	struct zone zone;
	enum condition condition;
	bool have_last, published, pending, has_serial, state_failed;
	int64_t due_ms, asked_ms, said_ms;
	size_t said_peers;
	int64_t cost_us, last_cost_us; /* of processor time: of this reading so far, and of the last one */
	uint32_t serial;
	uint8_t hash[ZONE_HASH];  /* of what the serial stands for */
	int snapshot;             /* the newest, kept for a worker that is busy */
	uint64_t generation;
	uint64_t *sent; /* to each worker */
};

struct observer {
	const struct config *config;
	const struct observer_worker *workers;
	size_t workers_len, zones_len;
	struct observed *zones;
	uint64_t seed[2];
};

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

/* ---- to the workers ---- */

/* `gone`: its channel is closed, so it is ending; else one may have. Returns if none has. */
static void die_of_worker(const struct observer *o, bool gone)
{
	int status;
	pid_t pid = waitpid(-1, &status, gone ? 0 : WNOHANG);

	if (pid == 0)
		return;

	for (size_t i = 0; i < o->workers_len; i++) {
		if (o->workers[i].pid != pid)
			continue;
		if (WIFSIGNALED(status))
			diex("worker %zu (pid %d) was killed by signal %d (%s): stopping", i, (int)pid, WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
		diex("worker %zu (pid %d) ended with status %d: stopping", i, (int)pid, WEXITSTATUS(status));
	}
	diex("a worker ended: stopping");
}

/* A worker that is busy gets the newest one later; those between do not matter. */
static void hand_over(struct observer *o, size_t zone, size_t worker)
{
	struct observed *z = &o->zones[zone];
	struct worker_msg msg = {.zone = (uint32_t)zone};
	int r;

	if (z->sent[worker] == z->generation)
		return;
	r = channel_send(o->workers[worker].channel, &msg, sizeof(msg), z->snapshot);
	if (r == 0)
		z->sent[worker] = z->generation;
	else if (r == -EPIPE)
		die_of_worker(o, true);
	else if (r != -EAGAIN)
		diex("cannot hand a zone to worker %zu: %s", worker, strerror(-r));
}

/* Takes the descriptor of a snapshot. */
static void publish(struct observer *o, struct observed *z, int fd)
{
	if (z->snapshot >= 0)
		close(z->snapshot);
	z->snapshot = fd;
	z->generation++;
	for (size_t i = 0; i < o->workers_len; i++)
		hand_over(o, (size_t)(z - o->zones), i);
}

static void publish_not_ready(struct observer *o, struct observed *z)
{
	size_t size;
	int fd = snapshot_build(&z->conf->name, NULL, o->seed, &size);

	if (fd < 0)
		diex("zone %s: cannot take it down: %s", z->text, strerror(-fd));
	z->published = false;
	publish(o, z, fd);
}

/* ---- serials ---- */

static void load_serial(const struct observer *o, struct observed *z)
{
	const char *dir = o->config->server.state_directory;
	int r = *dir == '\0' ? -ENOENT : state_load(dir, &z->conf->name, &z->serial, z->hash);

	z->has_serial = r == 0;
	if (r < 0 && r != -ENOENT)
		warnx("zone %s: cannot read its serial in %s: %s; it starts from the clock", z->text, dir,
		    r == -EBADMSG ? "it is not what wgmeetd writes" : strerror(-r));
}

/* The serial moves exactly when the content does. */
static uint32_t serial_of(const struct observed *z)
{
	int64_t now_s = time(NULL);

	if (!z->has_serial)
		return (uint32_t)now_s;
	return memcmp(z->hash, z->zone.hash, ZONE_HASH) == 0 ? z->serial : zone_next_serial(z->serial, now_s);
}

static void number_zone(const struct observer *o, struct observed *z)
{
	const char *dir = o->config->server.state_directory;
	int r;

	z->zone.serial = serial_of(z);
	if (z->has_serial && memcmp(z->hash, z->zone.hash, ZONE_HASH) == 0)
		return;
	z->serial = z->zone.serial;
	z->has_serial = true;
	memcpy(z->hash, z->zone.hash, ZONE_HASH);
	r = *dir == '\0' ? 0 : state_save(dir, &z->conf->name, z->serial, z->hash);
	if (r < 0 && !z->state_failed)
		warnx("zone %s: cannot keep its serial in %s: %s; after a restart it may go backwards", z->text, dir,
		    strerror(-r));
	z->state_failed = r < 0;
}

/* ---- from a device to a zone ---- */

static void set_condition(struct observed *z, enum condition condition)
{
	bool changed = z->condition != condition;

	z->condition = condition;
	if (condition == SERVING) {
		z->said_peers = changed ? z->zone.peers_len : z->said_peers;
		if (changed)
			info("zone %s: serving %zu peer%s, serial %u", z->text, z->zone.peers_len,
			    z->zone.peers_len == 1 ? "" : "s", z->zone.serial);
	} else if (changed && condition == ABSENT) {
		warnx("zone %s: %s; answering SERVFAIL until it is", z->text, z->source.why);
	} else if (changed) {
		warnx("zone %s: %s; %s", z->text, z->source.why,
		    z->published ? "still serving what was last read" : "answering SERVFAIL until that works");
	}
}

/* How many peers there are is worth a line when it changed, but not each time where peers come and go. */
static void say_count(struct observed *z)
{
	if (z->zone.peers_len != z->said_peers && now_ms() - z->said_ms >= SAY_MS) {
		info("zone %s: serving %zu peer%s, serial %u", z->text, z->zone.peers_len,
		    z->zone.peers_len == 1 ? "" : "s", z->zone.serial);
		z->said_peers = z->zone.peers_len;
		z->said_ms = now_ms();
	} else {
		debug("zone %s: %zu peers, serial %u", z->text, z->zone.peers_len, z->zone.serial);
	}
}

/* Returns false if memory was short: then the last zone stays, and the next read tries again. */
static bool update(struct observer *o, struct observed *z)
{
	bool was_published = z->published;
	size_t size;
	int r = zone_build(&z->zone, z->conf, &z->dev);

	if (r == 0 && was_published && z->have_last && memcmp(z->hash, z->zone.hash, ZONE_HASH) == 0)
		return true;
	if (r == 0) {
		number_zone(o, z);
		r = snapshot_build(&z->conf->name, &z->zone, o->seed, &size);
	}
	if (r < 0) {
		snprintf(z->source.why, sizeof(z->source.why), "cannot build it: %s", strerror(-r));
		return false;
	}
	publish(o, z, r);
	z->published = true;
	if (was_published)
		say_count(z);
	return true;
}

static void on_read(struct observer *o, struct observed *z)
{
	if (!z->have_last || !z->published || !wgdev_same_public(&z->dev, &z->last)) {
		if (!update(o, z)) {
			source_forget(&z->source);
			z->have_last = false;
			set_condition(z, STALE);
			return;
		}
		wgdev_swap(&z->dev, &z->last);
		z->have_last = true;
	}
	set_condition(z, SERVING);
}

static void on_result(struct observer *o, struct observed *z, enum source_result result)
{
	if (result == SOURCE_PENDING) {
		z->pending = true;
		return;
	}
	z->pending = false;
	if (result == SOURCE_READ) {
		on_read(o, z);
	} else if (result == SOURCE_ABSENT) {
		if (z->published)
			publish_not_ready(o, z);
		set_condition(z, ABSENT);
	} else if (result == SOURCE_FAILED) {
		set_condition(z, STALE);
	} else if (z->published) {
		set_condition(z, SERVING); /* a file that is there again as it was */
	}
}

/* ---- the clock ---- */

static void end_of_turn(const struct observer *o, struct observed *z, int64_t started_us)
{
	int64_t pause_ms = z->source.userspace ? PAUSE_USERSPACE_MS : PAUSE_MS, cost_us = 0, least_ms;

	z->cost_us += clock_us(CLOCK_PROCESS_CPUTIME_ID) - started_us;
	if (z->pending)
		return;
	z->last_cost_us = z->cost_us;
	z->cost_us = 0;
	for (size_t i = 0; i < o->zones_len; i++)
		cost_us += o->zones[i].last_cost_us;
	least_ms = cost_us * COST_FACTOR / 1000;
	z->due_ms = now_ms() + (least_ms > pause_ms ? least_ms : pause_ms);
}

static void start(struct observer *o, struct observed *z)
{
	int64_t started_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);

	z->asked_ms = now_ms();
	on_result(o, z, source_start(&z->source, &z->dev));
	end_of_turn(o, z, started_us);
}

static void step(struct observer *o, struct observed *z)
{
	int64_t started_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);

	on_result(o, z, source_step(&z->source, &z->dev));
	end_of_turn(o, z, started_us);
}

/* When does this zone need us next? */
static int64_t wakes_at(const struct observed *z)
{
	if (!z->pending)
		return z->due_ms;
	return z->asked_ms + (z->condition == STALE ? AGAIN_MS : HANG_MS);
}

static void on_time(struct observer *o, struct observed *z, int64_t now)
{
	if (now < wakes_at(z))
		return;
	if (!z->pending) {
		start(o, z);
	} else if (z->condition != STALE) {
		snprintf(z->source.why, sizeof(z->source.why), "the daemon of device %s does not answer", z->conf->device);
		set_condition(z, STALE);
	} else {
		source_cancel(&z->source);
		z->pending = false;
		start(o, z);
	}
}

/* A device that came or went is looked at now. */
static void on_link(const char *name, bool present, void *data)
{
	struct observer *o = data;

	(void)present;
	for (size_t i = 0; i < o->zones_len; i++)
		if (*name == '\0' || strcmp(name, o->zones[i].conf->device) == 0)
			o->zones[i].due_ms = 0;
}

/* ---- the loop ---- */

static void init_zone(struct observer *o, struct observed *z, const struct zone_conf *conf)
{
	memset(z, 0, sizeof(*z));
	z->conf = conf;
	name_to_text(&conf->name, z->text);
	source_init(&z->source, conf);
	z->snapshot = -1;
	z->sent = calloc(o->workers_len, sizeof(*z->sent));
	if (z->sent == NULL)
		die("out of memory");
	load_serial(o, z);
	publish_not_ready(o, z);
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
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		die("sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd");
	return fd;
}

/* Returns true if it is time to stop. */
static bool on_signal(const struct observer *o, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo != SIGCHLD)
			return true;
		die_of_worker(o, false);
	}
	return false;
}

/* What is waited for: the signals, the links, then each zone's daemon, then each worker. */
#define FD_SIGNALS 0
#define FD_LINKS   1
#define FD_ZONES   2

static void fill(const struct observer *o, struct pollfd *p)
{
	for (size_t i = 0; i < o->zones_len; i++)
		p[FD_ZONES + i] = (struct pollfd){.fd = o->zones[i].pending ? source_fd(&o->zones[i].source) : -1,
		    .events = POLLIN};
	for (size_t i = 0; i < o->workers_len; i++) {
		struct pollfd *w = &p[FD_ZONES + o->zones_len + i];

		*w = (struct pollfd){.fd = o->workers[i].channel, .events = POLLIN};
		for (size_t j = 0; j < o->zones_len; j++)
			if (o->zones[j].sent[i] != o->zones[j].generation)
				w->events = POLLIN | POLLOUT;
	}
}

static int timeout_ms(const struct observer *o)
{
	int64_t first = INT64_MAX, left;

	for (size_t i = 0; i < o->zones_len; i++)
		if (wakes_at(&o->zones[i]) < first)
			first = wakes_at(&o->zones[i]);
	left = first - now_ms();
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void dispatch(struct observer *o, struct links *links, const struct pollfd *p)
{
	if (p[FD_LINKS].revents != 0 && links_read(links) < 0)
		die("cannot follow the network devices");
	for (size_t i = 0; i < o->zones_len; i++)
		if (p[FD_ZONES + i].revents != 0)
			step(o, &o->zones[i]);
	for (size_t i = 0; i < o->workers_len; i++) {
		short events = p[FD_ZONES + o->zones_len + i].revents;

		if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) /* a worker never says anything */
			die_of_worker(o, true);
		for (size_t j = 0; (events & POLLOUT) != 0 && j < o->zones_len; j++)
			hand_over(o, j, i);
	}
}

static void init(struct observer *o, const struct config *config, const struct observer_worker *workers, size_t workers_len)
{
	*o = (struct observer){.config = config, .workers = workers, .workers_len = workers_len,
	    .zones_len = config->zones_len};
	if (getrandom(o->seed, sizeof(o->seed), 0) != (ssize_t)sizeof(o->seed))
		die("getrandom");
	o->zones = calloc(o->zones_len, sizeof(*o->zones));
	if (o->zones == NULL)
		die("out of memory");
	for (size_t i = 0; i < o->zones_len; i++)
		init_zone(o, &o->zones[i], &config->zones[i]);
}

/* They end when their channels do. Until then they hold the ports, and whoever started us may start the next server as soon as
 * we are gone. One that was stopped is not waited for: it ends when it goes on. */
static void stop_workers(const struct observer *o)
{
	struct timespec patience = {.tv_sec = STOP_S};
	size_t left = o->workers_len;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < o->workers_len; i++)
		close(o->workers[i].channel);
	while (left > 0) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid > 0)
			left--;
		else if (pid < 0 || (sigtimedwait(&set, NULL, &patience) < 0 && errno != EINTR))
			return;
	}
}

void observer_run(const struct config *config, const struct observer_worker *workers, size_t workers_len)
{
	size_t fds = FD_ZONES + config->zones_len + workers_len;
	struct pollfd *p = calloc(fds, sizeof(*p));
	struct links *links = NULL;
	static struct observer o;
	int signals = open_signals(), r;

	if (p == NULL)
		die("out of memory");
	init(&o, config, workers, workers_len);
	r = links_open(on_link, &o, &links);
	if (r < 0)
		diex("cannot follow the network devices: %s", strerror(-r));
	p[FD_SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
	p[FD_LINKS] = (struct pollfd){.fd = links_fd(links), .events = POLLIN};
	for (;;) {
		int64_t now = now_ms();

		for (size_t i = 0; i < o.zones_len; i++)
			on_time(&o, &o.zones[i], now);
		fill(&o, p);
		if (poll(p, fds, timeout_ms(&o)) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		if (p[FD_SIGNALS].revents != 0 && on_signal(&o, signals))
			break;
		dispatch(&o, links, p);
	}
	links_close(links);
	stop_workers(&o);
	free(p);
}

void observer_read_once(const struct config *config, const struct zone_conf *conf, struct zone *zone)
{
	struct observer o = {.config = config, .zones_len = 1};
	struct observed z = {.conf = conf, .zone = *zone};
	enum source_result result;
	int64_t deadline_ms;
	int r;

	name_to_text(&conf->name, z.text);
	source_init(&z.source, conf);
	load_serial(&o, &z);
	deadline_ms = now_ms() + HANG_MS;
	result = source_start(&z.source, &z.dev);
	while (result == SOURCE_PENDING) {
		struct pollfd p = {.fd = source_fd(&z.source), .events = POLLIN};
		int64_t left_ms = deadline_ms - now_ms();

		if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
			diex("zone %s: the daemon of device %s does not answer", z.text, conf->device);
		result = source_step(&z.source, &z.dev);
	}
	if (result != SOURCE_READ)
		diex("zone %s: %s", z.text, z.source.why);
	r = zone_build(&z.zone, conf, &z.dev);
	if (r < 0)
		diex("zone %s: %s", z.text, strerror(-r));
	z.zone.serial = serial_of(&z); /* only the server keeps it */
	*zone = z.zone;
	wgdev_free(&z.dev);
}
