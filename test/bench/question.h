/* The questions of a benchmark, and whether an answer is right. */
#ifndef WGMEET_BENCH_QUESTION_H
#define WGMEET_BENCH_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct question_kind {
	const char *name;
	bool unknown; /* keys of nobody: NXDOMAIN */
	bool mixed;   /* one in ten over TCP */
	bool edns;
};

#define QUESTION_KINDS 6
extern const struct question_kind question_kinds[QUESTION_KINDS];

#define QUESTION_MAX 126 /* octets of a query */

enum question_state { QUESTION_FREE, QUESTION_ASKED, QUESTION_LOST };

struct question {
	uint64_t due_ns;   /* when it was to be sent */
	uint32_t peer;     /* of known ones */
	uint16_t len;      /* of the query */
	uint8_t state;     /* enum question_state */
	uint8_t via;       /* the socket */
	uint8_t wire[2 + QUESTION_MAX]; /* the length as over TCP, then the query */
};

/* What the answers had beside what was asked. */
struct question_extras {
	uint64_t addresses, texts;
};

/* Forms what does not change from query to query. */
void question_init(void);

/* A query about peer `peer`, or of unknown kinds about the `peer`-th key of nobody. Sets peer, len and wire. */
void question_write(const struct question_kind *kind, uint64_t peer, uint16_t id, struct question *out);
size_t question_len(const struct question_kind *kind);

/* NULL, or what is wrong with a name server's answer; the ID is the caller's to compare. */
const char *question_judge(const struct question_kind *kind, const struct question *q, const uint8_t *msg, size_t len,
    struct question_extras *extras);
/* The same for a reflector's, of answers of `want` octets. */
const char *question_judge_reflected(const struct question *q, const uint8_t *msg, size_t len, size_t want);

#endif
