/* The zones' sources, played for the server: files, a userspace device's socket, and what a library that is loaded into the
 * server takes for the kernel (shim.c). They change all the time, and are now and then at fault, each in its own way.
 */
#ifndef WGMEET_FAULTS_SOURCES_H
#define WGMEET_FAULTS_SOURCES_H

#include <sys/types.h>

#include "model.h"

/* Something in the loop of events. */
struct watch {
	void (*on_event)(struct watch *w, uint32_t events);
	int fd;
};
void watch_add(struct watch *w, int fd, uint32_t events);
void watch_change(struct watch *w, uint32_t events);
void watch_close(struct watch *w);

/* A kind of source. A fault of kind n begins and ends; `change` makes the next version. */
struct source_kind {
	const char *const *faults;
	size_t faults_len;
	void (*start)(struct model_zone *z);
	void (*begin)(struct model_zone *z, size_t fault);
	void (*end)(struct model_zone *z, size_t fault);
	bool (*change)(struct model_zone *z, bool at_fault); /* false: not now */
	void (*tick)(struct model_zone *z);
};
extern const struct source_kind source_file, source_uapi, source_netlink;

extern const char *sources_dir; /* of the files, and of the kernel's socket */
extern uid_t sources_observer;  /* who is to read them */

void sources_start(const char *dir, uid_t observer, bool faults);
void sources_tick(void);

/* One more of what was done to the server; what was last. */
void note(const char *kind);
const char *note_last(void);
void note_event(const char *line); /* of those who disturb the server */
void note_events_print(int64_t now_us);
void notes_print(void);

#endif
