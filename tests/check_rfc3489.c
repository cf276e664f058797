/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Classic STUN: what is answered, and what is not. */
#include <stdlib.h>
#include <string.h>

#include "tests/behaviour_bed.h"
#include "tests/suite.h"

/* RFC 3489: no cookie, and CHANGE-REQUEST in every request. */
static enum behaviour_count send_old(const char *local, const uint8_t *data, size_t len)
{
	struct behaviour_packet packet = {
		.source = endpoint(HOME), .local = endpoint(local), .len = len};
	uint8_t *copy = malloc(len ? len : 1);
	enum behaviour_count count;

	ck_assert_ptr_nonnull(copy);
	if (len)
		memcpy(copy, data, len);
	packet.data = copy;
	answer = (struct behaviour_answer){.data = room};
	count = behaviour_rfc3489(&behaviour, &packet, NOW, &answer);
	free(copy);
	return count;
}

/* A Binding request with RESPONSE-ADDRESS 198.51.100.9:9, which is to change nothing. */
static const uint8_t old_request[] = {0, 1, 0, 20, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 0, 3, 0, 4, 0, 0, 0, 0, 0, 2, 0, 8, 0, 1, 0, 9, 198, 51, 100, 9};

static const struct old {
	const char *local;
	uint8_t change;
	const char *from;
	uint8_t source_port, changed, changed_port; /* the last bytes */
} olds[] = {
	{A ":3480", 0, A ":3480", 0x98, 8, 0x99},
	{A ":3481", 0, A ":3481", 0x99, 8, 0x98},
	{A ":3480", 2, A ":3481", 0x99, 8, 0x99},
	{A ":3480", 4, B ":3480", 0x98, 8, 0x99},
	{B ":3480", 6, A ":3481", 0x99, 7, 0x99},
};

START_TEST(test_old)
{
	const struct old *old = &olds[_i];
	uint8_t request[sizeof(old_request)];
	uint8_t wanted[] = {1, 1, 0, 36, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1,
		0, 8, 0, 1, 0x9c, 0xbb, 192, 0, 2, 9, 0, 4, 0, 8, 0, 1, 0x0d, old->source_port, 203,
		0, 113, 0, 0, 5, 0, 8, 0, 1, 0x0d, old->changed_port, 203, 0, 113, old->changed};

	memcpy(request, old_request, sizeof(request));
	request[27] = old->change;
	ck_assert(behaviour_is_rfc3489(&behaviour, 3480) && behaviour_is_rfc3489(&behaviour, 3481));
	ck_assert_int_eq(send_old(old->local, request, sizeof(request)),
		old->change ? BEHAVIOUR_ELSEWHERE : BEHAVIOUR_ANSWERED);
	assert_endpoint(&answer.from, old->from);
	assert_endpoint(&answer.to, HOME);
	wanted[43] = answer.from.addr.bytes[3];
	ck_assert_uint_eq(answer.len, sizeof(wanted));
	ck_assert_mem_eq(room, wanted, sizeof(wanted));
}
END_TEST

START_TEST(test_old_one)
{
	uint8_t request[sizeof(old_request)];

	memcpy(request, old_request, sizeof(request));
	ck_assert_int_eq(send_old(A ":3480", request, sizeof(request)), BEHAVIOUR_ANSWERED);
	ck_assert_uint_eq(answer.len, 44);
	request[27] = 4;
	ck_assert_int_eq(send_old(A ":3480", request, sizeof(request)), BEHAVIOUR_SILENT);
	request[27] = 0;
	for (int i = 1; i < 20; i++)
		ck_assert_int_eq(send_old(A ":3480", request, sizeof(request)), BEHAVIOUR_ANSWERED);
	ck_assert_int_eq(send_old(A ":3480", request, sizeof(request)), BEHAVIOUR_UNPADDED);
}
END_TEST

/* Cut at every length, of another type, with a CHANGE-REQUEST of another length. */
START_TEST(test_old_malformed)
{
	uint8_t request[sizeof(old_request)];

	for (size_t len = 0; len < sizeof(request); len++) {
		memcpy(request, old_request, sizeof(request));
		ck_assert_int_eq(send_old(A ":3480", request, len), BEHAVIOUR_MALFORMED);
		if (len < 20)
			continue;
		request[3] = (uint8_t)(len - 20);
		ck_assert_int_eq(send_old(A ":3480", request, len) == BEHAVIOUR_MALFORMED,
			len != 20 && len != 28);
	}
	for (size_t i = 0; i < 4; i++) {
		static const size_t at[] = {1, 0, 23, 31};

		memcpy(request, old_request, sizeof(request));
		request[at[i]] ^= i == 3 ? 1 : 9;
		ck_assert_int_eq(
			send_old(A ":3480", request, sizeof(request)), BEHAVIOUR_MALFORMED);
		ck_assert_uint_eq(answer.len, 0);
	}
}
END_TEST

static Suite *rfc3489_suite(void)
{
	Suite *suite = suite_create("rfc3489");
	TCase *tcase = tcase_create("two addresses");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, test_old, 0, COUNT(olds));
	tcase_add_test(tcase, test_old_malformed);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("one address");
	tcase_add_checked_fixture(tcase, set_up_one, NULL);
	tcase_add_test(tcase, test_old_one);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(rfc3489_suite());
}
