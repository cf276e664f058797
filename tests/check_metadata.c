/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metadata services of three clouds, what they may answer, and what nobody should. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "relayd/http.h"
#include "relayd/metadata.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AWS	     "/latest/meta-data/"
#define GCP	     "/computeMetadata/v1/instance/network-interfaces/0/"
#define AZURE	     "/metadata/instance/network/interface/0/"
#define TEXT	     "?api-version=2021-02-01&format=text"
#define LIST	     "/metadata/loadbalancer?api-version=2020-10-01"

static struct metadata metadata;
static int64_t now;
static struct metadata_pair pairs[METADATA_PAIRS];

static void set_up(void)
{
	now = 1000;
	metadata_init(&metadata, true, now);
}

/* The next question is this one. */
static void asks(const char *method, const char *path, const char *field)
{
	char question[METADATA_ASK], wanted[METADATA_ASK];
	size_t len = metadata_ask(&metadata, now, question);

	snprintf(wanted, sizeof(wanted),
		"%s %s HTTP/1.1\r\nHost: 169.254.169.254\r\n%s\r\n%sConnection: close\r\n\r\n",
		method, path, field, *method == 'P' ? "Content-Length: 0\r\n" : "");
	ck_assert_str_eq(question, wanted);
	ck_assert_uint_eq(len, strlen(wanted));
	ck_assert_uint_eq(metadata_ask(&metadata, now, question), 0);
}

static void asks_nothing(void)
{
	char question[METADATA_ASK];

	ck_assert_uint_eq(metadata_ask(&metadata, now, question), 0);
}

