/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is let in by the exporter: tokens, cookies, and what a request may have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter/access.h"
#include "tests/suite.h"

#define NOW   1800000000
#define TOKEN "correct-horse-battery"

static const struct token none;
static const struct token some = {TOKEN, sizeof(TOKEN) - 1};
static char path[64], why[TOKEN_WHY];

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/check_access-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
}

/* What token_read makes of a file with this text and mode. */
static int read_token(struct token *token, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
	why[0] = '\0';
	return token_read(token, path, why);
}

START_TEST(test_token_file)
{
	struct token token;

	ck_assert_int_eq(read_token(&token, TOKEN "\nmore\n", 0600), 0);
	ck_assert_str_eq(token.text + token.len, "\nmore\n");
	ck_assert_uint_eq(token.len, strlen(TOKEN));
	ck_assert_int_eq(read_token(&token, TOKEN, 0640), 0);
	ck_assert_int_eq(read_token(&token, TOKEN "\n", 0644), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "644"));
	ck_assert(!token_is_set(&token));
	ck_assert_int_eq(read_token(&token, TOKEN "\n", 0660), -EPERM);
	ck_assert_int_eq(read_token(&token, "short\n", 0600), -EINVAL);
	ck_assert_int_eq(read_token(&token, "\n" TOKEN "\n", 0600), -EINVAL);
	ck_assert_int_eq(read_token(&token, "", 0600), -EINVAL);
	ck_assert_int_eq(read_token(&token, "correct horse battery\n", 0600), -EINVAL);
	unlink(path);
	ck_assert_int_eq(token_read(&token, path, why), -ENOENT);
	ck_assert_int_eq(token_read(&token, "/dev/null", why), -EINVAL);
}
END_TEST

START_TEST(test_token_size)
{
	char text[TOKEN_MAX + 3];
	struct token token;

	memset(text, 'x', sizeof(text));
	strcpy(text + TOKEN_MAX, "\n");
	ck_assert_int_eq(read_token(&token, text, 0600), 0);
	ck_assert_uint_eq(token.len, TOKEN_MAX);
	strcpy(text + TOKEN_MAX, "x\n");
	ck_assert_int_eq(read_token(&token, text, 0600), -EINVAL);
}
END_TEST

START_TEST(test_token_equal)
{
	ck_assert(token_equal(&some, TOKEN, strlen(TOKEN)));
	ck_assert(!token_equal(&some, TOKEN, strlen(TOKEN) - 1));
	ck_assert(!token_equal(&some, TOKEN "x", strlen(TOKEN) + 1));
	ck_assert(!token_equal(&some, "", 0));
	ck_assert(!token_equal(&none, "", 0));
}
END_TEST

START_TEST(test_cookie)
{
	const struct token other = {"wrong-horse-battery", 19};
	char cookie[TOKEN_COOKIE];

	token_cookie_make(&some, NOW, cookie);
	ck_assert(token_cookie_valid(&some, cookie, NOW));
	ck_assert(token_cookie_valid(&some, cookie, NOW + TOKEN_COOKIE_S - 1));
	ck_assert(!token_cookie_valid(&some, cookie, NOW + TOKEN_COOKIE_S));
	/* From a future that we cannot have made it in. */
	ck_assert(!token_cookie_valid(&some, cookie, NOW - 1));
	ck_assert(!token_cookie_valid(&other, cookie, NOW));
	ck_assert(!token_cookie_valid(&none, cookie, NOW));
	cookie[strlen(cookie) - 2] ^= 1;
	ck_assert(!token_cookie_valid(&some, cookie, NOW));
	cookie[strlen(cookie) - 2] ^= 1;
	cookie[9]++; /* a second longer */
	ck_assert(!token_cookie_valid(&some, cookie, NOW));
}
END_TEST

