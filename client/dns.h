/* Questions to name servers, by c-ares, which is used in this module alone: many in flight, over UDP, over TCP where an answer
 * was truncated. Each server has c-ares channels of its own, so that it is ours to say who is asked; one is for UDP, one
 * for TCP: a connection that breaks takes all of its channel's questions with it.
 */
#ifndef WGMEET_DNS_H
#define WGMEET_DNS_H

#include "reply.h"
#include "settings.h"

struct dns;

/* `status` is FOUND with the whole message, or NOT_IN_ZONE, NOT_READY, REFUSED, NO_ANSWER, UNREACHABLE, BAD_ANSWER. */
typedef void dns_fn(void *arg, enum lookup_status status, const uint8_t *msg, size_t len);

/* A new socket is made known before it is used: returns 0, or -1 if it cannot be. */
typedef int dns_socket_fn(int fd, void *data);

/* The settings' servers, or the system's. Its sockets are waited for in `epoll`, with their numbers as data. Dies if it
 * cannot be had. Reads the system's files, so it comes before the sandbox. */
struct dns *dns_open(const struct settings *settings, int epoll, dns_socket_fn *on_socket, void *data);
size_t dns_servers(const struct dns *dns);

/* False if the name cannot be asked for. The callback may come before this returns. `tcp`: not over UDP first, because the
 * answer will not fit. */
bool dns_query(struct dns *dns, size_t server, const struct name *name, uint16_t type, bool tcp, dns_fn *fn, void *arg);

/* What epoll_wait() said of a socket; and fd -1 now and then, for the time-outs. */
void dns_process(struct dns *dns, int fd, uint32_t events);
int dns_timeout_ms(struct dns *dns); /* -1: none */

#endif
