/* wgmeet metrics: what wgmeet run counts on each of some devices, as one text, for who collects metrics. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "log.h"
#include "metrics_client.h"
#include "scrape.h"
#include "verbs.h"

#define DEVICE_MOST (256 * 1024) /* octets of one device's text, which has some 50 series */

static const char usage[] = "wgmeet metrics DEVICE... [--output FILE]";

static const struct option options[] = {
    {"output", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* Returns the file's name, NULL for standard output. */
static const char *read_argv(int argc, char *argv[])
{
	static const struct conf_option ifname = {.size = IFNAMSIZ};
	const char *output = NULL, *what;
	char device[IFNAMSIZ];
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'h') {
			printf("usage: %s\n\n"
			       "  --output FILE                      into that file, in place of standard output\n", usage);
			exit(EXIT_FINE);
		}
		if (opt != 'o')
			die_usage("see wgmeet metrics --help");
		output = optarg;
	}
	if (optind == argc)
		die_usage("which devices? usage: %s", usage);
	for (int i = optind; i < argc; i++) {
		what = conf_parse_ifname(&ifname, argv[i], device);
		if (what != NULL)
			die_usage("%s: %s", argv[i], what);
		for (int k = optind; k < i; k++)
			if (strcmp(argv[i], argv[k]) == 0)
				die_usage("%s is there twice", argv[i]);
	}
	return output;
}

/* Who listens there is sent nothing, and what comes is only copied: so it matters little who that is (compare reported.h). */
static bool ask(const char *device, struct metrics *out)
{
	char path[REPORT_PATH];
	int fd, e;

	report_path(device, "metrics", path);
	fd = scrape_open(path);
	e = fd < 0 ? fd : scrape_read(fd, out);
	if (e == 0 && out->len > DEVICE_MOST) /* it may be another user's, and to merge much takes long */
		e = -EFBIG;
	if (e == 0)
		return true;
	warnx("%s: no metrics of wgmeet run: %s", device, scrape_error(e));
	metrics_free(out);
	return false;
}

int metrics_main(int argc, char *argv[])
{
	const char *output = read_argv(argc, argv);
	size_t n = (unsigned)(argc - optind);
	struct metrics *texts = calloc(n, sizeof(*texts)), all = {0};
	size_t up = 0;
	int e;

	if (texts == NULL)
		die("out of memory");
	for (size_t i = 0; i < n; i++)
		up += ask(argv[(size_t)optind + i], &texts[i]);
	metrics_merge(texts, n, &all);
	/* An old file would say that all is as it was. */
	metrics_family(&all, "wgmeet_up", "gauge", "1: wgmeet run is on the device, and answers.");
	for (size_t i = 0; i < n; i++)
		metrics_count(&all, texts[i].len > 0, "device", argv[(size_t)optind + i], NULL);
	if (all.failed)
		die("out of memory");
	e = up > 0 || output != NULL ? scrape_write(output, &all) : 0;
	if (e < 0)
		warnx("%s: cannot write the metrics: %s", output != NULL ? output : "standard output", strerror(-e));
	for (size_t i = 0; i < n; i++)
		metrics_free(&texts[i]);
	free(texts);
	metrics_free(&all);
	return up == n && e == 0 ? EXIT_FINE : EXIT_WRONG;
}
