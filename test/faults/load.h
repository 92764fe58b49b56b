/* The clients: many UDP sockets and some TCP connections, each with a bounded number of questions in flight. */
#ifndef WGMEET_FAULTS_LOAD_H
#define WGMEET_FAULTS_LOAD_H

#include "endpoint.h"
#include "question.h"

struct load_result {
	unsigned long asked, answered, lost, late, strange, wrong, no_help, connections;
	int64_t longest_us, longest_one_us; /* without a right answer: for all clients; for any one of them */
};
extern struct load_result load_result;

/* `drain` is called after each answer came and before it is judged: whatever was said before that has an effect on it. */
void load_start(const struct endpoint *servers, size_t servers_len, unsigned rate_s, void (*drain)(void));
void load_tick(void);
/* From now on any worker may answer a client, each time another one; or always the same again. The server is gone, and with
 * it all that was asked. */
void load_shuffle(bool on);
void load_unsee(void); /* what they have seen so far means nothing any more */
void load_forget(void);
void load_print(void);

#endif
