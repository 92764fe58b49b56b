/* The octets of a question, and what an answer's say of themselves: RFC 1035, EDNS (RFC 6891), cookies (RFC 7873). Pure. */
#ifndef WGMEET_DNS_MESSAGE_H
#define WGMEET_DNS_MESSAGE_H

#include "name.h"
#include "reply.h"

#define DNS_UDP_SIZE 1232
#define DNS_QUESTION (12 + NAME_MAX_LEN + 4 + 11 + 4 + REPLY_COOKIE)

enum dns_rcode { DNS_NOERROR, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED, DNS_BADCOOKIE = 7 /* its low bits */ };

/* What a server is sent with each question. */
struct dns_cookie {
	uint8_t at[REPLY_COOKIE]; /* ours, and the server's behind it once it is known */
	size_t len;
	unsigned looks;
};

/* cookie NULL: without EDNS. Returns its length. */
size_t dns_write_question(uint16_t id, const struct name *name, uint16_t type, const struct dns_cookie *cookie,
    uint8_t out[DNS_QUESTION]);

/* Of a message of 12 octets or more. */
enum dns_rcode dns_rcode(const uint8_t *msg);
bool dns_is_truncated(const uint8_t *msg);
enum lookup_status dns_status(const uint8_t *msg);

/* A server that knows us by its cookie limits us not. It is asked for with each question, and a newer one counts (RFC 7873
 * section 5.3). `bad`: it has refused the one that it was sent. */
void dns_take_cookie(struct dns_cookie *cookie, const uint8_t *msg, size_t len, bool bad);
/* Who has given a cookie gives ours back with each answer: is it not in this one? */
bool dns_lacks_cookie(const struct dns_cookie *cookie, const uint8_t *msg, size_t len);

#endif
