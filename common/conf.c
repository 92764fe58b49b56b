#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <ini.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "name.h"

void conf_wrong(struct conf *c, unsigned line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->errors++;
	if (c->where == NULL)
		warnx("%s", text);
	else if (line == 0)
		warnx("%s: %s", c->where, text);
	else
		warnx("%s:%u: %s", c->where, line, text);
}

/* ---- values ---- */

static const char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
		text[--len] = '\0';
	return text;
}

/* " # ..." behind a value is a comment; inih knows only " ; ...". */
static void cut_comment(char *value)
{
	for (char *at = value; (at = strchr(at, '#')) != NULL; at++) {
		if (at == value || at[-1] == ' ' || at[-1] == '\t') {
			*at = '\0';
			return;
		}
	}
}

/* Returns NULL or what is wrong; *part is then the element that is. */
static const char *parse_value(const struct conf_option *o, char *value, struct conf_target *target, const char **part)
{
	void *place = (char *)target + o->offset;
	const char *what = NULL;
	char *one;

	*part = trim(value);
	if (!o->list)
		return o->parse(o, *part, place);
	while (what == NULL && (one = strsep(&value, ",")) != NULL) {
		*part = trim(one);
		what = **part == '\0' ? "an element of the list is empty" : o->parse(o, *part, place);
	}
	return what;
}

static void take(struct conf *c, const struct conf_option *o, struct conf_target *target, const char *value,
    const char *name)
{
	uint64_t bit = UINT64_C(1) << (o - c->options);
	char copy[4096];
	const char *part, *what;

	if ((target->seen & bit) != 0 && !o->list) {
		conf_wrong(c, c->line, "%s is given twice", name);
		return;
	}
	target->seen |= bit;
	if (snprintf(copy, sizeof(copy), "%s", value) >= (int)sizeof(copy)) {
		conf_wrong(c, c->line, "%s: the value is too long", name);
		return;
	}
	if (c->where != NULL)
		cut_comment(copy);
	if (copy[0] == '"' || copy[0] == '\'') {
		conf_wrong(c, c->line, "%s = %s: values are written without quotes", name, copy);
		return;
	}
	what = parse_value(o, copy, target, &part);
	if (what != NULL)
		conf_wrong(c, c->line, "%s = %s: %s", name, part, what);
}

/* ---- the file ---- */

/* inih calls the handler with a section's name, but not when a section begins, and without a line number in the
 * build that distributions ship. The reader sees each line first. */
struct file {
	struct conf *c;
	FILE *fp;
	struct conf_target *target;
	char section[64];
	unsigned section_line; /* 0: before the first */
	bool fresh;            /* no key came since the section began */
};

static bool known_section(const struct conf *c, const char *section)
{
	for (size_t i = 0; i < c->options_len; i++)
		if (strcmp(c->options[i].section, section) == 0)
			return true;
	return false;
}

#define SECTIONS 128

/* They are few. */
static const char *all_sections(const struct conf *c, char out[SECTIONS])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->options_len && n < SECTIONS; i++)
		if (i == 0 || strcmp(c->options[i].section, c->options[i - 1].section) != 0)
			n += (size_t)snprintf(out + n, SECTIONS - n, "%s[%s]", i == 0 ? "" : ", ", c->options[i].section);
	return out;
}

static void wrong_section(const struct file *f, const char *section)
{
	char all[SECTIONS];

	conf_wrong(f->c, f->section_line, "there is no section [%s]; there is %s", section, all_sections(f->c, all));
}

/* What is wrong with a section that ends? */
static void end_section(const struct file *f)
{
	if (!f->fresh || f->section_line == 0)
		return;
	if (!known_section(f->c, f->section))
		wrong_section(f, f->section);
	else if (f->c->needs_keys != NULL && f->c->needs_keys(f->section))
		conf_wrong(f->c, f->section_line, "[%s] is empty", f->section);
}

