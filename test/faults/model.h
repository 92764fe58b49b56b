/* What is true: zones whose content is a function of a version number, and when each version was what the source said.
 *
 *     version v of a zone = the peers with model_present(), each at model_endpoint(), with model_cidr()s: v is in all three
 *
 *     ---v1---|---v2---|---v3--/ fault /---v7---|  absent  |---v8---
 *
 * An answer to a question that was sent at `sent` and came at `received` is right if it is all of one version that was current
 * at some moment between `sent` - the bound and `received`. A fault of the source stretches this back to where the fault
 * began: the last good version stays right. While the source is absent, SERVFAIL is right. Times: microseconds, monotonic.
 */
#ifndef WGMEET_FAULTS_MODEL_H
#define WGMEET_FAULTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "key.h"
#include "name.h"

#define MODEL_ZONES    5
#define MODEL_PEERS    512   /* 9 bits in an address */
#define MODEL_VERSIONS 60000 /* a port tells them apart */
#define MODEL_WINDOW   1024   /* versions that can be right at one moment */
#define MODEL_SPANS    4096
#define MODEL_CIDRS    12
#define MODEL_CIDR     48
#define MODEL_TTL_S    10
#define MODEL_NAMED    3 /* peers with names for people, in a zone that has some */

#define MODEL_OPEN INT64_MAX /* the end of what goes on */

enum model_source { MODEL_FILE, MODEL_UAPI, MODEL_NETLINK };

struct model_span {
	int64_t from_us, to_us;
};

struct model_version {
	int64_t from_us, to_us;
	int64_t given_us; /* when a reader got it whole; 0: never. Of a file nobody knows */
	bool wrong;       /* the source said it in a way that no reader may believe */
};

struct model_zone {
	const char *text;
	enum model_source source;
	size_t peers_len;
	bool padded, named;
	const char *device; /* NULL: a file */
	const char *more;   /* further lines of its configuration */
	int64_t poll_us;    /* how often the server looks */
	bool optional;      /* not always in the configuration */
	bool still;         /* has one version for ever */

	uint64_t salt;
	struct name apex, service;
	uint8_t keys[MODEL_PEERS][KEY_LEN];
	char labels[MODEL_PEERS][KEY_BASE32_PAD + 1];
	struct model_version *versions; /* [1] ... [version] */
	uint32_t version;
	struct model_span faults[MODEL_SPANS], absences[MODEL_SPANS], refusals[MODEL_SPANS], removals[MODEL_SPANS];
	size_t faults_len, absences_len, refusals_len, removals_len;
};

/* What may be right for one question. */
struct model_window {
	int64_t from_us, to_us;
	uint32_t first, last; /* versions; first > last: none */
	bool absent, refused; /* SERVFAIL, REFUSED may be right, too */
	bool fault;           /* the source could not be read for some of the time */
};

extern struct model_zone model_zones[MODEL_ZONES];
extern int64_t model_bound_us; /* how old an answer may be, besides what the server's own pause makes it */

int64_t model_now_us(void);
uint64_t model_random(void);
uint64_t model_between(uint64_t from, uint64_t to);
void model_init(uint64_t seed);

/* A new version, before it is put in place, then after. */
uint32_t model_begin(struct model_zone *z, bool wrong);
void model_end(struct model_zone *z);
/* Between the two calls: the server can read no source at all. */
void model_shortage(bool on);
/* Between the two calls, of each: the source has a fault; it is not there; the zone may be out of the configuration; it is,
 * and the server knows. */
void model_fault(struct model_zone *z, bool on);
void model_absence(struct model_zone *z, bool on);
bool model_is_absent(const struct model_zone *z);
void model_refusal(struct model_zone *z, bool on);
void model_removal(struct model_zone *z, bool on);

/* The window of a question. Its first and last versions are current in it; those between may be wrong: model_is_right(). */
void model_window(const struct model_zone *z, int64_t sent_us, int64_t received_us, struct model_window *w);
bool model_is_right(const struct model_zone *z, const struct model_window *w, uint32_t version);

bool model_present(const struct model_zone *z, size_t peer, uint32_t version);
void model_endpoint(const struct model_zone *z, size_t peer, uint32_t version, struct endpoint *out);
size_t model_cidrs_len(size_t peer);
void model_cidr(const struct model_zone *z, size_t peer, uint32_t version, size_t n, char out[MODEL_CIDR]);

/* The versions that these can be of, 0: none. */
uint32_t model_version_of_address(const struct model_zone *z, size_t peer, const uint8_t *addr, size_t len);
uint32_t model_version_of_port(size_t peer, uint16_t port);
/* The peer's index, -1: none. `label` without its length. */
int model_peer_of_label(const struct model_zone *z, const uint8_t *label, size_t len);
/* What the zone's list calls the peer. */
const char *model_listed_label(const struct model_zone *z, size_t peer, char out[64]);

#endif
