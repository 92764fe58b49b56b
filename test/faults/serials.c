#include "serials.h"

#include <stdio.h>
#include <string.h>

#define SERIALS 4096 /* of a zone, remembered */

struct meaning {
	uint32_t serial;
	struct version_set set;
	bool known, single;
};

static struct {
	struct meaning meanings[SERIALS];
	struct {
		uint32_t version, serial;
	} of_version[SERIALS];
	uint32_t highest, floor;
	bool has_highest, has_floor;
	bool unsaved; /* it may be that the serial is not kept, and nothing is known to have been kept since */
} zones[MODEL_ZONES];

static unsigned unsafe;
static int64_t safe_us;
static unsigned long judged, single, kept, waived;

static bool is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* Narrows what the serial can mean. */
static const char *narrow(size_t zone, struct meaning *m, const struct version_set *set)
{
	uint32_t left = 0, last = 0;

	for (uint32_t v = m->set.first; v < m->set.first + m->set.len; v++) {
		if (!version_in(&m->set, v))
			continue;
		if (!version_in(set, v))
			version_put(&m->set, v, false);
		else
			left++, last = v;
	}
	if (left == 0)
		return "the serial stands for two contents";
	if (left > 1 || m->single)
		return NULL;
	m->single = true;
	single++;
	if (zones[zone].of_version[last % SERIALS].version == last && zones[zone].of_version[last % SERIALS].serial != m->serial)
		return "two serials stand for one content";
	zones[zone].of_version[last % SERIALS].version = last;
	zones[zone].of_version[last % SERIALS].serial = m->serial;
	return NULL;
}

const char *serials_judge(size_t zone, uint32_t serial, const struct version_set *set, struct question_seen *seen)
{
	struct meaning *m = &zones[zone].meanings[serial % SERIALS];

	judged++;
	if (seen->has_serial && is_before(serial, seen->serial))
		return "the serial goes backwards";
	if (zones[zone].has_floor && is_before(serial, zones[zone].floor))
		return "the serial goes backwards over a restart";
	seen->has_serial = true;
	seen->serial = serial;
	if (!zones[zone].has_highest || is_before(zones[zone].highest, serial))
		zones[zone].highest = serial;
	zones[zone].has_highest = true;
	if (!m->known || m->serial != serial)
		*m = (struct meaning){.known = true, .serial = serial, .set = *set};
	return narrow(zone, m, set);
}

void serials_saw_version(size_t zone, uint32_t version)
{
	if (zones[zone].unsaved && unsafe == 0 && model_zones[zone].versions[version].from_us > safe_us)
		zones[zone].unsaved = false;
}

static void forget(size_t zone)
{
	zones[zone].has_floor = zones[zone].has_highest = false;
	memset(zones[zone].meanings, 0, sizeof(zones[zone].meanings));
	memset(zones[zone].of_version, 0, sizeof(zones[zone].of_version));
}

/* What is not on the disk is forgotten with the process, and said to be: then the next one may begin anew. */
void question_server_gone(void)
{
	for (size_t i = 0; i < MODEL_ZONES; i++) {
		if (zones[i].unsaved) {
			waived++;
			forget(i);
		} else if (zones[i].has_highest) {
			kept++;
			zones[i].has_floor = true;
			zones[i].floor = zones[i].highest;
		}
		zones[i].unsaved = unsafe > 0;
	}
}

void question_unsafe(bool on)
{
	unsafe = on ? unsafe + 1 : unsafe - 1;
	safe_us = model_now_us();
	for (size_t i = 0; on && i < MODEL_ZONES; i++) {
		zones[i].unsaved = true;
		if (model_zones[i].optional) /* it may be coming just now */
			forget(i);
	}
}

void question_zone_comes(size_t zone)
{
	if (zones[zone].unsaved)
		forget(zone);
}

void serials_tell(size_t zone)
{
	printf("#   serials:%s", zones[zone].unsaved ? " (not kept)" : "");
	for (uint32_t s = zones[zone].highest - 3; s != zones[zone].highest + 1; s++) {
		const struct meaning *m = &zones[zone].meanings[s % SERIALS];

		for (uint32_t v = m->set.first; m->known && m->serial == s && v < m->set.first + m->set.len; v++)
			if (version_in(&m->set, v))
				printf(" %u=%u", s, v);
	}
	printf("; not less than %u\n", zones[zone].has_floor ? zones[zone].floor : 0);
}

void serials_print(void)
{
	printf("serials: %lu seen, %lu traced to one version, kept over %lu restarts of a zone (%lu were not kept, as was said)\n",
	    judged, single, kept, waived);
}
