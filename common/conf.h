/* Configuration from one table: each option has a key for the file (INI, read by inih), a long option for the
 * command line, a parser and a place. What the command line says goes before what the file says.
 *
 *     [Zone]                          --zone wg.example.com --ttl 10
 *     Name = wg.example.com
 *     TTL = 10
 *
 * Every problem of a file is reported with its line, all of them in one go; the caller then looks at `errors`
 * before anything is touched.
 */
#ifndef WGMEET_CONF_H
#define WGMEET_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a section of the file fills begins with this. */
struct conf_target {
	uint64_t seen; /* bit i: options[i] was given */
	unsigned line; /* of the section's first key, 0: the command line */
};

struct conf_option {
	const char *section;
	const char *key;    /* as wg-quick writes them: CamelCase */
	const char *option; /* without the dashes; NULL: only in the file */
	const char *arg;    /* what stands for the value in --help; NULL: an option of type yes/no that may stand alone */
	const char *help;
	/* Returns NULL, or what is wrong with the value and what would be right. `place` is target + offset. */
	const char *(*parse)(const struct conf_option *o, const char *value, void *place);
	size_t offset, size; /* in the section's target */
	unsigned long min, max;
	bool list;           /* may be given again; commas separate */
};

#define CONF_AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

struct conf {
	const struct conf_option *options; /* at most 64 */
	size_t options_len;
	/* The target for a section's first key: a new one each time. NULL: there can be no more of them. */
	struct conf_target *(*begin)(const char *section, void *data);
	bool (*needs_keys)(const char *section); /* is it wrong if that is empty? NULL: none is */
	void *data;
	const char *where; /* the file's name, or NULL for the command line */
	unsigned line;
	unsigned errors;
};

/* Reports and counts. "FILE:LINE: ..." */
void conf_wrong(struct conf *c, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* 0 or -errno if the file cannot be read; what is wrong in it is in c->errors. */
int conf_read(struct conf *c, const char *path);
/* A value of the command line into its section's target. */
void conf_set(struct conf *c, const struct conf_option *o, struct conf_target *target, const char *value);
/* What `from` was given replaces what is in `to`. */
void conf_override(const struct conf *c, const char *section, struct conf_target *to, const struct conf_target *from);
bool conf_has(const struct conf *c, const struct conf_target *target, const char *key);

/* getopt_long()'s table: `val` is base + the option's index. Ends with zeros; lives as long as the program. */
struct option;
const struct option *conf_getopt(const struct conf *c, const struct option *more, int base);
void conf_help(const struct conf *c); /* to standard output */

/* Parsers. */
const char *conf_parse_uint(const struct conf_option *o, const char *value, void *place);   /* uint32_t */
const char *conf_parse_bool(const struct conf_option *o, const char *value, void *place);   /* bool: yes, no */
const char *conf_parse_duration(const struct conf_option *o, const char *value, void *place); /* uint32_t, seconds */
const char *conf_parse_string(const struct conf_option *o, const char *value, void *place); /* char[size] */
const char *conf_parse_ifname(const struct conf_option *o, const char *value, void *place); /* char[IFNAMSIZ] */
const char *conf_parse_name(const struct conf_option *o, const char *value, void *place);   /* struct name */

#endif
