/* What wgmeet doctor reads in answers: whose zone it is, and whom it is delegated to. Pure: hostile bytes in. Read by ldns, in the
 * sandboxed process. */
#ifndef WGMEET_DOCTOR_REPLY_H
#define WGMEET_DOCTOR_REPLY_H

#include "doctor.h"

/* `status` is what dns.h made of the message; there may be none (len 0). */
void doctor_reply_soa(enum lookup_status status, const uint8_t *msg, size_t len, struct doctor_answer *out);

/* The NS of `owner`, in the answer or, as a delegation, in the authority section. Returns how many, at most cap. */
size_t doctor_reply_ns(const uint8_t *msg, size_t len, const struct name *owner, struct name *out, size_t cap);

/* The addresses of `owner`, in the answer (of what its aliases lead to) or in the additional section, with `port`. Returns how
 * many, at most cap. */
size_t doctor_reply_addresses(const uint8_t *msg, size_t len, const struct name *owner, uint16_t port, struct endpoint *out,
    size_t cap);

#endif
