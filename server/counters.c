#include "counters.h"

const uint8_t counters_types[256] = {
    [0] = COUNTERS_NONE, /* as query_parse() leaves it */
    [DNS_A] = COUNTERS_A,
    [DNS_NS] = COUNTERS_NS,
    [DNS_SOA] = COUNTERS_SOA,
    [DNS_PTR] = COUNTERS_PTR,
    [DNS_TXT] = COUNTERS_TXT,
    [DNS_AAAA] = COUNTERS_AAAA,
    [DNS_SRV] = COUNTERS_SRV,
    [DNS_IXFR] = COUNTERS_IXFR,
    [DNS_AXFR] = COUNTERS_AXFR,
    [DNS_ANY] = COUNTERS_ANY,
};
