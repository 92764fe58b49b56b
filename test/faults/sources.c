#include "sources.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

#define NOTES 64
#define EVENTS 16
#define DECK  16

#define CHANGE_FROM_US 50000
#define CHANGE_TO_US   100000
#define PAUSE_FROM_US  2000000 /* between two faults of a source */
#define PAUSE_TO_US    8000000
#define FAULT_FROM_US  200000
#define FAULT_TO_US    2500000
#define ABSENT_FROM_US 1000000 /* most are longer than the bound: then an old zone is wrong */
#define ABSENT_TO_US   6000000

const char *sources_dir;
uid_t sources_observer;

static const struct source_kind *const kinds[] = {
    [MODEL_FILE] = &source_file, [MODEL_UAPI] = &source_uapi, [MODEL_NETLINK] = &source_netlink};

static struct {
	bool at_fault;
	size_t fault, drawn;
	size_t deck[DECK]; /* each fault once, then each once more */
	int64_t fault_us, change_us; /* when the next one begins, or this one ends */
} plans[MODEL_ZONES];

static struct {
	const char *kind;
	unsigned count;
} noted[NOTES];
static size_t noted_len, noted_last;

static struct {
	int64_t at_us;
	char line[48];
} events[EVENTS];
static size_t events_len;

/* ---- what was done ---- */

void note(const char *kind)
{
	size_t i = 0;

	while (i < noted_len && strcmp(noted[i].kind, kind) != 0)
		i++;
	if (i == noted_len) {
		if (noted_len == NOTES)
			errx(2, "more kinds of faults than there is room for");
		noted[noted_len++].kind = strdup(kind);
	}
	noted[i].count++;
	noted_last = i;
}

const char *note_last(void)
{
	return noted_len > 0 ? noted[noted_last].kind : "nothing";
}

void note_event(const char *line)
{
	size_t at = events_len++ % EVENTS;

	events[at].at_us = model_now_us();
	snprintf(events[at].line, sizeof(events[at].line), "%s", line);
}

void note_events_print(int64_t now_us)
{
	for (size_t i = events_len > EVENTS ? events_len - EVENTS : 0; i < events_len; i++)
		printf("#   %.3f s ago: %s\n", (double)(now_us - events[i % EVENTS].at_us) / 1e6, events[i % EVENTS].line);
}

void notes_print(void)
{
	for (size_t i = 0; i < noted_len; i++)
		printf("  %5u  %s\n", noted[i].count, noted[i].kind);
}

/* ---- when ---- */

static int64_t in_us(uint64_t from_us, uint64_t to_us)
{
	return model_now_us() + (int64_t)model_between(from_us, to_us);
}

void sources_start(const char *dir, uid_t observer, bool faults)
{
	sources_dir = dir;
	sources_observer = observer;
	for (size_t i = 0; i < MODEL_ZONES; i++) {
		kinds[model_zones[i].source]->start(&model_zones[i]);
		plans[i].change_us = in_us(CHANGE_FROM_US, CHANGE_TO_US);
		plans[i].fault_us = faults && !model_zones[i].still ? in_us(PAUSE_FROM_US, PAUSE_TO_US) : MODEL_OPEN;
	}
}

static size_t draw(size_t i, size_t len)
{
	size_t *deck = plans[i].deck, at = plans[i].drawn++ % len;

	for (size_t n = 0; at == 0 && n < len; n++) {
		size_t other = model_random() % (n + 1);

		deck[n] = deck[other];
		deck[other] = n;
	}
	return deck[at];
}

static void tick(size_t i, int64_t now_us)
{
	struct model_zone *z = &model_zones[i];
	const struct source_kind *kind = kinds[z->source];

	if (kind->tick != NULL)
		kind->tick(z);
	if (now_us >= plans[i].fault_us) {
		if (plans[i].at_fault) {
			kind->end(z, plans[i].fault);
			plans[i].fault_us = in_us(PAUSE_FROM_US, PAUSE_TO_US);
		} else {
			plans[i].fault = draw(i, kind->faults_len);
			note(kind->faults[plans[i].fault]);
			note_event(kind->faults[plans[i].fault]);
			kind->begin(z, plans[i].fault);
			plans[i].fault_us = model_is_absent(z) ? in_us(ABSENT_FROM_US, ABSENT_TO_US) :
			                                         in_us(FAULT_FROM_US, FAULT_TO_US);
		}
		plans[i].at_fault = !plans[i].at_fault;
	}
	if (!z->still && now_us >= plans[i].change_us && kind->change(z, plans[i].at_fault))
		plans[i].change_us = in_us(CHANGE_FROM_US, CHANGE_TO_US);
}

void sources_tick(void)
{
	int64_t now_us = model_now_us();

	for (size_t i = 0; i < MODEL_ZONES; i++)
		tick(i, now_us);
}
