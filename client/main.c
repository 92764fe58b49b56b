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
	const char *help;
} verbs[] = {
    {"sync", sync_main, "look up the peers of a device and set their endpoints, once"},
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: wgmeet VERB DEVICE [OPTION...]\n\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].help);
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
		print_usage(stdout);
		return EXIT_FINE;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return verbs[i].main(argc - 1, argv + 1);
	die_usage("%s is no verb; see wgmeet --help", argv[1]);
}
