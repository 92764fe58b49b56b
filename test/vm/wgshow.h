/* For kernel_test: is a struct wg_device what `wg show DEV dump` printed? Shares no code with what it judges. */
#ifndef WGMEET_TEST_VM_WGSHOW_H
#define WGMEET_TEST_VM_WGSHOW_H

#include <arpa/inet.h>
#include <net/if.h>

#include "programs.h"
#include "wgdev.h"

static uint64_t number(const char *field)
{
	return strcmp(field, "off") == 0 ? 0 : strtoull(field, NULL, 0);
}

static bool shows_key(const uint8_t key[KEY_LEN], const char *field)
{
	uint8_t shown[KEY_LEN];

	return unb64(field, shown) && memcmp(shown, key, KEY_LEN) == 0;
}

static bool shows_endpoint(const struct endpoint *ep, char *field)
{
	static char scope_name[IFNAMSIZ];
	static unsigned scope_index;
	struct endpoint shown = {0};
	char *port = strrchr(field, ':'), *scope = strchr(field, '%');

	if (port == NULL)
		return strcmp(field, "(none)") == 0 && ep->family == AF_UNSPEC;
	*port++ = '\0';
	shown.port = (uint16_t)atoi(port);
	shown.family = *field == '[' ? AF_INET6 : AF_INET;
	field[strcspn(field, "]")] = '\0';
	if (scope != NULL) {
		*scope++ = '\0';
		if (strcmp(scope, scope_name) != 0) {
			scope_index = if_nametoindex(scope);
			snprintf(scope_name, sizeof(scope_name), "%s", scope);
		}
		shown.scope = scope_index;
	}
	return inet_pton(shown.family, field + (*field == '['), shown.addr) == 1 && ep->family == shown.family &&
	    ep->port == shown.port && ep->scope == shown.scope && memcmp(ep->addr, shown.addr, 16) == 0;
}

static bool shows_allowed(const struct wg_allowedip *ips, size_t len, char *field)
{
	char *ip, *cidr;
	size_t n = 0;

	if (strcmp(field, "(none)") == 0)
		return len == 0;
	for (; (ip = strsep(&field, ",")) != NULL; n++) {
		uint8_t addr[16] = {0}, family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;

		cidr = strchr(ip, '/');
		*cidr++ = '\0';
		if (n == len || inet_pton(family, ip, addr) != 1 || ips[n].family != family ||
		    ips[n].cidr != atoi(cidr) || memcmp(ips[n].addr, addr, sizeof(addr)) != 0)
			return false;
	}
	return n == len;
}

/* key, preshared key, endpoint, allowed IPs, handshake, received, sent, keepalive */
static const char *peer_differs(const struct wg_device *d, size_t i, char *line)
{
	const struct wg_peer *p = &d->peers[i];
	char *field[8];

	for (size_t n = 0; n < 8; n++)
		if ((field[n] = strsep(&line, "\t")) == NULL)
			return "too few fields";
	if (!shows_key(p->public_key, field[0]))
		return "key";
	if (!shows_endpoint(&p->endpoint, field[2]))
		return "endpoint";
	if (!shows_allowed(d->allowed + p->allowed_off, p->allowed_len, field[3]))
		return "allowed IPs";
	if (p->last_handshake_s != number(field[4]))
		return "handshake";
	if (p->rx_bytes != number(field[5]) || p->tx_bytes != number(field[6]))
		return "bytes";
	return p->keepalive_s != number(field[7]) ? "keepalive" : NULL;
}

/* Is it, to the last field, what `wg show DEV dump` printed? */
static void assert_shown(const struct wg_device *d, char *dump)
{
	char *field[4], *line = strsep(&dump, "\n");
	size_t peers = 0;

	for (size_t n = 0; n < 4; n++)
		field[n] = strsep(&line, "\t"); /* private key, public key, port, fwmark */
	ck_assert_msg(d->has_public_key ? shows_key(d->public_key, field[1]) : strcmp(field[1], "(none)") == 0,
	    "%s: public key", d->name);
	ck_assert_uint_eq(d->listen_port, number(field[2]));
	for (; (line = strsep(&dump, "\n")) != NULL && *line != '\0'; peers++) {
		size_t used = arena_used;
		const char *shown = text("%.200s", line);
		const char *what = peers < d->peers_len ? peer_differs(d, peers, line) : "one too many";

		if (what != NULL)
			ck_abort_msg("%s: peer %zu: %s: %s", d->name, peers, what, shown);
		arena_used = used;
	}
	ck_assert_uint_eq(d->peers_len, peers);
}

#endif
