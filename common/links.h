/* Network devices that appear, vanish or change, from rtnetlink. libnl is used in this module alone. */
#ifndef WGMEET_LINKS_H
#define WGMEET_LINKS_H

#include <stdbool.h>

struct links;

/* Called once for each event; name is the device's. An empty name: events were lost, anything may have changed. */
typedef void links_fn(const char *name, bool present, void *data);

/* 0 or -errno. */
int links_open(links_fn *fn, void *data, struct links **out);
int links_fd(const struct links *links); /* to wait on */
int links_read(struct links *links);     /* calls fn for what is there; 0 or -errno */
void links_close(struct links *links);

#endif
