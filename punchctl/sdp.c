/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/sdp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "punchctl/sdp_line.h"

enum transport { TRANSPORT_RTP, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_UNKNOWN };

struct parser {
	struct sdp *sdp;
	char *why;
	unsigned int line;
	bool version;
};

__attribute__((format(printf, 2, 3))) static int parser_fail(
	const struct parser *parser, const char *format, ...)
{
	va_list args;
	int len;

	len = snprintf(parser->why, SDP_WHY, "line %u: ", parser->line);
	va_start(args, format);
	vsnprintf(parser->why + len, SDP_WHY - (size_t)len, format, args);
	va_end(args);
	return -EINVAL;
}

static enum transport transport_of(struct piece protocol)
{
	if (piece_contains(protocol, "TCP"))
		return TRANSPORT_TCP;
	if (piece_begins(protocol, "RTP/") || piece_contains(protocol, "/RTP/"))
		return TRANSPORT_RTP;
	if (protocol.len >= 3 && strncasecmp(protocol.p, "udp", 3) == 0)
		return TRANSPORT_UDP;
	return TRANSPORT_UNKNOWN;
}

static int parse_protocol(
	const struct parser *parser, struct sdp_media *media, struct piece protocol)
{
	switch (transport_of(protocol)) {
	case TRANSPORT_RTP:
		media->rtp = true;
		return 0;
	case TRANSPORT_UDP:
		return 0;
	case TRANSPORT_TCP:
		return parser_fail(parser, "%.*s is media over TCP, only UDP can be punched for",
			PIECE(protocol));
	case TRANSPORT_UNKNOWN:
		break;
	}
	return parser_fail(
		parser, "unknown transport \"%.*s\", RTP/AVP would be right", PIECE(protocol));
}

/* "49170" or "49170/2" */
static int parse_port(const struct parser *parser, struct sdp_media *media, struct piece text)
{
	struct piece number = text, port = piece_word(&number, '/');
	uint32_t value, count = 1;

	if (!piece_number(port, UINT16_MAX, &value))
		return parser_fail(parser, "\"%.*s\" is not a port", PIECE(text));
	if (port.len != text.len && (!piece_number(number, PORTS_MAX / 2, &count) || count == 0))
		return parser_fail(parser, "\"%.*s\": from 1 to %d ports can be asked for",
			PIECE(text), PORTS_MAX / 2);
	if (value != 0 && value + 2 * (count - 1) > UINT16_MAX)
		return parser_fail(parser, "\"%.*s\" goes beyond port 65535", PIECE(text));
	media->port = (uint16_t)value;
	media->count = (uint16_t)count;
	return 0;
}

/* m=<media> <port>[/<number>] <transport> <format> ... */
static int parse_media(struct parser *parser, struct piece value)
{
	struct sdp_media *media = &parser->sdp->media[parser->sdp->media_count];
	struct piece kind = piece_word(&value, ' '), port = piece_word(&value, ' ');
	struct piece protocol = piece_word(&value, ' ');
	int ret;

	if (parser->sdp->media_count == SDP_MEDIA_MAX)
		return parser_fail(parser, "more than %d m= lines", SDP_MEDIA_MAX);
	if (kind.len == 0 || protocol.len == 0 || value.len == 0)
		return parser_fail(parser, "an m= line looks like \"m=video 5004 RTP/AVP 96\"");
	*media = (struct sdp_media){.line = parser->line};
	parser->sdp->media_count++;
	ret = parse_port(parser, media, port);
	if (ret < 0 || media->port == 0)
		return ret;
	ret = parse_protocol(parser, media, protocol);
	if (media->rtp && media->port < UINT16_MAX)
		media->rtcp = media->port + 1;
	return ret;
}

/* c=IN IP4 <address>; the address does not matter, as it is replaced. */
static int parse_connection(struct parser *parser, struct piece value)
{
	struct sdp *sdp = parser->sdp;
	struct piece net = piece_word(&value, ' '), type = piece_word(&value, ' ');

	if (!piece_equal(net, "IN") || (!piece_equal(type, "IP4") && !piece_equal(type, "IP6")) ||
		piece_word(&value, ' ').len == 0)
		return parser_fail(parser, "a c= line looks like \"c=IN IP4 192.0.2.1\"");
	if (sdp->media_count > 0)
		sdp->media[sdp->media_count - 1].connection = true;
	else
		sdp->connection = true;
	return 0;
}

static int parse_attribute(struct parser *parser, struct piece value)
{
	struct sdp *sdp = parser->sdp;
	struct sdp_media *media = &sdp->media[sdp->media_count - (sdp->media_count > 0)];
	uint32_t port;

	if (sdp->media_count == 0 || media->port == 0 || !media->rtp)
		return 0;
	if (piece_equal(value, "rtcp-mux"))
		media->mux = true;
	if (!piece_begins(value, "rtcp:"))
		return 0;
	value = piece_skip(value, strlen("rtcp:"));
	value = piece_word(&value, ' ');
	if (!piece_number(value, UINT16_MAX, &port) || port == 0)
		return parser_fail(parser, "a=rtcp:%.*s is not a port", PIECE(value));
	if (media->count > 1)
		return parser_fail(parser, "a=rtcp cannot stand with more than one port");
	media->rtcp = (uint16_t)port;
	media->rtcp_said = true;
	return 0;
}

