/* Metrics as text, in Prometheus's text format (version 0.0.4): families, each with its samples behind it.
 *
 *     # HELP wgmeetd_tcp_connections_total Connections that were accepted.
 *     # TYPE wgmeetd_tcp_connections_total counter
 *     wgmeetd_tcp_connections_total 7
 *     ...
 *     # EOF
 *
 * The last line says that it is whole; to whoever does not know it it is a comment. Times are written in seconds. The buffer
 * grows as it must: where there is no memory, `failed` is set, and nothing more is written.
 */
#ifndef WGMEET_METRICS_H
#define WGMEET_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_EOF "# EOF\n"

struct metrics {
	char *buf; /* with a NUL behind `len` octets, if it is not NULL */
	size_t len, cap;
	const char *name; /* of the family */
	bool failed;
};

/* Upper bounds of a histogram's buckets, rising; there is one more without a bound. */
#define METRICS_BOUNDS 16
struct metrics_bounds {
	size_t len;
	uint32_t ms[METRICS_BOUNDS];
};

struct metrics_histogram {
	uint64_t counts[METRICS_BOUNDS + 1]; /* each for itself; what is written is the sum up to each bound */
	uint64_t sum_us;
};

void metrics_observe(struct metrics_histogram *h, const struct metrics_bounds *bounds, int64_t us);

/* `type` is "counter", "gauge" or "histogram"; the name is not copied. */
void metrics_family(struct metrics *m, const char *name, const char *type, const char *help);
/* A sample of it, behind the value its labels in pairs, name and value, and NULL. */
void metrics_count(struct metrics *m, uint64_t value, ...) __attribute__((sentinel));
/* All samples of a histogram, with one label. */
void metrics_histogram(struct metrics *m, const struct metrics_histogram *h, const struct metrics_bounds *bounds,
    const char *label, const char *value);
/* As they are. */
void metrics_octets(struct metrics *m, const char *octets, size_t len);
void metrics_end(struct metrics *m);
void metrics_free(struct metrics *m);

#endif
