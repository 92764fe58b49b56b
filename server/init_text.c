/* The configuration as a file: each key with a comment, and those that keep their defaults commented out. */
#include <string.h>
#include <strings.h>

#include "init.h"
#include "options.h"

#define LINE_MAX_TEXT 110 /* a line of the file has room for 198 */

/* What stands above a key, in lines; and a value that it may have, mostly its default. A key that is not here has what --help
 * says of it. */
static const struct about {
	const char *key, *comment, *example;
} about[] = {
    {"Listen",
        "Where to answer, over UDP and TCP: ADDR, ADDR:PORT, or %DEVICE for what comes in there. The tunnel's address\n"
        "is for the peers, a public one for resolvers, too. Default: all addresses.", "0.0.0.0:53, [::]:53"},
    {"User", "The user of the processes that answer. Default: wgmeet.", "wgmeet"},
    {"ObserverUser", "The user of the process that reads the device. Default: wgmeet-observer.", "wgmeet-observer"},
    {"Workers", "How many processes answer, 1 to 64. Default: one for each processor.", "1"},
    {"StateDirectory", "Where the zone's serial is kept over a restart. Default: /var/lib/wgmeet, if it is there.", "/var/lib/wgmeet"},
    {"RateLimit", "Like answers a second to one network, where the sender may be forged; 0: any number. Default: 200.", "200"},
    {"RateLimitSlip", "Of what is beyond RateLimit each n-th is answered in short, so that a real client asks over TCP. Default: 1.",
        "1"},
    {"NotifyPort", "The port at which peers are told of changes; 0: they are not. Default: 5354.", "5354"},
    {"MetricsSocket", "Where metrics are told, a Unix socket; none: nowhere. Default: " CONFIG_METRICS ", if that\ndirectory is there.",
        CONFIG_METRICS},
    {"Verbose", "Say more in the log. Default: no.", "no"},
    {"Name", "The zone: all names of the peers end in it. No default.", NULL},
    {"Device", "The WireGuard device whose peers are published. No default.", NULL},
    {"DumpFile", "Instead of a device: a file with what `wg show DEVICE dump` prints. No default.", NULL},
    {"Family", "The name of the kernel's implementation, for forks such as amneziawg. Default: wireguard.", "wireguard"},
    {"NameServer",
        "The name servers as a delegation names them, NAME ADDR...; the key may be there again. Default: ns.ZONE at the\n"
        "addresses of Listen.", NULL},
    {"Self",
        "Publish this host's own device, too: ADDR:PORT, where peers reach its WireGuard, or auto for this host's public\n"
        "addresses. Default: it is not published.", "auto"},
    {"SelfAllowedIPs", "What peers may route to this host: its addresses in the tunnel. Default: none.", NULL},
    {"TTL", "How long others may keep an answer, in seconds. Default: 10.", "10"},
    {"ListMax", "How many peers a list may have; with more it is split; 0: no list. Default: 900.", "900"},
    {"PaddedNames", "A second name for each peer, with the ==== of base32, for other clients than wgmeet. Default: yes.", "yes"},
    {"Publish", "all peers, or listed: those with a [Peer] below. Default: all.", "all"},
    {"Exclude", "No peer with an allowed IP in these networks. Default: none.", "10.99.0.0/24"},
    {"Allow",
        "Who may ask: networks, tunnel (peers, over the device; not this host itself), all, none. Default: all that reach\n"
        "an address of Listen.", "all"},
    {"AllowBrowse", "Who of them may see lists of peers; a single peer takes its key all the same. Default: all.", "all"},
    {"MaxAge", "No peer without a handshake for longer than that: 15m, 2d; 0: however long. Default: 0.", "0"},
    {"PrivateEndpoints", "Publish peers that are seen at private addresses: if all are in one network. Default: no.", "no"},
};

static const struct about *find_about(const char *key)
{
	for (size_t i = 0; i < sizeof(about) / sizeof(*about); i++)
		if (strcmp(about[i].key, key) == 0)
			return &about[i];
	return NULL;
}