static int parse_line(struct parser *parser, const struct sdp_line *line)
{
	struct piece whole = line->whole;

	if (line->number > SDP_LINES_MAX)
		return parser_fail(parser, "more than %d lines", SDP_LINES_MAX);
	if (memchr(whole.p, '\0', whole.len))
		return parser_fail(parser, "there is a zero byte in it");
	if (whole.len < 2 || whole.p[0] < 'a' || whole.p[0] > 'z' || whole.p[1] != '=')
		return parser_fail(parser, "not of the form \"x=...\"");
	if (!parser->version && !piece_equal(whole, "v=0"))
		return parser_fail(parser, "a session description begins with \"v=0\"");
	if (parser->version && whole.p[0] == 'v')
		return parser_fail(parser, "a second session description begins here");
	parser->version = true;
	switch (whole.p[0]) {
	case 'm':
		return parse_media(parser, line->value);
	case 'c':
		return parse_connection(parser, line->value);
	case 'a':
		return parse_attribute(parser, line->value);
	}
	return 0;
}

/* The RTP port of this media, or of which media it is one; -1 for none. */
static int media_by_port(const struct sdp *sdp, uint16_t port)
{
	for (unsigned int i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];
		unsigned int offset = port - (unsigned int)media->port;

		if (media->port != 0 && port >= media->port && offset % 2 == 0 &&
			offset / 2 < media->count)
			return (int)i;
	}
	return -1;
}

static bool rtcp_has(const struct sdp_media *media, unsigned int port)
{
	unsigned int offset = port - media->rtcp;

	return media->rtcp && port >= media->rtcp && offset % 2 == 0 && offset / 2 < media->count;
}

/* An RTCP port is also somebody's RTP port, or the RTCP port of media before. */
static bool rtcp_clashes(const struct sdp *sdp, const struct sdp_media *media)
{
	for (unsigned int k = 0; k < media->count; k++) {
		unsigned int port = media->rtcp + 2 * k;

		if (port > UINT16_MAX || media_by_port(sdp, (uint16_t)port) >= 0)
			return true;
		for (const struct sdp_media *other = sdp->media; other < media; other++) {
			bool bundled = other->port == media->port;

			if (bundled ? other->rtcp && other->rtcp != media->rtcp
				    : rtcp_has(other, port))
				return true;
		}
	}
	return false;
}

/* What is not said but follows, and what cannot be. */
static int settle_media(const struct parser *parser, struct sdp_media *media)
{
	const struct sdp *sdp = parser->sdp;
	int other = media_by_port(sdp, media->port);

	if (!media->connection && !sdp->connection)
		return parser_fail(parser, "media without a c= line");
	if (&sdp->media[other] != media &&
		(sdp->media[other].port != media->port || sdp->media[other].count != media->count))
		return parser_fail(parser, "port %u is also a port of line %u", media->port,
			sdp->media[other].line);
	if (media->mux || media->rtcp == media->port)
		media->rtcp = 0;
	if (media->rtcp == 0 || !rtcp_clashes(sdp, media))
		return 0;
	if (media->rtcp_said)
		return parser_fail(
			parser, "RTCP port %u is also a port of other media", media->rtcp);
	media->rtcp = 0;
	return 0;
}

static int settle(struct parser *parser)
{
	struct sdp *sdp = parser->sdp;
	unsigned int ports = 0;

	for (unsigned int i = 0; i < sdp->media_count; i++) {
		struct sdp_media *media = &sdp->media[i];

		parser->line = media->line;
		if (media->port == 0)
			continue;
		if (settle_media(parser, media) < 0)
			return -EINVAL;
		ports += media->count * (media->rtcp ? 2u : 1u);
		if (ports > PORTS_MAX)
			return parser_fail(
				parser, "more than %d ports in all are too many", PORTS_MAX);
	}
	if (ports > 0)
		return 0;
	snprintf(parser->why, SDP_WHY, "%s",
		sdp->media_count == 0
			? "there is no m= line in it"
			: "every m= line has port 0, so there is nothing to punch for "
			  "(a description of an RTSP server?)");
	return -EINVAL;
}

int sdp_parse(const char *text, size_t len, struct sdp *out, char why[static SDP_WHY])
{
	struct parser parser = {.sdp = out, .why = why};
	struct sdp_lines lines;
	struct sdp_line line;
	int ret;

	*out = (struct sdp){.text = text, .len = len};
	if (len > SDP_SIZE_MAX) {
		snprintf(why, SDP_WHY, "it is larger than %d bytes", SDP_SIZE_MAX);
		return -EINVAL;
	}
	sdp_lines_init(&lines, text, len);
	while (sdp_lines_next(&lines, &line)) {
		parser.line = line.number;
		if (sdp_line_is_heading(&line))
			continue;
		ret = parse_line(&parser, &line);
		if (ret < 0)
			return ret;
	}
	if (parser.version)
		return settle(&parser);
	snprintf(why, SDP_WHY, "it is empty");
	return -EINVAL;
}

static void ports_add(struct ports *ports, uint16_t port)
{
	if (ports_index(ports, port) < 0 && ports->count < PORTS_MAX)
		ports->port[ports->count++] = port;
}

void sdp_ports(const struct sdp *sdp, struct ports *out)
{
	out->count = 0;
	for (unsigned int i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		for (unsigned int k = 0; media->port && k < media->count; k++) {
			ports_add(out, (uint16_t)(media->port + 2 * k));
			if (media->rtcp)
				ports_add(out, (uint16_t)(media->rtcp + 2 * k));
		}
	}
}

unsigned int sdp_bundle(const struct sdp *sdp, unsigned int index)
{
	for (unsigned int i = 0; i < index; i++) {
		if (sdp->media[i].port == sdp->media[index].port)
			return i;
	}
	return index;
}
