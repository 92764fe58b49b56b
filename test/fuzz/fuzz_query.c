/* The answer path. Input: an octet that says which zones there are and over which transport, perhaps one that says who asks,
 * then a query.
 *
 *     bit 0 wg.test, 3 peers    1 a.wg.test, 40 peers    2 the longest zone's name    3 empty.test, no peer
 *     bit 4 gone.test, not ready    5 wide.test, one TXT of 16 KiB    6 the second octet is there    7 TCP
 *
 *     bit 0 with limits    1, 2 who: 192.0.2.1, 192.0.2.9, 10.0.0.1, 2001:db8::1    3 over the interface 7, a tunnel
 *     bit 4 rules.test, not for everyone    5 shard.test, split lists    6 named.test, special peers    7 so late that no cookie is good
 *
 * Behind "cookieme" in the query come 16 octets that make a good cookie of it, if they are there.
 */
#include "fuzz.h"

#include "answers.h"

#define L50 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"

#define ZONES 9

static struct made_zone zones[ZONES];
static const struct cookie_secrets secrets = {{"a secret of ours", "the one before i"}};

static void prepare(void)
{
	static struct endpoint self[2];

	endpoint_addr_from_text("203.0.113.1", &self[0]);
	endpoint_addr_from_text("2001:db8:5::1", &self[1]);
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
	zone_prepare(&zones[6], "rules.test", NULL);
	zone_add_peers(&zones[6], 5);
	zone_allow(&zones[6], "192.0.2.0/24,tunnel");
	zone_allow_browse(&zones[6], "192.0.2.1/32,tunnel");
	zones[6].world.ifindex = 7;
	zone_prepare(&zones[7], "shard.test", NULL);
	zones[7].conf.list_max = 3;
	zone_add_peers(&zones[7], 40);
	zone_prepare(&zones[8], "named.test", "ns.named.test");
	zone_add_peers(&zones[8], 5);
	zone_add_self(&zones[8], 99, self, 2);
	zone_say(&zones[8], 0, "alice");
	zone_say(&zones[8], 99, "hub");
	for (size_t i = 0; i < ZONES; i++)
		i == 4 ? zone_make_not_ready(&zones[i]) : zone_make(&zones[i]);
}

#define NOW_S 1000000

/* What the two octets say. Returns how many there were. */
static size_t read_world(const uint8_t *data, size_t len, struct answer_world *world, struct asker *asker)
{
	static const struct asker askers[] = {{.addr = {4, 192, 0, 2, 1}}, {.addr = {4, 192, 0, 2, 9}}, {.addr = {4, 10, 0, 0, 1}},
	    {.addr = {6, 0x20, 0x01, 0x0d, 0xb8, [16] = 1}}};
	uint8_t more = (data[0] & 0x40) != 0 && len > 1 ? data[1] : 0;

	*world = (struct answer_world){.secrets = secrets, .idle_100ms = 100, .limited = (more & 1) != 0,
	    .now_s = NOW_S + ((more & 0x80) != 0 ? 3601 : 0)};
	for (size_t i = 0; i < 6; i++)
		if ((data[0] >> i & 1) != 0)
			answer_add_zone(&world->zones, zones[i].snapshot);
	for (size_t i = 6; i < ZONES; i++)
		if ((more >> (i - 2) & 1) != 0)
			answer_add_zone(&world->zones, zones[i].snapshot);
	*asker = askers[more >> 1 & 3];
	asker->ifindex = (more & 8) != 0 ? 7 : 0;
	asker->is_stream = (data[0] & 0x80) != 0;
	return 1u + ((data[0] & 0x40) != 0 && len > 1);
}

/* Puts a good cookie where one is asked for. True: there is one. */
static bool put_cookie(uint8_t *query, size_t len, const struct asker *asker)
{
	uint8_t *at = memmem(query, len, "cookieme", COOKIE_CLIENT);

	if (at == NULL || (size_t)(query + len - at) < COOKIE_LEN)
		return false;
	cookie_make(&secrets, at, asker->addr, NOW_S);
	return true;
}

static size_t answer(const struct answer_world *world, const struct asker *asker, uint8_t *msg, const uint8_t *query, size_t len,
    uint8_t fill)
{
	memset(msg, fill, (asker->is_stream ? DNS_TCP_MAX : DNS_UDP_MAX) + ANSWER_SLACK);
	if (len > 0)
		memcpy(msg, query, len);
	return answer_query(world, asker, msg, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t one[MESSAGE_MAX], other[MESSAGE_MAX], query[DNS_UDP_MAX];
	struct answer_world world;
	struct asker asker;
	struct query q;
	size_t transport, n, skip;
	const char *what;
	uint8_t *copy;
	bool cookie;

	if (zones[0].snapshot == NULL)
		prepare();
	if (len == 0)
		return 0;
	skip = read_world(data, len, &world, &asker);
	transport = asker.is_stream ? DNS_TCP_MAX : DNS_UDP_MAX;
	len -= skip;
	if (len > DNS_UDP_MAX)
		len = DNS_UDP_MAX;
	if (len > 0)
		memcpy(query, data + skip, len);
	cookie = put_cookie(query, len, &asker);
	copy = exact_copy(query, len);
	query_parse(copy, len, &q);
	MUST(q.drop || (q.end >= DNS_HEADER && q.end <= (len > DNS_HEADER ? len : DNS_HEADER)));
	free(copy);
	n = answer(&world, &asker, one, query, len, 0);
	what = judge(query, len, one, n, transport);
	if (what != NULL)
		fprintf(stderr, "%s\n", what);
	MUST(what == NULL);
	/* To who may not be there goes no more than this. */
	if (world.limited && !asker.is_stream && asker.ifindex == 0 && !cookie)
		MUST(n <= ANSWER_AMPLIFICATION * len);
	/* What lies behind the query in the buffer is no part of it. */
	MUST(answer(&world, &asker, other, query, len, 0x20) == n && memcmp(one, other, n) == 0);
	return 0;
}
