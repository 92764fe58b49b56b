#include "metrics_client.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static const struct metrics_bounds direct_bounds = {13, {100, 250, 500, 1000, 2000, 3000, 5000, 7000, 10000, 15000, 30000, 60000,
    300000}};

void metrics_client_open(struct metrics_client *m, const char *device, bool has_directory)
{
	int e;

	exporter_init(&m->exporter);
	m->started_s = time(NULL);
	if (!has_directory) /* that was said */
		return;
	report_path(device, "metrics", m->path);
	e = exporter_open(&m->exporter, m->path, 0600, false);
	if (e == 0)
		return;
	warnx("%s: wgmeet metrics cannot ask this program: no socket %s: %s", device, m->path, strerror(-e));
	m->path[0] = '\0';
}

void metrics_client_close(struct metrics_client *m)
{
	exporter_close(&m->exporter);
	if (m->path[0] != '\0' && unlink(m->path) < 0)
		debug("cannot remove %s", m->path);
	free(m->places);
	m->places = NULL;
	m->places_len = 0;
}

/* ---- counting ---- */

void metrics_client_answered(struct metrics_client *m, enum lookup_status status)
{
	m->lookups[status]++;
}

void metrics_client_did(struct metrics_client *m, enum path_do what)
{
	m->done[what]++;
}

void metrics_client_pushed(struct metrics_client *m)
{
	m->pushes++;
}

static void reserve(struct metrics_client *m, size_t len)
{
	struct metrics_place *places;

	if (len <= m->places_len)
		return;
	places = reallocarray(m->places, len, sizeof(*places));
	if (places == NULL)
		die("out of memory");
	for (size_t i = m->places_len; i < len; i++)
		places[i] = (struct metrics_place){.since_ms = PATH_NEVER};
	m->places = places;
	m->places_len = len;
}

/* LOOKING and TRYING begin when the path is lost, or the peer is seen first; from then on path.h keeps the time. */
static void look_at(struct metrics_client *m, struct metrics_place *was, const struct path *p)
{
	bool up = path_is_up(p), lacks = p->state == PATH_LOOKING || p->state == PATH_TRYING;

	if (memcmp(was->key, p->key, sizeof(was->key)) != 0) {
		*was = (struct metrics_place){.since_ms = PATH_NEVER};
		memcpy(was->key, p->key, sizeof(was->key));
	}
	if (was->up && lacks)
		m->lost[p->why]++;
	if (up && was->since_ms != PATH_NEVER)
		metrics_observe(&m->direct, &direct_bounds, (p->since_ms - was->since_ms) * 1000);
	was->up = up;
	was->since_ms = lacks ? p->since_ms : PATH_NEVER;
}

void metrics_client_look(struct metrics_client *m, const struct paths *ps)
{
	reserve(m, ps->len);
	for (size_t i = 0; i < m->places_len; i++) {
		const struct path *p = paths_at(ps, i);

		if (p != NULL)
			look_at(m, &m->places[i], p);
		else
			m->places[i] = (struct metrics_place){.since_ms = PATH_NEVER};
	}
}

/* ---- telling ---- */

#ifndef VERSION
#define VERSION "unknown"
#endif

static void write_program(struct metrics *t, const struct metrics_client *m, const struct metrics_view *v)
{
	metrics_family(t, "wgmeet_build_info", "gauge", "Which program it is; always 1.");
	metrics_count(t, 1, "device", v->device, "version", VERSION, NULL);
	metrics_family(t, "wgmeet_start_time_seconds", "gauge", "When wgmeet run was started, since 1970.");
	metrics_count(t, (uint64_t)m->started_s, "device", v->device, NULL);
	metrics_family(t, "wgmeet_device_present", "gauge", "1: the device is there.");
	metrics_count(t, v->is_there, "device", v->device, NULL);
}

struct tally {
	uint64_t states[PATH_IDLE + 1];
	uint64_t never, newest_s, oldest_s; /* of handshakes */
};

static struct tally count_peers(const struct paths *ps)
{
	struct tally t = {.oldest_s = UINT64_MAX};

	for (size_t i = 0; i < ps->len; i++) {
		const struct path *p = paths_at(ps, i);

		if (p == NULL)
			continue;
		t.states[p->state]++;
		if (p->handshake_s == 0) {
			t.never++;
			continue;
		}
		t.newest_s = p->handshake_s > t.newest_s ? p->handshake_s : t.newest_s;
		t.oldest_s = p->handshake_s < t.oldest_s ? p->handshake_s : t.oldest_s;
	}
	return t;
}

