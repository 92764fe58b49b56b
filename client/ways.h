/* Which way out of this host the packets to each peer take. When that changes (another address, another gateway, a route that was
 * not there), whatever NATs knew of us counts no more.
 */
#ifndef WGMEET_WAYS_H
#define WGMEET_WAYS_H

#include "links.h"
#include "paths.h"

struct ways {
	struct way {
		struct endpoint to; /* the device's endpoint of the peer; AF_UNSPEC: not looked at yet */
		bool there;         /* there is a route */
		struct links_way out;
	} *at; /* by the paths' places */
	size_t len;
};

/* Looks at those of peers whose endpoint is another one than before. 0 or -ENOMEM. */
int ways_follow(struct ways *w, struct links *links, uint32_t mark, const struct paths *ps);
/* Something about the routes is new: looks at all, and suspects the paths whose way has changed. Returns how many. */
size_t ways_check(struct ways *w, struct links *links, uint32_t mark, struct paths *ps, int64_t now_ms);
void ways_free(struct ways *w);

#endif