static size_t answer(unsigned int status, const char *body)
{
	char text[2000];
	int len = snprintf(text, sizeof(text), "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);

	return metadata_answer(&metadata, text, (size_t)len, now, pairs);
}

static void assert_pair(size_t i, const char *local, const char *public)
{
	char text[ADDR_TEXT];

	ck_assert_str_eq(addr_format(&pairs[i].local, text), local);
	ck_assert_str_eq(addr_format(&pairs[i].public, text), public);
}

/* Nobody is there, in any of the ways that the clouds' services differ. */
static void refused_by(int clouds)
{
	static const char *const first[][3] = {
		{"PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60"},
		{"GET", GCP "ip", "Metadata-Flavor: Google"},
		{"GET", AZURE "ipv4/ipAddress/0/privateIpAddress" TEXT, "Metadata: true"},
	};

	for (int i = 0; i < clouds; i++) {
		asks(first[i][0], first[i][1], first[i][2]);
		ck_assert(!answer(404, "203.0.113.7"));
	}
}

static void begin_aws(void)
{
	asks("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60");
	ck_assert(!answer(200, "AQAE-_=="));
}

START_TEST(test_aws)
{
	const char *field = "X-aws-ec2-metadata-token: AQAE-_==";

	begin_aws();
	asks("GET", AWS "local-ipv4", field);
	ck_assert(!answer(200, "10.0.0.4"));
	asks("GET", AWS "public-ipv4", field);
	ck_assert_uint_eq(answer(200, "203.0.113.7"), 1);
	assert_pair(0, "10.0.0.4", "203.0.113.7");
	asks("GET", AWS "ipv6", field);
	ck_assert(!answer(200, "2001:db8::4"));
	asks("GET", AWS "ipv6", field);
	ck_assert_uint_eq(answer(200, "2001:db8::4"), 1);
	assert_pair(0, "2001:db8::4", "2001:db8::4");
	ck_assert_str_eq(metadata.name, "AWS");
	asks_nothing();
	now += 300000;
	begin_aws();
	/* It is away for a moment. */
	asks("GET", AWS "local-ipv4", field);
	ck_assert(!metadata_answer(&metadata, "", 0, now, pairs));
	now += 5000;
	begin_aws();
}
END_TEST

START_TEST(test_google)
{
	const char *field = "Metadata-Flavor: Google";

	refused_by(1);
	asks("GET", GCP "ip", field);
	ck_assert(!answer(200, "10.128.0.2"));
	asks("GET", GCP "access-configs/0/external-ip", field);
	ck_assert_uint_eq(answer(200, "203.0.113.7\n"), 1);
	assert_pair(0, "10.128.0.2", "203.0.113.7");
	asks("GET", GCP "ipv6s", field);
	ck_assert(!answer(404, ""));
	asks_nothing();
	ck_assert_str_eq(metadata.name, "Google Cloud");
}
END_TEST

static const char azure[] = "Metadata: true";

/* The first two questions, the second of which has no answer where the address is "Standard". */
static void begin_azure(const char *public)
{
	refused_by(2);
	asks("GET", AZURE "ipv4/ipAddress/0/privateIpAddress" TEXT, azure);
	ck_assert(!answer(200, "10.1.0.4"));
	asks("GET", AZURE "ipv4/ipAddress/0/publicIpAddress" TEXT, azure);
	ck_assert_uint_eq(answer(200, public), *public != '\0');
}

START_TEST(test_azure)
{
	begin_azure("203.0.113.7");
	assert_pair(0, "10.1.0.4", "203.0.113.7");
	asks("GET", AZURE "ipv6/ipAddress/0/privateIpAddress" TEXT, azure);
	ck_assert(!answer(200, "fd00::4"));
	asks("GET", AZURE "ipv6/ipAddress/0/publicIpAddress" TEXT, azure);
	ck_assert(!answer(404, ""));
	asks("GET", LIST, azure);
	ck_assert(!answer(404, "{ \"error\": \"No load balancer metadata is found.\" }"));
	asks_nothing();
	ck_assert_str_eq(metadata.name, "Azure");
	ck_assert_uint_eq(metadata.silent, 0);
}
END_TEST

static void begin_list(void)
{
	begin_azure("");
	asks("GET", AZURE "ipv6/ipAddress/0/privateIpAddress" TEXT, azure);
	ck_assert(!answer(404, ""));
	asks("GET", LIST, azure);
}

/* The rules have addresses of the load balancer's own. */
START_TEST(test_azure_standard)
{
	begin_list();
	ck_assert_uint_eq(answer(200, "{\"loadbalancer\":{\"publicIpAddresses\":["
				      "{\"frontendIpAddress\":\"203.0.113.7\","
				      "\"privateIpAddress\":\"10.1.0.4\"},"
				      "{\"frontendIpAddress\":\"10.1.0.9\","
				      "\"privateIpAddress\":\"10.1.0.9\"},"
				      "{\"frontendIpAddress\":\"[2001:db8::7]\","
				      "\"privateIpAddress\":\"[fd00::4]\"}],"
				      "\"inboundRules\":[{\"frontendIpAddress\":\"203.0.113.50\","
				      "\"protocol\":\"tcp\",\"frontendPort\":80,"
				      "\"backendPort\":443,\"privateIpAddress\":\"10.1.0.4\"}],"
				      "\"outboundRules\":[{\"frontendIpAddress\":\"203.0.113.50\","
				      "\"privateIpAddress\":\"10.1.0.4\"}]}}"),
		2);
	assert_pair(0, "10.1.0.4", "203.0.113.7");
	assert_pair(1, "fd00::4", "2001:db8::7");
	asks_nothing();
	ck_assert_str_eq(metadata.name, "Azure");
	ck_assert_uint_eq(metadata.silent, 0);
}
END_TEST

#define PAIR(frontend, private)                                                                    \
	"{\"loadbalancer\":{\"publicIpAddresses\":[{\"frontendIpAddress\":" frontend               \
	",\"privateIpAddress\":" private "}]}}"

static const char *const bad_lists[] = {"", "{", "[]", "7", "{\"loadbalancer\":[]}",
	"{\"loadbalancer\":{\"publicIpAddresses\":{}}}",
	"{\"loadbalancer\":{\"publicIpAddresses\":[7, [], {}]}}", PAIR("7", "\"10.1.0.4\""),
	PAIR("\"203.0.113.7\"", "null"), PAIR("\"\"", "\"10.1.0.4\""),
	PAIR("\"[203.0.113.7\"", "\"10.1.0.4\""), PAIR("\"[]\"", "\"10.1.0.4\""),
	PAIR("\"[\"", "\"10.1.0.4\""), PAIR("\"2001:db8::7\"", "\"10.1.0.4\""),
	PAIR("\"203.0.113.7 \"", "\"10.1.0.4\""), PAIR("\"192.168.0.7\"", "\"10.1.0.4\""),
	PAIR("\"203.0.113.7\\u0000\"", "\"10.1.0.4\"")};

START_TEST(test_bad_list)
{
	begin_list();
	ck_assert(!answer(200, bad_lists[_i]));
	asks_nothing();
	ck_assert_uint_eq(metadata.silent, 1);
}
END_TEST

/* What has no room is left out. */
START_TEST(test_long_list)
{
	char text[HTTP_MAX];
	int len = snprintf(text, sizeof(text),
		"HTTP/1.1 200 OK\r\n\r\n{\"loadbalancer\":{\"publicIpAddresses\":[");

	begin_list();
	for (int i = 0; i <= METADATA_PAIRS; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
			"%s{\"frontendIpAddress\":\"203.0.113.%d\","
			"\"privateIpAddress\":\"10.1.0.%d\"}",
			i ? "," : "", i, i);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "]}}");
	ck_assert_uint_eq(
		metadata_answer(&metadata, text, (size_t)len, now, pairs), METADATA_PAIRS);
	assert_pair(METADATA_PAIRS - 1, "10.1.0.63", "203.0.113.63");
}
END_TEST

