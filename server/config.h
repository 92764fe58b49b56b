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
#define CONFIG_WORKERS   64
#define CONFIG_LABEL     40
#define CONFIG_METRICS_DIR "/run/wgmeetd"
#define CONFIG_METRICS   CONFIG_METRICS_DIR "/metrics"

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
	struct listen_conf {
		struct endpoint at;
		char device[IFNAMSIZ]; /* %DEV: only what comes in there; empty: wherever it does */
		unsigned ifindex;      /* of that device, as the sockets are bound to it; 0: it is not there */
	} at[CONFIG_LISTEN];
	size_t len;
};

/* Allow, AllowBrowse: who may. */
struct access_conf {
	bool given; /* else everyone */
	bool all, tunnel;
	struct allowed_list networks;
};

/* What the file says of one peer, by its key. */
struct peer_conf {
	struct conf_target target;
	uint32_t zone; /* the number of the [Zone] above it */
	uint8_t key[KEY_LEN];
	bool publish;
	char label[CONFIG_LABEL + 1]; /* a name for people; empty: none */
	struct endpoint endpoint;     /* AF_UNSPEC: the observed one */
};

/* Self = ADDR:PORT, or auto: the host's global addresses with the device's port. */
struct self_conf {
	bool is_auto;
	struct endpoint endpoint; /* AF_UNSPEC and not auto: the registry's own device is not in the zone */
};

struct zone_conf {
	struct conf_target target;
	struct name name;
	char device[IFNAMSIZ]; /* one of device and dump_file is empty */
	char dump_file[1024];
	char family[16]; /* generic netlink */
	struct name_servers name_servers;
	struct self_conf self;
	struct allowed_list self_allowed;
	uint32_t ttl_s;
	uint32_t list_max; /* no PTR list with more peers than that */
	bool padded_names;
	bool listed_only;       /* publish only peers that have a section of their own */
	bool private_endpoints; /* publish observed endpoints that only the registry's own network can reach */
	uint32_t max_age_s;     /* no handshake for longer: not published; 0: however long */
	struct allowed_list exclude;
	struct access_conf allow, browse;
	const struct peer_conf *peers; /* sorted by key */
	size_t peers_len;
};

/* NULL: the file says nothing of that peer. */
const struct peer_conf *config_find_peer(const struct zone_conf *zone, const uint8_t key[KEY_LEN]);

struct server_conf {
	struct conf_target target;
	struct listen_list listen;
	char user[64], observer_user[64];
	char state_directory[1024]; /* empty: none */
	uint32_t workers;
	uint32_t rate_limit, slip; /* see rrl.h */
	uint32_t notify_port;      /* see notify.h */
	char metrics_socket[108];  /* as long as a socket's path may be; empty: none */
	bool metrics_given;        /* else it is the default */
	bool verbose;
};

struct config {
	struct server_conf server;
	struct zone_conf zones[CONFIG_ZONES];
	size_t zones_len;
	struct peer_conf *peers; /* of all zones */
	size_t peers_len, peers_cap;
	bool check, print_zone, print_metrics;
	const char *output; /* of print_metrics; NULL: standard output */
};

/* Reads both, into a `config` that is all zero: it is large, and what is not used has no page. What is wrong is said, all of
 * it; returns how many errors there are. --help and --version end the program. May be called again, for the file may have
 * changed: then `listening` is where the server answers, whatever it says now. */
unsigned config_read(struct config *config, const struct listen_list *listening, int argc, char *argv[]);
void config_free(struct config *config);

#endif
