/* A question to the server, and the verdict on its answer. */
#ifndef WGMEET_FAULTS_QUESTION_H
#define WGMEET_FAULTS_QUESTION_H

#include "model.h"

#define QUESTION_MAX 320
#define ANSWER_MAX   65535

enum question_kind {
	ASK_SRV, ASK_PADDED, ASK_A, ASK_AAAA, ASK_TXT, ASK_OTHER, ASK_ANY, ASK_NAMED, ASK_ALIAS, /* of a peer */
	ASK_UNKNOWN, /* a key that nobody has */
	ASK_LIST,
	ASK_SOA, ASK_NS, ASK_SERVER, ASK_SERVICE, ASK_ENUMERATION, ASK_EMPTY, /* what stays the same, but for the serial */
	ASK_OUTSIDE,
	ASK_KINDS,
};
extern const char *const question_kinds[ASK_KINDS];

struct question {
	uint8_t kind, zone;
	bool edns;
	uint16_t peer, type;
	uint16_t len, name_len;
	uint8_t msg[QUESTION_MAX];
	int64_t sent_us;
};

/* Over UDP an answer may end at four times the question's length. */
extern bool question_small_udp;

/* One at random; its number is the caller's. */
void question_make(struct question *q, uint16_t id);

/* What a client has seen of a zone, from one and the same worker. */
struct question_seen {
	uint32_t version, serial;
	bool has_serial;
};

struct verdict {
	const char *wrong; /* NULL: it is right */
	bool truncated;    /* and nothing else: to be asked over TCP */
	bool no_help;      /* SERVFAIL that is right, but only because the server has just been started */
	uint8_t rcode;
	uint32_t version;  /* 0: any of several */
	struct model_window window;
};

/* `seen` is of the question's zone, and is brought up to date. */
void question_judge(const struct question *q, const uint8_t *msg, size_t len, bool tcp, int64_t received_us,
    struct question_seen *seen, struct verdict *out);

/* The server is started; it has ended, with all its processes. */
void question_server_up(void);
void question_server_gone(void);
/* Between the two calls it may be that it cannot keep its serials, and says so. They may be nested. */
void question_unsafe(bool on);
void question_zone_comes(size_t zone); /* into the configuration */

/* What was compared, and how. */
void question_print(void);

#endif
