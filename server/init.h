/* wgmeetd --init: looks at the host, asks what it cannot see, writes a configuration, and says what is still to be done.
 *
 *     options --> look --> ask --> judge --> write --> tell
 *       argv      host     plan   findings   file      records for the parent zone, lines for the peers
 *
 * What judges and what writes text takes a host and a plan, and touches nothing: init_judge.c, init_firewall.c, init_text.c,
 * init_records.c. What looks, asks and writes is init_look.c, init_ask.c and init.c.
 *
 * This is a program of its own beside the server: it runs as root, in a terminal, and ends. No stranger's bytes come to it.
 */
#ifndef WGMEET_INIT_H
#define WGMEET_INIT_H

#include <stdio.h>

#include "config.h"
#include "wgdev.h"

#define INIT_DEVICES 16
#define INIT_ADDRS   8
#define INIT_OWN     256
#define INIT_OPTIONS 64
#define INIT_ANSWER  512

/* So that the service may read a device whose socket is root's. */
#define INIT_DROP_IN     "wgmeetd-userspace.conf"
#define INIT_DROP_IN_DIR "/etc/systemd/system/wgmeetd.service.d"

/* Is the device's port the same after the next start? */
enum init_port { INIT_PORT_UNKNOWN, INIT_PORT_FIXED, INIT_PORT_RANDOM };

struct init_device {
	struct wg_device dev;
	bool userspace, root_socket, up;
	struct endpoint addrs[INIT_ADDRS]; /* in the tunnel; port 0 */
	size_t addrs_len;
	enum init_port port;
};

struct init_host {
	struct init_device devices[INIT_DEVICES];
	size_t devices_len;
	int kernel_error; /* of the kernel's WireGuard: 0 or -errno */
	bool has_admin;   /* CAP_NET_ADMIN */
	struct endpoint public_addrs[INIT_ADDRS], private_addrs[INIT_ADDRS]; /* to be named; port 0 */
	struct endpoint own_addrs[INIT_OWN]; /* of all its devices; if they are so many there may be more */
	size_t public_len, private_len, own_len;
	char wan[IFNAMSIZ]; /* where others come from, mostly: the device of the default route; empty: not known */
	char domain[256];   /* of the host's name; empty: none */
	char stub[128];     /* who answers at 127.0.0.53; empty: nobody */
	int64_t now_s;
	bool clock_synced;
	bool has_drop_in;     /* INIT_DROP_IN, in its place */
	const char *drop_in;  /* where it can be copied from; NULL: not known */
	bool has_systemd, has_state_directory, has_user, has_observer;
	char *ruleset;     /* what `nft -j list ruleset` prints; NULL: it cannot be had, */
	char rules_why[64]; /* and why */
	bool legacy_rules; /* of iptables-legacy, which nft does not show */
};

/* What holds an address and port that is wanted. */
struct init_held {
	struct listen_conf at;
	bool tcp;
	char owner[128]; /* as port_owner() has it */
	int error;       /* from bind(2), not 0 */
};

enum init_self { INIT_SELF_NONE, INIT_SELF_AUTO, INIT_SELF_FIXED };

/* What is decided. */
struct init_plan {
	const char *file;
	bool dry_run;                 /* no file is written, nor looked for */
	bool yes;                     /* no questions: what has no default is an error */
	char *values[INIT_OPTIONS];   /* of config_options[], as they go to the file; several of a list in lines; NULL: its default */
	const struct init_device *device;
	struct name zone;
	struct listen_list listen;
	bool in_public;               /* it answers outside of the tunnel, too */
	enum init_self self;
	struct endpoint self_at;
	struct name_servers servers;  /* as a delegation names them */
	struct endpoint server;       /* what the peers ask */
};

/* --- init.c --- */

/* Is it among the options? */
bool init_is_wanted(int argc, char *argv[]);
/* All of it; returns the exit status. */
int init_main(int argc, char *argv[]);

/* --- init_options.c --- */

/* Dies of what is wrong. --help and --version end the program. */
void init_options_read(struct init_plan *plan, int argc, char *argv[]);
/* The value of a key; NULL: it is left to its default. set() copies; to a list add() adds. */
const char *init_value(const struct init_plan *plan, const char *key);
void init_value_set(struct init_plan *plan, const char *key, const char *value);
void init_value_add(struct init_plan *plan, const char *key, const char *value);
/* Is it a value for that key? Returns NULL, or what is wrong with it. `place` (or NULL) gets what it says. */
const char *init_value_check(const char *key, const char *value, struct server_conf *server, struct zone_conf *zone);
void init_plan_free(struct init_plan *plan);

