/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/discover_bed.h"

#include <string.h>

#include "tests/endpoint.h"

struct config config;
struct discover discover;
int64_t now;
struct question question;

void add_address(const char *text)
{
	ck_assert_int_eq(addr_parse(text, &config.addresses[config.address_count++]), 0);
}

void configure(void)
{
	discover_configure(&discover, &config, now);
}

void set_up(void)
{
	memset(&config, 0, sizeof(config));
	memset(&discover, 0, sizeof(discover));
	now = 5000;
	config.punch = 3478;
	config.discover[0] = endpoint(SERVER);
	add_address(LOCAL);
	configure();
}

bool asks(void)
{
	question.len = discover_ask(&discover, now, &question.from, &question.to, question.data);
	if (question.len)
		ck_assert_int_eq(stun_parse(question.data, question.len, &question.stun), 0);
	return question.len > 0;
}

bool answers_as(uint16_t type, const char *from, const char *mapped)
{
	struct endpoint source = endpoint(from), seen = endpoint(mapped);
	uint8_t data[STUN_MAX];
	struct stun stun;
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, type, question.stun.tid);
	if (seen.port)
		stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &seen);
	ck_assert_int_eq(stun_parse(data, stun_end(&buf), &stun), 0);
	return discover_answer(&discover, &source, &question.from, &stun, now);
}

bool answers(const char *mapped)
{
	return answers_as(STUN_SUCCESS, SERVER, mapped);
}

void learn(const char *mapped)
{
	ck_assert(asks());
	ck_assert(answers(mapped));
}

void advertise(const char *public)
{
	config.advertise_count = 1;
	config.advertise[0].local = config.addresses[0];
	ck_assert_int_eq(addr_parse(public, &config.advertise[0].public), 0);
}

void cloud_says(const char *local, const char *public)
{
	struct metadata_pair pair;

	ck_assert_int_eq(addr_parse(local, &pair.local), 0);
	ck_assert_int_eq(addr_parse(public, &pair.public), 0);
	discover_cloud(&discover, &pair);
}

void assert_public(size_t i, const char *wanted)
{
	struct addr public = discover_public(&discover, &discover.list[i]);
	char text[ADDR_TEXT] = "";

	if (public.family)
		addr_format(&public, text);
	ck_assert_str_eq(text, wanted);
}

void assert_doubt(const char *wanted)
{
	char text[DISCOVER_TEXT] = "";

	ck_assert_int_eq(discover_doubt(&discover, text), *wanted != '\0');
	ck_assert_str_eq(text, wanted);
}

void assert_silence(const char *wanted)
{
	char text[DISCOVER_TEXT] = "";

	ck_assert_int_eq(discover_silence(&discover, AF_INET, text), *wanted != '\0');
	ck_assert_str_eq(text, wanted);
	ck_assert(!discover_silence(&discover, AF_INET6, text));
}

void fall_silent(void)
{
	for (int i = 0; i < DISCOVER_SILENT; i++) {
		assert_silence("");
		while (asks())
			;
		now += 300000;
	}
}
