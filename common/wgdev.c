#include "wgdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wgdev_reset(struct wg_device *dev)
{
	struct wg_device kept = {
	    .peers = dev->peers,
	    .peers_cap = dev->peers_cap,
	    .allowed = dev->allowed,
	    .allowed_cap = dev->allowed_cap,
	};

	*dev = kept;
}

void wgdev_free(struct wg_device *dev)
{
	free(dev->peers);
	free(dev->allowed);
	memset(dev, 0, sizeof(*dev));
}

void wgdev_swap(struct wg_device *a, struct wg_device *b)
{
	struct wg_device t = *a;

	*a = *b;
	*b = t;
}

/* Room for one more element; the array at least doubles. */
static int grow(void **array, size_t *cap, size_t len, size_t size)
{
	size_t want;
	void *p;

	if (len < *cap)
		return 0;
	want = *cap == 0 ? 16 : *cap * 2;
	p = reallocarray(*array, want, size);
	if (p == NULL)
		return -ENOMEM;
	*array = p;
	*cap = want;
	return 0;
}

struct wg_peer *wgdev_add_peer(struct wg_device *dev, const uint8_t public_key[KEY_LEN])
{
	struct wg_peer *peer;

	if (grow((void **)&dev->peers, &dev->peers_cap, dev->peers_len, sizeof(*dev->peers)) < 0)
		return NULL;
	peer = &dev->peers[dev->peers_len++];
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->public_key, public_key, KEY_LEN);
	peer->allowed_off = (uint32_t)dev->allowed_len;
	return peer;
}

int wgdev_add_allowedip(struct wg_device *dev, const struct wg_allowedip *ip)
{
	if (dev->allowed_len >= UINT32_MAX ||
	    grow((void **)&dev->allowed, &dev->allowed_cap, dev->allowed_len, sizeof(*dev->allowed)) < 0)
		return -ENOMEM;
	dev->allowed[dev->allowed_len++] = *ip;
	dev->peers[dev->peers_len - 1].allowed_len++;
	return 0;
}

const struct wg_peer *wgdev_find_peer(const struct wg_device *dev, const uint8_t public_key[KEY_LEN])
{
	for (size_t i = 0; i < dev->peers_len; i++)
		if (memcmp(dev->peers[i].public_key, public_key, KEY_LEN) == 0)
			return &dev->peers[i];
	return NULL;
}

bool wgdev_same_public(const struct wg_device *a, const struct wg_device *b)
{
	if (a->ifindex != b->ifindex || a->peers_len != b->peers_len || a->allowed_len != b->allowed_len ||
	    a->has_public_key != b->has_public_key || memcmp(a->public_key, b->public_key, KEY_LEN) != 0)
		return false;
	for (size_t i = 0; i < a->peers_len; i++) {
		const struct wg_peer *p = &a->peers[i], *q = &b->peers[i];

		if (memcmp(p->public_key, q->public_key, KEY_LEN) != 0 || p->allowed_off != q->allowed_off ||
		    p->allowed_len != q->allowed_len || !endpoint_equal(&p->endpoint, &q->endpoint))
			return false;
	}
	/* Every byte of a wg_allowedip is a field's. */
	return a->allowed_len == 0 || memcmp(a->allowed, b->allowed, a->allowed_len * sizeof(*a->allowed)) == 0;
}

bool allowedip_from_text(const char *text, struct wg_allowedip *out)
{
	struct wg_allowedip ip = {0};
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned bits;

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, ip.addr) == 1)
		ip.family = AF_INET;
	else if (inet_pton(AF_INET6, addr, ip.addr) == 1)
		ip.family = AF_INET6;
	else
		return false;
	bits = ip.family == AF_INET ? 32 : 128;
	ip.cidr = (uint8_t)bits;
	if (slash != NULL) {
		char *end;
		unsigned long n = strtoul(slash + 1, &end, 10);

		if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || n > bits)
			return false;
		ip.cidr = (uint8_t)n;
	}
	for (unsigned i = ip.cidr; i < bits; i++)
		ip.addr[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
	*out = ip;
	return true;
}

bool allowedip_is_within(const struct wg_allowedip *ip, const struct wg_allowedip *net)
{
	if (ip->family != net->family || ip->cidr < net->cidr)
		return false;
	for (unsigned i = 0; i < net->cidr; i++)
		if (((ip->addr[i / 8] ^ net->addr[i / 8]) & 0x80 >> i % 8) != 0)
			return false;
	return true;
}

const char *allowedip_to_text(const struct wg_allowedip *ip, char out[ALLOWEDIP_TEXT])
{
	char addr[INET6_ADDRSTRLEN] = "?";

	inet_ntop(ip->family, ip->addr, addr, sizeof(addr));
	snprintf(out, ALLOWEDIP_TEXT, "%s/%u", addr, ip->cidr);
	return out;
}

const struct wg_peer *wgdev_peer_of(const struct wg_device *dev, const struct endpoint *address)
{
	struct wg_allowedip host = {.family = address->family, .cidr = address->family == AF_INET ? 32 : 128};
	const struct wg_peer *found = NULL;
	int longest = -1;

	memcpy(host.addr, address->addr, sizeof(host.addr));
	for (size_t i = 0; i < dev->peers_len; i++) {
		const struct wg_peer *p = &dev->peers[i];

		for (uint32_t k = 0; k < p->allowed_len; k++) {
			const struct wg_allowedip *net = &dev->allowed[p->allowed_off + k];

			if (net->cidr > longest && allowedip_is_within(&host, net)) {
				longest = net->cidr;
				found = p;
			}
		}
	}
	return found;
}
