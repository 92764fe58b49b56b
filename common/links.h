/* Network devices that appear, vanish or change, the host's own addresses and routes, and the way that a packet would take,
 * from rtnetlink. libnl is used in this module alone. */
#ifndef WGMEET_LINKS_H
#define WGMEET_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

struct links;

/* Of ADDRESS, ROUTE and LOST the name is empty, and what is read at once is one event.
 *
 * ADDRESS: one that packets to other hosts may leave from is there, or no more, or deprecated, or not so any more. Not before
 * it can be used (IPv6's tentative ones); and how long it will live is nothing. Loopback and link-local ones do not count:
 * each virtual device has one.
 *
 * ROUTE: one came or went, in whatever table, or a rule that chooses among tables. Not those that come with each address and
 * device: local, broadcast, multicast, link-local. A device that is taken down takes its routes with it. Some programs set the
 * same route again and again, and it is told each time: links_way() knows what came of it. */
enum links_event {
	LINKS_PRESENT, /* a device is there, perhaps new */
	LINKS_GONE,
	LINKS_ADDRESS,
	LINKS_ROUTE,
	LINKS_LOST, /* events were lost, anything may have changed */
};

/* Called once for each event; name is the device's. */
typedef void links_fn(enum links_event event, const char *name, void *data);

/* `routes`: LINKS_ROUTE is wanted. A router may have a million. 0 or -errno. */
int links_open(bool routes, links_fn *fn, void *data, struct links **out);
int links_fd(const struct links *links); /* to wait on */
int links_read(struct links *links);     /* calls fn for what is there; 0 or -errno */

/* The route that the kernel has for WireGuard's packets to an endpoint. The addresses have port 0. */
struct links_way {
	uint32_t ifindex;
	struct endpoint gateway; /* AF_UNSPEC: none, it is on the link */
	struct endpoint source;
};

/* As of now, for packets with that fwmark. 0; -ENETUNREACH: no way; another -errno. Takes some microseconds, and no memory. */
int links_way(struct links *links, const struct endpoint *to, uint32_t mark, struct links_way *out);
bool links_way_equal(const struct links_way *a, const struct links_way *b);

/* The host's addresses that others may reach from anywhere: of global scope, not private, neither temporary nor on their way
 * out, not those of the device `except`; sorted, with port 0. Returns how many, at most cap, or -errno. */
int links_addresses(const char *except, struct endpoint *out, size_t cap);

void links_close(struct links *links);

#endif
