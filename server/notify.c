#include "notify.h"

#include <sodium/crypto_shorthash.h>

#include "wire.h"

#define FLAGS_NOTIFY 0x24 /* the header's third octet: opcode 4, AA */
#define FLAGS_ANSWER 0xa0 /* QR, opcode 4 */
#define FLAGS_MASK   0xf8 /* of these two */

#define FIRST_WAIT_MS 500 /* and twice as long each time */
#define REST_MS (1000 / NOTIFY_EACH_S)
#define STEP_MS (1000 / NOTIFY_ALL_S)
#define COMPARE 64 /* interests a step */

/* What a name may be beside a hash of its port and addresses. */
#define UNKNOWN 0 /* whatever it is, it is to be told */
#define ABSENT  1

static struct {
	const struct snapshot *const *zones;
	/* Of the zone that has the number now: a zone that took another one's place is not it. */
	uint32_t ids[ANSWER_ZONES];
	uint32_t changed, comparing; /* zones, a bit each: to be compared when this is done; being compared */
	uint32_t at;                 /* the interest to be compared next */
	uint16_t port;
	uint8_t key[NOTIFY_KEY];
	uint32_t worker;
	uint64_t ids_made;
	uint64_t spent_ms; /* when all that was sent would be made up for, at NOTIFY_ALL_S */
} n;

void notify_init(const struct snapshot *const zones[ANSWER_ZONES], uint32_t worker)
{
	memset(&n, 0, sizeof(n));
	n.zones = zones;
	n.worker = worker;
	for (uint32_t i = 0; i < ANSWER_ZONES; i++)
		n.ids[i] = i;
	interest_init();
}

void notify_set(uint16_t port, const uint64_t seed[2], const uint8_t key[NOTIFY_KEY])
{
	n.port = port;
	memcpy(n.key, key, sizeof(n.key));
	interest_seed(seed);
}

bool notify_is_on(void)
{
	return n.port != 0;
}

/* NULL: it is gone. */
static const struct snapshot *zone_of(const struct interest *e)
{
	uint32_t number = e->zone % ANSWER_ZONES;

	return n.ids[number] == e->zone ? n.zones[number] : NULL;
}

/* ---- what a zone says of a name ---- */

static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	uint8_t in[sizeof(h) + 16], out[crypto_shorthash_BYTES];

	_Static_assert(NOTIFY_KEY == crypto_shorthash_KEYBYTES, "SipHash's key");
	memcpy(in, &h, sizeof(h));
	memcpy(in + sizeof(h), bytes, len);
	crypto_shorthash(out, in, sizeof(h) + len, n.key);
	memcpy(&h, out, sizeof(h));
	return h;
}

static const struct snapshot_peer *find_peer(const struct snapshot *s, const uint8_t label[KEY_BASE32])
{
	const struct snapshot_slot *slots = snapshot_index(s);
	uint64_t h = snapshot_hash(s->seed, label);

	for (uint32_t at = (uint32_t)h & s->index_mask; slots[at].ref != 0; at = (at + 1) & s->index_mask) {
		const struct snapshot_peer *p = slots[at].tag == snapshot_tag(h) ? snapshot_peer_at(s, slots[at].ref) : NULL;

		if (p != NULL && snapshot_is_label(p, label))
			return snapshot_peer_fits(s, p) ? p : NULL;
	}
	return NULL;
}

/* Returns the octet behind it. */
static uint8_t *put_name(uint8_t *p, const struct snapshot *s, const uint8_t label[KEY_BASE32], bool padded)
{
	*p++ = padded ? KEY_BASE32_PAD : KEY_BASE32;
	p = put_bytes(p, label, KEY_BASE32);
	if (padded)
		p = put_bytes(p, "====", KEY_BASE32_PAD - KEY_BASE32);
	return put_bytes(p, s->service, s->service_len);
}