START_TEST(test_cookie_nonsense)
{
	static const char *const texts[] = {"", ".", "1", "9999999999999999999999.x", "-1.x",
		"1800000001", "1800000001.", "1800000001.AAAA", " 1800000001.A"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert(!token_cookie_valid(&some, texts[i], NOW));
}
END_TEST

static struct access decide(const struct token *token, struct access_request request)
{
	if (!request.method)
		request.method = "GET";
	return access_decide(token, &request, NOW);
}

static unsigned int host_status(const char *host)
{
	return decide(&none, (struct access_request){.path = "/", .host = host}).status;
}

START_TEST(test_without_token)
{
	ck_assert_int_eq(
		decide(&none, (struct access_request){.path = "/metrics"}).route, ROUTE_METRICS);
	ck_assert_uint_eq(host_status(NULL), 0);
	ck_assert_uint_eq(host_status("127.0.0.1:9478"), 0);
	ck_assert_uint_eq(host_status("[::1]:9478"), 0);
	ck_assert_uint_eq(host_status("localhost"), 0);
	ck_assert_uint_eq(host_status("LOCALHOST:80"), 0);
	ck_assert_uint_eq(host_status("evil.example:9478"), 421);
	ck_assert_uint_eq(host_status("localhost.evil.example"), 421);
	ck_assert_uint_eq(host_status("127.0.0.1.evil.example"), 421);
	ck_assert_uint_eq(host_status(""), 421);
	ck_assert(!decide(&none, (struct access_request){.path = "/"}).trusted);
	/* There is nothing to log in to. */
	ck_assert_str_eq(decide(&none, (struct access_request){.path = "/login"}).location, "/");
}
END_TEST

START_TEST(test_bearer)
{
	static const struct {
		const char *authorization;
		unsigned int status;
	} tries[] = {
		{"Bearer " TOKEN, 0},
		{"bearer   " TOKEN, 0},
		{"Bearer " TOKEN "x", 401},
		{"Bearer", 401},
		{"Bearer ", 401},
		{"Basic " TOKEN, 401},
		{TOKEN, 401},
		{"", 401},
		{NULL, 401},
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		ck_assert_uint_eq(decide(&some, (struct access_request){.path = "/api/state",
							.host = "relay.example",
							.authorization = tries[i].authorization})
					  .status,
			tries[i].status);
}
END_TEST

START_TEST(test_with_token)
{
	char cookie[TOKEN_COOKIE];
	struct access access;

	token_cookie_make(&some, NOW, cookie);
	access = decide(&some, (struct access_request){.path = "/", .cookie = cookie});
	ck_assert_uint_eq(access.status, 0);
	ck_assert_int_eq(access.route, ROUTE_PAGE);
	ck_assert(access.trusted);
	access = decide(&some, (struct access_request){.path = "/"});
	ck_assert_uint_eq(access.status, 303);
	ck_assert_str_eq(access.location, "/login");
	/* What the form needs is everybody's. */
	ck_assert_int_eq(
		decide(&some, (struct access_request){.path = "/login"}).route, ROUTE_LOGIN);
	access = decide(&some, (struct access_request){.method = "POST", .path = "/login"});
	ck_assert_uint_eq(access.status, 0);
	ck_assert_int_eq(access.route, ROUTE_ENTER);
	ck_assert(!access.trusted);
	ck_assert_int_eq(
		decide(&some, (struct access_request){.path = "/style.css"}).route, ROUTE_STYLE);
}
END_TEST

START_TEST(test_methods)
{
	struct access access =
		decide(&none, (struct access_request){.method = "POST", .path = "/"});

	ck_assert_uint_eq(access.status, 405);
	ck_assert_str_eq(access.allow, "GET, HEAD");
	access = decide(&some, (struct access_request){.method = "PUT", .path = "/login"});
	ck_assert_str_eq(access.allow, "GET, HEAD, POST");
	access = decide(&none, (struct access_request){.path = "/logout"});
	ck_assert_str_eq(access.allow, "POST");
	ck_assert_uint_eq(
		decide(&none, (struct access_request){.method = "HEAD", .path = "/"}).status, 0);
	ck_assert_uint_eq(
		decide(&none, (struct access_request){.path = "/../etc/passwd"}).status, 404);
	ck_assert_uint_eq(decide(&none, (struct access_request){.path = "/metrics/"}).status, 404);
}
END_TEST

START_TEST(test_accept)
{
	ck_assert(access_wants_openmetrics("application/openmetrics-text;version=1.0.0,*/*;q=0.1"));
	ck_assert(!access_wants_openmetrics("text/plain"));
	ck_assert(!access_wants_openmetrics("*/*"));
	ck_assert(!access_wants_openmetrics(NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("access");
	TCase *tcase = tcase_create("access");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_token_file);
	tcase_add_test(tcase, test_token_size);
	tcase_add_test(tcase, test_token_equal);
	tcase_add_test(tcase, test_cookie);
	tcase_add_test(tcase, test_cookie_nonsense);
	tcase_add_test(tcase, test_without_token);
	tcase_add_test(tcase, test_bearer);
	tcase_add_test(tcase, test_with_token);
	tcase_add_test(tcase, test_methods);
	tcase_add_test(tcase, test_accept);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
