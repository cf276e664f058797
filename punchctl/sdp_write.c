/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/sdp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "punchctl/sdp_line.h"

struct writer {
	const struct sdp *sdp;
	const uint16_t *local;
	char *out;
	size_t size, len;
	bool full;
	unsigned int seen; /* m= lines so far */
};

static void write_piece(struct writer *writer, struct piece piece)
{
	if (piece.len > writer->size - writer->len) {
		writer->full = true;
		return;
	}
	memcpy(writer->out + writer->len, piece.p, piece.len);
	writer->len += piece.len;
}

/* Short texts only. */
__attribute__((format(printf, 2, 3))) static void write_text(
	struct writer *writer, const char *format, ...)
{
	char text[80];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_piece(writer, (struct piece){text, strlen(text)});
}

uint16_t sdp_local(const struct sdp *sdp, const uint16_t local[static SDP_MEDIA_MAX], uint16_t port)
{
	for (unsigned int i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		for (unsigned int k = 0; media->port && k < media->count; k++) {
			if (port == media->port + 2 * k)
				return (uint16_t)(local[i] + 2 * k);
			if (media->rtcp && port == media->rtcp + 2 * k)
				return (uint16_t)(local[i] + 2 * k + 1);
		}
	}
	return 0;
}

static void write_media(struct writer *writer, const struct sdp_line *line)
{
	const struct sdp_media *media = &writer->sdp->media[writer->seen];
	struct piece rest = line->value, kind = piece_word(&rest, ' ');

	piece_word(&rest, ' ');
	write_text(writer, "m=");
	write_piece(writer, kind);
	write_text(writer, " %u", writer->local[writer->seen]);
	if (media->count > 1)
		write_text(writer, "/%u", media->count);
	write_text(writer, " ");
	write_piece(writer, rest);
}

/* a=rtcp:53020 or a=rtcp:53020 IN IP4 192.0.2.1 (RFC 3605, section 2.1) */
static void write_rtcp(struct writer *writer, const struct sdp_line *line)
{
	const struct sdp_media *media = &writer->sdp->media[writer->seen - 1];
	struct piece rest = piece_skip(line->value, strlen("rtcp:"));
	uint16_t port = writer->local[writer->seen - 1];
	uint32_t said = 0;

	piece_number(piece_word(&rest, ' '), UINT16_MAX, &said);
	write_text(writer, "a=rtcp:%u%s", said == media->port ? port : port + 1u,
		rest.len > 0 ? " IN IP4 127.0.0.1" : "");
}

/* With it a player would take nothing but what comes from the sender itself (RFC 4570). */
static bool line_is_dropped(const struct sdp_line *line)
{
	return sdp_line_is_heading(line) || piece_begins(line->whole, "a=source-filter:");
}

static void write_line(struct writer *writer, const struct sdp_line *line)
{
	const struct sdp *sdp = writer->sdp;
	bool punched = writer->seen > 0 && sdp->media[writer->seen - 1].port != 0 &&
		       sdp->media[writer->seen - 1].rtp;

	if (line_is_dropped(line))
		return;
	if (piece_begins(line->whole, "m=")) {
		if (sdp->media[writer->seen].port)
			write_media(writer, line);
		else
			write_piece(writer, line->whole);
		writer->seen++;
	} else if (piece_begins(line->whole, "c=")) {
		write_text(writer, "c=IN IP4 127.0.0.1");
	} else if (punched && piece_begins(line->whole, "a=rtcp:")) {
		write_rtcp(writer, line);
	} else {
		write_piece(writer, line->whole);
	}
	write_piece(writer, line->end);
}

int sdp_rewrite(const struct sdp *sdp, const uint16_t local[static SDP_MEDIA_MAX], char *out,
	size_t size, size_t *len)
{
	struct writer writer = {.sdp = sdp, .local = local, .out = out, .size = size};
	struct sdp_lines lines;
	struct sdp_line line;

	sdp_lines_init(&lines, sdp->text, sdp->len);
	while (sdp_lines_next(&lines, &line))
		write_line(&writer, &line);
	*len = writer.len;
	return writer.full ? -ENOSPC : 0;
}