static void print_comment(const char *text, FILE *out)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		fprintf(out, "# %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* What its help says, which has the default in parentheses. */
static void print_help(const struct conf_option *o, FILE *out)
{
	fprintf(out, "# %c%s\n", o->help[0] >= 'a' && o->help[0] <= 'z' ? o->help[0] - 'a' + 'A' : o->help[0], o->help + 1);
}

/* The elements of a list in as few lines as there is room for; the key is there again in each. */
static void print_value(const struct conf_option *o, const char *value, FILE *out)
{
	size_t used = 0;

	if (!o->list) {
		fprintf(out, "%s = %s\n", o->key, value);
		return;
	}
	while (*value != '\0') {
		size_t len = strcspn(value, ",\n");
		const char *next = value + len;

		while (*next != '\0' && strchr(",\n ", *next) != NULL)
			next++;
		if (used > 0 && used + len > LINE_MAX_TEXT) {
			fputc('\n', out);
			used = 0;
		}
		if (used == 0)
			fprintf(out, "%s = ", o->key);
		fprintf(out, "%s%.*s", used > 0 ? ", " : "", (int)len, value);
		used += len + 2;
		value = next;
	}
	fputc('\n', out);
}

static void print_option(const struct init_plan *plan, const struct conf_option *o, FILE *out)
{
	const char *value = plan->values[o - config_options];
	const struct about *a = find_about(o->key);

	if (a != NULL)
		print_comment(a->comment, out);
	else
		print_help(o, out);
	if (value != NULL && (strcmp(o->key, "Self") != 0 || strcasecmp(value, "none") != 0))
		print_value(o, value, out);
	else
		fprintf(out, "#%s =%s%s\n", o->key, a != NULL && a->example != NULL ? " " : "",
		    a != NULL && a->example != NULL ? a->example : "");
	fputc('\n', out);
}

static void print_section(const struct init_plan *plan, const char *section, FILE *out)
{
	fprintf(out, "[%s]\n", section);
	for (size_t i = 0; i < config_options_len; i++)
		if (strcmp(config_options[i].section, section) == 0)
			print_option(plan, &config_options[i], out);
}

static void print_peer(const struct init_plan *plan, FILE *out)
{
	const struct wg_device *dev = &plan->device->dev;
	char key[KEY_BASE64 + 1] = "KEY", ip[ALLOWEDIP_TEXT];

	fputs("# What is to be so for one peer of the zone; as many of these as there is need for.\n", out);
	if (dev->peers_len > 0) {
		key_text(dev->peers[0].public_key, key);
		if (dev->peers[0].allowed_len > 0)
			fprintf(out, "# This one is %s:\n", allowedip_to_text(&dev->allowed[dev->peers[0].allowed_off], ip));
	}
	fprintf(out,
	    "#[Peer]\n"
	    "#PublicKey = %s\n"
	    "# A name for people: alice.ZONE.\n"
	    "#Name = alice\n"
	    "# no: it is not published. Default: yes.\n"
	    "#Publish = yes\n"
	    "# Publish this endpoint instead of what the device sees. Default: what it sees.\n"
	    "#Endpoint = 198.51.100.7:51820\n", key);
}

void init_print_file(const struct init_plan *plan, FILE *out)
{
	fputs("# The configuration of wgmeetd(8), made by `wgmeetd --init`. All keys are here, those behind a # with their defaults\n"
	      "# or, where there is none, with an example. wgmeetd.conf(5) describes them in full.\n"
	      "#\n"
	      "# `wgmeetd --check` says what is wrong with it. `systemctl reload wgmeetd` (or SIGHUP) takes a change over; Listen,\n"
	      "# User, ObserverUser, Workers, StateDirectory and MetricsSocket take a restart.\n"
	      "\n", out);
	print_section(plan, "Server", out);
	print_section(plan, "Zone", out);
	print_peer(plan, out);
}
