/* Inside the judgement of doctor.h: its parts, and what they share. */
#ifndef WGMEET_DOCTOR_JUDGING_H
#define WGMEET_DOCTOR_JUDGING_H

#include "doctor.h"

/* This program is younger than that: 2026-01-01. */
#define DOCTOR_YEAR_S UINT64_C(1767225600)

struct judging {
	const struct doctor_seen *seen;
	const char *device;
	const struct wg_peer *registry; /* the peer that is it; NULL: it cannot be told */
	struct doctor_findings *out;
};

/* A new finding, which is good until the next one. `about` may be NULL. */
struct doctor_finding *doctor_say(struct judging *j, enum doctor_level level, const char *check, const char *about,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* And what to do about it. */
void doctor_advise(struct doctor_finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool doctor_device_works(const struct judging *j); /* it was read, and is up */

void doctor_judge_servers(struct judging *j);
void doctor_judge_peers(struct judging *j);
void doctor_judge_keeper(struct judging *j);

#endif
