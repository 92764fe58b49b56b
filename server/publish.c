#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "binder.h"
#include "channel.h"
#include "log.h"
#include "observed.h"
#include "snapshot.h"
#include "state.h"
#include "worker.h"

#define FLUSH_MS 10000 /* for the workers to take all zones */
#define ROLL_MS  (24 * INT64_C(3600000)) /* RFC 7873 section 7.1: once a day will do */

/* Whose channel has broken off is dead, or about to be. One that lives on is not waited for: it may have been taken over. */
static pid_t wait_for_child(bool gone, int *status)
{
	const struct timespec patience = {.tv_sec = 1};
	pid_t pid = waitpid(-1, status, WNOHANG);
	sigset_t set;

	if (pid != 0 || !gone)
		return pid < 0 ? 0 : pid;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &patience);
	pid = waitpid(-1, status, WNOHANG);
	if (pid == 0)
		diex("a worker or the binder says something, or nothing can be said to it: this is a bug, or an attack: stopping");
	return pid;
}

void publish_die_of_child(const struct observer *o, bool gone)
{
	int status;
	pid_t pid = wait_for_child(gone, &status);
	char name[32] = "a child";

	if (pid == 0)
		return;
	for (size_t i = 0; i < o->workers_len; i++)
		if (o->workers[i].pid == pid)
			snprintf(name, sizeof(name), "worker %zu", i);
	if (o->binder.pid == pid)
		snprintf(name, sizeof(name), "the binder");
	if (WIFSIGNALED(status))
		diex("%s (pid %d) was killed by signal %d (%s): stopping", name, (int)pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	diex("%s (pid %d) ended with status %d: stopping", name, (int)pid, WEXITSTATUS(status));
}

/* Returns false if the worker is busy. */
static bool send_to(const struct observer *o, size_t worker, const struct worker_msg *msg, int fd)
{
	int r = channel_send(o->workers[worker].channel, msg, sizeof(*msg), fd);

	if (r == -EPIPE)
		publish_die_of_child(o, true);
	else if (r < 0 && r != -EAGAIN)
		diex("cannot hand a zone to worker %zu: %s", worker, strerror(-r));
	return r == 0;
}

/* A worker that is busy gets the newest one later; those between do not matter. */
void publish_hand_over(struct observer *o, size_t worker)
{
	if (o->limits_sent[worker] != o->limits_generation) {
		if (!send_to(o, worker, &o->limits, -1))
			return;
		o->limits_sent[worker] = o->limits_generation;
	}
	for (size_t i = 0; i < CONFIG_ZONES; i++) {
		struct observed *z = &o->zones[i];
		struct worker_msg msg = {.what = WORKER_ZONE, .zone = (uint32_t)i};

		if (z->sent == NULL || z->sent[worker] == z->generation)
			continue;
		if (!send_to(o, worker, &msg, z->snapshot))
			return;
		z->sent[worker] = z->generation;
	}
}

static void hand_over_to_all(struct observer *o)
{
	for (size_t i = 0; i < o->workers_len; i++)
		publish_hand_over(o, i);
}

void publish_limits(struct observer *o, bool roll)
{
	const struct server_conf *conf = &o->config->server;
	uint32_t workers = (uint32_t)o->workers_len;

	o->limits.what = WORKER_LIMITS;
	/* The kernel spreads a network's queries over the workers. */
	o->limits.rate = conf->rate_limit / workers;
	if (o->limits.rate == 0 && conf->rate_limit != 0)
		o->limits.rate = 1;
	o->limits.slip = conf->slip;
	memcpy(o->limits.seed, o->seed, sizeof(o->limits.seed));
	o->limits.notify_port = (uint16_t)conf->notify_port;
	if (roll) {
		memcpy(o->limits.secrets.at[1], o->limits.secrets.at[0], COOKIE_SECRET);
		randombytes_buf(o->limits.secrets.at[0], COOKIE_SECRET);
		o->roll_ms = observed_now_ms() + ROLL_MS;
	}
	o->limits_generation++;
	hand_over_to_all(o);
}

/* Rarely, and few: there is room in the channel. */
void publish_devices(struct observer *o)
{
	struct listen_list *list = &o->config->server.listen;

	for (size_t i = 0; o->binder.channel >= 0 && i < list->len; i++) {
		struct binder_msg msg = {.listen = (uint32_t)i, .ifindex = if_nametoindex(list->at[i].device)};
		int r;

		if (list->at[i].device[0] == '\0' || msg.ifindex == list->at[i].ifindex)
			continue;
		r = channel_send(o->binder.channel, &msg, sizeof(msg), -1);
		if (r == -EPIPE)
			publish_die_of_child(o, true);
		if (r < 0)
			diex("cannot tell the binder of device %s: %s", list->at[i].device, strerror(-r));
		list->at[i].ifindex = msg.ifindex;
	}
}

void publish_let_go(struct observed *z)
{
	if (z->previous >= 0)
		close(z->previous);
	z->previous = -1;
}

/* Takes the descriptor of a snapshot. */
static void publish(struct observer *o, struct observed *z, int fd)
{
	publish_let_go(z);
	z->previous = z->snapshot;
	z->snapshot = fd;
	z->published_ms = observed_now_ms();
	z->generation++;
	hand_over_to_all(o);
}

/* The workers forget a zone: a message without a snapshot. */
void publish_nothing(struct observer *o, struct observed *z)
{
	publish(o, z, -1);
	z->published = false;
}

void publish_not_ready(struct observer *o, struct observed *z)
{
	size_t size;
	int fd = snapshot_build(&z->conf->name, NULL, o->seed, &size);

	if (fd < 0)
		diex("zone %s: cannot take it down: %s", z->text, strerror(-fd));
	z->published = false;
	publish(o, z, fd);
}

void publish_load_serial(const struct observer *o, struct observed *z)
{
	const char *dir = o->config->server.state_directory;
	int r = *dir == '\0' ? -ENOENT : state_load(dir, &z->conf->name, &z->serial, z->hash);

	z->has_serial = r == 0;
	if (r < 0 && r != -ENOENT)
		warnx("zone %s: cannot read its serial in %s: %s; it starts from the clock", z->text, dir,
		    r == -EBADMSG ? "it is not what wgmeetd writes" : strerror(-r));
}

/* The serial moves exactly when the content does. */
uint32_t publish_serial_of(const struct observed *z)
{
	int64_t now_s = time(NULL);

	if (!z->has_serial)
		return (uint32_t)now_s;
	return memcmp(z->hash, z->zone.hash, ZONE_HASH) == 0 ? z->serial : zone_next_serial(z->serial, now_s);
}

void publish_keep_serial(const struct observer *o, struct observed *z)
{
	const char *dir = o->config->server.state_directory;
	int r = *dir == '\0' ? 0 : state_save(dir, &z->conf->name, z->serial, z->hash);

	if (r < 0 && !z->state_failed)
		warnx("zone %s: cannot keep its serial in %s: %s; after a restart it may go backwards", z->text, dir,
		    strerror(-r));
	z->state_failed = r < 0;
}

static void number_zone(const struct observer *o, struct observed *z)
{
	z->zone.serial = publish_serial_of(z);
	if (z->has_serial && memcmp(z->hash, z->zone.hash, ZONE_HASH) == 0)
		return;
	z->serial = z->zone.serial;
	z->has_serial = true;
	memcpy(z->hash, z->zone.hash, ZONE_HASH);
	publish_keep_serial(o, z);
}

bool publish_is_taken(const struct observer *o, size_t worker)
{
	if (o->limits_sent[worker] != o->limits_generation)
		return false;
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].sent != NULL && o->zones[i].sent[worker] != o->zones[i].generation)
			return false;
	return true;
}

void publish_flush(struct observer *o)
{
	int64_t deadline_ms = observed_now_ms() + FLUSH_MS;

	for (size_t i = 0; i < o->workers_len; i++) {
		while (!publish_is_taken(o, i)) {
			struct pollfd p = {.fd = o->workers[i].channel, .events = POLLOUT};

			if (poll(&p, 1, FLUSH_MS) == 0 || observed_now_ms() > deadline_ms)
				diex("worker %zu does not take the zones: stopping", i);
			publish_hand_over(o, i);
		}
	}
}

int publish_zone(struct observer *o, struct observed *z)
{
	size_t size;
	int fd;

	number_zone(o, z);
	fd = snapshot_build(&z->conf->name, &z->zone, o->seed, &size);
	if (fd < 0)
		return fd;
	publish(o, z, fd);
	memcpy(z->rules, z->zone.rules, ZONE_HASH);
	z->published = true;
	metrics_server_published(&z->metrics);
	return 0;
}
