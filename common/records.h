/* The naming contract that both programs share: how a peer is called in DNS, and what its TXT record says.
 *
 *     <base32 of the key>._wireguard._udp.<zone>     SRV 0 0 PORT itself, A or AAAA, TXT
 *
 * DNS-SD (RFC 6763) with the key as the instance's name; RFC 4648 base32 in lower case, without its padding, or with
 * it for clients that ask so.
 */
#ifndef WGMEET_RECORDS_H
#define WGMEET_RECORDS_H

#include "key.h"
#include "name.h"
#include "wgdev.h"

#define RECORDS_SERVICE     "_wireguard"
#define RECORDS_PROTO       "_udp"
#define RECORDS_SERVICE_LEN 16 /* \x0a_wireguard\x04_udp */
#define RECORDS_TXTVERS     "txtvers=1"
#define RECORDS_TXT_MAX     16384 /* octets of RDATA */

/* _wireguard._udp.<zone>; false if the zone's name leaves no room for a peer's. */
bool records_service_name(const struct name *zone, struct name *out);
bool records_instance_name(const struct name *zone, const uint8_t key[KEY_LEN], bool padded, struct name *out);

/* Lists of peers. With `shard` 0 there is one, at the service's name; else one for each prefix of that many characters of
 * the keys' base32, at the subtype _<prefix>._sub._wireguard._udp.<zone> (RFC 6763 section 7.1). */
#define RECORDS_LIST_MAX  900 /* PTR records that fit into one message over TCP, with room for the rest */
#define RECORDS_SHARD_MAX 4 /* characters: a million lists */
bool records_list_name(const struct name *zone, const uint8_t key[KEY_LEN], unsigned shard, struct name *out);

/* A TXT's RDATA begins with the same octets for every peer, and its key: "txtvers=1", "pub=<base64>". */
#define RECORDS_TXT_START     "\x09" RECORDS_TXTVERS "\x30" "pub="
#define RECORDS_TXT_START_LEN (1 + 9 + 1 + 4)
#define RECORDS_TXT_HEAD      (RECORDS_TXT_START_LEN + KEY_BASE64)
#define RECORDS_TXT_ALLOWED     "allowed=" /* what most go on with, behind a length octet */
#define RECORDS_TXT_ALLOWED_LEN (1 + 8)
void records_txt_head(const uint8_t key[KEY_LEN], uint8_t out[RECORDS_TXT_HEAD]);

/* "allowed=CIDR,CIDR", "allowed2=...": whole CIDRs, at most 255 octets a string, and "more=1" where the RDATA would pass
 * RECORDS_TXT_MAX. Returns the octets written, 0 for an empty list; cap must be RECORDS_TXT_MAX. */
size_t records_txt_allowed(const struct wg_allowedip *ips, size_t len, uint8_t *out, size_t cap);

/* Finds "pub=" in a TXT's RDATA. 1: there and *key is it; 0: not there; -1: there and no key, or given twice. */
int records_txt_pub(const uint8_t *rdata, size_t len, uint8_t key[KEY_LEN]);

#endif
