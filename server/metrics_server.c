#include <errno.h>
#include <string.h>
#include <sys/fsuid.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "observed.h"
#include "scrape.h"

#define SOCKET_MODE 0660

static struct {
	struct exporter exporter;
	int64_t started_s;
	uint64_t reloads[2]; /* that failed, that went well */
} s = {.exporter.listener = -1};

/* From the beginning of a reading to the snapshot being with the workers. */
static const struct metrics_bounds refresh_bounds = {12, {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000}};

/* ---- counting ---- */

void metrics_server_read(struct zone_metrics *m, unsigned result)
{
	m->reads[result]++;
	if (result == SOURCE_READ || result == SOURCE_SAME)
		m->read_s = time(NULL);
}

void metrics_server_published(struct zone_metrics *m)
{
	m->changes++;
	m->changed_s = time(NULL);
}

void metrics_server_refreshed(struct zone_metrics *m, int64_t now_us)
{
	metrics_observe(&m->refresh, &refresh_bounds, now_us - m->asked_us);
}

void metrics_server_reloaded(bool well)
{
	s.reloads[well]++;
}

/* ---- the socket ---- */

/* In the directory the process has no more rights than the observer will have: it is the observer's, mostly, and whoever took that
 * over could make root touch another file in the socket's place. */
static int open_as(const char *path, const struct sandbox_user *user)
{
	gid_t gid = getegid();
	uid_t uid = geteuid();
	int e;

	setfsgid(user->gid);
	setfsuid(user->uid);
	e = exporter_open(&s.exporter, path, SOCKET_MODE, true);
	setfsuid(uid);
	setfsgid(gid);
	return e;
}

#define HINT 128

static const char *open_error(int e, const struct sandbox_user *user, char out[HINT])
{
	switch (-e) {
	case EADDRINUSE:
		return "another program listens there";
	case EEXIST:
		return "it is there, and is no socket";
	case EACCES:
	case ENOENT:
		snprintf(out, HINT, "%s; its directory must be there, and user %u's", strerror(-e), (unsigned)user->uid);
		return out;
	default:
		return strerror(-e);
	}
}

void metrics_server_open(const struct server_conf *conf, const struct sandbox_user *user)
{
	char hint[HINT];
	int e;

	exporter_init(&s.exporter);
	s.started_s = time(NULL);
	if (conf->metrics_socket[0] == '\0')
		return;
	e = open_as(conf->metrics_socket, user);
	/* The directory can be locked by whoever may read it: that is no reason to answer nobody. */
	if (e < 0 && e != -EBUSY && conf->metrics_given)
		die_usage("MetricsSocket = %s: %s", conf->metrics_socket, open_error(e, user, hint));
	if (e < 0)
		warnx("%s: %s: so nobody is told metrics; another place goes with MetricsSocket = PATH, none with none",
		    conf->metrics_socket, open_error(e, user, hint));
}

void metrics_server_fill(struct pollfd p[EXPORTER_FDS])
{
	exporter_fill(&s.exporter, p);
}

int64_t metrics_server_wakes_at(void)
{
	return exporter_wakes_at(&s.exporter);
}

int metrics_server_print(const struct server_conf *conf, const char *output)
{
	static const char default_path[] = CONFIG_METRICS;
	const char *path = conf->metrics_socket[0] != '\0' ? conf->metrics_socket : default_path;
	struct metrics m = {0};
	int fd = scrape_open(path), e = fd < 0 ? fd : scrape_read(fd, &m);
	bool up = e == 0;

	if (!up) {
		if (e == -ENOENT && path == default_path && access(CONFIG_METRICS_DIR, F_OK) < 0)
			warnx("no metrics from %s: wgmeetd was started without that directory: `install -d " CONFIG_METRICS_DIR "`, then start "
			      "it anew", path);
		else
			warnx("no metrics from %s: %s", path, scrape_error(e));
		metrics_free(&m);
	}
	if (!up && output == NULL)
		return EXIT_WRONG;
	/* An old file would say that all is as it was. */
	metrics_family(&m, "wgmeetd_up", "gauge", "1: the server runs, and answers.");
	metrics_count(&m, up, NULL);
	e = m.failed ? -ENOMEM : scrape_write(output, &m);
	if (e < 0)
		warnx("%s: cannot write the metrics: %s", output != NULL ? output : "standard output", strerror(-e));
	metrics_free(&m);
	return up && e == 0 ? EXIT_FINE : EXIT_WRONG;
}

/* ---- the server ---- */

#ifndef VERSION
#define VERSION "unknown"
#endif

static void write_server(struct metrics *m, const struct observer *o)
{
	metrics_family(m, "wgmeetd_build_info", "gauge", "Which program it is; always 1.");
	metrics_count(m, 1, "version", VERSION, NULL);
	/* Not process_start_time_seconds: in a collector's folder that name is the collector's own. */
	metrics_family(m, "wgmeetd_start_time_seconds", "gauge", "When the server was started, since 1970.");
	metrics_count(m, (uint64_t)s.started_s, NULL);
	metrics_family(m, "wgmeetd_workers", "gauge", "Processes that answer.");
	metrics_count(m, o->workers_len, NULL);
	metrics_family(m, "wgmeetd_reloads_total", "counter", "Configurations that were read again, by whether they were taken.");
	metrics_count(m, s.reloads[true], "result", "success", NULL);
	metrics_count(m, s.reloads[false], "result", "failure", NULL);
}