/* An instance without a public address: it is asked again, but less and less often. */
START_TEST(test_none)
{
	int64_t wait = 5000;

	for (unsigned int round = 1; round < 12; round++) {
		refused_by(3);
		ck_assert_uint_eq(metadata.silent, round);
		ck_assert_ptr_null(metadata.name);
		now += wait - 1;
		asks_nothing();
		now++;
		wait = wait * 2 < 300000 ? wait * 2 : 300000;
	}
}
END_TEST

/* Without a service at all the others are not tried. */
START_TEST(test_nobody)
{
	asks("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60");
	ck_assert(!metadata_answer(&metadata, "", 0, now, pairs));
	asks_nothing();
	now += 5000;
	begin_aws();
}
END_TEST

START_TEST(test_off)
{
	metadata_init(&metadata, false, now);
	now += 1000000;
	asks_nothing();
}
END_TEST

/* The answer to what was asked before a reload is none to what is asked behind it. */
START_TEST(test_reload)
{
	begin_aws();
	asks("GET", AWS "local-ipv4", "X-aws-ec2-metadata-token: AQAE-_==");
	metadata_again(&metadata, now);
	ck_assert(!answer(200, "10.0.0.4"));
	begin_aws();
}
END_TEST

/* What would become part of a question. */
static const char *const bad_tokens[] = {"", "a b", "a\r\nX-Evil: 1", "a\n", "\xc3\xa4", "a\tb",
	("0123456789012345678901234567890123456789012345678901234567890123456789"
	 "01234567890123456789012345678901234567890123456789012345678")};

START_TEST(test_bad_token)
{
	asks("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60");
	ck_assert(!answer(200, bad_tokens[_i]));
	asks("GET", GCP "ip", "Metadata-Flavor: Google");
}
END_TEST

static const char *const bad_addresses[] = {"", "203.0.113.7 and more", "203.0.113", "<html>",
	" 203.0.113.7", "203.0.113.7\n203.0.113.8", "2001:db8::7", "10.0.0.9",
	"0123456789012345678901234567890123456789012345"};

