/* What wgmeet doctor sees of the host itself. Changes nothing, starts no program. */
#ifndef WGMEET_DOCTOR_LOOK_H
#define WGMEET_DOCTOR_LOOK_H

#include "doctor.h"

/* The link, the host's addresses, wg-quick's file, wgmeet run, timers: before the sandbox is entered, for some of it is another
 * user's. Fills these fields of `s`, whose settings are there. */
void doctor_look_host(struct doctor_seen *s);

/* How each name server is routed, once the device was read. */
void doctor_look_ways(struct doctor_seen *s);

/* Of the contents of wg-quick's file: is ListenPort set, and not to 0? */
enum doctor_port doctor_port_of(const char *text, size_t len);
/* Does a line of a crontab run "wgmeet sync" for that device? */
bool doctor_is_cron_line(const char *line, const char *device);

#endif
