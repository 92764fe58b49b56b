/* Network devices that appear, vanish or change, and the host's own addresses, from rtnetlink. libnl is used in this
 * module alone. */
#ifndef WGMEET_LINKS_H
#define WGMEET_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "endpoint.h"

struct links;

enum links_event {
	LINKS_PRESENT, /* a device is there, perhaps new */
	LINKS_GONE,
	LINKS_ADDRESS, /* an address of the host's came or went; name is empty */
	LINKS_LOST,    /* events were lost, anything may have changed; name is empty */
};

/* Called once for each event; name is the device's. */
typedef void links_fn(enum links_event event, const char *name, void *data);

/* 0 or -errno. */
int links_open(links_fn *fn, void *data, struct links **out);
int links_fd(const struct links *links); /* to wait on */
int links_read(struct links *links);     /* calls fn for what is there; 0 or -errno */
/* The host's addresses that others may reach from anywhere: of global scope, not private, neither temporary nor on their way
 * out, not those of the device `except`; sorted, with port 0. Returns how many, at most cap, or -errno. */
int links_addresses(const char *except, struct endpoint *out, size_t cap);

void links_close(struct links *links);

#endif
