/* A registry of so many peers, for measuring: its dump file, and the questions about it. Half of the peers are seen at an IPv4
 * address, half at an IPv6 one; each has one allowed IP. Peers and rounds are counted from 0, and what is the same in number is
 * the same in all programs.
 */
#ifndef WGMEET_BENCH_REFRESH_H
#define WGMEET_BENCH_REFRESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key.h"

#define REFRESH_ZONE "wg.test"

void refresh_key(size_t peer, uint8_t out[KEY_LEN]);

/* The dump file of a round. From round to round `changed` peers, evenly spread, have another port; the others never. The text
 * is allocated. */
char *refresh_dump(size_t peers, size_t changed, unsigned round, size_t *len);
uint16_t refresh_port(size_t peers, size_t changed, unsigned round, size_t peer);
/* The first of those that change. */
size_t refresh_changing(size_t peers, size_t changed);
/* Writes a round's dump to `path`, which is not the file that is read: that is for rename(2). */
void refresh_write(const char *path, size_t peers, size_t changed, unsigned round);

#define REFRESH_QUESTION 512
/* SRV of a peer. Returns the octets. */
size_t refresh_ask(size_t peer, uint16_t id, uint8_t out[REFRESH_QUESTION]);
/* Is it the answer to that question, with the peer's SRV? Then its port goes to `port`. */
bool refresh_is_answer(const uint8_t *question, size_t question_len, const uint8_t *msg, size_t len, uint16_t *port);
/* A UDP socket that is connected to "ADDR:PORT". */
int refresh_connect(const char *server);

/* Of one's own processor time, and of the clock. */
int64_t refresh_cpu_ns(void);
int64_t refresh_now_ns(void);
int64_t refresh_median(int64_t *values, size_t len); /* sorts them */

/* refresh_stages.c, refresh_whole.c, refresh_batches.c: as refresh.c says. */
void refresh_stages(size_t peers, size_t rounds, const char *file);
void refresh_whole(size_t peers, size_t rounds, const char *file, const char *server, char *pids[], size_t pids_len);
void refresh_batches(const char *file);

#endif
