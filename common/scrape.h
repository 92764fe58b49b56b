/* The other end of a metrics socket (exporter.h): connect, read to the end, and pass it on, to standard output or to a file.
 * What comes is text of whole lines, and complete, or it is refused.
 */
#ifndef WGMEET_SCRAPE_H
#define WGMEET_SCRAPE_H

#include "metrics.h"

#define SCRAPE_MS  10000     /* for all of it */
#define SCRAPE_MAX (8 << 20) /* octets */

/* A descriptor, or -ENOENT: nobody is there; -EACCES; -EAGAIN: too many ask already; another -errno. */
int scrape_open(const char *path);
/* All that comes, without the line that ends it, behind what is in `out`. 0, -ETIMEDOUT, -EPROTO: it is cut off, or no text;
 * -EFBIG, another -errno. */
int scrape_read(int fd, struct metrics *out);
const char *scrape_error(int err); /* a clause for people */

/* Replaces the file whole, so that nobody reads half of it; it can be read by all. NULL: standard output. 0 or -errno. */
int scrape_write(const char *file, const struct metrics *m);

#endif
