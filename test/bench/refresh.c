/* What a change in the registry costs; refresh.sh and others run it:
 *
 *     refresh dump FILE PEERS [CHANGED ROUND]            writes a dump file
 *     refresh stages PEERS ROUNDS FILE                   each stage, in this process
 *     refresh whole PEERS ROUNDS FILE ADDR:PORT PID...   a server that reads FILE: its processes, the observer first
 *     refresh batches FILE                               what batch_shim.c counted
 *
 * "stages" and "whole" print a header and a line of medians, in processor time but for wall_ms and step_max_us.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "refresh.h"

static size_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n > 10000000)
		errx(2, "%s is no number that makes sense", text);
	return n;
}

int main(int argc, char *argv[])
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "dump") == 0 && (argc == 4 || argc == 6))
		refresh_write(argv[2], number(argv[3]), argc == 6 ? number(argv[4]) : 1, argc == 6 ? (unsigned)number(argv[5]) : 0);
	else if (strcmp(verb, "stages") == 0 && argc == 5)
		refresh_stages(number(argv[2]), number(argv[3]), argv[4]);
	else if (strcmp(verb, "whole") == 0 && argc > 6)
		refresh_whole(number(argv[2]), number(argv[3]), argv[4], argv[5], argv + 6, (size_t)argc - 6);
	else if (strcmp(verb, "batches") == 0 && argc == 3)
		refresh_batches(argv[2]);
	else
		errx(2, "see test/bench/refresh.c");
	return 0;
}
