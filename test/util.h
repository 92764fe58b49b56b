/* What the unit tests share. */
#ifndef WGMEET_TEST_UTIL_H
#define WGMEET_TEST_UTIL_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "wgdev.h"

/* ck_assert() for the innermost loops: check makes a note in a file of each one that it comes by. */
#define ck_hot(condition)                                                                                    \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			ck_abort_msg("%s", #condition);                                                      \
	} while (0)

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Numbers that look random and are the same in each run; *state begins as what you like, but not 0. */
uint64_t util_random(uint64_t *state);

/* Peer n's public key. */
void util_key(uint64_t n, uint8_t out[KEY_LEN]);

/* From text that is right; the test fails if it is not. */
struct endpoint util_endpoint(const char *text); /* without a port: port 0 */
struct wg_allowedip util_allowedip(const char *text);
struct name util_name(const char *text);

/* Peer n, with an endpoint (NULL: none) and allowed IPs, separated by commas (NULL: none). Returns it, until the next. */
struct wg_peer *util_add_peer(struct wg_device *dev, uint64_t n, const char *endpoint, const char *allowed);
/* A device with a key of its own and peers 1 ... n: every third has an IPv6 endpoint, each has one to three allowed IPs. */
void util_device(struct wg_device *dev, size_t peers);

/* A zone of that name with the defaults of the configuration, and ns1.ZONE at 192.0.2.1. */
void util_zone_conf(struct zone_conf *conf, const char *name);

bool util_has_bytes(const void *in, size_t in_len, const void *bytes, size_t len);
const char *util_hex(const void *bytes, size_t len); /* the last four results are good */

/* A new directory, and its end with all that is in it. */
void util_tmpdir(char path[64]);
void util_rmdir(const char *path);
bool util_remove(const char *path); /* the same, where no test runs: false and errno if it fails */
void util_write_file(const char *path, const void *bytes, size_t len);

/* What is written to standard error from begin() to end() goes to `text`, cut and with a NUL. */
void util_stderr_begin(void);
void util_stderr_end(char *text, size_t cap);

/* Runs fn in a child process, and returns the status that waitpid(2) tells. It ends with 0 when fn returns. What it writes to
 * standard error goes to `err`, if that is not NULL. After 20 s it is killed by SIGALRM. */
int util_child(void (*fn)(void *), void *arg, char *err, size_t err_cap);
/* The same, and the test fails unless the child ends with 0; with CHILD_SKIP it is skipped under that name. */
void util_in_child(const char *name, void (*fn)(void *), void *arg);

#define CHILD_SKIP 77

/* For child processes, where check's own would not do. */
#define CHILD_CHECK(condition)                                                                               \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			util_child_failed(__FILE__, __LINE__, #condition);                                   \
	} while (0)
_Noreturn void util_child_failed(const char *file, int line, const char *what);
_Noreturn void util_child_skip(const char *why);

/* Prints that a test is skipped; fails it where nothing may be. The caller returns then. */
void util_skip(const char *name, const char *why);

/* In a child process that is root: a /var/run of its own, with an empty WGDEV_UAPI_DIR. Skips if that is not allowed. */
void util_private_run(void);
/* A listening socket where the UAPI socket of that device would be. */
int util_uapi_listen(const char *name);

#endif
