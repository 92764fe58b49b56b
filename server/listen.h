/* Every socket of the server and every option of a socket, each with its reason. */
#ifndef WGMEET_LISTEN_H
#define WGMEET_LISTEN_H

#include "config.h"

struct listener {
	int udp, tcp;
	sa_family_t family;
	bool wildcard;   /* answers must be told which address to leave from */
	bool tells_from; /* the kernel tells the interface that a packet came in on */
	char device[IFNAMSIZ]; /* that it is bound to; empty: none */
};

/* Fills in the devices' numbers. Opens list->len pairs of sockets for each of `workers` workers: out[worker * list->len + i]. Dies with a message that
 * says who has the port and what to do. */
void listen_open(struct listen_list *list, size_t workers, struct listener *out);

/* Asks the kernel to tell the interface that packets and connections come in on. 0 or -errno. It is in udp.c, with what a worker
 * may do. */
int listen_tell_interface(struct listener *l);

/* Binds a listener's sockets to an interface, 0: to one that there is not. What is bound already takes CAP_NET_RAW to bind
 * again. 0 or -errno. */
int listen_bind_interface(const struct listener *l, unsigned ifindex);

/* Could it be listened on? SOCK_DGRAM or SOCK_STREAM. 0 or -errno. */
int listen_try(const struct listen_conf *conf, int type);

/* Who has a local address and port, or one that is in its way: "PROGRAM (pid N)", or a user where the program cannot be seen, or
 * "". proto is "udp" or "tcp". */
const char *port_owner(const char *proto, const struct endpoint *wanted, char out[128]);

#endif
