/* An endpoint: address and UDP port, as WireGuard has them. An IPv4-mapped IPv6 address does not occur in one:
 * whatever makes an endpoint unmaps it, because the kernel's WireGuard silently ignores a family that does not
 * fit its length, and because DNS publishes it as A.
 */
#ifndef WGMEET_ENDPOINT_H
#define WGMEET_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ENDPOINT_TEXT 80 /* "[v6%4294967295]:65535" and its NUL fit */

struct endpoint {
	uint8_t addr[16]; /* network order; IPv4 in the first four, the rest zero */
	uint32_t scope;   /* sin6_scope_id, for link-local IPv6; else 0 */
	uint16_t port;    /* host order */
	uint8_t family;   /* AF_INET, AF_INET6; AF_UNSPEC: none */
};

/* False if the bytes are no IPv4 or IPv6 socket address of that length. */
bool endpoint_from_sockaddr(const void *sa, size_t len, struct endpoint *out);

/* Returns the length used in `out`; 0 if the endpoint is none. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out);

/* "ADDR:PORT", "[V6]:PORT", "[V6%IFACE]:PORT"; numbers only. If default_port is not 0 the port may be missing,
 * and then a bare V6 is taken as well. */
bool endpoint_from_text(const char *text, uint16_t default_port, struct endpoint *out);
bool endpoint_addr_from_text(const char *text, struct endpoint *out); /* no port; out->port = 0 */

/* As wg(8) prints it. Returns out. */
const char *endpoint_to_text(const struct endpoint *ep, char out[ENDPOINT_TEXT]);
const char *endpoint_addr_to_text(const struct endpoint *ep, char out[ENDPOINT_TEXT]);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
bool endpoint_addr_is_any(const struct endpoint *ep); /* 0.0.0.0, :: */

/* Could a peer on another host be there? False for port 0, unspecified, loopback, multicast, broadcast, and for
 * link-local (RFC 3927, RFC 4291): that means nothing on another link. */
bool endpoint_is_reachable(const struct endpoint *ep);

/* Does it mean something only within a network of its own? RFC 1918, RFC 6598, RFC 3927, RFC 4193, link-local. */
bool endpoint_is_private(const struct endpoint *ep);

#endif
