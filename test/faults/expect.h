/* What a peer's records say in one version of its zone, by the contract and without the server's own code for it. */
#ifndef WGMEET_FAULTS_EXPECT_H
#define WGMEET_FAULTS_EXPECT_H

#include "model.h"

#define EXPECT_RDATA 2048

/* The RDATA, names written out; 0: the peer has none of that type. `owner` is the record's, and the target of an SRV. */
size_t expect_rdata(const struct model_zone *z, size_t peer, uint32_t version, uint16_t type, const struct name *owner,
    uint8_t out[EXPECT_RDATA]);

#endif
