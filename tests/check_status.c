/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What punch, serve and connect say that they are doing, and how that fits a terminal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "punchctl/progress.h"
#include "punchctl/status.h"
#include "tests/suite.h"

#define COUNT(arr) (sizeof(arr) / sizeof((arr)[0]))
#define START_MS   1000000
#define NAME_LEN   63

static const struct endpoint relay = {{AF_INET, {203, 0, 113, 7}}, 3478};
static const struct endpoint mapped = {{AF_INET, {192, 0, 2, 9}}, 40123};
static struct status_punch punch;
static int64_t now_ms;

static void setup(void)
{
	punch = (struct status_punch){.stream = "cam1", .relay = &relay, .ports = 1};
	now_ms = START_MS;
}

static void happen(enum agent_event_type type, unsigned int hole)
{
	struct agent_event event = {.type = type,
		.hole = hole,
		.mapped = mapped,
		.code = type == AGENT_REFUSED ? 503 : 0,
		.error = ENETUNREACH,
		.ms = type == AGENT_LOST ? 7000 : 0,
		.reason = "draining"};

	status_punch_event(&punch, &event, now_ms);
}

static void assert_words(const char *want)
{
	char text[STATUS_TEXT];

	ck_assert_str_eq(status_punch_words(&punch, now_ms, text), want);
}

START_TEST(test_punch)
{
	assert_words("cam1: proving the key to 203.0.113.7:3478");
	happen(AGENT_PUNCHED, 0);
	assert_words("cam1: punched as 192.0.2.9:40123, waiting for media");
	ck_assert(!status_punch_tick(&punch, 0, now_ms));
	now_ms += 500;
	ck_assert(status_punch_media(&punch, now_ms));
	assert_words("cam1: playing, 0 B/s");
	now_ms += 500;
	ck_assert(!status_punch_media(&punch, now_ms));
	ck_assert(!status_punch_tick(&punch, 1500000, now_ms));
	assert_words("cam1: playing, 1.5 MB/s");
	now_ms += 500;
	ck_assert(!status_punch_tick(&punch, 1500000 + 320, now_ms));
	assert_words("cam1: playing, 640 B/s");
}
END_TEST

START_TEST(test_quiet)
{
	happen(AGENT_PUNCHED, 0);
	status_punch_media(&punch, now_ms);
	now_ms += STATUS_QUIET_MS - 1;
	ck_assert(!status_punch_tick(&punch, 1000, now_ms));
	now_ms++;
	ck_assert(status_punch_tick(&punch, 1000, now_ms));
	ck_assert(!status_punch_tick(&punch, 1000, now_ms));
	now_ms += 2000;
	assert_words("cam1: punched as 192.0.2.9:40123, waiting for media, none for 7 s");
	ck_assert(status_punch_media(&punch, now_ms));
}
END_TEST

/* For those who read it later: nothing that another second makes wrong. */
START_TEST(test_lasting)
{
	punch.lasting = true;
	happen(AGENT_SILENT, 0);
	now_ms += 3000;
	assert_words("cam1: no answer from 203.0.113.7:3478; still trying");
	happen(AGENT_PUNCHED, 0);
	status_punch_media(&punch, now_ms);
	status_punch_tick(&punch, 1000, now_ms);
	assert_words("cam1: playing");
	now_ms += STATUS_QUIET_MS;
	status_punch_tick(&punch, 1000, now_ms);
	assert_words("cam1: punched as 192.0.2.9:40123, waiting for media");
}
END_TEST

START_TEST(test_ports)
{
	punch.ports = 4;
	happen(AGENT_PUNCHED, 2);
	happen(AGENT_PUNCHED, 2);
	assert_words("cam1: proving the key to 203.0.113.7:3478, 1 of 4 ports punched");
	for (unsigned int i = 0; i < 4; i++)
		happen(AGENT_PUNCHED, i);
	assert_words("cam1: 4 ports punched, waiting for media");
}
END_TEST

