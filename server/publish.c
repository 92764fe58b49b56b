#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "observed.h"
#include "snapshot.h"
#include "state.h"
#include "worker.h"

#define FLUSH_MS 10000 /* for the workers to take all zones */

void publish_die_of_worker(const struct observer *o, bool gone)
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
void publish_hand_over(struct observer *o, size_t zone, size_t worker)
{
	struct observed *z = &o->zones[zone];
	struct worker_msg msg = {.zone = (uint32_t)zone};
	int r;

	if (z->sent == NULL || z->sent[worker] == z->generation)
		return;
	r = channel_send(o->workers[worker].channel, &msg, sizeof(msg), z->snapshot);
	if (r == 0)
		z->sent[worker] = z->generation;
	else if (r == -EPIPE)
		publish_die_of_worker(o, true);
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
		publish_hand_over(o, (size_t)(z - o->zones), i);
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

static void number_zone(const struct observer *o, struct observed *z)
{
	const char *dir = o->config->server.state_directory;
	int r;

	z->zone.serial = publish_serial_of(z);
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

static bool is_taken(const struct observer *o, size_t worker)
{
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].sent != NULL && o->zones[i].sent[worker] != o->zones[i].generation)
			return false;
	return true;
}

void publish_flush(struct observer *o)
{
	int64_t deadline_ms = observed_now_ms() + FLUSH_MS;

	for (size_t i = 0; i < o->workers_len; i++) {
		while (!is_taken(o, i)) {
			struct pollfd p = {.fd = o->workers[i].channel, .events = POLLOUT};

			if (poll(&p, 1, FLUSH_MS) == 0 || observed_now_ms() > deadline_ms)
				diex("worker %zu does not take the zones: stopping", i);
			for (size_t j = 0; j < CONFIG_ZONES; j++)
				publish_hand_over(o, j, i);
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
	z->published = true;
	return 0;
}
