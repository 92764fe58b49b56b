/* One suite a module: what must hold of it. */
#ifndef WGMEET_TEST_SUITES_H
#define WGMEET_TEST_SUITES_H

#include <check.h>

Suite *suite_key(void);
Suite *suite_endpoint(void);
Suite *suite_name(void);
Suite *suite_wgdev(void);
Suite *suite_wgdev_dump(void);
Suite *suite_wgdev_uapi(void);
Suite *suite_wgdev_kernel(void);
Suite *suite_conf(void);
Suite *suite_records(void);
Suite *suite_channel(void);
Suite *suite_sandbox(void);
Suite *suite_seccomp(void);
Suite *suite_landlock(void);
Suite *suite_links(void);
Suite *suite_links_way(void);
Suite *suite_ready(void);
Suite *suite_zone(void);
Suite *suite_zone_kept(void);
Suite *suite_zone_records(void);
Suite *suite_snapshot(void);
Suite *suite_state(void);
Suite *suite_source(void);
Suite *suite_names(void);
Suite *suite_snapshot_check(void);
Suite *suite_lookup(void);
Suite *suite_record(void);
Suite *suite_wire(void);
Suite *suite_ranges(void);
Suite *suite_cookie(void);
Suite *suite_rrl(void);
Suite *suite_interest(void);
Suite *suite_notify(void);
Suite *suite_access(void);
Suite *suite_query(void);
Suite *suite_answer(void);
Suite *suite_ask(void);
Suite *suite_device(void);
Suite *suite_poke(void);
Suite *suite_dns(void);
Suite *suite_push(void);
Suite *suite_hear(void);
Suite *suite_plan(void);
Suite *suite_reply(void);
Suite *suite_output(void);
Suite *suite_settings(void);
Suite *suite_report(void);
Suite *suite_reporter(void);

#endif