static char *read_line(char *buf, int cap, void *stream)
{
	struct file *f = stream;
	size_t len;

	memset(buf, 0, (size_t)cap);
	if (fgets(buf, cap, f->fp) == NULL)
		return NULL;
	f->c->line++;
	len = strlen(buf);
	if (memchr(buf, '\n', (size_t)cap) != NULL && (len == 0 || buf[len - 1] != '\n')) {
		conf_wrong(f->c, f->c->line, "there is a NUL octet in the line");
		snprintf(buf, (size_t)cap, "#\n");
	} else if (len > 0 && buf[len - 1] != '\n' && !feof(f->fp)) {
		int ch;

		while ((ch = fgetc(f->fp)) != EOF && ch != '\n')
			;
		if (buf[strspn(buf, " \t")] != '#' && buf[strspn(buf, " \t")] != ';')
			conf_wrong(f->c, f->c->line, "the line is longer than %d characters: give a list's key again instead",
			    cap - 2);
		snprintf(buf, (size_t)cap, "#\n");
	}
	/* To inih a line that begins with a blank goes on with the one before. */
	memmove(buf, buf + strspn(buf, " \t"), strlen(buf + strspn(buf, " \t")) + 1);
	/* inih only tells the first of these. */
	if (strchr("[;#\r\n", buf[0]) == NULL && strpbrk(buf, "=:") == NULL) {
		conf_wrong(f->c, f->c->line, "neither [Section] nor Key = Value");
		snprintf(buf, (size_t)cap, "#\n");
	}
	if (buf[0] == '[' && strchr(buf, ']') == NULL) {
		conf_wrong(f->c, f->c->line, "neither [Section] nor Key = Value: where is the ]?");
		snprintf(buf, (size_t)cap, "#\n");
	}
	if (buf[0] == '[') {
		end_section(f);
		f->fresh = true;
		f->target = NULL;
		f->section_line = f->c->line;
		snprintf(f->section, sizeof(f->section), "%.*s", (int)strcspn(buf + 1, "]\r\n"), buf + 1);
	}
	return buf;
}

/* How many letters must be changed, added or left out to come from one word to the other, without regard to case. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= 63 || strlen(a) >= 63)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a != '\0'; a++, i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = diagonal + (strncasecmp(a, &b[j - 1], 1) != 0);

			diagonal = row[j];
			row[j] = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			row[j] = change < row[j] ? change : row[j];
		}
	}
	return row[n];
}

/* The key of that section that is most like it; NULL: none is. */
static const char *nearest(const struct conf *c, const char *section, const char *key)
{
	const char *best = NULL;
	size_t least = strlen(key) < 4 ? 3 : strlen(key) / 2 + 1;

	for (size_t i = 0; i < c->options_len; i++) {
		const struct conf_option *o = &c->options[i];
		size_t d = strcmp(o->section, section) == 0 ? distance(key, o->key) : SIZE_MAX;

		if (d < least) {
			least = d;
			best = o->key;
		}
	}
	return best;
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct file *f = user;
	struct conf *c = f->c;
	char all[SECTIONS];

	if (f->fresh) { /* once: what is wrong with a section is not said for each of its keys */
		f->fresh = false;
		if (known_section(c, section))
			f->target = c->begin(section, c->data);
		else if (*section == '\0')
			conf_wrong(c, c->line, "a key before the first section; there is %s", all_sections(c, all));
		else
			wrong_section(f, section);
		if (f->target != NULL)
			f->target->line = c->line;
	}
	if (f->target == NULL)
		return 1;
	for (size_t i = 0; i < c->options_len; i++) {
		const struct conf_option *o = &c->options[i];

		if (strcmp(o->section, section) == 0 && strcasecmp(o->key, key) == 0) {
			take(c, o, f->target, value, o->key);
			return 1;
		}
	}
	if (nearest(c, section, key) != NULL)
		conf_wrong(c, c->line, "there is no key %s in [%s]; did you mean %s?", key, section, nearest(c, section, key));
	else
		conf_wrong(c, c->line, "there is no key %s in [%s]", key, section);
	return 1;
}

/* No pipe or device but /dev/null: a daemon that reads it again shall not wait for one. */
static FILE *open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;
	struct stat st;
	FILE *fp = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else
		fp = fdopen(fd, "r");
	if (fp == NULL) {
		err = errno;
		close(fd);
		errno = err;
	}
	return fp;
}

int conf_read(struct conf *c, const char *path)
{
	struct file f = {.c = c, .fp = open_regular(path), .fresh = true};
	int line;

	if (f.fp == NULL)
		return -errno;
	c->where = path;
	c->line = 0;
	line = ini_parse_stream(read_line, &f, on_key, &f);
	if (line > 0)
		conf_wrong(c, (unsigned)line, "neither [Section] nor Key = Value");
	else if (line < 0)
		conf_wrong(c, 0, "out of memory");
	end_section(&f);
	if (ferror(f.fp))
		conf_wrong(c, 0, "%s", strerror(errno));
	fclose(f.fp);
	c->line = 0;
	return 0;
}

