/* The peers of a benchmark. All that is known of the i-th one is computed from i, so that whoever asks knows the answer:
 *
 *     key           32 octets of a mixing function
 *     endpoint      198.18.0.0/15 (RFC 2544, for benchmarks), a port from 1024 up
 *     allowed IPs   10.1ab.1cd.1ef/32, where abcdef is i: a million of one length, so that all answers have one length
 */
#ifndef WGMEET_BENCH_PEERS_H
#define WGMEET_BENCH_PEERS_H

#include <stdint.h>
#include <stdio.h>

#include "key.h"

#define PEERS_MAX  1000000
#define PEERS_ZONE "wg.test"
#define PEERS_TTL  10

/* Computes the table of labels. Dies without memory. */
void peers_init(uint32_t len);

const uint8_t *peers_label(uint32_t i); /* KEY_BASE32 octets */
uint16_t peers_port(uint32_t i);
void peers_address(uint32_t i, uint8_t out[4]);

/* The label of the n-th key that nobody has. */
void peers_unknown_label(uint64_t n, uint8_t out[KEY_BASE32]);

/* All of them as `wg show DEV dump` prints them; `port_shift` is added to the ports, for answers that are wrong. */
void peers_dump(FILE *out, uint32_t len, uint16_t port_shift);

#endif
