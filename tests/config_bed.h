/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_bed: configuration files of one test. */
#ifndef TESTS_CONFIG_BED_H
#define TESTS_CONFIG_BED_H

#include <check.h>

#include "relayd/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY_TEXT     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY	     "key = \"" KEY_TEXT "\"\n"
#define HOME	     "address = { \"127.0.0.1\" }\n"
#define A	     "stream \"a\" { listen = \"9099\" key = \"" KEY_TEXT "\" }\n"

#define PARTNER	    "partner = \"198.51.100.2:3478\"\n"
#define PARTNER_KEY "partner-key = \"" KEY_TEXT "\"\n"

/* The path of a file with these contents, in memory until the test's process ends. */
const char *make_file(const void *data, size_t len);
struct config *read_good(const char *text);
/* The answer must be "PATH:LINE: wrong; right", one line, and nothing may come out. */
void assert_refused(const char *path, int line, const char *part, int expected);

#endif
