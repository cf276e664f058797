/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mac.h"

#define SAID(why, ...) snprintf(why, TOKEN_WHY, __VA_ARGS__)

static int check_file(int fd, char why[static TOKEN_WHY])
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		SAID(why, "%s", strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		SAID(why, "it is not a regular file");
		return -EINVAL;
	}
	if (st.st_mode & (S_IWGRP | S_IRWXO)) {
		SAID(why, "its mode is %03o: others may read or change it; `chmod 640` mends that",
			(unsigned int)st.st_mode & 0777);
		return -EPERM;
	}
	return 0;
}

static int check_text(const struct token *token, char why[static TOKEN_WHY])
{
	if (token->len < TOKEN_MIN || token->len > TOKEN_MAX) {
		SAID(why, "its first line must have %d to %d characters; `punchctl key` makes one",
			TOKEN_MIN, TOKEN_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < token->len; i++) {
		if (!isgraph((unsigned char)token->text[i])) {
			SAID(why, "its first line must have printable characters only, no spaces");
			return -EINVAL;
		}
	}
	return 0;
}

int token_read(struct token *token, const char *path, char why[static TOKEN_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;
	ssize_t len;

	memset(token, 0, sizeof(*token));
	if (fd < 0) {
		SAID(why, "%s", strerror(errno));
		return -errno;
	}
	err = check_file(fd, why);
	if (!err) {
		len = read(fd, token->text, sizeof(token->text));
		token->len = len > 0 ? (size_t)len : 0;
		for (size_t i = token->len; i-- > 0;)
			if (token->text[i] == '\n')
				token->len = i;
		err = check_text(token, why);
	}
	close(fd);
	if (err)
		token_wipe(token);
	return err;
}

void token_wipe(struct token *token)
{
	mac_wipe(token, sizeof(*token));
}

bool token_is_set(const struct token *token)
{
	return token->len > 0;
}

/* Digests have one length, so that of the token does not show. */
bool token_equal(const struct token *token, const char *text, size_t len)
{
	const struct mac_part ours = {token->text, token->len}, theirs = {text, len};
	uint8_t a[MAC_SHA256], b[MAC_SHA256];

	mac_sha256(&ours, 1, a);
	mac_sha256(&theirs, 1, b);
	return mac_equal(a, b, sizeof(a)) && token_is_set(token);
}

void token_cookie_make(const struct token *token, int64_t now_s, char out[static TOKEN_COOKIE])
{
	int len = snprintf(out, TOKEN_COOKIE, "%" PRId64, now_s + TOKEN_COOKIE_S);
	const struct mac_part parts[] = {{"cookie ", 7}, {out, (size_t)len}};
	uint8_t mac[MAC_SHA256];

	mac_hmac_sha256(token->text, token->len, parts, 2, mac);
	out[len++] = '.';
	mac_base64url(mac, sizeof(mac), out + len, TOKEN_COOKIE - (size_t)len);
}

bool token_cookie_valid(const struct token *token, const char *cookie, int64_t now_s)
{
	char good[TOKEN_COOKIE];
	int64_t expires = 0;
	size_t digits = 0;

	while (digits < 12 && isdigit((unsigned char)cookie[digits]))
		expires = expires * 10 + (cookie[digits++] - '0');
	if (!token_is_set(token) || cookie[digits] != '.' || expires <= now_s ||
		expires > now_s + TOKEN_COOKIE_S)
		return false;
	/* What we would have made when it was made. */
	token_cookie_make(token, expires - TOKEN_COOKIE_S, good);
	return strlen(good) == strlen(cookie) && mac_equal(good, cookie, strlen(good));
}
