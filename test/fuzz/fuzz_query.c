/* The answer path. Input: an octet that says which zones there are and over which transport, then a query.
 *
 *     bit 0 wg.test, 3 peers    1 a.wg.test, 40 peers    2 the longest zone's name    3 empty.test, no peer
 *     bit 4 gone.test, not ready    5 wide.test, one TXT of 16 KiB    7 TCP
 */
#include "fuzz.h"

#include "answers.h"

#define L50 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"

static struct made_zone zones[6];

static void prepare(void)
{
	/* 182 octets: with a peer's padded name in front it comes to 255. */
	zone_prepare(&zones[0], "wg.test", "ns1.wg.test");
	zone_prepare(&zones[1], "a.wg.test", "ns.far.below.a.wg.test");
	zone_prepare(&zones[2], L50 "." L50 "." L50 ".opqrstuvwxyz0123456789.test", NULL);
	zone_prepare(&zones[3], "empty.test", NULL);
	zone_prepare(&zones[4], "gone.test", NULL);
	zone_prepare(&zones[5], "wide.test", NULL);
	zones[3].conf.padded_names = false;
	zone_add_peers(&zones[0], 3);
	zone_add_peers(&zones[1], 40);
	zone_add_peers(&zones[2], 5);
	zone_add_peers(&zones[5], 1);
	zone_add_allowed(&zones[5], 4000);
	for (size_t i = 0; i < 6; i++)
		i == 4 ? zone_make_not_ready(&zones[i]) : zone_make(&zones[i]);
}

static size_t answer(const struct answer_zones *at, uint8_t *msg, const uint8_t *query, size_t len, size_t transport,
    uint8_t fill)
{
	memset(msg, fill, transport + ANSWER_SLACK);
	if (len > 0)
		memcpy(msg, query, len);
	return answer_query(at, msg, len, transport);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t one[MESSAGE_MAX], other[MESSAGE_MAX];
	struct answer_zones at = {0};
	struct query q;
	size_t transport, n;
	const char *what;
	uint8_t *copy;

	if (zones[0].snapshot == NULL)
		prepare();
	if (len == 0)
		return 0;
	for (size_t i = 0; i < 6; i++)
		if ((data[0] >> i & 1) != 0)
			at.at[at.len++] = zones[i].snapshot;
	transport = (data[0] & 0x80) != 0 ? DNS_TCP_MAX : DNS_UDP_MAX;
	data++;
	len--;
	if (len > DNS_UDP_MAX)
		len = DNS_UDP_MAX;
	copy = exact_copy(data, len);
	query_parse(copy, len, &q);
	MUST(q.drop || (q.end >= DNS_HEADER && q.end <= len));
	free(copy);
	n = answer(&at, one, data, len, transport, 0);
	what = judge(data, len, one, n, transport);
	if (what != NULL)
		fprintf(stderr, "%s\n", what);
	MUST(what == NULL);
	/* What lies behind the query in the buffer is no part of it. */
	MUST(answer(&at, other, data, len, transport, 0x20) == n && memcmp(one, other, n) == 0);
	return 0;
}