/* An SRV's port, or the addresses of a set. */
static uint64_t hash_set(uint64_t h, const struct snapshot *s, const struct snapshot_rrset *set)
{
	const uint8_t *p = (const uint8_t *)s + set->wire_off, *end = p + set->wire_len;

	for (size_t i = 0; i < set->count && end - p >= DNS_RR_FIXED; i++) {
		size_t len = get16(p + DNS_RR_FIXED - 2);

		p += DNS_RR_FIXED;
		if (len > (size_t)(end - p))
			break;
		if (set->type == DNS_SRV && len >= 6)
			h = hash(h, p + 4, 2);
		else if ((set->type == DNS_A && len == 4) || (set->type == DNS_AAAA && len == 16))
			h = hash(h, p, len);
		p += len;
	}
	return h;
}

/* Of a peer with a name for people, or with several addresses. With one address it is the same hash as without a name. */
static uint64_t hash_stored(const struct snapshot *s, const uint8_t label[KEY_BASE32], bool padded)
{
	static const uint16_t types[] = {DNS_SRV, DNS_A, DNS_AAAA};
	uint8_t name[NAME_MAX_LEN];
	size_t len = (size_t)(put_name(name, s, label, padded) - name);
	const struct snapshot_name *stored = snapshot_has_length(s, len) ? snapshot_find_name(s, name, len) : NULL;
	uint64_t h = ABSENT;

	for (size_t type = 0; stored != NULL && type < sizeof(types) / sizeof(*types); type++)
		for (size_t i = 0; i < stored->rrsets_len; i++)
			if (snapshot_rrsets(s, stored)[i].type == types[type])
				h = hash_set(h, s, &snapshot_rrsets(s, stored)[i]);
	return h;
}

static uint64_t state_of(const struct snapshot *s, const uint8_t label[KEY_BASE32], bool padded)
{
	const struct snapshot_peer *peer;
	uint64_t h;

	if (padded && !s->padded_names)
		return ABSENT;
	peer = find_peer(s, label);
	h = peer != NULL ? hash(hash(ABSENT, &peer->port, sizeof(peer->port)), peer->tail, peer->addr_len) :
	                   hash_stored(s, label, padded);
	return h != UNKNOWN ? h : ABSENT + 1;
}

/* ---- what is asked ---- */

void notify_asked(const struct query *q, const uint8_t *msg, const struct asker *asker, const struct listener *listener,
    const uint8_t local[16], uint64_t now_ms)
{
	bool padded = msg[DNS_HEADER] == KEY_BASE32_PAD;
	uint8_t label[KEY_BASE32], key[KEY_LEN];
	struct interest *e;
	size_t number = 0;

	/* What is no key never comes into being. */
	if (n.port == 0 || q->type != DNS_SRV || !q->is_instance || !answer_may_be_told(q->zone, asker) ||
	    !key_from_base32(msg + DNS_HEADER + 1, key))
		return;
	while (number < ANSWER_ZONES && n.zones[number] != q->zone)
		number++;
	if (number == ANSWER_ZONES)
		return;
	for (size_t i = 0; i < KEY_BASE32; i++)
		label[i] = name_lower(msg[DNS_HEADER + 1 + i]);
	e = interest_remember(asker->addr, n.ids[number], label, padded, now_ms);
	interest_move(e, INTEREST_IDLE); /* now it knows */
	e->told = state_of(q->zone, label, padded);
	e->listener = listener;
	memcpy(e->local, local, sizeof(e->local));
}

/* ---- what has changed ---- */

void notify_changed(size_t number)
{
	const struct snapshot *s = n.zones[number];

	if (s == NULL)
		n.ids[number] += ANSWER_ZONES;
	if (s == NULL || s->state == SNAPSHOT_READY)
		n.changed |= UINT32_C(1) << number;
}

bool notify_has_steps(void)
{
	return (n.changed | n.comparing) != 0;
}

/* Who is to be told something joins those who wait for their turn; in front of those who rest. */
static void make_ready(struct interest *e, uint64_t now_ms)
{
	struct subscriber *s = interest_subscriber(e), *first = interest_turn();

	interest_move(e, INTEREST_READY);
	if (s->has_turn)
		return;
	if (first != NULL && first->rest_ms > now_ms && s->rest_ms <= now_ms)
		interest_turn_first(s);
	else
		interest_turn_last(s);
}

