/* The client's configuration: /etc/wgmeet/DEVICE.conf and the command line, from one table of options. */
#ifndef WGMEET_SETTINGS_H
#define WGMEET_SETTINGS_H

#include <net/if.h>

#include "conf.h"
#include "endpoint.h"
#include "name.h"

#define SETTINGS_DIR     "/etc/wgmeet"
#define SETTINGS_SERVERS 16

struct server_list {
	struct endpoint at[SETTINGS_SERVERS];
	size_t len;
};

struct settings {
	struct conf_target target;
	char device[IFNAMSIZ];
	struct name zone;
	struct server_list servers; /* none: the system's */
	char family[16];            /* generic netlink */
	char user[64];              /* of the resolver */
	uint32_t keepalive_s;       /* 0: the peers keep theirs */
	bool force, verbose;
};

/* argv[0] is the verb; a device follows it, then or before it options. What is wrong is said, all of it, and ends
 * the program with EXIT_USAGE; --help ends it with EXIT_FINE. */
void settings_read(struct settings *settings, int argc, char *argv[], const char *usage);

#endif
