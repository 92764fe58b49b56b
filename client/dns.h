/* Questions to name servers, by c-ares, which is used in this module alone: many in flight, over UDP, over TCP where an answer
 * was truncated. Each server has c-ares channels of its own, so that it is ours to say who is asked; one is for UDP, one
 * for TCP: a connection that breaks takes all of its channel's questions with it.
 *
 * The questions carry a cookie (RFC 7873), because a server limits how much it answers to those who do not.
 */
#ifndef WGMEET_DNS_H
#define WGMEET_DNS_H

#include "reply.h"
#include "settings.h"

/* Questions in flight at one server: so many at first, and at most. Where wgmeetd may enlarge its socket's buffer (it has
 * CAP_NET_ADMIN at its start), that holds so many, even if wgmeetd cannot look just now. */
#define DNS_WINDOW      256
#define DNS_WINDOW_MOST 2560

#define DNS_TICK_MS 20

struct dns;

/* The system's servers, as c-ares reads them from the system's files; at least one. Dies if memory is short. */
void dns_system_servers(struct server_list *out);

/* `status` is FOUND with the whole message, or NOT_IN_ZONE, NOT_READY, REFUSED, NO_ANSWER, UNREACHABLE, BAD_ANSWER. */
typedef void dns_fn(void *arg, enum lookup_status status, const uint8_t *msg, size_t len);

/* A new socket is made known before it is used: returns how many questions and answers its buffers hold (of UDP; what comes
 * when they are full is lost, and costs a time-out), or -1 if it cannot be used. */
typedef int dns_socket_fn(int fd, bool udp, void *data);

/* The settings' servers, or the system's. Its sockets are waited for in `epoll`, with numbers of its own from 2^32 on as data.
 * Dies if it cannot be had. May read the system's files, so it comes before the sandbox. */
struct dns *dns_open(const struct settings *settings, int epoll, dns_socket_fn *on_socket, void *data);
size_t dns_servers(const struct dns *dns);
/* Other servers from now on, nothing is known of them. Nothing may be in flight. Reads no file that it needs. */
void dns_use(struct dns *dns, const struct server_list *servers);
/* All sockets are closed, and what is in flight is asked again from new ones, as dns_continue() comes to it. Not from a callback. */
void dns_renew(struct dns *dns);

/* May the server be asked for something new now? What is asked all the same waits here, until what is in flight is less. */
bool dns_has_room(const struct dns *dns, size_t server);
/* Has anything that could be an answer ever come from it? */
bool dns_has_answered(const struct dns *dns, size_t server);

/* The callback may come before this returns. `tcp`: not over UDP first, because the answer will not fit. */
void dns_query(struct dns *dns, size_t server, const struct name *name, uint16_t type, bool tcp, dns_fn *fn, void *arg);

/* What epoll_wait() said of a socket. */
void dns_process(struct dns *dns, uint64_t token, uint32_t events);
/* What else there is to do, after dns_process() and at least each dns_timeout_ms(); -1: nothing is in flight. True about every
 * DNS_TICK_MS: then it is time to ask again for what could not be asked. */
bool dns_continue(struct dns *dns);
int dns_timeout_ms(const struct dns *dns);

#endif