static void compare(struct interest *e, uint64_t now_ms)
{
	const struct snapshot *s = zone_of(e);
	uint64_t state;

	if (s == NULL || interest_is_old(e, now_ms)) {
		interest_forget(e);
		return;
	}
	if (s->state != SNAPSHOT_READY || s->ifindex == 0)
		return;
	state = state_of(s, e->label, e->padded);
	if (state == e->told)
		return;
	e->told = state;
	if (e->where == INTEREST_IDLE || e->where > INTEREST_WAITS) /* else it is told with what waits */
		make_ready(e, now_ms);
	e->tries = 0;
}

void notify_step(uint64_t now_ms)
{
	if (n.comparing == 0) {
		n.comparing = n.changed;
		n.changed = n.at = 0;
	}
	for (size_t i = 0; i < COMPARE && n.at < interest_end(); i++, n.at++) {
		struct interest *e = interest_at(n.at);

		if (e != NULL && (n.comparing >> e->zone % ANSWER_ZONES & 1) != 0)
			compare(e, now_ms);
	}
	if (n.at >= interest_end())
		n.comparing = 0;
}

/* ---- what is sent ---- */

static uint16_t new_id(void)
{
	uint8_t id[2];
	uint64_t h = hash(n.worker, &n.ids_made, sizeof(n.ids_made));

	n.ids_made++;
	memcpy(id, &h, sizeof(id));
	return get16(id);
}

static void make_message(const struct interest *e, const struct snapshot *s, struct notify_message *out)
{
	uint8_t *p = put16(out->buf, e->id);

	*p++ = FLAGS_NOTIFY;
	*p++ = 0;
	p = put32(put32(p, UINT32_C(1) << 16), 0);
	p = put_name(p, s, e->label, e->padded);
	p = put16(put16(p, DNS_SRV), DNS_CLASS_IN);
	out->len = (size_t)(p - out->buf);
	out->listener = e->listener;
	out->port = n.port;
	out->ifindex = s->ifindex;
	memcpy(out->local, e->local, sizeof(out->local));
	memcpy(out->to, interest_subscriber(e)->addr, sizeof(out->to));
}

/* The zone of what is about to be sent. NULL: nothing is sent. */
static const struct snapshot *still_wanted(struct interest *e, uint64_t now_ms)
{
	const struct snapshot *s = zone_of(e);
	struct asker asker = {0};

	if (s == NULL || interest_is_old(e, now_ms)) {
		interest_forget(e);
		return NULL;
	}
	if (s->state != SNAPSHOT_READY || s->ifindex == 0) { /* when it is there again, it is compared with what was */
		interest_move(e, INTEREST_IDLE);
		e->told = UNKNOWN;
		return NULL;
	}
	memcpy(asker.addr, interest_subscriber(e)->addr, sizeof(asker.addr));
	asker.ifindex = s->ifindex;
	if (answer_may_be_told(s, &asker))
		return s;
	interest_forget(e);
	return NULL;
}

static void count_sent(struct interest *e, uint64_t now_ms)
{
	struct subscriber *s = interest_subscriber(e);

	if (e->tries == INTEREST_QUEUES) {
		interest_move(e, INTEREST_IDLE);
	} else {
		e->due_ms = now_ms + ((uint64_t)FIRST_WAIT_MS << e->tries);
		interest_move(e, (uint8_t)(INTEREST_WAITS + e->tries));
		e->tries++;
	}
	s->rest_ms = now_ms + REST_MS;
	if (interest_first_ready(s) != NULL)
		interest_turn_last(s);
	else
		interest_turn_none(s);
	n.spent_ms = (n.spent_ms > now_ms ? n.spent_ms : now_ms) + STEP_MS;
}

