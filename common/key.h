/* WireGuard public keys as text. Only public keys come here, so nothing needs constant time. */
#ifndef WGMEET_KEY_H
#define WGMEET_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_LEN        32
#define KEY_BASE64     44 /* "...=", without a NUL */
#define KEY_BASE32     52 /* RFC 4648 section 6, lower case, without padding */
#define KEY_BASE32_PAD 56 /* with its four "=" */
#define KEY_HEX        64

/* The text need not end with a NUL; all KEY_BASE64 characters must be there, and be what key_to_base64 writes
 * (the two bits behind the key are 0). */
bool key_from_base64(const char *text, uint8_t out[KEY_LEN]);
void key_to_base64(const uint8_t key[KEY_LEN], char out[KEY_BASE64]);

/* Either case is read. The four bits behind the key must be 0: each key has one name. */
bool key_from_base32(const uint8_t text[KEY_BASE32], uint8_t out[KEY_LEN]);
void key_to_base32(const uint8_t key[KEY_LEN], uint8_t out[KEY_BASE32]);

bool key_from_hex(const char *text, uint8_t out[KEY_LEN]);
void key_to_hex(const uint8_t key[KEY_LEN], char out[KEY_HEX + 1]); /* with a NUL */

/* Are the first `bits` the same? */
bool key_same_prefix(const uint8_t a[KEY_LEN], const uint8_t b[KEY_LEN], unsigned bits);

bool key_is_zero(const uint8_t key[KEY_LEN]);

/* Base64 with a NUL, for messages. Returns out. */
const char *key_text(const uint8_t key[KEY_LEN], char out[KEY_BASE64 + 1]);

#endif
