/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/status.h"

#include <stdio.h>
#include <string.h>

#include "punchctl/out.h"

void status_rate_look(struct status_rate *rate, uint64_t bytes, int64_t now_ms)
{
	int64_t passed = now_ms - rate->at_ms;

	if (rate->at_ms && passed > 0)
		rate->rate = (bytes - rate->bytes) * 1000 / (uint64_t)passed;
	rate->bytes = bytes;
	rate->at_ms = now_ms;
}

/* A refusal is one hole's; all else is the relay's, or our network's. */
static bool trouble_ends(const struct status_punch *status, const struct agent_event *event)
{
	return status->trouble.type != AGENT_REFUSED ||
	       (event->type != AGENT_BACK && event->hole == status->trouble.hole);
}

void status_punch_event(
	struct status_punch *status, const struct agent_event *event, int64_t now_ms)
{
	switch (event->type) {
	case AGENT_PUNCHED:
	case AGENT_MOVED:
		status->punched |= UINT64_C(1) << event->hole;
		status->mapped = event->mapped;
		if (trouble_ends(status, event))
			status->trouble_ms = 0;
		break;
	case AGENT_BACK:
		if (trouble_ends(status, event))
			status->trouble_ms = 0;
		break;
	case AGENT_SILENT:
	case AGENT_LOST:
	case AGENT_UNREACHABLE:
	case AGENT_REFUSED:
		if (!status->trouble_ms)
			status->trouble_ms = now_ms - event->ms;
		status->trouble = *event;
		break;
	case AGENT_CONFLICT: /* it is tried again at once */
	case AGENT_FAILED:   /* the end */
		break;
	}
}

bool status_punch_media(struct status_punch *status, int64_t now_ms)
{
	bool begins = !status->playing;

	status->playing = true;
	status->media_ms = now_ms;
	return begins;
}

bool status_punch_tick(struct status_punch *status, uint64_t bytes, int64_t now_ms)
{
	status_rate_look(&status->rate, bytes, now_ms);
	if (!status->playing || now_ms - status->media_ms < STATUS_QUIET_MS)
		return false;
	status->playing = false;
	return true;
}

static unsigned int punched_count(const struct status_punch *status)
{
	return (unsigned int)__builtin_popcountll(status->punched);
}

/* What is wrong, without how long. */
static void trouble_words(const struct status_punch *status, char text[static STATUS_TEXT])
{
	char relay[ENDPOINT_TEXT];

	endpoint_format(status->relay, relay);
	if (status->trouble.type == AGENT_UNREACHABLE)
		snprintf(text, STATUS_TEXT, "cannot send to %s: %s", relay,
			strerror(status->trouble.error));
	else if (status->trouble.type == AGENT_REFUSED)
		snprintf(text, STATUS_TEXT, "refused: %u %s", status->trouble.code,
			status->trouble.reason);
	else if (status->trouble.code)
		snprintf(text, STATUS_TEXT, "%s answers, but not as a relay does", relay);
	else
		snprintf(text, STATUS_TEXT, "no answer from %s", relay);
}

static void holes_words(const struct status_punch *status, char text[static STATUS_TEXT])
{
	char mapped[ENDPOINT_TEXT];

	if (status->ports > 1)
		snprintf(text, STATUS_TEXT, "%u ports punched", status->ports);
	else
		snprintf(text, STATUS_TEXT, "punched as %s",
			endpoint_format(&status->mapped, mapped));
}

#define SINCE 40

static const char *since_words(const struct status_punch *status, const char *before,
	int64_t since_ms, int64_t now_ms, char text[static SINCE])
{
	if (status->lasting)
		return "";
	snprintf(text, SINCE, "%s for %lld s", before, (long long)(now_ms - since_ms) / 1000);
	return text;
}

static void media_words(
	const struct status_punch *status, int64_t now_ms, char text[static STATUS_TEXT])
{
	char holes[STATUS_TEXT], rate[OUT_UNIT], wrong[STATUS_TEXT], since[SINCE];

	holes_words(status, holes);
	if (status->shared)
		snprintf(text, STATUS_TEXT, "%.100s, media go to the program itself", holes);
	else if (!status->media_ms)
		snprintf(text, STATUS_TEXT, "%.100s, waiting for media", holes);
	else if (!status->playing)
		snprintf(text, STATUS_TEXT, "%.100s, waiting for media%s", holes,
			since_words(status, ", none", status->media_ms, now_ms, since));
	else if (status->lasting)
		snprintf(text, STATUS_TEXT, "playing");
	else
		snprintf(text, STATUS_TEXT, "playing, %s",
			out_bytes((json_int_t)status->rate.rate, 1, rate));
	if (!status->trouble_ms || !status->playing)
		return;
	trouble_words(status, wrong);
	strncat(text, "; ", STATUS_TEXT - 1 - strlen(text));
	strncat(text, wrong, STATUS_TEXT - 1 - strlen(text));
}

