#include "metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER 32 /* a value, or a bound, as text */
#define FIRST  8192

static bool reserve(struct metrics *m, size_t more)
{
	size_t cap = m->cap == 0 ? FIRST : m->cap;
	char *buf;

	while (cap - m->len <= more)
		cap *= 2;
	if (cap == m->cap)
		return true;
	buf = m->failed ? NULL : realloc(m->buf, cap);
	if (buf == NULL) {
		m->failed = true;
		return false;
	}
	m->buf = buf;
	m->cap = cap;
	return true;
}

void metrics_octets(struct metrics *m, const char *octets, size_t len)
{
	if (m->failed || !reserve(m, len))
		return;
	memcpy(m->buf + m->len, octets, len);
	m->len += len;
	m->buf[m->len] = '\0';
}

static void put(struct metrics *m, const char *text)
{
	metrics_octets(m, text, strlen(text));
}

/* A label's value: backslash, quote and line feed are escaped. */
static void put_value(struct metrics *m, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			put(m, "\\n");
			continue;
		}
		if (*value == '\\' || *value == '"')
			put(m, "\\");
		metrics_octets(m, value, 1);
	}
}

static void put_label(struct metrics *m, const char *before, const char *label, const char *value)
{
	put(m, before);
	put(m, label);
	put(m, "=\"");
	put_value(m, value);
	put(m, "\"");
}

void metrics_family(struct metrics *m, const char *name, const char *type, const char *help)
{
	m->name = name;
	put(m, "# HELP ");
	put(m, name);
	put(m, " ");
	put(m, help);
	put(m, "\n# TYPE ");
	put(m, name);
	put(m, " ");
	put(m, type);
	put(m, "\n");
}

static void put_sample(struct metrics *m, const char *number, va_list labels)
{
	const char *label, *before = "{";

	put(m, m->name);
	while ((label = va_arg(labels, const char *)) != NULL) {
		put_label(m, before, label, va_arg(labels, const char *));
		before = ",";
	}
	put(m, *before == ',' ? "} " : " ");
	put(m, number);
	put(m, "\n");
}

static const char *seconds_text(uint64_t us, char out[NUMBER])
{
	snprintf(out, NUMBER, "%llu.%06llu", (unsigned long long)us / 1000000, (unsigned long long)us % 1000000);
	return out;
}

void metrics_count(struct metrics *m, uint64_t value, ...)
{
	char number[NUMBER];
	va_list labels;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
	va_start(labels, value);
	put_sample(m, number, labels);
	va_end(labels);
}

/* ---- histograms ---- */

void metrics_observe(struct metrics_histogram *h, const struct metrics_bounds *bounds, int64_t us)
{
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < bounds->len && us > (int64_t)bounds->ms[i] * 1000)
		i++;
	h->counts[i]++;
	h->sum_us += (uint64_t)us;
}

/* "0.25", "10": as short as it can be. */
static const char *bound_text(uint32_t ms, char out[NUMBER])
{
	size_t len = (size_t)snprintf(out, NUMBER, "%u.%03u", ms / 1000, ms % 1000);

	while (out[len - 1] == '0')
		out[--len] = '\0';
	if (out[len - 1] == '.')
		out[--len] = '\0';
	return out;
}

static void put_part(struct metrics *m, const char *part, const char *label, const char *value, const char *le, const char *number)
{
	put(m, m->name);
	put(m, part);
	put_label(m, "{", label, value);
	if (le != NULL)
		put_label(m, ",", "le", le);
	put(m, "} ");
	put(m, number);
	put(m, "\n");
}

void metrics_histogram(struct metrics *m, const struct metrics_histogram *h, const struct metrics_bounds *bounds,
    const char *label, const char *value)
{
	char number[NUMBER], bound[NUMBER];
	uint64_t sum = 0;

	for (size_t i = 0; i <= bounds->len; i++) {
		sum += h->counts[i];
		snprintf(number, sizeof(number), "%llu", (unsigned long long)sum);
		put_part(m, "_bucket", label, value, i < bounds->len ? bound_text(bounds->ms[i], bound) : "+Inf", number);
	}
	put_part(m, "_count", label, value, NULL, number);
	put_part(m, "_sum", label, value, NULL, seconds_text(h->sum_us, number));
}

void metrics_end(struct metrics *m)
{
	put(m, METRICS_EOF);
}

void metrics_free(struct metrics *m)
{
	free(m->buf);
	*m = (struct metrics){0};
}
