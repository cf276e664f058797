/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control socket answers to each request, and to what is none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_net.h"
#include "tests/suite.h"

START_TEST(add_show_remove)
{
	int fd = dial();
	json_t *answer = ask(fd, ADD ",\"source\":\"198.51.100.175\",\"rate\":5000}"), *stream;
	json_t *port;

	stream = json_object_get(answer, "stream");
	ck_assert_str_eq(json_string_value(json_object_get(answer, "key")), KEY);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(answer, "relays"), 0)),
		"203.0.113.7:3478");
	ck_assert_str_eq(json_string_value(json_object_get(stream, "state")), "waiting");
	ck_assert_str_eq(json_string_value(json_object_get(stream, "listen")), "9099-9100");
	ck_assert_uint_eq(json_array_size(json_object_get(stream, "ports")), 4);
	port = json_array_get(json_object_get(stream, "ports"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(port, "listen")), "203.0.113.7:9099");
	ck_assert(json_is_null(json_object_get(port, "client")));
	ck_assert(json_is_null(json_object_get(port, "idle")));
	json_decref(answer);
	refused(fd, ADD "}", "already");
	granted(fd, "{\"do\":\"show\",\"name\":\"cam1\"}");
	granted(fd, "{\"do\":\"remove\",\"name\":\"cam1\"}");
	refused(fd, "{\"do\":\"show\",\"name\":\"cam1\"}", "no stream cam1");
	refused(fd, "{\"do\":\"remove\",\"name\":\"cam1\"}", "no stream cam1");
	close(fd);
}
END_TEST

/* No answer but that to "add" has the key, nor has an event. */
START_TEST(key_stays)
{
	static const char *const looks[] = {"{\"do\":\"list\"}", "{\"do\":\"metrics\"}",
		"{\"do\":\"rules\"}", "{\"do\":\"show\",\"name\":\"cam1\"}"};
	int fd = dial();

	granted(fd, ADD ",\"key\":\"" OWN_KEY "\"}");
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		json_t *answer = ask(fd, looks[i]);
		char *text = json_dumps(answer, 0);

		ck_assert_ptr_null(strstr(text, OWN_KEY));
		free(text);
		json_decref(answer);
	}
	refused(fd, ADD ",\"key\":\"short\"}", "\"key\"");
	close(fd);
}
END_TEST

START_TEST(list_limit)
{
	int fd = dial();
	json_t *answer;

	granted(fd, ADD "}");
	granted(fd, "{\"do\":\"add\",\"name\":\"cam0\",\"listen\":\"9200\"}");
	answer = ask(fd, "{\"do\":\"list\",\"limit\":1}");
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "streams")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(
				 json_array_get(json_object_get(answer, "streams"), 0), "name")),
		"cam0");
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "left_out")), 1);
	json_decref(answer);
	answer = ask(fd, "{\"do\":\"list\",\"limit\":7}");
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "streams")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "left_out")), 0);
	json_decref(answer);
	refused(fd, "{\"do\":\"list\",\"limit\":0}", "0 is not a number of streams");
	close(fd);
}
END_TEST

START_TEST(rules_held)
{
	struct ipc_record records[] = {{.kind = IPC_FLOW}, {.kind = IPC_CLIENT},
		{.kind = IPC_LISTENING}, {.kind = IPC_PEER}, {.kind = IPC_FLOW}};
	struct endpoint punch;
	struct endpoint listen, client;
	int fd = dial();
	json_t *answer, *stream;

	endpoint_parse("10.0.0.4:9099", 0, &listen);
	endpoint_parse("192.0.2.9:40123", 0, &client);
	records[0].flow = (struct rules_flow){7, client, listen, client, listen};
	records[1].client = (struct rules_client){client, listen, 31200, 0, 5, 6, "cam1"};
	records[2].listening = (struct rules_listening){
		.listen = listen, .number = 7, .name = "cam1", .refused_packets = 9};
	endpoint_parse("10.0.0.4:3478", 0, &punch);
	records[3].peer = (struct rules_peer){client, punch, listen, 7, "cam1", punch};
	records[4].flow = (struct rules_flow){7, client, punch, client, punch};
	t.snapshot = (struct sync_snapshot){records, sizeof(records) / sizeof(records[0]), true};
	granted(fd, ADD ",\"rate\":5000,\"peers\":2}");
	answer = ask(fd, "{\"do\":\"rules\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "streams")), 1);
	stream = json_array_get(json_object_get(answer, "streams"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(stream, "mark")), 0x52000007);
	ck_assert_uint_eq(json_array_size(json_object_get(stream, "listening")), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(stream, "clients")), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(stream, "flows")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(stream, "peers")), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(stream, "ingress")), 0);
	json_decref(answer);
	close(fd);
}
END_TEST

