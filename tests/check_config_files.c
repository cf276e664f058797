/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration in several files, and keys in files of their own. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relayd/config.h"
#include "tests/suite.h"

#define KEY	 "MDEyMzQ1Njc4OWFiY2RlZg=="
#define HOME	 "address = { \"127.0.0.1\" }\n"
#define STRANGER 54321

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
	strcpy(folder, "/tmp/check_config_files-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(mkdir(path_of("relayd.conf.d"), 0700), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct config *read_good(void)
{
	struct config *config = NULL;
	char error[CONFIG_ERROR] = "";

	ck_assert_msg(config_read(path_of("relayd.conf"), &config, error) == 0, "%s", error);
	return config;
}

/* The mistake is in that file and line, and says that. */
static void assert_refused(const char *name, int line, const char *part)
{
	struct config *config = NULL;
	char error[CONFIG_ERROR], start[200];

	ck_assert_int_lt(config_read(path_of("relayd.conf"), &config, error), 0);
	ck_assert_ptr_null(config);
	if (line)
		snprintf(start, sizeof(start), "%s:%d: ", path_of(name), line);
	else
		snprintf(start, sizeof(start), "%s: ", path_of(name));
	ck_assert_msg(strncmp(error, start, strlen(start)) == 0, "\"%s\" does not begin with %s",
		error, start);
	ck_assert_msg(strstr(error, part) != NULL, "\"%s\" does not say \"%s\"", error, part);
	ck_assert_ptr_null(strstr(error, "MDEyMzQ1"));
}

static void put_stream(const char *name, const char *stream, unsigned int port)
{
	char text[200];

	snprintf(text, sizeof(text),
		"# %s\nstream \"%s\" {\n\tlisten = %u\n\tkey = \"" KEY "\"\n}\n", name, stream,
		port);
	put(name, text);
}

START_TEST(test_joined)
{
	struct config *config;

	put("relayd.conf", HOME "consent = 20");
	put_stream("relayd.conf.d/20-b.conf", "b", 9002);
	put_stream("relayd.conf.d/10-a.conf", "a", 9001);
	put("relayd.conf.d/30.conf", "punch = 5000");
	put("relayd.conf.d/40-empty.conf", "");
	put("relayd.conf.d/50-words.conf", "# nothing but words");
	/* None of the configuration. */
	put("relayd.conf.d/a.conf~", "nonsense");
	put("relayd.conf.d/.hidden.conf", "nonsense");
	put("relayd.conf.d/README", "nonsense");
	put("relayd.conf.d/b.conf.dpkg-old", "nonsense");
	config = read_good();
	ck_assert_uint_eq(config->stream_count, 2);
	ck_assert_str_eq(config->streams[0].name, "a");
	ck_assert_str_eq(config->streams[1].name, "b");
	ck_assert_uint_eq(config->consent, 20);
	ck_assert_uint_eq(config->punch, 5000);
	config_free(config);
}
END_TEST

START_TEST(test_no_folder)
{
	struct config *config;

	ck_assert_int_eq(rmdir(path_of("relayd.conf.d")), 0);
	put("relayd.conf", HOME);
	config = read_good();
	config_free(config);
}
END_TEST

/* Each mistake is told with its own file's line, after files of any length. */
START_TEST(test_places)
{
	put("relayd.conf", HOME "\n\n");
	put_stream("relayd.conf.d/1.conf", "a", 9001);
	put("relayd.conf.d/2.conf", "realm = \"x\"");
	put("relayd.conf.d/3.conf", "\n\npunsh = 1\n");
	assert_refused("relayd.conf.d/3.conf", 3, "no such option 'punsh'");
	put("relayd.conf.d/3.conf", "# x\nrealm = \"y\"\n");
	assert_refused("relayd.conf.d/3.conf", 2, "relayd.conf.d/2.conf:1; remove one");
	put_stream("relayd.conf.d/3.conf", "c", 9001);
	assert_refused("relayd.conf.d/3.conf", 3, "belongs to stream \"a\" of ");
	assert_refused("relayd.conf.d/3.conf", 3, "relayd.conf.d/1.conf:2; choose another");
	put_stream("relayd.conf.d/3.conf", "a", 9003);
	assert_refused("relayd.conf.d/3.conf", 2, "found duplicate title");
	put_stream("relayd.conf.d/3.conf", "c", 3478);
	assert_refused("relayd.conf.d/3.conf", 2, "port 3478 is the punch port");
	put("relayd.conf.d/3.conf", "advertise = {\n\"192.0.2.1=198.51.100.1\" }\n");
	assert_refused("relayd.conf.d/3.conf", 2, "is none of the addresses");
	/* What is open in one file is not closed in the next. */
	put("relayd.conf.d/3.conf", "\nstream \"c\" {\n");
	put("relayd.conf.d/4.conf", "}\n");
	assert_refused("relayd.conf.d/3.conf", 2, "a brace opens here and is never closed");
}
END_TEST

static void put_key_file_stream(const char *more)
{
	char text[400];

	snprintf(text, sizeof(text),
		HOME "stream \"a\" {\n\tlisten = 9001\n\tkey-file = \"%s\"\n%s}\n", path_of("key"),
		more);
	put("relayd.conf", text);
}

START_TEST(test_unreadable)
{
	put("relayd.conf", HOME);
	ck_assert_int_eq(mkdir(path_of("relayd.conf.d/1.conf"), 0700), 0);
	assert_refused("relayd.conf.d/1.conf", 0,
		"cannot be read: Is a directory; its name is that of a file; give it another");
	ck_assert_int_eq(rmdir(path_of("relayd.conf.d/1.conf")), 0);
	ck_assert_int_eq(symlink("nowhere", path_of("relayd.conf.d/1.conf")), 0);
	assert_refused("relayd.conf.d/1.conf", 0,
		"cannot be read: No such file or directory; it is a link to nothing; mend it");
}
END_TEST

/* Nobody writes to it: whoever opened it for reading would wait for ever. */
START_TEST(test_fifo)
{
	put("relayd.conf", HOME);
	ck_assert_int_eq(mkfifo(path_of("relayd.conf.d/1.conf"), 0600), 0);
	assert_refused("relayd.conf.d/1.conf", 0, "cannot be read: not a regular file; mend it");
	ck_assert_int_eq(unlink(path_of("relayd.conf.d/1.conf")), 0);
	ck_assert_int_eq(mkfifo(path_of("key"), 0600), 0);
	put_key_file_stream("");
	assert_refused("relayd.conf", 4, "key: not a regular file");
	ck_assert_int_eq(unlink(path_of("relayd.conf")), 0);
	ck_assert_int_eq(mkfifo(path_of("relayd.conf"), 0600), 0);
	assert_refused("relayd.conf", 0, "not a regular file; name another with --config");
}
END_TEST

/* Whoever may write a file decides about the streams, with keys in it or without. */
START_TEST(test_writers)
{
	const char *part = "relayd.conf.d/1.conf";
	struct config *config;

	put("relayd.conf", HOME);
	put(part, "consent = 20");
	ck_assert_int_eq(chmod(path_of(part), 0662), 0);
	assert_refused(part, 0, "everybody on this host may write it; chmod o-w /");
	ck_assert_int_eq(chmod(path_of(part), 0660), 0);
	config = read_good(); /* our own group */
	config_free(config);
	if (geteuid()) {
		fprintf(stderr, "test_writers: only root gives files to others\n");
		return;
	}
	ck_assert_int_eq(chown(path_of(part), 0, STRANGER), 0);
	assert_refused(part, 0, "another group, 54321, may write it; chmod g-w /");
	ck_assert_int_eq(chmod(path_of(part), 0640), 0);
	config = read_good();
	config_free(config);
	ck_assert_int_eq(chown(path_of(part), STRANGER, 0), 0);
	assert_refused(part, 0, "it belongs to another user, 54321; chown root /");
}
END_TEST

/* They may be the user's that relayd is going to be, whom only the files name. */
START_TEST(test_user)
{
	char error[CONFIG_ERROR] = "";
	struct config *config;

	if (geteuid()) {
		fprintf(stderr, "test_user: only root gives files to others\n");
		return;
	}
	put("key", KEY "\n");
	put_key_file_stream("");
	ck_assert_int_eq(chown(path_of("relayd.conf"), STRANGER, STRANGER), 0);
	ck_assert_int_eq(chown(path_of("key"), STRANGER, STRANGER), 0);
	ck_assert_int_eq(chmod(path_of("key"), 0660), 0);
	ck_assert_int_eq(config_peek(path_of("relayd.conf"), &config, error), 0);
	ck_assert_str_eq(config->user, "relayd");
	config_free(config);
	ck_assert_int_eq(
		config_read_for(path_of("relayd.conf"), STRANGER, STRANGER, &config, error), 0);
	config_free(config);
	ck_assert_int_eq(
		config_read_for(path_of("relayd.conf"), STRANGER, STRANGER + 1, &config, error),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "key-file: another group, 54321, may write it"));
	ck_assert_int_eq(
		config_read_for(path_of("relayd.conf"), STRANGER + 1, STRANGER, &config, error),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "relayd.conf: it belongs to another user, 54321"));
}
END_TEST