/* What stops it, and for how long when three seconds more have passed. */
static const struct {
	enum agent_event_type type, end;
	const char *words;
} troubles[] = {
	{AGENT_SILENT, AGENT_PUNCHED, "no answer from 203.0.113.7:3478 for 3 s; still trying"},
	{AGENT_LOST, AGENT_BACK, "no answer from 203.0.113.7:3478 for 10 s; still trying"},
	{AGENT_LOST, AGENT_MOVED, "no answer from 203.0.113.7:3478 for 10 s; still trying"},
	{AGENT_UNREACHABLE, AGENT_BACK,
		"cannot send to 203.0.113.7:3478: Network is unreachable for 3 s; still trying"},
	{AGENT_REFUSED, AGENT_PUNCHED, "refused: 503 draining for 3 s; still trying"},
};

START_TEST(test_trouble)
{
	char want[STATUS_TEXT];

	if (troubles[_i].type != AGENT_SILENT)
		happen(AGENT_PUNCHED, 0);
	happen(troubles[_i].type, 0);
	now_ms += 3000;
	snprintf(want, sizeof(want), "cam1: %s", troubles[_i].words);
	assert_words(want);
	happen(troubles[_i].end, 0);
	assert_words("cam1: punched as 192.0.2.9:40123, waiting for media");
}
END_TEST

START_TEST(test_trouble_while_playing)
{
	happen(AGENT_PUNCHED, 0);
	status_punch_media(&punch, now_ms);
	happen(AGENT_LOST, 0);
	assert_words("cam1: playing, 0 B/s; no answer from 203.0.113.7:3478");
	happen(AGENT_BACK, 0);
	assert_words("cam1: playing, 0 B/s");
}
END_TEST

START_TEST(test_no_relay)
{
	happen(AGENT_SILENT, 0);
	punch.trouble.code = 200;
	assert_words("cam1: 203.0.113.7:3478 answers, but not as a relay does for 0 s; still "
		     "trying");
}
END_TEST

/* A refusal is over when that very port has been punched. */
START_TEST(test_refusal_of_one)
{
	punch.ports = 2;
	happen(AGENT_PUNCHED, 0);
	happen(AGENT_PUNCHED, 1);
	happen(AGENT_REFUSED, 1);
	happen(AGENT_PUNCHED, 0);
	happen(AGENT_BACK, 1);
	assert_words("cam1: refused: 503 draining for 0 s; still trying");
	happen(AGENT_PUNCHED, 1);
	assert_words("cam1: 2 ports punched, waiting for media");
}
END_TEST

START_TEST(test_shared)
{
	punch.shared = true;
	punch.unshared = 5004;
	assert_words("cam1: waiting for a program at port 5004");
	punch.unshared = 0;
	happen(AGENT_PUNCHED, 0);
	assert_words("cam1: punched as 192.0.2.9:40123, media go to the program itself");
}
END_TEST

/* Names and reasons at their longest stay whole lines. */
START_TEST(test_long)
{
	char name[NAME_LEN + 1], text[STATUS_TEXT];

	memset(name, 'n', NAME_LEN);
	name[NAME_LEN] = '\0';
	punch.stream = name;
	happen(AGENT_PUNCHED, 0);
	happen(AGENT_REFUSED, 0);
	memset(punch.trouble.reason, 'r', AGENT_REASON - 1);
	status_punch_words(&punch, now_ms, text);
	ck_assert_uint_lt(strlen(text), STATUS_TEXT);
	ck_assert_ptr_nonnull(strstr(text, "still trying"));
}
END_TEST

#define PEERS(...)                                                                                 \
	{                                                                                          \
		.stream = "game", .relay = {{AF_INET, {203, 0, 113, 7}}, 3478}, __VA_ARGS__        \
	}
#define RATES .in = {.rate = 64000}, .out = {.rate = 1200000}

