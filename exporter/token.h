/* SPDX-License-Identifier: GPL-2.0-or-later */
/* token: the word that lets somebody in, and the cookies that stand for it. */
#ifndef EXPORTER_TOKEN_H
#define EXPORTER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_MIN      16
#define TOKEN_MAX      256
#define TOKEN_COOKIE   80	       /* with its zero */
#define TOKEN_COOKIE_S (7 * 24 * 3600) /* that it lasts */
#define TOKEN_WHY      160

/* All zero: everybody is let in. */
struct token {
	char text[TOKEN_MAX + 1];
	size_t len;
};

/*
 * The first line of the file: TOKEN_MIN to TOKEN_MAX printable characters without spaces. 0, or
 * -errno and in `why` what is wrong: also when others than its owner may change the file, or others
 * than its owner and group may read it.
 */
int token_read(struct token *token, const char *path, char why[static TOKEN_WHY]);
void token_wipe(struct token *token);
bool token_is_set(const struct token *token);
/* In a time that does not depend on the token. */
bool token_equal(const struct token *token, const char *text, size_t len);

/*
 * "EXPIRES.MAC": good until EXPIRES, wall clock seconds, and as long as the token stays the same,
 * whichever process made it.
 */
void token_cookie_make(const struct token *token, int64_t now_s, char out[static TOKEN_COOKIE]);
bool token_cookie_valid(const struct token *token, const char *cookie, int64_t now_s);

#endif
