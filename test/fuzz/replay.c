/* replay FILE-OR-FOLDER... - runs a fuzz target over inputs that are there: a corpus, or what a fuzzer found. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t input[1 << 20];
static unsigned inputs;

static void fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(1);
}

static void replay_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, input, sizeof(input)) : -1;

	if (n < 0)
		fail(path);
	close(fd);
	LLVMFuzzerTestOneInput(input, (size_t)n);
	inputs++;
}

static void replay(const char *path)
{
	struct stat st;
	struct dirent **names;
	int n;

	if (stat(path, &st) < 0)
		fail(path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		fail(path);
	for (int i = 0; i < n; i++) {
		char *file;

		if (names[i]->d_name[0] != '.') {
			MUST(asprintf(&file, "%s/%s", path, names[i]->d_name) > 0);
			replay_file(file);
			free(file);
		}
		free(names[i]);
	}
	free(names);
}

int main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (inputs == 0) {
		fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
		return 2;
	}
	printf("%s: %u inputs\n", strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0], inputs);
	return 0;
}