static const struct {
	struct status_peers peers;
	const char *words;
} peers[] = {
	{PEERS(.role = PEER_SERVICE), "proving the key to 203.0.113.7:3478"},
	{PEERS(.silent = true), "no answer from 203.0.113.7:3478; still trying"},
	{PEERS(.role = PEER_SERVICE, .proven = true), "waiting for peers"},
	{PEERS(.role = PEER_CLIENT, .proven = true), "waiting for a peer that serves"},
	{PEERS(.role = PEER_CLIENT, .proven = true, .ready = true,
		 .local = {{AF_INET, {127, 0, 0, 1}}, 9000}),
		"a peer serves; waiting for a program at 127.0.0.1:9000"},
	{PEERS(RATES, .paths[STATUS_RELAYED] = 1), "relayed, 64.0 kB/s in, 1.2 MB/s out"},
	{PEERS(RATES, .paths[STATUS_SEARCHING] = 1),
		"relayed, searching for a direct path, 64.0 kB/s in, 1.2 MB/s out"},
	{PEERS(RATES, .paths[STATUS_DIRECT] = 1), "direct, 64.0 kB/s in, 1.2 MB/s out"},
	{PEERS(RATES, .silent = true, .paths[STATUS_DIRECT] = 1),
		"direct, 64.0 kB/s in, 1.2 MB/s out"},
	{PEERS(RATES, .paths[STATUS_BACK] = 1), "back on the relay, 64.0 kB/s in, 1.2 MB/s out"},
	{PEERS(RATES, .paths[STATUS_LOST] = 1), "reconnecting"},
	{PEERS(.role = PEER_SERVICE, .shared = true, .unshared = 8000),
		"waiting for a program at port 8000"},
	{PEERS(RATES, .shared = true, .paths[STATUS_DIRECT] = 1), "direct"},
	{PEERS(RATES, .paths = {[STATUS_DIRECT] = 2,
			      [STATUS_SEARCHING] = 1,
			      [STATUS_BACK] = 1,
			      [STATUS_LOST] = 1}),
		"5 sessions: 2 direct, 2 relayed, 1 reconnecting, 64.0 kB/s in, 1.2 MB/s out"},
	{PEERS(RATES, .paths[STATUS_LOST] = 2), "2 sessions: 2 reconnecting"},
};

START_TEST(test_peers)
{
	char text[STATUS_TEXT], want[STATUS_TEXT];

	snprintf(want, sizeof(want), "game: %s", peers[_i].words);
	ck_assert_str_eq(status_peers_words(&peers[_i].peers, text), want);
}
END_TEST

START_TEST(test_cut)
{
	char out[16];

	progress_cut("cam1: playing", 80, out, sizeof(out));
	ck_assert_str_eq(out, "cam1: playing");
	progress_cut("cam1: playing", 7, out, sizeof(out));
	ck_assert_str_eq(out, "cam1: p");
	progress_cut("cam1: playing", 0, out, sizeof(out));
	ck_assert_str_eq(out, "");
	progress_cut("0123456789abcdefghi", 80, out, sizeof(out));
	ck_assert_str_eq(out, "0123456789abcde");
	progress_cut("a\033[31m\n\xc3\xa9", 80, out, sizeof(out));
	ck_assert_str_eq(out, "a?[31m???");
}
END_TEST

static Suite *status_suite(void)
{
	Suite *suite = suite_create("status");
	TCase *tcase = tcase_create("status");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_quiet);
	tcase_add_test(tcase, test_lasting);
	tcase_add_test(tcase, test_ports);
	tcase_add_loop_test(tcase, test_trouble, 0, COUNT(troubles));
	tcase_add_test(tcase, test_trouble_while_playing);
	tcase_add_test(tcase, test_no_relay);
	tcase_add_test(tcase, test_refusal_of_one);
	tcase_add_test(tcase, test_shared);
	tcase_add_test(tcase, test_long);
	tcase_add_loop_test(tcase, test_peers, 0, COUNT(peers));
	tcase_add_test(tcase, test_cut);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(status_suite());
}