/* --- init_look.c, init_ports.c, init_rules.c --- */

void init_look(struct init_host *host, const char *family);
void init_look_users(struct init_host *host, const struct init_plan *plan);
void init_look_rules(struct init_host *host);
void init_host_free(struct init_host *host);
/* The file of wg-quick(8) for a device: does it fix the port? */
enum init_port init_port_of(FILE *fp, uint16_t port);
/* Tries to take each address that is wanted. Returns how many are held, at most cap. */
size_t init_ports_held(struct listen_list *list, struct init_held *out, size_t cap);

/* --- init_ask.c --- */

struct init_dialog {
	FILE *in, *out;
	bool yes;
};

/* Puts a question until the answer will do, and at most five times. `fallback` stands in brackets, and is what an empty
 * line says; NULL: there is none. `judge` returns NULL, or what is wrong with an answer. Dies, and names the option, if there is
 * no answer. */
typedef const char *init_judge_fn(const char *answer, void *data);
void init_ask(const struct init_dialog *d, const char *question, const char *option, const char *fallback,
    init_judge_fn *judge, void *data, char answer[INIT_ANSWER]);

/* Asks for all that is still open in the plan. */
void init_ask_all(const struct init_dialog *d, const struct init_host *host, struct init_plan *plan);

/* --- init_plan.c --- */

/* Judges of answers; what is fine is in the plan then. */
const char *init_take_zone(const char *answer, struct init_plan *plan);
const char *init_take_listen(const char *answer, struct init_plan *plan);
const char *init_take_self(const char *answer, struct init_plan *plan);
/* Is it an address that this host has not now? Wildcards and the loopback's are not. */
bool init_is_foreign(const struct init_host *host, const struct listen_conf *l);
/* All that follows from the answers. */
void init_plan_finish(struct init_plan *plan, const struct init_host *host);
/* Is the zone in a domain that is for networks of their own, and that nobody delegates from? */
bool init_is_local(const struct name *zone);
/* Will the service need the drop-in, and has not got it? */
bool init_lacks_drop_in(const struct init_host *host, const struct init_plan *plan);
bool init_is_tunnel(const struct init_device *d, const struct endpoint *addr);

/* --- init_judge.c, init_judge_net.c --- */

enum init_level { INIT_OK, INIT_WARN, INIT_FAIL };

struct init_report {
	FILE *out;
	unsigned warnings, failures;
};

/* A line: level, subject, a sentence. What to do is a line below. */
void init_say(struct init_report *r, enum init_level level, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void init_todo(struct init_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void init_judge_devices(const struct init_host *host, struct init_report *r);
void init_judge_all(const struct init_host *host, const struct init_plan *plan, const struct init_held *held, size_t held_len,
    struct init_report *r);
void init_judge_peers(const struct init_host *host, const struct init_plan *plan, struct init_report *r);
void init_judge_rules(const struct init_host *host, const struct init_plan *plan, struct init_report *r);

/* --- init_firewall.c --- */

/* A packet that would begin something. */
struct init_packet {
	uint8_t family;         /* AF_INET, AF_INET6 */
	bool tcp;
	uint16_t port;
	const char *device;     /* that it comes in on; empty: not known */
	struct endpoint to;     /* AF_UNSPEC: not known */
	struct wg_allowedip from; /* family 0: not known */
};

enum init_passage { INIT_OPEN, INIT_UNSURE, INIT_CLOSED };

/* Which chain of hook input it is that drops a packet, or may. */
struct init_chain {
	char family[8], table[64], chain[64];
	char how[80]; /* "its policy is drop", "its rule 7 drops it" */
	bool ufw;     /* ufw made it */
};

/* Letters, digits and _.=+- alone: so a terminal and a shell may see it. The kernel lets names have nearly anything. */
bool init_is_plain(const char *name);

/* json: what `nft -j list ruleset` prints. UNSURE if that is no JSON of nft. */
enum init_passage init_firewall_judge(const char *json, const struct init_packet *packet, struct init_chain *out);

/* --- init_text.c, init_records.c --- */

void init_print_file(const struct init_plan *plan, FILE *out);
void init_print_records(const struct init_plan *plan, const struct init_host *host, FILE *out);
void init_print_peers(const struct init_plan *plan, FILE *out);
void init_print_start(const struct init_plan *plan, const struct init_host *host, FILE *out);

#endif
