/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/behaviour_bed.h"

#include <string.h>

struct config config;
struct limit unpadded;
struct behaviour behaviour;
struct behaviour_answer answer;
uint8_t room[BEHAVIOUR_ANSWER_MAX];

void add_address(const char *text)
{
	ck_assert_int_eq(addr_parse(text, &config.addresses[config.address_count++]), 0);
}

void start(void)
{
	limit_init(&unpadded, 5, 20, 500);
	behaviour_init(&behaviour, &unpadded);
	behaviour_configure(&behaviour, &config, 1);
	/* With this seed no two of the prefixes below share a bucket. */
	unpadded.seed = behaviour.elsewhere.seed = 1;
}

void set_up(void)
{
	memset(&config, 0, sizeof(config));
	config.punch = 3478;
	config.alternate = 3479;
	config.rfc3489 = 3480;
	add_address(A);
	add_address(SIX);
	add_address(B);
	start();
}

void set_up_one(void)
{
	set_up();
	config.address_count = 2;
	start();
}

void assert_endpoint(const struct endpoint *got, const char *wanted)
{
	char text[ENDPOINT_TEXT];

	if (!wanted)
		ck_assert_uint_eq(got->addr.family, 0);
	else
		ck_assert_str_eq(endpoint_format(got, text), wanted);
}
