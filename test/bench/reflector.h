/* What the reflector and the generator agree on: the control datagram, REFLECT_MAGIC and two octets of length. */
#ifndef WGMEET_BENCH_REFLECTOR_H
#define WGMEET_BENCH_REFLECTOR_H

#define REFLECT_MAGIC   "wgmeet-bench-len"
#define REFLECT_CONTROL 18 /* octets; a query is longer */
#define REFLECT_MAX     1312

#endif
