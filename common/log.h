/* Messages: to standard error, a line each, with the journal's levels where the journal listens (sd-daemon(3)).
 *
 * The x in a name means: without errno. Nothing here allocates, so a sandboxed process may use all of it.
 * A stranger's bytes never cause a line; what goes wrong in the world is said once per change of state.
 */
#ifndef WGMEET_LOG_H
#define WGMEET_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_status {
	EXIT_FINE = 0,
	EXIT_WRONG = 1, /* it ran, something is wrong and was said */
	EXIT_USAGE = 2, /* options or configuration: nothing was touched */
};

/* `name` is what stands before each line, and is not copied. */
void log_init(const char *name, bool verbose);
void log_name(const char *name);

void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void debug(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* only if verbose */

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void diex(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
