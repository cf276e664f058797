/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/keeper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mac.h"
#include "exporter/privs.h"

struct answer {
	int err;
	struct token token;
	char why[TOKEN_WHY];
};

/* Signals to the whole group are for its parent, with whom it ends. */
static void ignore_signals(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
}

static int keep(int fd, const char *path)
{
	struct answer answer;
	ssize_t sent = 0;
	char word;

	ignore_signals();
	if (privs_drop_all_but_reading())
		return 1;
	while (sent >= 0 && recv(fd, &word, sizeof(word), 0) > 0) {
		memset(&answer, 0, sizeof(answer));
		answer.err = token_read(&answer.token, path, answer.why);
		sent = send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
		mac_wipe(&answer, sizeof(answer));
	}
	return 0;
}

int keeper_start(const char *path, int *fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (!pid) {
		close(pair[0]);
		_exit(keep(pair[1], path));
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	*fd = pair[0];
	return 0;
}

int keeper_ask(int fd)
{
	return send(fd, "?", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int keeper_answer(int fd, struct token *token, char why[static TOKEN_WHY])
{
	struct answer answer;
	ssize_t len = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	int err = -EPIPE;

	if (len == (ssize_t)sizeof(answer)) {
		err = answer.err;
		*token = answer.token;
		memcpy(why, answer.why, TOKEN_WHY);
	}
	mac_wipe(&answer, sizeof(answer));
	return err;
}
