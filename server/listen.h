/* Every socket of the server and every option of a socket, each with its reason. */
#ifndef WGMEET_LISTEN_H
#define WGMEET_LISTEN_H

#include "config.h"

struct listener {
	int udp, tcp;
	bool wildcard; /* answers must be told which address to leave from */
};

/* Opens list->len pairs of sockets for each of `workers` workers: out[worker * list->len + i]. Dies with a message that
 * says who has the port and what to do. */
void listen_open(const struct listen_list *list, size_t workers, struct listener *out);

/* Who has a local port: "PROGRAM (pid N)", or a user where the program cannot be seen, or "". proto is "udp" or "tcp". */
const char *port_owner(const char *proto, uint16_t port, char out[128]);

#endif