static void write_peers(struct metrics *t, const struct metrics_view *v)
{
	struct tally tally = count_peers(v->paths);

	metrics_family(t, "wgmeet_peers", "gauge", "Peers of the device, by the state of the path to them.");
	for (size_t i = 0; i <= PATH_IDLE; i++)
		metrics_count(t, tally.states[i], "device", v->device, "state", path_state_word((enum path_state)i), NULL);
	metrics_family(t, "wgmeet_peers_without_handshake", "gauge", "Those of them with whom there was never a handshake.");
	metrics_count(t, tally.never, "device", v->device, NULL);
	metrics_family(t, "wgmeet_handshake_timestamp_seconds", "gauge", "The last handshakes of the others: the newest and the oldest.");
	if (tally.newest_s == 0)
		return;
	metrics_count(t, tally.newest_s, "device", v->device, "which", "newest", NULL);
	metrics_count(t, tally.oldest_s, "device", v->device, "which", "oldest", NULL);
}

static void write_registry(struct metrics *t, const struct metrics_client *m, const struct metrics_view *v)
{
	uint64_t see = 0;

	for (size_t i = 0; i < v->paths->own_len; i++)
		see += v->paths->own[i].answered && v->paths->own[i].answer == LOOKUP_FOUND;
	metrics_family(t, "wgmeet_servers", "gauge", "Name servers that are asked; 1 for those of the system.");
	metrics_count(t, v->paths->own_len, "device", v->device, NULL);
	metrics_family(t, "wgmeet_servers_seeing_host", "gauge", "Those of them that have this host's own key.");
	metrics_count(t, see, "device", v->device, NULL);
	metrics_family(t, "wgmeet_lookups_total", "counter", "Look-ups that ended, by what came of them.");
	for (size_t i = 0; i < LOOKUP_STATUSES; i++)
		metrics_count(t, m->lookups[i], "device", v->device, "status", lookup_status_word((enum lookup_status)i), NULL);
	metrics_family(t, "wgmeet_lookups_open", "gauge", "Look-ups that wait for an answer.");
	metrics_count(t, v->paths->asking, "device", v->device, NULL);
	metrics_family(t, "wgmeet_pushes_total", "counter", "What the registry has told unasked.");
	metrics_count(t, m->pushes, "device", v->device, NULL);
}

static void write_paths(struct metrics *t, const struct metrics_client *m, const struct metrics_view *v)
{
	static const char *const whys[] = {[PATH_WHY_NEW] = "new", [PATH_WHY_SILENCE] = "silence", [PATH_WHY_ADDRESS] = "address",
	    [PATH_WHY_MAPPING] = "mapping", [PATH_WHY_ELSEWHERE] = "elsewhere", [PATH_WHY_NEWS] = "news",
	    [PATH_WHY_CHANGED] = "changed"};

	metrics_family(t, "wgmeet_trials_total", "counter", "Packets that shall begin a handshake, at a new endpoint or the old one.");
	metrics_count(t, m->done[PATH_DO_MOVE] + m->done[PATH_DO_KICK], "device", v->device, NULL);
	metrics_family(t, "wgmeet_moves_total", "counter", "Endpoints that were set.");
	metrics_count(t, m->done[PATH_DO_MOVE], "device", v->device, NULL);
	metrics_family(t, "wgmeet_pokes_total", "counter", "Packets that shall show whether a path works.");
	metrics_count(t, m->done[PATH_DO_POKE], "device", v->device, NULL);
	metrics_family(t, "wgmeet_paths_lost_total", "counter", "Paths that were lost, by why.");
	for (size_t i = 0; i < sizeof(whys) / sizeof(*whys); i++)
		metrics_count(t, m->lost[i], "device", v->device, "why", whys[i], NULL);
	metrics_family(t, "wgmeet_time_to_direct_seconds", "histogram",
	    "From a path's loss, or a peer's first sight without one, until there is one.");
	metrics_histogram(t, &m->direct, &direct_bounds, "device", v->device);
}

struct both {
	const struct metrics_client *m;
	const struct metrics_view *v;
};

static void write_all(struct metrics *t, void *data)
{
	const struct both *b = data;

	write_program(t, b->m, b->v);
	write_peers(t, b->v);
	write_registry(t, b->m, b->v);
	write_paths(t, b->m, b->v);
}

void metrics_client_serve(struct metrics_client *m, const struct pollfd p[EXPORTER_FDS], const struct metrics_view *view,
    int64_t now_ms)
{
	struct both both = {.m = m, .v = view};

	exporter_serve(&m->exporter, p, write_all, &both, now_ms);
}
