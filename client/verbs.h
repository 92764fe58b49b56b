/* The verbs, as wg(8) has them: each a function with its own argv. Returns the program's exit status. */
#ifndef WGMEET_VERBS_H
#define WGMEET_VERBS_H

int sync_main(int argc, char *argv[]);

#endif
