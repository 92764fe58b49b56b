/* Who holds what is wanted? The surest way to know is to take it. */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "init.h"
#include "listen.h"

size_t init_ports_held(struct listen_list *list, struct init_held *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < list->len; i++) {
		struct listen_conf *l = &list->at[i];

		l->ifindex = l->device[0] != '\0' ? if_nametoindex(l->device) : 0;
		for (int tcp = 0; tcp < 2 && n < cap; tcp++) {
			int r = listen_try(l, tcp != 0 ? SOCK_STREAM : SOCK_DGRAM);

			if (r == 0)
				continue;
			out[n] = (struct init_held){.at = *l, .tcp = tcp != 0, .error = -r};
			if (r == -EADDRINUSE)
				port_owner(tcp != 0 ? "tcp" : "udp", &l->at, out[n].owner);
			n++;
		}
	}
	return n;
}
