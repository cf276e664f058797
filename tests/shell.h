/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shell: runs punchctl as a shell does, alone or with a daemon that says what it was told to. */
#ifndef TESTS_SHELL_H
#define TESTS_SHELL_H

#define SHELL_TEXT 16384

/* The temporary folder, which is the working directory, and what the last command left. */
struct shell {
	char folder[64];
	char out[SHELL_TEXT], err[SHELL_TEXT];
	char request[SHELL_TEXT]; /* as the daemon got it, without its newline */
};
extern struct shell shell;

/* A line to run, or an answer to give, and what is to be said then. */
struct said {
	const char *line, *text;
};

void shell_setup(void);
void shell_teardown(void);
void shell_write(const char *path, const char *text);
/* Runs "punchctl LINE", whose words are parted by single spaces; the exit status. */
int shell_run(const char *line);
/* Runs "punchctl --socket sock LINE" with a daemon that answers one request with the reply. */
int shell_ask(const char *reply, const char *line);
/* The same with stdout at another file. */
int shell_ask_to(const char *stdout_path, const char *reply, const char *line);
/* Calls print with stdout at shell.out. */
void shell_printed(void (*print)(void));
/* stderr was one line of punchctl's. */
void shell_assert_line(const char *line);

#endif
