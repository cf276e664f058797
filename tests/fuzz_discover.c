/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What STUN servers and metadata services may answer to a relay that asks how it is seen. The first
 * byte says what the others are:
 *
 *   0  an answer of STUN, from the server; its id becomes that of the question
 *   1  the same, from somebody who does not know the id
 *   2  what a metadata service says to one question after the other, with a byte 0xff between
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <string.h>

#include "relayd/discover.h"
#include "relayd/http.h"

#define QUESTIONS 32 /* more than a round has */

enum mode { SERVER, STRANGER, CLOUD, MODES };

static const struct endpoint server = {{AF_INET, {198, 51, 100, 2}}, 3479};

static struct config config;
static struct discover discover;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(void)
{
	memset(&config, 0, sizeof(config));
	memset(&discover, 0, sizeof(discover));
	config.punch = 3478;
	config.discover[0] = server;
	config.discover_cloud = true;
	config.address_count = 2;
	config.addresses[0] = (struct addr){AF_INET, {10, 0, 0, 4}};
	config.addresses[1] = (struct addr){AF_INET6, {0xfd, 0, 4}};
	discover_configure(&discover, &config, 0);
}

/* Whatever was believed can be shown to people. */
static void check(void)
{
	char text[DISCOVER_TEXT];

	for (size_t i = 0; i < discover.count; i++) {
		struct addr public = discover_public(&discover, &discover.list[i]);
		struct addr seen = discover_seen(&discover.list[i]);

		assert(!seen.family ||
			(seen.family == discover.list[i].local.family && addr_is_routable(&seen)));
		assert(!public.family || !addr_is_private(&public));
	}
	discover_doubt(&discover, text);
}

static void handle_stun(const uint8_t *data, size_t size, bool knows)
{
	uint8_t question[DISCOVER_ASK_MAX], answer[STUN_MAX];
	struct endpoint from, to;
	struct stun stun;

	assert(discover_ask(&discover, 0, &from, &to, question) == DISCOVER_ASK_MAX);
	assert(endpoint_equal(&to, &server));
	if (size < STUN_HEADER || size > sizeof(answer))
		return;
	memcpy(answer, data, size);
	if (knows)
		memcpy(answer + 8, question + 8, STUN_TID);
	if (stun_parse(answer, size, &stun))
		return;
	/* The one in 2^96. */
	if (discover_answer(&discover, &to, &from, &stun, 0))
		assert(knows || memcmp(stun.tid, question + 8, STUN_TID) == 0);
	assert(!discover_answer(&discover, &to, &from, &stun, 0));
}

/* Two to five lines of ours and an empty one: nothing of an answer begins another. */
static void question_check(const char *question, size_t len)
{
	size_t lines = 0;

	assert(len < METADATA_ASK && strlen(question) == len);
	assert(memcmp(question + len - 4, "\r\n\r\n", 4) == 0);
	for (const char *at = question; (at = strstr(at, "\r\n")); at += 2)
		lines++;
	assert(lines >= 4 && lines <= 6);
	for (size_t i = 0; i < len; i++)
		assert((question[i] >= ' ' && question[i] <= '~') || question[i] == '\r' ||
			question[i] == '\n');
}

static void handle_cloud(const uint8_t *data, size_t size)
{
	struct metadata *metadata = &discover.metadata;
	const char *at = (const char *)data, *end = at + size;
	char question[METADATA_ASK];
	struct http_answer whole;
	struct metadata_pair pairs[METADATA_PAIRS];
	size_t len, count;

	for (int i = 0; i < QUESTIONS; i++) {
		const char *stop = memchr(at, 0xff, (size_t)(end - at));

		len = metadata_ask(metadata, 0, question);
		if (!len)
			return;
		question_check(question, len);
		len = (size_t)((stop ? stop : end) - at);
		len = len < HTTP_MAX ? len : HTTP_MAX;
		http_read(at, len, false, &whole);
		count = metadata_answer(metadata, at, len, 0, pairs);
		assert(count <= METADATA_PAIRS);
		for (size_t pair = 0; pair < count; pair++) {
			assert(pairs[pair].local.family == pairs[pair].public.family);
			discover_cloud(&discover, &pairs[pair]);
		}
		at = stop ? stop + 1 : end;
	}
	assert(!"a round that does not end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	begin();
	switch ((enum mode)(data[0] % MODES)) {
	case SERVER:
		handle_stun(data + 1, size - 1, true);
		break;
	case STRANGER:
		handle_stun(data + 1, size - 1, false);
		break;
	case CLOUD:
		handle_cloud(data + 1, size - 1);
		break;
	case MODES:
		break;
	}
	check();
	return 0;
}
