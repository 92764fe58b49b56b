/* A device from the text of `wg show DEV dump`, and the zone that is made of it. */
#include "fuzz.h"

#include "answers.h"
#include "wgdev_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct wg_device dev;
	static struct made_zone z;
	char *text = exact_copy(data, len);
	const char *what;
	size_t line, allowed = 0;
	int r = wgdev_dump_parse(text, len, &dev, &line, &what);

	MUST((r == 0) == (what == NULL));
	for (size_t i = 0; i < len; i++)
		MUST(text[i] == 0);
	free(text);
	if (r < 0)
		return 0;
	for (size_t i = 0; i < dev.peers_len; i++) {
		const struct wg_peer *p = &dev.peers[i];

		MUST(p->allowed_off == allowed);
		allowed += p->allowed_len;
		MUST(p->endpoint.family == 0 || p->endpoint.family == AF_INET || p->endpoint.family == AF_INET6);
	}
	MUST(allowed == dev.allowed_len);
	if (z.conf.name.len == 0)
		zone_prepare(&z, "wg.test", NULL);
	MUST(zone_build(&z.zone, &z.conf, &dev, &(struct zone_world){0}) == 0);
	MUST(z.zone.peers_len <= dev.peers_len);
	for (size_t i = 0; i < z.zone.peers_len; i++) {
		const struct zone_peer *p = &z.zone.peers[i];
		size_t at = p->txt_off, end = at + p->txt_len;

		MUST(i == 0 || memcmp(p[-1].key, p->key, KEY_LEN) < 0);
		MUST(end <= z.zone.txt_len && RECORDS_TXT_HEAD + p->txt_len <= RECORDS_TXT_MAX);
		while (at < end)
			at += z.zone.txt[at] + 1u;
		MUST(at == end);
	}
	return 0;
}
