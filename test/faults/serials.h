/* What a zone's serial stands for: one content, for ever; and it never goes backwards (RFC 1982). */
#ifndef WGMEET_FAULTS_SERIALS_H
#define WGMEET_FAULTS_SERIALS_H

#include "question.h"

/* Those versions of a window that an answer can be of: bit n is version window.first + n. */
struct version_set {
	uint32_t first, len;
	uint64_t bits[MODEL_WINDOW / 64];
};

static inline bool version_in(const struct version_set *s, uint32_t version)
{
	return version - s->first < s->len && (s->bits[(version - s->first) / 64] >> (version - s->first) % 64 & 1) != 0;
}

static inline void version_put(struct version_set *s, uint32_t version, bool in)
{
	uint64_t bit = UINT64_C(1) << (version - s->first) % 64, *at = &s->bits[(version - s->first) / 64];

	*at = in ? *at | bit : *at & ~bit;
}

/* An answer with that serial is of one of these versions. NULL, or what is wrong. */
const char *serials_judge(size_t zone, uint32_t serial, const struct version_set *set, struct question_seen *seen);

/* The zone has that version: if it came after the serials were safe again, its own is kept. */
void serials_saw_version(size_t zone, uint32_t version);
void serials_print(void);
void serials_tell(size_t zone); /* what is known of the zone's last ones */

#endif