START_TEST(test_key_file)
{
	struct config *config;

	put("key", KEY "\nfor the camera at the door\n");
	put_key_file_stream("");
	config = read_good();
	ck_assert_str_eq(config->streams[0].key, KEY);
	config_free(config);
	put_key_file_stream("\tkey = \"" KEY "\"\n");
	assert_refused("relayd.conf", 4, "key-file and key; one of them is enough");
	put_key_file_stream("");
	ck_assert_int_eq(chmod(path_of("key"), 0644), 0);
	assert_refused("relayd.conf", 4, "everybody on this host may read it; chmod o-r /");
	ck_assert_int_eq(chmod(path_of("key"), 0622), 0);
	assert_refused("relayd.conf", 4, "everybody on this host may write it; chmod o-w /");
	put("key", "MDEyMzQ1\n");
	assert_refused("relayd.conf", 4, "is not a key");
	put("key", "");
	assert_refused("relayd.conf", 4, "is empty");
	ck_assert_int_eq(unlink(path_of("key")), 0);
	assert_refused("relayd.conf", 4, "No such file");
	put("relayd.conf", HOME "stream \"a\" { listen = 9001 key-file = \"key\" }\n");
	assert_refused("relayd.conf", 2, "is not a path; write one that begins with /");
}
END_TEST

