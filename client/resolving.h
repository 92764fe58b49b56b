/* Inside the resolver's process: a slot for each look-up that is in flight, which resolve.c fills and empties, and the lists
 * of lists.c, whose questions take slots, too.
 *
 *     free --slot_take()--> in flight --answer--> answered --the asker has room--> free
 *
 * A slot whose question is a list's has no result for the asker: lists_answered() gets it, and frees it.
 *
 * Beside them hear.c does what the asker tells, and hears NOTIFY.
 */
#ifndef WGMEET_RESOLVING_H
#define WGMEET_RESOLVING_H

#include "dns.h"
#include "resolve.h"

/* What a slot asks for: the SRV of a peer, a list's PTR, how the lists are split. */
enum slot_question { SLOT_SRV, SLOT_LIST, SLOT_SHARD };

/* Registries name a peer by its key with and without base32's padding; some only with. What was found to work is asked
 * first from then on. */
enum naming { NAMING_UNKNOWN, NAMING_BARE, NAMING_PADDED };

struct in_flight {
	struct in_flight *next; /* of the list that it is in, if any */
	struct resolving *r;
	enum slot_question question;
	struct lookup lookup;
	struct name name; /* that is asked for now */
	bool has_key;     /* lookup.key is the peer's */
	bool listed;      /* it is a peer of a list */
	bool tcp;         /* is asked over TCP only */
	struct reply reply;
	unsigned shard;     /* the answer of SLOT_SHARD */
	size_t server;      /* that is asked now */
	size_t failed;      /* servers that were asked before it */
	unsigned again;     /* times that it was asked anew */
	unsigned waits_for; /* questions behind the SRV without an answer yet */
	unsigned aliases;   /* that were followed by a question of their own */
	bool padded, both;  /* which naming is asked; both were */
	enum lookup_status status, address_status, txt_status;
	enum lookup_status failure; /* of the servers before this one */
};

/* A peer of a list that waits for a slot, or for the asker. */
struct listed {
	struct listed *next;
	bool whole, has_key;
	enum lookup_status status;
	uint32_t ttl_s, unroutable;
	struct endpoint endpoint;
	uint8_t key[KEY_LEN], name_len;
	uint8_t text[]; /* the name, then the allowed IPs with their NUL */
};

/* What is asked of the zone next. */
enum lists_step { LISTS_OFF, LISTS_SERVICE, LISTS_SHARD, LISTS_ALL, LISTS_SHARD_AGAIN, LISTS_END };

struct lists {
	enum lists_step step;
	bool blocked;    /* the asker has no room */
	bool full;       /* there were more peers than LOOKUP_PEERS_MAX */
	uint32_t number; /* the asker's */
	uint32_t server; /* as of struct lookup */
	struct name service;
	unsigned shard, rounds;
	uint32_t total, next;      /* lists of this round */
	uint32_t failed, in_a_row; /* lists of this round */
	unsigned asking, peers_asking; /* slots */
	size_t peers;
	enum lookup_status status;
	struct name example; /* the list whose status it is */
	struct listed *first, **last;
	size_t waiting;
};

struct slots {
	struct in_flight *first, *last;
};

/* What epoll tells of; from 2^32 on it is of dns.h. */
enum { TOKEN_CHANNEL, TOKEN_CONTROL, TOKEN_EAR };

struct resolving {
	int channel, socket_channel, control, epoll;
	int route[2]; /* sockets that are asked for routes, of IPv4 and IPv6; -1: not yet */
	int ears[RESOLVER_EARS]; /* sockets that NOTIFY comes to; -1: none */
	struct push_limit pushed;
	struct settings settings;
	struct dns *dns;
	size_t first; /* the server where the next look-up begins: one that answered */
	enum naming naming;
	struct in_flight slots[DNS_WINDOW_MOST];
	size_t used;                           /* the others never were */
	struct slots free, to_ask, answered; /* those that are answered only wait for the asker */
	size_t busy;                           /* that are not free */
	bool watched;
	uint32_t events; /* that are watched of the channel */
	struct lists lists;
	bool asker_gone;
};

/* There must be one, which resolving_has_room() says. */
struct in_flight *slot_take(struct resolving *r, const struct lookup *lookup);
void slot_ask(struct in_flight *f);
void slot_free(struct in_flight *f);

bool resolving_has_room(const struct resolving *r);

/* The first address that a peer can have and this host can reach. */
enum lookup_status resolving_choose(struct resolving *r, const struct reply *reply, struct endpoint *out,
    uint32_t *unroutable);

void lists_start(struct resolving *r, const struct lookup *lookup);
/* Gives and asks for what there is room for now. */
void lists_continue(struct resolving *r);
/* Nothing is in flight that would wake the process. */
bool lists_are_idle(const struct resolving *r);
/* An answer's message. Returns what the question came to. */
enum lookup_status lists_read(struct in_flight *f, const uint8_t *msg, size_t len);
void lists_answered(struct in_flight *f, enum lookup_status status);

/* Does what the asker tells on the control channel. */
void hear_control(struct resolving *r);
/* What has come to one of the ears. */
void hear_notify(struct resolving *r, size_t ear);

#endif
