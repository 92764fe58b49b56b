/* The table of wgmeetd's options, for config.c. */
#ifndef WGMEET_OPTIONS_H
#define WGMEET_OPTIONS_H

#include "config.h"

extern const struct conf_option config_options[];
extern const size_t config_options_len;

/* All addresses of the host, and only over a device if it has a name. There is room for two. */
void config_listen_on_all(struct listen_list *list, const char *device, uint16_t port);

#endif
