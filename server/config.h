/* The registry's configuration: /etc/wgmeet/wgmeetd.conf and the command line, from one table of options. */
#ifndef WGMEET_CONFIG_H
#define WGMEET_CONFIG_H

#include <net/if.h>

#include "conf.h"
#include "endpoint.h"
#include "name.h"
#include "wgdev.h"

#define CONFIG_FILE      "/etc/wgmeet/wgmeetd.conf"
#define CONFIG_ZONES     32
#define CONFIG_LISTEN    32
#define CONFIG_NS        8
#define CONFIG_NS_ADDRS  8
#define CONFIG_ALLOWED   64
#define CONFIG_LIST_MAX  900 /* PTR records that fit into one message over TCP, with room for the rest */
#define CONFIG_WORKERS   64

struct name_server {
	struct name name;
	struct endpoint addrs[CONFIG_NS_ADDRS]; /* port 0 */
	size_t addrs_len;
};

struct name_servers {
	struct name_server at[CONFIG_NS];
	size_t len;
};

struct allowed_list {
	struct wg_allowedip at[CONFIG_ALLOWED];
	size_t len;
};

struct listen_list {
	struct endpoint at[CONFIG_LISTEN];
	size_t len;
};

struct zone_conf {
	struct conf_target target;
	struct name name;
	char device[IFNAMSIZ]; /* one of device and dump_file is empty */
	char dump_file[1024];
	char family[16]; /* generic netlink */
	struct name_servers name_servers;
	struct endpoint self; /* AF_UNSPEC: the registry's own device is not in the zone */
	struct allowed_list self_allowed;
	uint32_t ttl_s;
	uint32_t list_max; /* no PTR list with more peers than that */
	bool padded_names;
};

struct server_conf {
	struct conf_target target;
	struct listen_list listen;
	char user[64], observer_user[64];
	char state_directory[1024]; /* empty: none */
	uint32_t workers;
	bool verbose;
};

struct config {
	struct server_conf server;
	struct zone_conf zones[CONFIG_ZONES];
	size_t zones_len;
	bool check, print_zone;
};

/* Reads both. What is wrong is said, all of it, and ends the program with EXIT_USAGE; so do --help and --version,
 * with EXIT_FINE. */
void config_read(struct config *config, int argc, char *argv[]);

#endif