/* ---- the command line ---- */

void conf_set(struct conf *c, const struct conf_option *o, struct conf_target *target, const char *value)
{
	char name[64];

	snprintf(name, sizeof(name), "--%s", o->option);
	take(c, o, target, value, name);
}

void conf_override(const struct conf *c, const char *section, struct conf_target *to, const struct conf_target *from)
{
	for (size_t i = 0; i < c->options_len; i++) {
		const struct conf_option *o = &c->options[i];

		if (strcmp(o->section, section) != 0 || (from->seen >> i & 1) == 0)
			continue;
		memcpy((char *)to + o->offset, (const char *)from + o->offset, o->size);
		to->seen |= UINT64_C(1) << i;
	}
}

bool conf_has(const struct conf *c, const struct conf_target *target, const char *key)
{
	for (size_t i = 0; i < c->options_len; i++)
		if (strcmp(c->options[i].key, key) == 0 && (target->seen >> i & 1) != 0)
			return true;
	return false;
}

const struct option *conf_getopt(const struct conf *c, const struct option *more, int base)
{
	static struct option table[64 + 16 + 1];
	size_t n = 0;

	for (; more->name != NULL && n < 16; more++)
		table[n++] = *more;
	for (size_t i = 0; i < c->options_len; i++) {
		if (c->options[i].option == NULL)
			continue;
		table[n++] = (struct option){.name = c->options[i].option,
		    .has_arg = c->options[i].arg != NULL ? required_argument : optional_argument,
		    .val = base + (int)i};
	}
	table[n] = (struct option){0};
	return table;
}

void conf_help(const struct conf *c)
{
	const char *section = "";

	for (size_t i = 0; i < c->options_len; i++) {
		const struct conf_option *o = &c->options[i];
		char left[64];

		if (o->option == NULL)
			continue;
		if (strcmp(section, o->section) != 0)
			printf("\n[%s]\n", o->section);
		section = o->section;
		snprintf(left, sizeof(left), "--%s%s%s", o->option, o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
		printf("  %-34s %s\n", left, o->help);
	}
}

/* ---- parsers ---- */

const char *conf_parse_uint(const struct conf_option *o, const char *value, void *place)
{
	static char text[80];
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || n < o->min || n > o->max) {
		snprintf(text, sizeof(text), "it must be a number from %lu to %lu", o->min, o->max);
		return text;
	}
	*(uint32_t *)place = (uint32_t)n;
	return NULL;
}

const char *conf_parse_duration(const struct conf_option *o, const char *value, void *place)
{
	static const struct {
		const char *unit;
		unsigned long seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	(void)o;
	end += strspn(end, " ");
	for (size_t i = 0; *value >= '0' && *value <= '9' && i < sizeof(units) / sizeof(*units); i++) {
		if (strcasecmp(end, units[i].unit) == 0 && n <= UINT32_MAX / units[i].seconds) {
			*(uint32_t *)place = (uint32_t)(n * units[i].seconds);
			return NULL;
		}
	}
	return "it must be a number with s, m, h, d or w behind it: 90s, 15m, 2d";
}

const char *conf_parse_bool(const struct conf_option *o, const char *value, void *place)
{
	static const char *const words[] = {"no", "yes", "false", "true", "0", "1", "off", "on"};

	(void)o;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*(bool *)place = i % 2 == 1;
			return NULL;
		}
	}
	return "it must be yes or no";
}

const char *conf_parse_string(const struct conf_option *o, const char *value, void *place)
{
	size_t len = strlen(value);

	if (len == 0)
		return "it is empty";
	if (len >= o->size)
		return "it is too long";
	memcpy(place, value, len + 1);
	return NULL;
}

const char *conf_parse_ifname(const struct conf_option *o, const char *value, void *place)
{
	size_t len = strlen(value);

	/* dev_valid_name() in net/core/dev.c; and it becomes a file's name. */
	if (len == 0 || len >= IFNAMSIZ || strpbrk(value, "/: \t") != NULL || strcmp(value, ".") == 0 ||
	    strcmp(value, "..") == 0)
		return "it is no name of a network device (at most 15 characters, no slash, colon or space)";
	return conf_parse_string(o, value, place);
}

const char *conf_parse_name(const struct conf_option *o, const char *value, void *place)
{
	(void)o;
	if (!name_from_text(value, place) || ((struct name *)place)->len <= 1)
		return "it is no domain name (labels of 1 to 63 octets, 255 in all)";
	return NULL;
}
