/* Questions and answers. What comes in may be anything: a file, an empty pipe, a cat on the keyboard. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "init.h"
#include "log.h"

#define TRIES 5
#define SWALLOW (1 << 20) /* octets of a line without an end */

enum line { LINE_FINE, LINE_END, LINE_LONG, LINE_CONTROL };

/* A line without its end, and without blanks around it. */
static enum line read_line(FILE *in, char out[INIT_ANSWER])
{
	enum line what = LINE_FINE;
	size_t len = 0, swallowed = 0;
	int c;

	while ((c = getc(in)) != EOF && c != '\n') {
		if (++swallowed > SWALLOW)
			die_usage("the answer has no end: nothing done");
		if (c == '\t' || c == '\r')
			c = ' ';
		if (c < ' ' || c == 0x7f)
			what = what == LINE_LONG ? LINE_LONG : LINE_CONTROL;
		else if (len == INIT_ANSWER - 1)
			what = LINE_LONG;
		else if (c != ' ' || len > 0)
			out[len++] = (char)c;
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	/* What stands before the end of a file is no answer, unless a line break says that it is whole. */
	return c == EOF ? LINE_END : what;
}

static const char *judge_line(enum line what, const char *fallback, init_judge_fn *judge, void *data, char answer[INIT_ANSWER])
{
	if (what == LINE_LONG)
		return "the line is too long";
	if (what == LINE_CONTROL)
		return "there are control characters in it";
	if (*answer == '\0' && fallback == NULL)
		return "there is no default: say something";
	if (*answer == '\0')
		snprintf(answer, INIT_ANSWER, "%s", fallback);
	return judge(answer, data);
}

void init_ask(const struct init_dialog *d, const char *question, const char *option, const char *fallback,
    init_judge_fn *judge, void *data, char answer[INIT_ANSWER])
{
	const char *wrong;

	if (d->yes) {
		if (fallback == NULL)
			die_usage("%s? There is no default: give --%s; nothing done", question, option);
		snprintf(answer, INIT_ANSWER, "%s", fallback);
		wrong = judge(answer, data);
		if (wrong != NULL)
			die_usage("%s? The default is %s, and that will not do: %s: give --%s; nothing done", question, answer, wrong,
			    option);
		return;
	}
	for (int i = 0; i < TRIES; i++) {
		enum line what;

		if (fallback != NULL)
			fprintf(d->out, "%s [%s]: ", question, fallback);
		else
			fprintf(d->out, "%s: ", question);
		fflush(d->out);
		what = read_line(d->in, answer);
		if (what == LINE_END) {
			fputc('\n', d->out);
			fflush(d->out);
			die_usage("%s? There was no answer: give --%s%s; nothing done", question, option,
			    fallback != NULL ? ", or --yes to take the defaults" : "");
		}
		wrong = judge_line(what, fallback, judge, data, answer);
		if (wrong == NULL)
			return;
		fprintf(d->out, "  %s\n", wrong);
	}
	fflush(d->out);
	die_usage("%s? No answer of %d would do: give --%s; nothing done", question, TRIES, option);
}

/* ---- the questions ---- */

struct choice {
	const struct init_host *host;
	struct init_plan *plan;
	struct listen_list refused; /* once: what is said again is meant */
};

static const char *judge_device(const char *answer, void *data)
{
	struct choice *c = data;

	for (size_t i = 0; i < c->host->devices_len; i++) {
		if (strcmp(c->host->devices[i].dev.name, answer) == 0) {
			c->plan->device = &c->host->devices[i];
			return NULL;
		}
	}
	return "there is no WireGuard device of that name here";
}

static void ask_device(const struct init_dialog *d, const struct init_host *host, struct init_plan *plan)
{
	struct choice choice = {.host = host, .plan = plan};
	const char *given = init_value(plan, "Device");
	char answer[INIT_ANSWER];

	if (given != NULL) {
		if (judge_device(given, &choice) != NULL)
			die_usage("--device %s: there is no WireGuard device of that name here; nothing done", given);
		return;
	}
	if (host->devices_len == 1) {
		plan->device = &host->devices[0];
	} else {
		fprintf(d->out, "There are %zu WireGuard devices:", host->devices_len);
		for (size_t i = 0; i < host->devices_len; i++)
			fprintf(d->out, " %s", host->devices[i].dev.name);
		fputs(".\n", d->out);
		init_ask(d, "Which one has the peers to publish", "device", NULL, judge_device, &choice, answer);
	}
	init_value_set(plan, "Device", plan->device->dev.name);
}

static const char *judge_zone(const char *answer, void *data)
{
	return init_take_zone(answer, data);
}

static void ask_zone(const struct init_dialog *d, const struct init_host *host, struct init_plan *plan)
{
	const char *given = init_value(plan, "Name"), *wrong;
	char answer[INIT_ANSWER], fallback[300];

	if (given != NULL) {
		wrong = init_take_zone(given, plan);
		if (wrong != NULL)
			die_usage("--zone: %s; nothing done", wrong);
		return;
	}
	if (!d->yes)
		fputs("\nThe zone is where the peers' names are: a name below a domain of yours, wg.example.com if that is example.com.\n"
		      "If the peers ask this host and nobody else it may be any, such as wg.home.arpa.\n", d->out);
	snprintf(fallback, sizeof(fallback), "wg.%s", host->domain);
	init_ask(d, "The zone's name", "zone", *host->domain != '\0' ? fallback : NULL, judge_zone, plan, answer);
}

static bool is_refused(const struct listen_list *refused, const struct endpoint *at)
{
	for (size_t i = 0; i < refused->len; i++)
		if (endpoint_equal(&refused->at[i].at, at))
			return true;
	return false;
}

static void list_addresses(const struct endpoint *addrs, size_t len, char *out, size_t cap)
{
	char text[ENDPOINT_TEXT];

	for (size_t i = 0; i < len; i++)
		snprintf(out + strlen(out), cap - strlen(out), "%s%s", *out != '\0' ? ", " : "", endpoint_addr_to_text(&addrs[i], text));
}

/* Mostly a slip of the pen; but an address may come later. */
static const char *judge_listen(const char *answer, void *data)
{
	static char said[256 + 3 * INIT_ADDRS * (ENDPOINT_TEXT + 2)];
	struct choice *c = data;
	const struct init_device *dev = c->plan->device;
	const struct endpoint *foreign = NULL;
	const char *wrong = init_take_listen(answer, c->plan);
	char text[ENDPOINT_TEXT], own[3 * INIT_ADDRS * (ENDPOINT_TEXT + 2)] = "";

	for (size_t i = 0; wrong == NULL && i < c->plan->listen.len && foreign == NULL; i++) {
		const struct listen_conf *l = &c->plan->listen.at[i];

		if (init_is_foreign(c->host, l) && !is_refused(&c->refused, &l->at))
			foreign = &l->at;
	}
	if (foreign == NULL)
		return wrong;
	c->refused = c->plan->listen;
	list_addresses(dev->addrs, dev->addrs_len, own, sizeof(own));
	list_addresses(c->host->public_addrs, c->host->public_len, own, sizeof(own));
	list_addresses(c->host->private_addrs, c->host->private_len, own, sizeof(own));
	snprintf(said, sizeof(said), "this host has no address %s now (it has %s): give it once more to take it nevertheless",
	    endpoint_addr_to_text(foreign, text), *own != '\0' ? own : "none");
	return said;
}

static void ask_listen(const struct init_dialog *d, const struct init_host *host, struct init_plan *plan)
{
	char answer[INIT_ANSWER], fallback[INIT_ADDRS * ENDPOINT_TEXT] = "", text[ENDPOINT_TEXT];
	struct choice choice = {.host = host, .plan = plan};
	const struct init_device *dev = plan->device;
	const char *wrong;

	if (init_value(plan, "Listen") != NULL) {
		wrong = init_take_listen(NULL, plan);
		if (wrong != NULL)
			die_usage("--listen: %s; nothing done", wrong);
		return;
	}
	list_addresses(dev->addrs, dev->addrs_len, fallback, sizeof(fallback));
	if (*fallback == '\0' && host->public_len > 0)
		endpoint_addr_to_text(&host->public_addrs[0], fallback);
	if (!d->yes) {
		fputs("\nAt the tunnel's address only peers are answered, and that is enough if they ask this host.\n", d->out);
		if (host->public_len > 0)
			fprintf(d->out, "For a delegation answer in public, too: add %s behind a comma.\n",
			    endpoint_addr_to_text(&host->public_addrs[0], text));
	}
	init_ask(d, "Where to answer, addresses of this host", "listen", *fallback != '\0' ? fallback : NULL, judge_listen,
	    &choice, answer);
}

static const char *judge_self(const char *answer, void *data)
{
	return init_take_self(answer, data);
}

static void ask_self(const struct init_dialog *d, const struct init_host *host, struct init_plan *plan)
{
	const char *given = init_value(plan, "Self"), *wrong;
	char answer[INIT_ANSWER];

	if (given != NULL) {
		wrong = init_take_self(given, plan);
		if (wrong != NULL)
			die_usage("--self %s: %s; nothing done", given, wrong);
		return;
	}
	if (!d->yes && host->public_len > 0)
		fputs("\nPeers learn where this host's own WireGuard is. auto: at this host's public addresses.\n", d->out);
	else if (!d->yes)
		fputs("\nThis host has no public address: it is behind a NAT. ADDR is the NAT's, if it forwards the port of this host's\n"
		      "WireGuard under the same number, ADDR:PORT if under another; none, if peers need not learn it.\n", d->out);
	init_ask(d, d->yes && host->public_len == 0 ? "This host has no public address. Where do peers reach its WireGuard" :
	    "Where peers reach this host's WireGuard", "self", host->public_len > 0 ? "auto" : NULL, judge_self, plan, answer);
}

void init_ask_all(const struct init_dialog *d, const struct init_host *host, struct init_plan *plan)
{
	ask_device(d, host, plan);
	ask_zone(d, host, plan);
	ask_listen(d, host, plan);
	ask_self(d, host, plan);
	if (!d->yes)
		fputc('\n', d->out);
}