/* ---- the workers ---- */

static const char *const type_words[COUNTERS_TYPES] = {
    [COUNTERS_OTHER] = "other", [COUNTERS_NONE] = "none", [COUNTERS_A] = "A", [COUNTERS_NS] = "NS", [COUNTERS_SOA] = "SOA",
    [COUNTERS_PTR] = "PTR", [COUNTERS_TXT] = "TXT", [COUNTERS_AAAA] = "AAAA", [COUNTERS_SRV] = "SRV",
    [COUNTERS_IXFR] = "IXFR", [COUNTERS_AXFR] = "AXFR", [COUNTERS_ANY] = "ANY",
};

static const char *const result_words[COUNTERS_RESULTS] = {
    [DNS_NOERROR] = "noerror", [DNS_FORMERR] = "formerr", [DNS_SERVFAIL] = "servfail", [DNS_NXDOMAIN] = "nxdomain",
    [DNS_NOTIMP] = "notimp", [DNS_REFUSED] = "refused", [DNS_BADVERS] = "badvers", [DNS_BADCOOKIE] = "badcookie",
    [COUNTERS_PROHIBITED] = "prohibited", [COUNTERS_TRUNCATED] = "truncated", [COUNTERS_LIMITED] = "limited",
    [COUNTERS_DROPPED] = "dropped",
};

static const char *const transport_words[COUNTERS_TRANSPORTS] = {[COUNTERS_UDP] = "udp", [COUNTERS_TCP] = "tcp"};

/* Of all workers. `word` is one of the first worker's. */
static uint64_t sum(const struct observer *o, const uint64_t *word)
{
	size_t number = (size_t)(word - (const uint64_t *)o->workers[0].counters);
	uint64_t n = 0;

	for (size_t i = 0; i < o->workers_len; i++)
		n += counters_read((const uint64_t *)o->workers[i].counters + number);
	return n;
}

/* What never came has no sample, but for a zero of each type: else most of the text would be zeros. */
static void write_queries(struct metrics *m, const struct observer *o)
{
	const struct counters *c = o->workers[0].counters;

	metrics_family(m, "wgmeetd_queries_total", "counter",
	    "Messages that came, by transport, type of the question, and what became of them.");
	for (size_t transport = 0; transport < COUNTERS_TRANSPORTS; transport++) {
		for (size_t type = 0; type < COUNTERS_TYPES; type++) {
			for (size_t result = 0; result < COUNTERS_RESULTS; result++) {
				uint64_t n = sum(o, &c->queries[transport][type][result]);

				if (result_words[result] != NULL && (n > 0 || result == DNS_NOERROR))
					metrics_count(m, n, "transport", transport_words[transport], "type", type_words[type], "result",
					    result_words[result], NULL);
			}
		}
	}
}

static void write_each_worker(struct metrics *m, const struct observer *o)
{
	char number[32];

	metrics_family(m, "wgmeetd_worker_answers_total", "counter", "Answers, by the process that gave them.");
	for (size_t i = 0; i < o->workers_len; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		metrics_count(m, counters_read(&o->workers[i].counters->answers), "worker", number, NULL);
	}
}

static void write_sum(struct metrics *m, const struct observer *o, const uint64_t *word, const char *name, const char *type,
    const char *help)
{
	metrics_family(m, name, type, help);
	metrics_count(m, sum(o, word), NULL);
}

static void write_workers(struct metrics *m, const struct observer *o)
{
	const struct counters *c = o->workers[0].counters;

	write_queries(m, o);
	write_each_worker(m, o);
	write_sum(m, o, &c->unsent, "wgmeetd_unsent_total", "counter", "Answers that the kernel did not take.");
	metrics_family(m, "wgmeetd_rate_limited_total", "counter", "Answers beyond RateLimit, by what became of them.");
	metrics_count(m, sum(o, &c->slipped), "action", "truncated", NULL);
	metrics_count(m, sum(o, &c->limited), "action", "dropped", NULL);
	write_sum(m, o, &c->tcp_connections, "wgmeetd_tcp_connections_total", "counter", "Connections that were accepted.");
	write_sum(m, o, &c->tcp_open, "wgmeetd_tcp_connections_open", "gauge", "Connections that are open.");
	write_sum(m, o, &c->tcp_cut, "wgmeetd_tcp_connections_cut_total", "counter",
	    "Connections that idled too long, or made room for others.");
	write_sum(m, o, &c->tcp_malformed, "wgmeetd_tcp_connections_malformed_total", "counter",
	    "Connections that were ended for a message too short or too long to be a query.");
	write_sum(m, o, &c->notify_sent, "wgmeetd_notify_sent_total", "counter", "NOTIFY messages to peers, with those sent again.");
	write_sum(m, o, &c->notify_unsent, "wgmeetd_notify_unsent_total", "counter", "NOTIFY messages that the kernel did not take.");
	write_sum(m, o, &c->notify_answered, "wgmeetd_notify_answered_total", "counter", "NOTIFY messages that were answered.");
	write_sum(m, o, &c->interests, "wgmeetd_notify_interests", "gauge", "Names whose askers are told when they change.");
}

