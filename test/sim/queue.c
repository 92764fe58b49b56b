#include "sim.h"

#include <stdlib.h>

/* What is at the same time happens in the order in which it was foreseen. */
static bool is_sooner(const struct entry *a, const struct entry *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void grow(struct queue *q)
{
	size_t cap = q->cap == 0 ? 256 : 2 * q->cap;

	q->heap = reallocarray(q->heap, cap, sizeof(*q->heap));
	q->events = reallocarray(q->events, cap, sizeof(*q->events));
	q->free = reallocarray(q->free, cap, sizeof(*q->free));
	if (q->heap == NULL || q->events == NULL || q->free == NULL)
		abort();
	while (q->cap < cap)
		q->free[q->free_len++] = (uint32_t)q->cap++;
}

void queue_push(struct world *w, const struct event *e)
{
	struct queue *q = &w->queue;
	struct entry entry = {.at_ms = e->at_ms, .order = q->order++};
	size_t i;

	if (q->free_len == 0)
		grow(q);
	entry.event = q->free[--q->free_len];
	q->events[entry.event] = *e;
	for (i = q->len++; i > 0 && is_sooner(&entry, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = entry;
}

bool queue_pop(struct world *w, int64_t until_ms, struct event *out)
{
	struct queue *q = &w->queue;
	struct entry last;
	size_t i = 0, child;

	if (q->len == 0 || q->heap[0].at_ms > until_ms)
		return false;
	*out = q->events[q->heap[0].event];
	q->free[q->free_len++] = q->heap[0].event;
	last = q->heap[--q->len];
	for (; (child = 2 * i + 1) < q->len; i = child) {
		if (child + 1 < q->len && is_sooner(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!is_sooner(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
	}
	q->heap[i] = last;
	return true;
}

void queue_free(struct queue *q)
{
	free(q->heap);
	free(q->events);
	free(q->free);
	*q = (struct queue){0};
}
