/* What outlives a restart: each zone's serial, with the hash of the content that it stands for. One line a zone, in
 * DIRECTORY/ZONE.serial:
 *
 *     SERIAL HASH
 */
#ifndef WGMEET_STATE_H
#define WGMEET_STATE_H

#include "zone.h"

/* 0; -ENOENT none is kept; -EBADMSG the file is not what state_save() writes; another -errno. */
int state_load(const char *directory, const struct name *zone, uint32_t *serial, uint8_t hash[ZONE_HASH]);
/* Replaces the file whole. 0 or -errno. */
int state_save(const char *directory, const struct name *zone, uint32_t serial, const uint8_t hash[ZONE_HASH]);

#endif