bool notify_next(uint64_t now_ms, struct notify_message *out)
{
	struct subscriber *s;
	struct interest *e;

	for (uint8_t queue = INTEREST_WAITS; queue < INTEREST_WAITS + INTEREST_QUEUES; queue++)
		while ((e = interest_first(queue)) != NULL && e->due_ms <= now_ms)
			make_ready(e, now_ms);
	if (n.port == 0 || n.spent_ms >= now_ms + NOTIFY_BURST * STEP_MS)
		return false;
	while ((s = interest_turn()) != NULL && s->rest_ms <= now_ms) {
		const struct snapshot *zone;

		e = interest_first_ready(s);
		if (e == NULL) {
			interest_turn_none(s);
			continue;
		}
		zone = still_wanted(e, now_ms);
		if (zone == NULL)
			continue;
		if (e->tries == 0)
			e->id = new_id();
		make_message(e, zone, out);
		count_sent(e, now_ms);
		return true;
	}
	return false;
}

bool notify_is_waiting(void)
{
	bool waits = interest_turn() != NULL;

	for (uint8_t queue = INTEREST_WAITS; queue < INTEREST_WAITS + INTEREST_QUEUES; queue++)
		waits |= interest_first(queue) != NULL;
	return waits && n.port != 0;
}

int notify_wait_ms(uint64_t now_ms)
{
	const struct subscriber *s = interest_turn();
	uint64_t next_ms = UINT64_MAX;

	if (n.port == 0)
		return -1;
	if (s != NULL) {
		next_ms = s->rest_ms;
		if (n.spent_ms >= next_ms + NOTIFY_BURST * STEP_MS)
			next_ms = n.spent_ms - NOTIFY_BURST * STEP_MS + STEP_MS;
	}
	for (uint8_t queue = INTEREST_WAITS; queue < INTEREST_WAITS + INTEREST_QUEUES; queue++) {
		const struct interest *e = interest_first(queue);

		if (e != NULL && e->due_ms < next_ms)
			next_ms = e->due_ms;
	}
	return next_ms == UINT64_MAX ? -1 : next_ms <= now_ms ? 0 : (int)(next_ms - now_ms);
}

/* ---- what is answered ---- */

static struct interest *find_question(size_t number, const struct asker *asker, const uint8_t *msg, size_t len)
{
	const struct snapshot *s = n.zones[number];
	size_t label_len = msg[DNS_HEADER], service = DNS_HEADER + 1 + label_len;
	uint8_t label[KEY_BASE32];
	bool padded = label_len == KEY_BASE32_PAD;

	if (s == NULL || s->ifindex == 0 || s->ifindex != asker->ifindex || (label_len != KEY_BASE32 && !padded) ||
	    len < service + s->service_len + 4 || !snapshot_is_service(s, msg + service) ||
	    (padded && memcmp(msg + DNS_HEADER + 1 + KEY_BASE32, "====", 4) != 0) ||
	    get16(msg + service + s->service_len) != DNS_SRV || get16(msg + service + s->service_len + 2) != DNS_CLASS_IN)
		return NULL;
	for (size_t i = 0; i < KEY_BASE32; i++)
		label[i] = name_lower(msg[DNS_HEADER + 1 + i]);
	return interest_find(asker->addr, n.ids[number], label, padded);
}

bool notify_answered(const struct asker *asker, uint16_t port, const uint8_t *msg, size_t len)
{
	if (n.port == 0 || port != n.port || len <= DNS_HEADER || (msg[2] & FLAGS_MASK) != FLAGS_ANSWER || get16(msg + 4) != 1)
		return false;
	for (size_t i = 0; i < ANSWER_ZONES; i++) {
		struct interest *e = find_question(i, asker, msg, len);

		if (e == NULL)
			continue;
		/* Whatever it says: it has heard. What has changed since then is yet to be told. */
		if (e->where == INTEREST_IDLE || e->tries == 0 || e->id != get16(msg))
			return false;
		interest_move(e, INTEREST_IDLE);
		return true;
	}
	return false;
}
