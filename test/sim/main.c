/* sim [--runs N] [--from SEED] [--length N]   what takes long; all sequences of so many events; N random worlds
 * sim SEED [-v]                               one random world; -v prints all that happens
 * sim BED:LETTERS [-v]                        one sequence
 * sim long [-v]                               what takes long
 *
 * Exit status 1 if something did not hold. What fails is named so that it can be run again.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static bool random_runs(uint64_t from, unsigned runs)
{
	unsigned failed = 0;
	uint64_t seed = from;

	for (; seed - from < runs && failed < SIM_ENOUGH; seed++)
		failed += !random_run(seed, false);
	printf("%llu random worlds, from seed %llu on: %u failed\n", (unsigned long long)(seed - from), (unsigned long long)from, failed);
	return failed == 0;
}

static bool one(const char *what, bool verbose)
{
	const char *colon = strchr(what, ':');

	if (strcmp(what, "long") == 0)
		return long_run(verbose);
	if (colon != NULL)
		return sequence_run((unsigned)strtoul(what, NULL, 10), colon + 1, verbose);
	return random_run(strtoull(what, NULL, 10), verbose);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"runs", required_argument, NULL, 'r'},
	    {"from", required_argument, NULL, 'f'},
	    {"length", required_argument, NULL, 'l'},
	    {0},
	};
	unsigned runs = 750, length = 4;
	uint64_t from = 1;
	bool verbose = false, ok;
	int c;

	while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		if (c == 'r')
			runs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'f')
			from = strtoull(optarg, NULL, 10);
		else if (c == 'l')
			length = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'v')
			verbose = true;
		else
			return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (optind < argc)
		return one(argv[optind], verbose) ? 0 : 1;
	ok = long_run(false);
	ok &= sequences_run(length);
	ok &= random_runs(from, runs);
	ok &= judge_summary(stdout);
	return ok ? 0 : 1;
}
