/* Where a zone's device comes from: the kernel, a userspace daemon or a file. One interface over the three, which never
 * blocks, and which tells apart what must be told apart:
 *
 *     the device is not there            SOURCE_ABSENT    an old zone would be a lie
 *     it is, but cannot be read now      SOURCE_FAILED    the last zone is the best there is
 */
#ifndef WGMEET_SOURCE_H
#define WGMEET_SOURCE_H

#include "config.h"
#include "wgdev_dump.h"
#include "wgdev_kernel.h"
#include "wgdev_uapi.h"

enum source_result {
	SOURCE_PENDING, /* wait for source_fd(), then source_step() */
	SOURCE_READ,    /* `dev` is whole */
	SOURCE_SAME,    /* it cannot have changed; `dev` is untouched */
	SOURCE_ABSENT,
	SOURCE_FAILED,
};

struct source {
	const struct zone_conf *conf;
	struct wgdev_kernel *kernel; /* NULL until it is needed */
	struct wgdev_uapi uapi;
	struct wgdev_dump_stamp stamp;
	char why[384]; /* after ABSENT and FAILED */
	bool wrong;     /* the file is, in the version that was read last */
	bool userspace; /* the device was found at a UAPI socket */
	bool has_peers; /* there, when it was read last; */
	unsigned ifindex; /* and its interface, 0: none in this namespace */
};

void source_init(struct source *s, const struct zone_conf *conf);
enum source_result source_start(struct source *s, struct wg_device *dev);
enum source_result source_step(struct source *s, struct wg_device *dev);
int source_fd(const struct source *s); /* -1 if nothing is pending */
void source_cancel(struct source *s);  /* what is pending, if anything is */

void source_end(struct source *s); /* and all that it holds */

/* The zone that was made of the last read did not come to be: the next one reads the file even if it is the same. */
void source_forget(struct source *s);

/* Who started the program, before the sandbox is entered: what helps against a socket that may not be opened depends on that.
 * It is root, if this is never said. */
void source_started_as(uid_t uid);

/* What to say to someone who lacks the capability. */
extern const char source_capability_hint[];

#endif
