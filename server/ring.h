/* Doubly linked rings of numbers: the neighbours of element i are in links[i], and so is the head of a ring, which is a
 * number as well. An element may be in one ring of an array at a time.
 */
#ifndef WGMEET_RING_H
#define WGMEET_RING_H

#include <stdbool.h>
#include <stdint.h>

struct link {
	uint32_t next, prev;
};

static inline void ring_clear(struct link *links, uint32_t head)
{
	links[head] = (struct link){head, head};
}

static inline bool ring_is_empty(const struct link *links, uint32_t head)
{
	return links[head].next == head;
}

static inline void ring_put_behind(struct link *links, uint32_t before, uint32_t at)
{
	links[at] = (struct link){.next = links[before].next, .prev = before};
	links[links[at].next].prev = at;
	links[before].next = at;
}

static inline void ring_put_first(struct link *links, uint32_t head, uint32_t at)
{
	ring_put_behind(links, head, at);
}

static inline void ring_put_last(struct link *links, uint32_t head, uint32_t at)
{
	ring_put_behind(links, links[head].prev, at);
}

static inline void ring_cut(struct link *links, uint32_t at)
{
	links[links[at].prev].next = links[at].next;
	links[links[at].next].prev = links[at].prev;
}

#endif