START_TEST(test_bad_address)
{
	refused_by(1);
	asks("GET", GCP "ip", "Metadata-Flavor: Google");
	ck_assert(!answer(200, "10.0.0.4"));
	asks("GET", GCP "access-configs/0/external-ip", "Metadata-Flavor: Google");
	ck_assert(!answer(200, bad_addresses[_i]));
	asks("GET", GCP "ipv6s", "Metadata-Flavor: Google");
}
END_TEST

static const struct reading {
	const char *text;
	bool ended;
	int ret;
	unsigned int status;
	const char *body;
} readings[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, 0, 200, "hi"},
	{"HTTP/1.1 200 OK\r\ncontent-length:2 \r\n\r\nhi, more", false, 0, 200, "hi"},
	{"HTTP/1.0 404\nX: y\nContent-Length: 0\n\n", false, 0, 404, ""},
	{"HTTP/1.1 200 OK\r\n\r\nhi", true, 0, 200, "hi"},
	{"HTTP/1.1 200 OK\r\n\r\nhi", false, -EAGAIN, 0, NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false, -EAGAIN, 0, NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true, -EPROTO, 0, NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length: 2", false, -EAGAIN, 0, NULL},
	{"HTTP/1.1 200 O", false, -EAGAIN, 0, NULL},
	{"", false, -EAGAIN, 0, NULL},
	{"", true, -EPROTO, 0, NULL},
	{"HTTP/1.1 2000 OK\r\n\r\n", true, -EPROTO, 0, NULL},
	{"HTTP/1.1 099 OK\r\n\r\n", true, -EPROTO, 0, NULL},
	{"HTTP/1.1 20\r\n\r\n", true, -EPROTO, 0, NULL},
	{"HTTP/2 200 OK\r\n\r\n", true, -EPROTO, 0, NULL},
	{"SSH-2.0-OpenSSH_9.2\r\n", false, -EPROTO, 0, NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", false, -EPROTO, 0,
		NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", false, -EPROTO, 0, NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", false, -EPROTO, 0, NULL},
	{"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nhi", false, -EPROTO, 0,
		NULL},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", true, -EPROTO,
		0, NULL},
};

START_TEST(test_http)
{
	const struct reading *row = &readings[_i];
	struct http_answer got;

	ck_assert_int_eq(http_read(row->text, strlen(row->text), row->ended, &got), row->ret);
	if (row->ret)
		return;
	ck_assert_uint_eq(got.status, row->status);
	ck_assert_uint_eq(got.len, strlen(row->body));
	ck_assert_mem_eq(got.body, row->body, got.len);
}
END_TEST

/* A head without end. */
START_TEST(test_http_large)
{
	char text[HTTP_MAX];
	struct http_answer got;

	memset(text, 'x', sizeof(text));
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	ck_assert_int_eq(http_read(text, sizeof(text) - 1, false, &got), -EAGAIN);
	ck_assert_int_eq(http_read(text, sizeof(text), false, &got), -EPROTO);
}
END_TEST

static Suite *metadata_suite(void)
{
	Suite *suite = suite_create("metadata");
	TCase *tcase = tcase_create("metadata");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_aws);
	tcase_add_test(tcase, test_google);
	tcase_add_test(tcase, test_azure);
	tcase_add_test(tcase, test_azure_standard);
	tcase_add_loop_test(tcase, test_bad_list, 0, COUNT(bad_lists));
	tcase_add_test(tcase, test_long_list);
	tcase_add_test(tcase, test_none);
	tcase_add_test(tcase, test_nobody);
	tcase_add_test(tcase, test_off);
	tcase_add_test(tcase, test_reload);
	tcase_add_loop_test(tcase, test_bad_token, 0, COUNT(bad_tokens));
	tcase_add_loop_test(tcase, test_bad_address, 0, COUNT(bad_addresses));
	tcase_add_loop_test(tcase, test_http, 0, COUNT(readings));
	tcase_add_test(tcase, test_http_large);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(metadata_suite());
}
