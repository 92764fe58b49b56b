#include "model.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire.h"

/* Of the server: it looks at files and kernel devices every 250 ms, at userspace devices every 700 ms. */
struct model_zone model_zones[MODEL_ZONES] = {
    {.text = "alpha.test", .source = MODEL_FILE, .peers_len = 200, .padded = true, .poll_us = 250000, .more = "MaxAge = 3d\n"},
    {.text = "beta.test", .source = MODEL_UAPI, .peers_len = 160, .padded = true, .poll_us = 700000, .device = "wgbeta"},
    {.text = "gamma.test", .source = MODEL_NETLINK, .peers_len = 120, .poll_us = 250000, .device = "wggamma"},
    {.text = "sub.alpha.test", .source = MODEL_FILE, .peers_len = 12, .named = true, .poll_us = 250000},
    {.text = "extra.test", .source = MODEL_FILE, .peers_len = 8, .poll_us = 250000, .optional = true, .still = true},
};
int64_t model_bound_us = 2000000;

static uint64_t state;
static struct model_span shortages[MODEL_SPANS];
static size_t shortages_len;

int64_t model_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static uint64_t spread(uint64_t x) /* splitmix64 */
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t model_random(void)
{
	return spread(state++);
}

uint64_t model_between(uint64_t from, uint64_t to)
{
	return from + model_random() % (to - from + 1);
}

void model_init(uint64_t seed)
{
	state = spread(seed);
	for (size_t n = 0; n < MODEL_ZONES; n++) {
		struct model_zone *z = &model_zones[n];
		struct name udp;

		z->salt = spread(seed * 64 + n);
		if (!name_from_text(z->text, &z->apex) || !name_prepend("_udp", 4, &z->apex, &udp) ||
		    !name_prepend("_wireguard", 10, &udp, &z->service))
			errx(2, "%s: no name", z->text);
		z->versions = calloc(MODEL_VERSIONS + 1, sizeof(*z->versions));
		if (z->versions == NULL)
			err(2, "calloc");
		for (size_t i = 0; i < z->peers_len; i++) {
			for (size_t j = 0; j < KEY_LEN / 8; j++) {
				uint64_t v = spread(z->salt + i * 4 + j);

				memcpy(z->keys[i] + j * 8, &v, 8);
			}
			key_to_base32(z->keys[i], (uint8_t *)z->labels[i]);
			memcpy(z->labels[i] + KEY_BASE32, "====", 5);
		}
	}
}

/* ---- time ---- */

uint32_t model_begin(struct model_zone *z, bool wrong)
{
	if (z->version == MODEL_VERSIONS)
		errx(2, "%s: more versions than can be told apart", z->text);
	z->version++;
	z->versions[z->version] = (struct model_version){.from_us = model_now_us(), .to_us = MODEL_OPEN, .wrong = wrong};
	return z->version;
}

/* The version before is current until the new one is in place, for certain. */
void model_end(struct model_zone *z)
{
	if (z->versions[z->version - 1].to_us == MODEL_OPEN)
		z->versions[z->version - 1].to_us = model_now_us();
}

static void span(struct model_span *spans, size_t *len, bool on)
{
	bool open = *len > 0 && spans[*len - 1].to_us == MODEL_OPEN;

	if (on == open)
		return;
	if (on && *len == MODEL_SPANS)
		errx(2, "more faults than there is room for");
	if (on)
		spans[(*len)++] = (struct model_span){.from_us = model_now_us(), .to_us = MODEL_OPEN};
	else
		spans[*len - 1].to_us = model_now_us();
}

void model_shortage(bool on)
{
	span(shortages, &shortages_len, on);
}

void model_fault(struct model_zone *z, bool on)
{
	span(z->faults, &z->faults_len, on);
}

void model_absence(struct model_zone *z, bool on)
{
	span(z->absences, &z->absences_len, on);
}

bool model_is_absent(const struct model_zone *z)
{
	return z->absences_len > 0 && z->absences[z->absences_len - 1].to_us == MODEL_OPEN;
}

void model_refusal(struct model_zone *z, bool on)
{
	span(z->refusals, &z->refusals_len, on);
}

void model_removal(struct model_zone *z, bool on)
{
	span(z->removals, &z->removals_len, on);
}

/* The newest of the spans that meets this time; NULL: none does. */
static const struct model_span *meets(const struct model_span *spans, size_t len, int64_t from_us, int64_t to_us)
{
	while (len-- > 0) {
		if (spans[len].to_us < from_us)
			break;
		if (spans[len].from_us <= to_us)
			return &spans[len];
	}
	return NULL;
}

/* Back to the beginning of each fault: what was current then may not have been read any more. False if there is none that
 * reaches further. */
static bool reach_back(const struct model_span *faults, size_t len, int64_t late_us, struct model_window *w)
{
	bool further = false;

	for (; len > 0 && faults[len - 1].to_us >= w->from_us; len--) {
		int64_t from_us = faults[len - 1].from_us;

		if (from_us > w->to_us)
			continue;
		w->fault = true;
		if (from_us - late_us < w->from_us) {
			w->from_us = from_us - late_us;
			further = true;
		}
	}
	return further;
}

