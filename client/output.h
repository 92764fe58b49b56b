/* How verbs print: for people as wg(8) does, with colours only on a terminal; for programs as JSON, by jansson. */
#ifndef WGMEET_OUTPUT_H
#define WGMEET_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "key.h"
#include "resolve.h"

#define OUTPUT_TEXT 160

/* "1 minute, 3 seconds ago", as wg(8); "never" for 0. */
const char *output_ago(uint64_t then_s, uint64_t now_s, char out[OUTPUT_TEXT]);
/* "1.21 KiB" */
const char *output_bytes(uint64_t bytes, char out[OUTPUT_TEXT]);

/* Escape sequences, or "" where they would not be seen. */
const char *output_bold(void);
const char *output_green(void);
const char *output_yellow(void);
const char *output_reset(void);

json_t *output_key(const uint8_t key[KEY_LEN]);
json_t *output_endpoint(const struct endpoint *ep); /* null: none */
json_t *output_name(const struct name *name);
json_t *output_list(const char *commas); /* an array of what stands between them */
/* What DNS says: "status", and where it is "found" "endpoint", "name", "ttl", "allowed_ips". */
json_t *output_dns(const struct lookup_result *result);

/* Prints and frees it. Dies if memory or the output is short. */
void output_json(json_t *root);
void output_end(void); /* flushes */
/* Of a verb that goes on printing: each object is one line, and that nobody reads any more is a good end of the program. */
void output_watch(void);

/* The same for an object whose last field is an array that may be long, element by element: not all of it is in memory at
 * once. `head` has the other fields, of which there must be one. */
void output_array_begin(json_t *head, const char *field);
void output_array_add(json_t *element);
void output_array_end(void);

#endif
