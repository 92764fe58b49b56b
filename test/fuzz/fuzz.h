/* The entry point that libFuzzer knows, and what every target needs. */
#ifndef WGMEET_FUZZ_H
#define WGMEET_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What must hold, also where asserts are compiled out. */
#define MUST(cond)                                                                                           \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                           \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* A copy whose end is the end of the allocation, so that a read past it is seen. */
static inline void *exact_copy(const void *data, size_t len)
{
	void *p = malloc(len > 0 ? len : 1);

	MUST(p != NULL);
	if (len > 0)
		memcpy(p, data, len);
	return p;
}

#endif
