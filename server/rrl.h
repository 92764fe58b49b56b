/* Response rate limiting: an answer over UDP goes to an address that may be forged, and whoever lives there did not ask for it.
 * To each network only so many like answers a second are sent, and ten times as many in all; what is beyond that is truncated
 * or dropped. A real client comes by TCP, or with a cookie.
 *
 * A bucket is one word: the time at which it will be full again (GCRA). Buckets are found by a hash with a secret seed; two
 * networks that meet in one take it from each other, so the table never fills.
 */
#ifndef WGMEET_RRL_H
#define WGMEET_RRL_H

#include <stdbool.h>
#include <stdint.h>

#include "query.h"
#include "ranges.h"

enum rrl_verdict { RRL_PASS, RRL_SLIP, RRL_DROP };

/* Dies if it cannot have its table. */
void rrl_init(void);
/* `rate`: answers a second, 0: no limits. Of those beyond it each `slip`-th is truncated, the others are dropped; 0: all are. */
void rrl_set(uint32_t rate, uint32_t slip, const uint64_t seed[2]);

/* `q` was answered to `asker`, with its kind and subject filled in. */
enum rrl_verdict rrl_take(const uint8_t asker[RANGES_ADDR], const struct query *q, uint64_t now_ms);

#endif
