#include "binder.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"

void binder_run(int channel, const struct listener *listeners, size_t workers, size_t each, const struct sandbox_user *user)
{
	struct pollfd p = {.fd = channel, .events = POLLIN};
	struct binder_msg msg;
	int got;

	log_name("wgmeetd: binder");
	for (size_t i = 0; i < workers * each; i++) {
		if (listeners[i].device[0] != '\0')
			continue;
		close(listeners[i].udp);
		close(listeners[i].tcp);
	}
	sandbox_enter(SANDBOX_BINDER, user, NULL);
	while ((got = channel_recv(channel, &msg, sizeof(msg), NULL)) != 0) {
		if (got < 0) {
			poll(&p, 1, -1);
			continue;
		}
		if (msg.listen >= each || listeners[msg.listen].device[0] == '\0')
			diex("the observer names no such listener: this is a bug");
		for (size_t i = 0; i < workers; i++) {
			const struct listener *l = &listeners[i * each + msg.listen];
			int r = listen_bind_interface(l, msg.ifindex);

			if (r < 0)
				diex("cannot bind a socket to device %s again: %s", l->device, strerror(-r));
		}
	}
	_exit(EXIT_FINE);
}