START_TEST(test_partner_key_file)
{
	struct config *config;
	char text[400];

	put("key", KEY "\n");
	snprintf(text, sizeof(text),
		HOME "partner = \"198.51.100.2:3478\"\npartner-key-file = \"%s\"\n",
		path_of("key"));
	put("relayd.conf", text);
	config = read_good();
	ck_assert_str_eq(config->partner_key, KEY);
	config_free(config);
	strcat(text, "partner-key = \"" KEY "\"\n");
	put("relayd.conf", text);
	assert_refused("relayd.conf", 3, "partner-key-file and partner-key; one of them");
	snprintf(text, sizeof(text), HOME "partner-key-file = \"%s\"\n", path_of("key"));
	put("relayd.conf", text);
	assert_refused("relayd.conf", 2, "partner-key-file stands alone; write partner as well");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_files");
	TCase *tcase = tcase_create("files");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_joined);
	tcase_add_test(tcase, test_no_folder);
	tcase_add_test(tcase, test_places);
	tcase_add_test(tcase, test_unreadable);
	tcase_add_test(tcase, test_fifo);
	tcase_add_test(tcase, test_writers);
	tcase_add_test(tcase, test_user);
	tcase_add_test(tcase, test_key_file);
	tcase_add_test(tcase, test_partner_key_file);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