const char *status_punch_words(
	const struct status_punch *status, int64_t now_ms, char text[static STATUS_TEXT])
{
	char words[STATUS_TEXT], relay[ENDPOINT_TEXT];
	unsigned int punched = punched_count(status);

	endpoint_format(status->relay, relay);
	if (status->unshared) {
		snprintf(
			words, sizeof(words), "waiting for a program at port %u", status->unshared);
	} else if (status->trouble_ms && !status->playing) {
		char wrong[STATUS_TEXT], since[SINCE];

		trouble_words(status, wrong);
		snprintf(words, sizeof(words), "%.180s%s; still trying", wrong,
			since_words(status, "", status->trouble_ms, now_ms, since));
	} else if (punched == 0) {
		snprintf(words, sizeof(words), "proving the key to %s", relay);
	} else if (punched < status->ports) {
		snprintf(words, sizeof(words), "proving the key to %s, %u of %u ports punched",
			relay, punched, status->ports);
	} else {
		media_words(status, now_ms, words);
	}
	snprintf(text, STATUS_TEXT, "%.64s: %.180s", status->stream, words);
	return text;
}

static const char *const path_words[] = {
	[STATUS_LOST] = "reconnecting",
	[STATUS_RELAYED] = "relayed",
	[STATUS_SEARCHING] = "relayed, searching for a direct path",
	[STATUS_BACK] = "back on the relay",
	[STATUS_DIRECT] = "direct",
};

static unsigned int session_count(const struct status_peers *status)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < STATUS_PATHS; i++)
		count += status->paths[i];
	return count;
}

static void nobody_words(const struct status_peers *status, char text[static STATUS_TEXT])
{
	char relay[ENDPOINT_TEXT], local[ENDPOINT_TEXT];

	endpoint_format(&status->relay, relay);
	if (status->unshared)
		snprintf(text, STATUS_TEXT, "waiting for a program at port %u", status->unshared);
	else if (status->silent)
		snprintf(text, STATUS_TEXT, "no answer from %s; still trying", relay);
	else if (!status->proven)
		snprintf(text, STATUS_TEXT, "proving the key to %s", relay);
	else if (status->role == PEER_SERVICE)
		snprintf(text, STATUS_TEXT, "waiting for peers");
	else if (!status->ready)
		snprintf(text, STATUS_TEXT, "waiting for a peer that serves");
	else
		snprintf(text, STATUS_TEXT, "a peer serves; waiting for a program at %s",
			endpoint_format(&status->local, local));
}

/* "3 peers: 2 direct, 1 reconnecting"; for one alone its path says it all. */
static void paths_words(const struct status_peers *status, char text[static STATUS_TEXT])
{
	unsigned int count = session_count(status), relayed = 0;
	size_t len = 0;

	for (unsigned int i = 0; i < STATUS_PATHS && count == 1; i++) {
		if (status->paths[i])
			snprintf(text, STATUS_TEXT, "%s", path_words[i]);
	}
	if (count == 1)
		return;
	relayed = count - status->paths[STATUS_DIRECT] - status->paths[STATUS_LOST];
	len = (size_t)snprintf(text, STATUS_TEXT, "%u sessions:", count);
	if (status->paths[STATUS_DIRECT])
		len += (size_t)snprintf(
			text + len, STATUS_TEXT - len, " %u direct,", status->paths[STATUS_DIRECT]);
	if (relayed)
		len += (size_t)snprintf(text + len, STATUS_TEXT - len, " %u relayed,", relayed);
	if (status->paths[STATUS_LOST])
		len += (size_t)snprintf(text + len, STATUS_TEXT - len, " %u reconnecting,",
			status->paths[STATUS_LOST]);
	text[len - 1] = '\0';
}

const char *status_peers_words(const struct status_peers *status, char text[static STATUS_TEXT])
{
	char words[STATUS_TEXT], in[OUT_UNIT], out[OUT_UNIT];
	unsigned int count = session_count(status);

	if (count == 0)
		nobody_words(status, words);
	else
		paths_words(status, words);
	if (count == 0 || status->shared || status->lasting || count == status->paths[STATUS_LOST])
		snprintf(text, STATUS_TEXT, "%.64s: %.180s", status->stream, words);
	else
		snprintf(text, STATUS_TEXT, "%.64s: %.120s, %s in, %s out", status->stream, words,
			out_bytes((json_int_t)status->in.rate, 1, in),
			out_bytes((json_int_t)status->out.rate, 1, out));
	return text;
}
