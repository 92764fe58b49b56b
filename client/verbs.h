/* The verbs, as wg(8) has them: each a function with its own argv. Returns the program's exit status. */
#ifndef WGMEET_VERBS_H
#define WGMEET_VERBS_H

struct lookup;
struct settings;

int sync_main(int argc, char *argv[]);
int run_main(int argc, char *argv[]);
int status_main(int argc, char *argv[]);
int doctor_main(int argc, char *argv[]);
int browse_main(int argc, char *argv[]);
int lookup_main(int argc, char *argv[]);
int name_main(int argc, char *argv[]);
int metrics_main(int argc, char *argv[]);

/* The settings' KEY or NAME as a question. Dies if it is neither. */
void subject_to_lookup(const struct settings *settings, struct lookup *out);

#endif