/* A reading of everything, and an answer that nobody reads: only of one stream, where there are
 * very many. */
START_TEST(rules_of_many)
{
	int fd = dial();

	granted(fd, ADD "}");
	t.net.table.count += 20000;
	refused(fd, "{\"do\":\"rules\"}", "name one");
	granted(fd, "{\"do\":\"rules\",\"name\":\"cam1\"}");
	t.net.table.count -= 20000;
	granted(fd, "{\"do\":\"rules\"}");
	close(fd);
}
END_TEST

#define MANY                                                                                       \
	"{\"do\":\"add-many\",\"streams\":[{\"name\":\"a\",\"listen\":\"9001\"},"                  \
	"{\"name\":\"b\",\"listen\":\"9002\"%s}]%s}"

static json_t *ask_many(int fd, const char *more, const char *options)
{
	char text[512];

	snprintf(text, sizeof(text), MANY, more, options);
	return ask(fd, text);
}

/* All or none, unless it is to keep going. */
START_TEST(add_many)
{
	int fd = dial();
	char text[512];
	json_t *answer;

	snprintf(text, sizeof(text), MANY, ",\"source\":\"nobody\"", "");
	refused(fd, text, "\"source\": ");
	ck_assert_ptr_null(stream_find(&t.net.table, "b"));
	answer = ask_many(fd, ",\"source\":\"nobody\"", ",\"keep_going\":true");
	ck_assert(json_is_true(json_object_get(answer, "ok")));
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "streams")), 2);
	json_decref(answer);
	ck_assert_ptr_nonnull(stream_find(&t.net.table, "a"));
	ck_assert_ptr_null(stream_find(&t.net.table, "b"));
	granted(fd, "{\"do\":\"remove-many\",\"streams\":[\"a\"]}");
	ck_assert_ptr_null(stream_find(&t.net.table, "a"));
	answer = ask_many(fd, "", "");
	ck_assert(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	ck_assert_uint_eq(t.net.table.count, 2);
	close(fd);
}
END_TEST

START_TEST(metrics_text)
{
	int fd = dial();
	json_t *answer;
	const char *text, *end;

	granted(fd, ADD "}");
	answer = ask(fd, "{\"do\":\"metrics\"}");
	text = json_string_value(json_object_get(answer, "text"));
	end = strstr(text, "# EOF\n");
	ck_assert(end && end[6] == '\0');
	ck_assert(strstr(text, "relayd_streams{state=\"waiting\"} 1\n"));
	ck_assert(strstr(text, "relayd_behaviour_total{result=\"answered\"} 0\n"));
	ck_assert(strstr(text, "relayd_punches_total{result=\"accepted\"} 0\n"));
	ck_assert(strstr(text, "relayd_stream_bytes_total{stream=\"cam1\"} 0\n"));
	ck_assert(strstr(text, "# TYPE relayd_seen info\n"));
	ck_assert(strstr(text, "relayd_streams_left_out 0\n"));
	ck_assert(strstr(text, "relayd_control_clients 1\n"));
	json_decref(answer);
	close(fd);
}
END_TEST

