#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void unmap(struct endpoint *ep)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (ep->family != AF_INET6 || memcmp(ep->addr, mapped, sizeof(mapped)) != 0)
		return;
	ep->family = AF_INET;
	ep->scope = 0;
	memmove(ep->addr, ep->addr + 12, 4);
	memset(ep->addr + 4, 0, 12);
}

bool endpoint_from_sockaddr(const void *sa, size_t len, struct endpoint *out)
{
	struct endpoint ep = {0};
	sa_family_t family;

	if (len < sizeof(family))
		return false;
	memcpy(&family, sa, sizeof(family));
	if (family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		ep.family = AF_INET;
		ep.port = ntohs(in.sin_port);
		memcpy(ep.addr, &in.sin_addr, 4);
	} else if (family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		ep.family = AF_INET6;
		ep.port = ntohs(in6.sin6_port);
		ep.scope = in6.sin6_scope_id;
		memcpy(ep.addr, &in6.sin6_addr, 16);
		unmap(&ep);
	} else {
		return false;
	}
	*out = ep;
	return true;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (ep->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(ep->port);
		memcpy(&in->sin_addr, ep->addr, 4);
		return sizeof(*in);
	}
	if (ep->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(ep->port);
		in6->sin6_scope_id = ep->scope;
		memcpy(&in6->sin6_addr, ep->addr, 16);
		return sizeof(*in6);
	}
	return 0;
}

bool endpoint_addr_from_text(const char *text, struct endpoint *out)
{
	struct endpoint ep = {0};
	char addr[INET6_ADDRSTRLEN];
	const char *scope = strchr(text, '%');
	size_t len = scope != NULL ? (size_t)(scope - text) : strlen(text);

	if (len == 0 || len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (scope == NULL && inet_pton(AF_INET, addr, ep.addr) == 1) {
		ep.family = AF_INET;
	} else if (inet_pton(AF_INET6, addr, ep.addr) == 1) {
		ep.family = AF_INET6;
		if (scope != NULL) {
			char *end;

			ep.scope = if_nametoindex(scope + 1);
			if (ep.scope == 0) {
				unsigned long n = strtoul(scope + 1, &end, 10);

				if (scope[1] < '0' || scope[1] > '9' || *end != '\0' || n > UINT32_MAX)
					return false;
				ep.scope = (uint32_t)n;
			}
		}
		unmap(&ep);
	} else {
		return false;
	}
	*out = ep;
	return true;
}

static bool port_from_text(const char *text, uint16_t *out)
{
	unsigned long n = 0;

	if (*text == '\0' || strlen(text) > 5)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned long)(*text - '0');
	}
	if (n > UINT16_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

bool endpoint_from_text(const char *text, uint16_t default_port, struct endpoint *out)
{
	char addr[ENDPOINT_TEXT];
	const char *first = strchr(text, ':'), *last = strrchr(text, ':'), *port = NULL;
	size_t len = strlen(text);

	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (close == NULL || (close[1] != ':' && close[1] != '\0'))
			return false;
		port = close[1] == ':' ? close + 2 : NULL;
		text++;
		len = (size_t)(close - text);
	} else if (first != NULL && first == last) {
		port = last + 1;
		len = (size_t)(last - text);
	} else if (first != NULL && default_port == 0) {
		return false; /* a bare V6 hides where the port begins */
	}
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';

	struct endpoint ep;
	uint16_t n = default_port;

	if (!endpoint_addr_from_text(addr, &ep))
		return false;
	if (port != NULL ? !port_from_text(port, &n) : default_port == 0)
		return false;
	ep.port = n;
	*out = ep;
	return true;
}

const char *endpoint_addr_to_text(const struct endpoint *ep, char out[ENDPOINT_TEXT])
{
	char addr[INET6_ADDRSTRLEN];

	if (ep->family == AF_UNSPEC || inet_ntop(ep->family, ep->addr, addr, sizeof(addr)) == NULL)
		snprintf(out, ENDPOINT_TEXT, "(none)");
	else if (ep->scope != 0)
		snprintf(out, ENDPOINT_TEXT, "%s%%%u", addr, ep->scope);
	else
		snprintf(out, ENDPOINT_TEXT, "%s", addr);
	return out;
}

const char *endpoint_to_text(const struct endpoint *ep, char out[ENDPOINT_TEXT])
{
	char addr[ENDPOINT_TEXT];

	endpoint_addr_to_text(ep, addr);
	if (ep->family == AF_UNSPEC)
		snprintf(out, ENDPOINT_TEXT, "%s", addr);
	else
		snprintf(out, ENDPOINT_TEXT, ep->family == AF_INET ? "%.64s:%u" : "[%.64s]:%u", addr, ep->port);
	return out;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	    memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

bool endpoint_addr_is_any(const struct endpoint *ep)
{
	static const uint8_t zero[16];

	return memcmp(ep->addr, zero, sizeof(zero)) == 0;
}

bool endpoint_is_reachable(const struct endpoint *ep)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	const uint8_t *a = ep->addr;

	if (ep->port == 0 || endpoint_addr_is_any(ep))
		return false;
	if (ep->family == AF_INET) /* 0/8 "this network", 127/8, 224/4 multicast, 240/4 reserved and broadcast */
		return a[0] != 0 && a[0] != 127 && a[0] < 224 && !(a[0] == 169 && a[1] == 254);
	if (ep->family == AF_INET6)
		return a[0] != 0xff && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80) && memcmp(a, loopback6, sizeof(loopback6)) != 0;
	return false;
}

bool endpoint_is_private(const struct endpoint *ep)
{
	const uint8_t *a = ep->addr;

	if (ep->family == AF_INET)
		return a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
		    (a[0] == 100 && (a[1] & 0xc0) == 64) || (a[0] == 169 && a[1] == 254);
	return ep->family == AF_INET6 && ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80));
}
