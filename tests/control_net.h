/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_net: a net side and clients for the tests of the control socket. */
#ifndef TESTS_CONTROL_NET_H
#define TESTS_CONTROL_NET_H

#include <stdbool.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#include "common/ctl.h"
#include "relayd/net.h"

#define KEY	  "MDEyMzQ1Njc4OWFiY2RlZg==" /* that net_add makes */
#define OWN_KEY	  "ZmVkY2JhOTg3NjU0MzIxMA=="
#define ADD	  "{\"do\":\"add\",\"name\":\"cam1\",\"listen\":\"9099-9100\""
#define PUMPS_MAX 400

/* One for each test. */
struct testbed {
	struct net net;
	struct config config;
	struct sockaddr_un addr; /* of the control socket */
	socklen_t addr_len;
	int64_t now;
	struct {
		sync_read_fn *done;
		void *data;
	} readers[256];
	unsigned int reader_count, forgotten, reloads;
	bool kernel_waits, kernel_refuses; /* how the kernel side is to behave */
	int read_error;
	struct sync_snapshot snapshot; /* what it holds */
};
extern struct testbed t;

void set_up(void);
/* Whatever is not freed keeps the loop busy, or is ASan's to find. */
void tear_down(void);
/* A turn of the loop; the kernel side answers unless it waits. */
void pump(void);
void event(const char *what, const char *name, const char *text);

int dial(void);
void say(int fd, const char *text);
/* One byte, as soon as there is one; false at the end of the connection. */
bool hear_byte(int fd, char *out);
json_t *hear(int fd);
/* The answer, which is not an error. */
json_t *ask(int fd, const char *text);
void granted(int fd, const char *text);
void hear_error(int fd, const char *part);
void refused(int fd, const char *text, const char *part);
/* The relay has closed it. */
void assert_end(int fd);

/* Until it holds, for as long as anything may take. */
#define wait_until(condition)                                                                      \
	do {                                                                                       \
		for (int turn = 0; turn < PUMPS_MAX && !(condition); turn++) {                     \
			pump();                                                                    \
			usleep(turn < 20 ? 0 : 10000);                                             \
		}                                                                                  \
		ck_assert(condition);                                                              \
	} while (0)

#endif
