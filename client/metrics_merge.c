#include "metrics_client.h"

#include <string.h>

/* A family in a text: from one "# HELP" to the next. */
struct family {
	const char *name, *samples, *end;
	size_t name_len;
	const char *begin;
};

static const char help[] = "# HELP ";
#define HELP_LEN (sizeof(help) - 1)

static const char *line_end(const char *at, const char *end)
{
	const char *feed = memchr(at, '\n', (size_t)(end - at));

	return feed != NULL ? feed + 1 : end;
}

static bool is_help(const char *at, const char *end)
{
	return (size_t)(end - at) > HELP_LEN && memcmp(at, help, HELP_LEN) == 0;
}

/* The next one from `at` on. False: there is none. */
static bool next_family(const char *at, const char *end, struct family *f)
{
	while (at < end && !is_help(at, end))
		at = line_end(at, end);
	if (at >= end)
		return false;
	f->begin = at;
	f->name = at + HELP_LEN;
	f->name_len = 0;
	while (f->name + f->name_len < end && f->name[f->name_len] != ' ' && f->name[f->name_len] != '\n')
		f->name_len++;
	do
		at = line_end(at, end);
	while (at < end && *at == '#' && !is_help(at, end));
	f->samples = at;
	while (at < end && *at != '#')
		at = line_end(at, end);
	f->end = at;
	return true;
}

static bool find_family(const struct metrics *text, const struct family *like, struct family *f)
{
	const char *end = text->buf + text->len;

	for (const char *at = text->buf; text->len > 0 && next_family(at, end, f); at = f->end)
		if (f->name_len == like->name_len && memcmp(f->name, like->name, f->name_len) == 0)
			return true;
	return false;
}

static bool was_before(const struct metrics *texts, size_t n, const struct family *like)
{
	struct family f;

	for (size_t i = 0; i < n; i++)
		if (find_family(&texts[i], like, &f))
			return true;
	return false;
}

void metrics_merge(const struct metrics *texts, size_t n, struct metrics *out)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = texts[i].buf, *end = texts[i].buf + texts[i].len;
		struct family f, other;

		for (; texts[i].len > 0 && next_family(at, end, &f); at = f.end) {
			if (was_before(texts, i, &f))
				continue;
			metrics_octets(out, f.begin, (size_t)(f.end - f.begin));
			for (size_t k = i + 1; k < n; k++)
				if (find_family(&texts[k], &f, &other))
					metrics_octets(out, other.samples, (size_t)(other.end - other.samples));
		}
	}
}
