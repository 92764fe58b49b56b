/* The client's settings: /etc/wgmeet/DEVICE.conf and the command line, from one table of options. */
#ifndef WGMEET_SETTINGS_H
#define WGMEET_SETTINGS_H

#include <net/if.h>

#include "conf.h"
#include "endpoint.h"
#include "name.h"

#define SETTINGS_DIR         "/etc/wgmeet"
#define SETTINGS_SERVERS     16
#define SETTINGS_NOTIFY_PORT 5354

struct server_list {
	struct endpoint at[SETTINGS_SERVERS];
	size_t len;
};

struct settings {
	struct conf_target target;
	char device[IFNAMSIZ];      /* empty: none was given */
	const char *subject;        /* the key or name that the verb is about; NULL: it has none */
	struct name zone;
	struct server_list servers; /* none: the system's */
	char family[16];            /* generic netlink */
	char user[64];              /* of the resolver */
	uint32_t keepalive_s;       /* 0: the peers keep theirs */
	uint32_t fwmark;            /* of the resolver's packets; 0: none */
	uint32_t notify_port;       /* where wgmeet run hears NOTIFY; 0: nowhere */
	bool force, dry_run, json, watch, verbose;
	const char *file;           /* that was named; NULL: the device's own */
	bool has_file;              /* it was read */
	unsigned argv_errors;       /* of what settings_reread() counts: in the command line */
};

/* What a verb takes on the command line. */
struct settings_usage {
	const char *text;    /* "wgmeet sync DEVICE [OPTION...]" */
	bool has_subject;    /* a KEY or NAME comes before the device */
	bool needs_device;   /* it has no use without one */
	bool changes_device; /* it takes --force and --dry-run */
	bool watches;        /* it takes --watch */
	bool stays;          /* it prints nothing: no --json */
	bool may_lack_zone;  /* it may find that it needs none; else it calls settings_need_zone() */
};

/* argv[0] is the verb. What is wrong is said, all of it, and ends the program with EXIT_USAGE; --help ends it with
 * EXIT_FINE. */
void settings_read(struct settings *settings, int argc, char *argv[], const struct settings_usage *usage);

/* Address and port. */
bool settings_has_server(const struct server_list *list, const struct endpoint *ep);

/* Ends the program with EXIT_USAGE if there is no zone. */
void settings_need_zone(const struct settings *settings);

/* The same again, for the file may have changed: what is wrong in it is said, and counted. 0: `settings` may be used. */
unsigned settings_reread(struct settings *settings, int argc, char *argv[], const struct settings_usage *usage);

#endif
