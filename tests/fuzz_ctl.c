/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes from a control socket, in pieces: whole lines only, and memory has a limit. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"

#define LINE_MAX_FUZZED 512
#define PIECE_MAX	256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes all that is whole; returns how many lines that were. */
static size_t drain(struct ctl_reader *reader)
{
	char text[64], *line;
	size_t count = 0, len;
	json_t *object;
	int ret;

	for (;; count++) {
		ret = ctl_reader_next(reader, &object, text, sizeof(text));
		if (ret == -EAGAIN)
			return count;
		if (ret == -EINVAL) {
			assert(memchr(text, '\0', sizeof(text)));
			continue;
		}
		assert(ret == 0 && json_is_object(object));
		line = ctl_format(object, &len);
		assert(line && len > 2 && memchr(line, '\n', len) == line + len - 1);
		free(line);
		json_decref(object);
	}
}

/* The first byte says how long the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece, newlines = 0, lines = 0;
	struct ctl_reader reader;

	if (size == 0)
		return 0;
	piece = data[0] % PIECE_MAX + 1;
	data++;
	size--;
	ctl_reader_init(&reader, LINE_MAX_FUZZED);
	while (size > 0) {
		size_t len = size < piece ? size : piece;
		int ret = ctl_reader_feed(&reader, data, len);

		assert(ret == 0 || ret == -EMSGSIZE);
		if (ret < 0)
			break;
		for (size_t i = 0; i < len; i++)
			newlines += data[i] == '\n';
		lines += drain(&reader);
		assert(lines == newlines);
		assert(reader.at <= reader.line && reader.line <= reader.len);
		assert(reader.len <= reader.size && reader.size <= 4096);
		data += len;
		size -= len;
	}
	ctl_reader_fini(&reader);
	return 0;
}
