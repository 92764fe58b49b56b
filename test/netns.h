/* For child processes of the unit tests: a network namespace of their own, set up by ip(8). What the kernel tells of a change by
 * netlink has been told when these return. */
#ifndef WGMEET_TEST_NETNS_H
#define WGMEET_TEST_NETNS_H

/* With a "lo" that is down. Skips if that is not allowed. */
void netns_enter(void);
/* The exit status of ip(8). */
int netns_try_ip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The devices eth0 and far0, connected and up, without addresses. Skips if that is not possible. */
void netns_cable(void);
/* A file below /proc/sys/net/. */
void netns_sysctl(const char *path, const char *value);

#define netns_ip(...) CHILD_CHECK(netns_try_ip(__VA_ARGS__) == 0)

#endif
