/* unit: all unit tests. Exit 0 if all hold. libcheck's environment counts: CK_RUN_SUITE=zone, CK_RUN_CASE, CK_FORK=no
 * for a debugger.
 *
 * What cannot be tested here (a test that needs root, say) prints "SKIP name: why". With CI set, root skips nothing: there
 * everything that is needed has been installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "suites.h"
#include "util.h"

int main(void)
{
	static Suite *(*const suites[])(void) = {
	    suite_key, suite_endpoint, suite_name, suite_wgdev, suite_wgdev_dump, suite_wgdev_uapi,
	    suite_wgdev_kernel, suite_conf, suite_records, suite_channel, suite_sandbox, suite_seccomp, suite_landlock, suite_links,
	    suite_links_way, suite_ready,
	    suite_zone, suite_zone_kept, suite_zone_records, suite_snapshot, suite_state, suite_source,
	    suite_names, suite_snapshot_check, suite_lookup, suite_wire, suite_device, suite_poke, suite_record, suite_ranges, suite_cookie, suite_rrl,
	    suite_interest, suite_notify,
	    suite_query, suite_answer, suite_access, suite_ask, suite_dns, suite_dns_message, suite_plan, suite_reply, suite_output, suite_settings,
	    suite_push,
	    suite_hear,
	    suite_report,
	    suite_reporter,
	    suite_init, suite_init_judge, suite_init_firewall,
	    suite_doctor,
	    suite_doctor_reads,
	    suite_path, suite_path_evidence, suite_path_probe, suite_paths, suite_paths_own, suite_paths_renew,
	    suite_metrics, suite_unixsock, suite_exporter,
	};
	char tmp[] = "/tmp/wgmeet-unit.XXXXXX";
	SRunner *runner = srunner_create(NULL);
	int failed;

	setenv("CK_DEFAULT_TIMEOUT", "60", 0); /* seconds a test; a sanitizer takes its time */
	if (mkdtemp(tmp) == NULL || setenv("TMPDIR", tmp, 1) < 0) { /* a test that fails leaves things behind */
		perror(tmp);
		return 1;
	}
	for (size_t i = 0; i < COUNT(suites); i++)
		srunner_add_suite(runner, suites[i]());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (!util_remove(tmp))
		perror(tmp);
	return failed == 0 ? 0 : 1;
}