void model_window(const struct model_zone *z, int64_t sent_us, int64_t received_us, struct model_window *w)
{
	int64_t late_us = model_bound_us + z->poll_us;
	const struct model_span *removal;

	*w = (struct model_window){.from_us = sent_us - late_us, .to_us = received_us};
	while (reach_back(z->faults, z->faults_len, late_us, w) || reach_back(shortages, shortages_len, late_us, w))
		;
	w->absent = meets(z->absences, z->absences_len, w->from_us, w->to_us) != NULL;
	w->refused = meets(z->refusals, z->refusals_len, w->from_us, w->to_us) != NULL;
	removal = meets(z->removals, z->removals_len, w->from_us, w->to_us);
	w->last = z->version;
	while (w->last > 0 && z->versions[w->last].from_us > w->to_us)
		w->last--;
	if (removal != NULL && removal->from_us <= w->from_us && removal->to_us >= w->to_us) { /* all the time */
		w->first = w->last + 1;
		return;
	}
	for (w->first = w->last + 1; w->first > 1 && z->versions[w->first - 1].to_us >= w->from_us;)
		w->first--;
	if (w->last + 1 - w->first > MODEL_WINDOW)
		errx(2, "%s: versions %u to %u could be right: the faults are too long", z->text, w->first, w->last);
}

bool model_is_right(const struct model_zone *z, const struct model_window *w, uint32_t version)
{
	const struct model_version *v = &z->versions[version];

	if (version < w->first || version > w->last || v->wrong)
		return false;
	return z->source == MODEL_FILE || (v->given_us != 0 && v->given_us <= w->to_us);
}

/* ---- content ---- */

bool model_present(const struct model_zone *z, size_t peer, uint32_t version)
{
	return spread(z->salt ^ ((uint64_t)version << 16 | peer)) % 8 != 0;
}

/* IPv4: 001, the zone in 3 bits, the peer in 9, the version in 17. IPv6: 2001:db8:zone:peer:1:1:version, each group at
 * least 1, so that there is one way to write it. Nothing is ever sent to these. */
void model_endpoint(const struct model_zone *z, size_t peer, uint32_t version, struct endpoint *out)
{
	uint32_t zone = (uint32_t)(z - model_zones);
	uint8_t *p = out->addr;

	*out = (struct endpoint){.family = peer % 4 == 1 ? AF_INET6 : AF_INET,
	    .port = (uint16_t)(1024 + (version + peer * 101) % MODEL_VERSIONS)};
	if (out->family == AF_INET) {
		put32(p, UINT32_C(0x20000000) | zone << 26 | (uint32_t)peer << 17 | version);
		return;
	}
	p = put16(put32(p, UINT32_C(0x20010db8)), (uint16_t)(zone + 1));
	p = put32(put16(p, (uint16_t)(peer + 1)), UINT32_C(0x00010001));
	put16(put16(p, (uint16_t)((version >> 12) + 1)), (uint16_t)((version & 0xfff) + 1));
}

uint32_t model_version_of_address(const struct model_zone *z, size_t peer, const uint8_t *addr, size_t len)
{
	struct endpoint ep;
	uint32_t version = len == 4 ? get32(addr) & 0x1ffff : (get16(addr + 12) - 1u) << 12 | ((get16(addr + 14) - 1u) & 0xfff);

	if (version == 0 || version > MODEL_VERSIONS)
		return 0;
	model_endpoint(z, peer, version, &ep);
	return (ep.family == AF_INET) == (len == 4) && memcmp(ep.addr, addr, len) == 0 ? version : 0;
}

uint32_t model_version_of_port(size_t peer, uint16_t port)
{
	uint32_t shift = (uint32_t)(peer * 101 % MODEL_VERSIONS), at = (uint32_t)port - 1024;

	if (port < 1024 || at >= MODEL_VERSIONS)
		return 0;
	at = (at + MODEL_VERSIONS - shift) % MODEL_VERSIONS;
	return at == 0 ? MODEL_VERSIONS : at;
}

size_t model_cidrs_len(size_t peer)
{
	return peer % 16 == 3 ? MODEL_CIDRS : 1 + peer % 2; /* more than 255 octets, one, two */
}

void model_cidr(const struct model_zone *z, size_t peer, uint32_t version, size_t n, char out[MODEL_CIDR])
{
	if (n == 0)
		snprintf(out, MODEL_CIDR, "10.%u.%u.%u/32", version >> 16, version >> 8 & 255, version & 255);
	else
		snprintf(out, MODEL_CIDR, "fd00:%x:%x:1:1:%x:%x:%x/128", (unsigned)(z - model_zones + 1), (unsigned)(peer + 1),
		    (version >> 12) + 1, (version & 0xfff) + 1, (unsigned)(n + 1));
}

/* ---- names ---- */

const char *model_listed_label(const struct model_zone *z, size_t peer, char out[64])
{
	if (z->named && peer < MODEL_NAMED)
		snprintf(out, 64, "name-%zu", peer);
	else
		snprintf(out, 64, "%.*s", KEY_BASE32, z->labels[peer]);
	return out;
}

int model_peer_of_label(const struct model_zone *z, const uint8_t *label, size_t len)
{
	if (z->named && len == 6 && memcmp(label, "name-", 5) == 0 && label[5] < '0' + MODEL_NAMED)
		return label[5] - '0';
	if (len != KEY_BASE32 && !(z->padded && len == KEY_BASE32_PAD))
		return -1;
	for (size_t i = 0; i < z->peers_len; i++)
		if (memcmp(z->labels[i], label, len) == 0)
			return (int)i;
	return -1;
}
