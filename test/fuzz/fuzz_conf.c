/* A configuration file, read with a table that has every parser. The file is one in memory; what is said of it is read, too:
 * each error is a line of its own, with the line of the file that it is about.
 */
#include "fuzz.h"

#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "name.h"

#define LIST   4
#define MANY   3
#define CANARY 0xa5a5a5a5a5a5a5a5u

struct numbers {
	uint32_t at[LIST];
	uint64_t canary;
	size_t len;
};

struct section {
	struct conf_target target;
	uint32_t number, wide, duration;
	uint64_t canary[5];
	uint8_t flag; /* a bool's place: what is no bool would be seen */
	char text[8];
	char device[IFNAMSIZ];
	struct name name;
	struct numbers list;
};

static const char *parse_number(const struct conf_option *o, const char *value, void *place)
{
	struct numbers *list = place;

	if (list->len == LIST)
		return "there are too many";
	return conf_parse_uint(o, value, &list->at[list->len++]);
}

#define OPTION(of, key, option, arg, parse, member) \
	.section = of, key, option, arg, "help", parse, CONF_AT(section, member)

static const struct conf_option options[] = {
    {OPTION("One", "Number", "number", "N", conf_parse_uint, number), .min = 5, .max = 99},
    {OPTION("One", "Wide", "wide", "N", conf_parse_uint, wide), .max = UINT32_MAX},
    {OPTION("One", "Flag", "flag", NULL, conf_parse_bool, flag)},
    {OPTION("One", "Duration", NULL, "TIME", conf_parse_duration, duration)},
    {OPTION("Many", "Text", "text", "TEXT", conf_parse_string, text)},
    {OPTION("Many", "Device", "device", "DEV", conf_parse_ifname, device)},
    {OPTION("Many", "Name", "name", "NAME", conf_parse_name, name)},
    {OPTION("Many", "List", "list", "N,...", parse_number, list), .max = 99, .list = true},
};

#define OPTIONS_LEN (sizeof(options) / sizeof(*options))

static struct section one, many[MANY];
static size_t many_len;

static struct conf_target *begin(const char *section, void *data)
{
	MUST(data == &many_len && (strcmp(section, "One") == 0 || strcmp(section, "Many") == 0));
	if (strcmp(section, "One") == 0)
		return &one.target;
	return many_len < MANY ? &many[many_len++].target : NULL;
}

/* ---- what is said ---- */

/* Where the sanitizers have their own way out, they keep the real one. */
void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

static int file = -1, said = -1, real_stderr = -1;
static char path[64];

static void prepare(void)
{
	file = memfd_create("conf", MFD_CLOEXEC);
	said = memfd_create("said", MFD_CLOEXEC);
	real_stderr = dup(STDERR_FILENO);
	MUST(file >= 0 && said >= 0 && real_stderr >= 0);
	if (__sanitizer_set_report_fd != NULL)
		__sanitizer_set_report_fd((void *)(intptr_t)real_stderr);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

static int read_it(struct conf *c, const void *data, size_t len)
{
	int r;

	MUST(ftruncate(file, 0) == 0 && pwrite(file, data, len, 0) == (ssize_t)len);
	MUST(ftruncate(said, 0) == 0 && lseek(said, 0, SEEK_SET) == 0 && dup2(said, STDERR_FILENO) >= 0);
	r = conf_read(c, path);
	MUST(dup2(real_stderr, STDERR_FILENO) >= 0);
	return r;
}

/* "wgmeet: PATH:LINE: what", as many as were counted, in the lines' order; but what inih itself tells comes last. */
static void are_errors(unsigned errors, unsigned lines)
{
	static char text[1 << 20];
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);
	const char *at = text;
	char start[80];
	unsigned found = 0, last = 0;

	MUST(n >= 0);
	text[n] = '\0';
	MUST(strlen(text) == (size_t)n);
	if ((size_t)n == sizeof(text) - 1) /* too much to look at */
		return;
	snprintf(start, sizeof(start), "wgmeet: %s:", path);
	for (; *at != '\0'; found++) {
		unsigned long line;
		char *end;

		MUST(strncmp(at, start, strlen(start)) == 0);
		at += strlen(start);
		line = strtoul(at, &end, 10);
		MUST(end > at && line >= 1 && line <= lines && (line >= last || found + 1 == errors));
		MUST(strncmp(end, ": ", 2) == 0 && end[2] != '\n' && end[2] != '\0');
		last = (unsigned)line;
		at = strchr(end, '\n');
		MUST(at != NULL);
		at++;
	}
	MUST(found == errors);
}

/* ---- what was read ---- */

static void is_text(const char *text, size_t size)
{
	MUST(memchr(text, '\0', size) != NULL);
}

static void is_name(const struct name *name)
{
	size_t at = 0;

	MUST(name->len > 0); /* the root is refused, and stays */
	for (; name->wire[at] != 0; at += name->wire[at] + 1u)
		MUST(at < name->len && name->wire[at] <= NAME_LABEL);
	MUST(at + 1 == name->len);
}

static void is_section(const struct conf *c, const struct section *s)
{
	bool right = c->errors == 0;

	for (size_t i = 0; i < sizeof(s->canary) / sizeof(*s->canary); i++)
		MUST(s->canary[i] == CANARY);
	MUST(s->list.canary == CANARY && s->list.len <= LIST && (s->target.seen >> OPTIONS_LEN) == 0);
	is_text(s->text, sizeof(s->text));
	is_text(s->device, sizeof(s->device));
	MUST(s->flag <= 1 && strchr(s->device, '/') == NULL);
	if (s->name.len != 0)
		is_name(&s->name);
	if (!right)
		return;
	MUST(!conf_has(c, &s->target, "Number") || (s->number >= 5 && s->number <= 99));
	MUST(!conf_has(c, &s->target, "Text") || s->text[0] != '\0');
	MUST(!conf_has(c, &s->target, "Device") || s->device[0] != '\0');
	MUST(!conf_has(c, &s->target, "Name") || s->name.len > 1);
	for (size_t i = 0; i < s->list.len; i++)
		MUST(s->list.at[i] <= 99);
	MUST((s->list.len > 0) == conf_has(c, &s->target, "List"));
}

static void clear(struct section *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < sizeof(s->canary) / sizeof(*s->canary); i++)
		s->canary[i] = CANARY;
	s->list.canary = CANARY;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf c = {.options = options, .options_len = OPTIONS_LEN, .begin = begin, .data = &many_len};
	struct section over;
	unsigned lines = 1;

	if (file < 0)
		prepare();
	clear(&one);
	many_len = 0;
	for (size_t i = 0; i < MANY; i++)
		clear(&many[i]);
	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	if (len > 0 && memchr(data, '\0', len) != NULL) /* a text has none, and how its lines are counted then is all one */
		lines = UINT32_MAX;
	MUST(read_it(&c, data, len) == 0);
	are_errors(c.errors, lines);
	MUST(c.line == 0 && one.target.line <= lines);
	is_section(&c, &one);
	for (size_t i = 0; i < MANY; i++) {
		is_section(&c, &many[i]);
		MUST((many[i].target.line > 0) == (i < many_len) && many[i].target.line <= lines);
	}
	clear(&over);
	conf_override(&c, "Many", &over.target, &many[0].target);
	MUST(over.target.seen == many[0].target.seen && memcmp(&over.name, &many[0].name, sizeof(over.name)) == 0);
	is_section(&c, &over);
	return 0;
}