/* ---- the zones ---- */

typedef bool zone_value_fn(const struct observer *o, const struct observed *z, uint64_t *value);

static bool device_peers(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = z->have_last && z->condition != ABSENT ? z->last.peers_len : 0;
	return true;
}

static bool published_peers(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = z->published ? z->zone.peers_len : 0;
	return true;
}

static bool serial(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = z->serial;
	return z->has_serial;
}

static bool serial_unsaved(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = z->state_failed;
	return true;
}

static bool changes(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = z->metrics.changes;
	return true;
}

static bool changed_s(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = (uint64_t)z->metrics.changed_s;
	return z->metrics.changed_s != 0;
}

static bool read_s(const struct observer *o, const struct observed *z, uint64_t *value)
{
	(void)o;
	*value = (uint64_t)z->metrics.read_s;
	return z->metrics.read_s != 0;
}

static bool workers_behind(const struct observer *o, const struct observed *z, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < o->workers_len; i++)
		*value += z->sent[i] != z->generation;
	return true;
}

static void write_values(struct metrics *m, const struct observer *o)
{
	static const struct {
		zone_value_fn *value;
		const char *name, *type, *help;
	} values[] = {
	    {device_peers, "wgmeetd_zone_device_peers", "gauge", "Peers of the device, as it was read last."},
	    {published_peers, "wgmeetd_zone_published_peers", "gauge", "Peers in the zone."},
	    {serial, "wgmeetd_zone_serial", "gauge", "The SOA's serial."},
	    {serial_unsaved, "wgmeetd_zone_serial_unsaved", "gauge", "1: it cannot be kept in StateDirectory."},
	    {changes, "wgmeetd_zone_changes_total", "counter", "Snapshots of the zone that were made."},
	    {changed_s, "wgmeetd_zone_last_change_timestamp_seconds", "gauge", "When the last of them was made, since 1970."},
	    {read_s, "wgmeetd_zone_last_read_timestamp_seconds", "gauge", "When the device was read last, since 1970."},
	    {workers_behind, "wgmeetd_zone_workers_behind", "gauge", "Workers that have not taken the newest snapshot yet."},
	};

	for (size_t n = 0; n < sizeof(values) / sizeof(*values); n++) {
		metrics_family(m, values[n].name, values[n].type, values[n].help);
		for (size_t i = 0; i < CONFIG_ZONES; i++) {
			const struct observed *z = &o->zones[i];
			uint64_t value;

			if (z->in_use && values[n].value(o, z, &value))
				metrics_count(m, value, "zone", z->text, NULL);
		}
	}
}

static void write_states(struct metrics *m, const struct observer *o)
{
	static const char *const words[] = {[NEW] = "new", [SERVING] = "serving", [STALE] = "stale", [ABSENT] = "absent"};

	metrics_family(m, "wgmeetd_zone_state", "gauge", "1 for the state that the zone is in, and 0 for the others.");
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		for (size_t k = 0; o->zones[i].in_use && k < sizeof(words) / sizeof(*words); k++)
			metrics_count(m, o->zones[i].condition == k, "zone", o->zones[i].text, "state", words[k], NULL);
}

static void write_reads(struct metrics *m, const struct observer *o)
{
	static const char *const words[METRICS_READS] = {[SOURCE_READ] = "read", [SOURCE_SAME] = "same", [SOURCE_ABSENT] = "absent",
	    [SOURCE_FAILED] = "failed"};

	_Static_assert(SOURCE_FAILED < METRICS_READS, "a word for each");
	metrics_family(m, "wgmeetd_zone_reads_total", "counter", "Readings of the device, by what came of them.");
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		for (size_t k = 0; o->zones[i].in_use && k < METRICS_READS; k++)
			if (words[k] != NULL)
				metrics_count(m, o->zones[i].metrics.reads[k], "zone", o->zones[i].text, "result", words[k], NULL);
	metrics_family(m, "wgmeetd_zone_refresh_duration_seconds", "histogram",
	    "From the beginning of a reading that found a change to all workers having been sent it.");
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].in_use)
			metrics_histogram(m, &o->zones[i].metrics.refresh, &refresh_bounds, "zone", o->zones[i].text);
}

static void write_all(struct metrics *m, void *data)
{
	const struct observer *o = data;

	write_server(m, o);
	write_workers(m, o);
	write_states(m, o);
	write_values(m, o);
	write_reads(m, o);
}

void metrics_server_serve(struct observer *o, const struct pollfd p[EXPORTER_FDS])
{
	exporter_serve(&s.exporter, p, write_all, o, observed_now_ms());
}