START_TEST(flush_and_reload)
{
	int fd = dial();
	json_t *answer;

	granted(fd, ADD "}");
	answer = ask(fd, "{\"do\":\"flush\"}");
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "clients")), 2);
	json_decref(answer);
	answer = ask(fd, "{\"do\":\"reload\"}");
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "removed")), 3);
	json_decref(answer);
	refused(fd, "{\"do\":\"reload\"}", "relayd.conf:3: no");
	close(fd);
}
END_TEST

START_TEST(kernel_refuses)
{
	int fd = dial();

	t.kernel_refuses = true;
	refused(fd, ADD "}", "no room");
	ck_assert_ptr_null(stream_find(&t.net.table, "cam1"));
	t.kernel_refuses = false;
	t.read_error = -EIO;
	refused(fd, "{\"do\":\"list\"}", "could not be read");
	granted(fd, "{\"do\":\"flush\"}");
	close(fd);
}
END_TEST

static const struct {
	const char *text, *part;
} bad[] = {
	{"", "not a request"},
	{"x", "not a request"},
	{"[]", "not an object"},
	{"\xff\xfe", "not a request"},
	{"{}", "\"do\" is missing"},
	{"{\"do\":1}", "\"do\" must be a string"},
	{"{\"do\":\"dance\"}", "dance"},
	{"{\"do\":\"list\",\"name\":\"cam1\"}", "\"name\" is not a field of \"list\""},
	{"{\"do\":\"show\"}", "\"name\" is missing"},
	{"{\"do\":\"list\",\"a\\nb\":1}", "\"a?b\" is not a field"},
	{"{\"do\":\"show\",\"name\":\"a b\"}", "\"name\": "},
	{"{\"do\":\"add\",\"name\":\"a\"}", "\"listen\" or \"peers\" is missing"},
	{"{\"do\":\"add\",\"name\":7,\"listen\":\"1\"}", "\"name\" must be a string"},
	{"{\"do\":\"add\",\"name\":\"a\",\"listen\":9099}", "\"listen\" must be a string"},
	{ADD ",\"source\":null}", "\"source\" must be a string"},
	{ADD ",\"clients\":[]}", "\"clients\" must be a string"},
	{ADD ",\"key\":true}", "\"key\" must be a string"},
	{ADD ",\"rate\":\"1\"}", "\"rate\" must be a whole number"},
	{ADD ",\"rate\":1.5}", "\"rate\" must be a whole number"},
	{ADD ",\"rate\":1}", "\"rate\": "},
	{ADD ",\"raw_punch\":{}}", "\"raw_punch\" must be a whole number"},
	{ADD ",\"raw_punch\":70000}", "\"raw_punch\": "},
	{ADD ",\"peers\":1025}", "\"peers\": "},
	{ADD ",\"peers\":\"8\"}", "\"peers\" must be a whole number"},
	{ADD ",\"expire\":false}", "\"expire\" must be a whole number"},
	{ADD ",\"expire\":-1}", "\"expire\": "},
	{ADD ",\"expires\":1}", "\"expires\" is not a field"},
	{ADD ",\"source\":\"nobody\"}", "\"source\": "},
	{ADD ",\"listen\":\"1\"}", "duplicate"},
};

START_TEST(refusals)
{
	int fd = dial();

	refused(fd, bad[_i].text, bad[_i].part);
	granted(fd, "{\"do\":\"list\"}");
	ck_assert_uint_eq(t.net.table.count, 0);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_set_timeout(all, 30);
	tcase_add_test(all, add_show_remove);
	tcase_add_test(all, key_stays);
	tcase_add_test(all, list_limit);
	tcase_add_test(all, rules_held);
	tcase_add_test(all, rules_of_many);
	tcase_add_test(all, add_many);
	tcase_add_test(all, metrics_text);
	tcase_add_test(all, flush_and_reload);
	tcase_add_test(all, kernel_refuses);
	tcase_add_loop_test(all, refusals, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	suite_add_tcase(suite, all);
	return suite_run(suite);
}
