/* wgmeet: a table of verbs. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "sandbox.h"
#include "verbs.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

static const struct {
	const char *name;
	int (*main)(int argc, char *argv[]);
	const char *operands, *help;
} verbs[] = {
    {"sync", sync_main, "DEVICE", "look up the peers and set their endpoints, once"},
    {"run", run_main, "DEVICE", "stay, and keep the path to each peer good"},
    {"status", status_main, "DEVICE", "each peer: its path and why, or what sync would do (--watch: stay)"},
    {"doctor", doctor_main, "DEVICE", "what is wrong on this side, and what to do about it"},
    {"browse", browse_main, "[DEVICE]", "all peers of the zone"},
    {"lookup", lookup_main, "KEY|NAME [DEVICE]", "one peer, as DNS has it"},
    {"metrics", metrics_main, "DEVICE...", "what wgmeet run counts there, for Prometheus"},
    {"name", name_main, "KEY|NAME [DEVICE]", "its name in DNS, for dig or a stock Endpoint ="},
};

#define VERBS (sizeof(verbs) / sizeof(*verbs))

/* getopt(3) begins its errors with the verb's argv[0]. */
static int run_verb(int argc, char *argv[])
{
	static char name[32];

	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(verbs[i].name, argv[0]) != 0)
			continue;
		snprintf(name, sizeof(name), "wgmeet %s", verbs[i].name);
		argv[0] = name;
		return verbs[i].main(argc, argv);
	}
	die_usage("%s is no verb; see wgmeet --help", argv[0]);
}

static void print_usage(FILE *out)
{
	fprintf(out, "usage: wgmeet VERB ... [OPTION...]\n\n");
	for (size_t i = 0; i < VERBS; i++)
		fprintf(out, "  %-7s %-18s %s\n", verbs[i].name, verbs[i].operands, verbs[i].help);
	fprintf(out, "\nwgmeet VERB --help has the options.\n");
}

int main(int argc, char *argv[])
{
	log_init("wgmeet", false);
	sandbox_start();
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("wgmeet " VERSION);
		return EXIT_FINE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		static char help[] = "--help";

		if (argc > 2 && argv[2][0] != '-')
			return run_verb(2, (char *[]){argv[2], help, NULL});
		print_usage(stdout);
		return EXIT_FINE;
	}
	return run_verb(argc - 1, argv + 1);
}
