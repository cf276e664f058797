/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "punchctl/sdp.h"
#include "tests/suite.h"

#define HEAD "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"

static struct sdp sdp;
static char why[SDP_WHY];

static void sdp_read(const char *text)
{
	ck_assert_msg(sdp_parse(text, strlen(text), &sdp, why) == 0, "%s", why);
}

static void sdp_refuse(const char *text, const char *expected)
{
	ck_assert_int_lt(sdp_parse(text, strlen(text), &sdp, why), 0);
	ck_assert_str_eq(why, expected);
}

static void expect_ports(const char *expected)
{
	char text[PORTS_TEXT];
	struct ports ports;

	sdp_ports(&sdp, &ports);
	ck_assert_str_eq(ports_format(&ports, text), expected);
}

static void expect_text(const uint16_t local[static SDP_MEDIA_MAX], const char *expected)
{
	char out[4096];
	size_t len;

	ck_assert_int_eq(sdp_rewrite(&sdp, local, out, sizeof(out) - 1, &len), 0);
	out[len] = '\0';
	ck_assert_str_eq(out, expected);
}

#define FFMPEG(video, audio)                                                                       \
	"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nt=0 0\r\n"                                \
	"a=tool:libavformat 59.27.100\r\nm=video " video " RTP/AVP 96\r\n"                         \
	"c=IN IP4 127.0.0.1\r\na=rtpmap:96 H264/90000\r\n"                                         \
	"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkA==,aMuMsg==\r\n"             \
	"m=audio " audio " RTP/AVP 97\r\nc=IN IP4 127.0.0.1\r\nb=AS:69\r\n"                        \
	"a=rtpmap:97 MPEG4-GENERIC/48000/1\r\n"

START_TEST(test_ffmpeg)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000, 30000};

	sdp_read(FFMPEG("9200", "9202"));
	expect_ports("9200-9203");
	expect_text(local, FFMPEG("20000", "30000"));
	ck_assert_uint_eq(sdp_local(&sdp, local, 9200), 20000);
	ck_assert_uint_eq(sdp_local(&sdp, local, 9201), 20001);
	ck_assert_uint_eq(sdp_local(&sdp, local, 9202), 30000);
	ck_assert_uint_eq(sdp_local(&sdp, local, 9203), 30001);
	ck_assert_uint_eq(sdp_local(&sdp, local, 9204), 0);
}
END_TEST

/* What is printed on ffmpeg's standard output begins with a heading, and ends with an empty line.
 */
START_TEST(test_heading)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000};

	sdp_read("SDP:\n" HEAD "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n\n");
	expect_ports("5004-5005");
	expect_text(local, "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
			   "m=video 20000 RTP/AVP 96\na=rtpmap:96 H264/90000\n");
}
END_TEST

/* MP4Box: LF, an empty line after the copyright, c= for the session, "e=admin@". */
START_TEST(test_mp4box)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000, 20002};

	sdp_read("v=0\no=MP4Streamer 3357474383 1148485440000 IN IP6 2001:db8::7\ns=livesession\n"
		 "u=http://gpac.io\ne=admin@\nc=IN IP6 2001:db8::7\nt=0 0\n"
		 "a=x-copyright: Streamed with GPAC\n\nm=video 9099 RTP/AVP 96\n"
		 "a=fmtp:96 profile-level-id=640032; packetization-mode=1\n"
		 "m=audio 9101 RTP/SAVP 97\na=mpeg4-esid:2");
	expect_ports("9099-9102");
	expect_text(local,
		"v=0\no=MP4Streamer 3357474383 1148485440000 IN IP6 2001:db8::7\ns=livesession\n"
		"u=http://gpac.io\ne=admin@\nc=IN IP4 127.0.0.1\nt=0 0\n"
		"a=x-copyright: Streamed with GPAC\nm=video 20000 RTP/AVP 96\n"
		"a=fmtp:96 profile-level-id=640032; packetization-mode=1\n"
		"m=audio 20002 RTP/SAVP 97\na=mpeg4-esid:2");
}
END_TEST

/* GStreamer: multicast with a TTL, and a filter on sources that would keep our media out. */
START_TEST(test_gstreamer)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000};

	sdp_read("v=0\r\no=- 1 1 IN IP4 192.0.2.30\r\ns=Session streamed with GStreamer\r\n"
		 "c=IN IP4 239.1.1.1/5\r\nt=0 0\r\na=tool:GStreamer\r\n"
		 "a=source-filter: incl IN IP4 239.1.1.1 192.0.2.30\r\n"
		 "m=video 5000 RTP/AVP 96\r\nc=IN IP4 239.1.1.1/5\r\na=control:stream=0\r\n");
	expect_ports("5000-5001");
	expect_text(local,
		"v=0\r\no=- 1 1 IN IP4 192.0.2.30\r\ns=Session streamed with GStreamer\r\n"
		"c=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:GStreamer\r\n"
		"m=video 20000 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\n"
		"a=control:stream=0\r\n");
}
END_TEST

START_TEST(test_rtcp)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000, 20002, 20004, 20006};

	sdp_read(HEAD
		"m=video 49170 RTP/AVPF 31\na=rtcp:53020 IN IP6 2001:db8::1\na=rtcp-fb:* nack\n"
		"m=audio 49180 RTP/AVP 0\na=rtcp:49180\n"
		"m=audio 49190 RTP/AVP 0\na=rtcp-mux\na=rtcp:49191\n"
		"m=audio 49200/2 RTP/AVP 0\n");
	expect_ports("49170,53020,49180,49190,49200-49203");
	ck_assert_uint_eq(sdp_local(&sdp, local, 53020), 20001);
	ck_assert_uint_eq(sdp_local(&sdp, local, 49203), 20009);
	expect_text(local,
		"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
		"m=video 20000 RTP/AVPF 31\na=rtcp:20001 IN IP4 127.0.0.1\na=rtcp-fb:* nack\n"
		"m=audio 20002 RTP/AVP 0\na=rtcp:20002\n"
		"m=audio 20004 RTP/AVP 0\na=rtcp-mux\na=rtcp:20005\n"
		"m=audio 20006/2 RTP/AVP 0\n");
}
END_TEST

START_TEST(test_rejected_and_bundled)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000, 20000, 0, 20002};

	sdp_read(HEAD
		"m=audio 54400 UDP/TLS/RTP/SAVPF 111\na=rtcp-mux\na=fingerprint:sha-256 49:66\n"
		"m=video 54400 UDP/TLS/RTP/SAVPF 96\na=rtcp-mux\n"
		"m=application 0 TCP/MSRP *\na=rtcp:7\nm=video 1234 udp 33\n");
	expect_ports("54400,1234");
	ck_assert_uint_eq(sdp_bundle(&sdp, 0), 0);
	ck_assert_uint_eq(sdp_bundle(&sdp, 1), 0);
	expect_text(local, "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
			   "m=audio 20000 UDP/TLS/RTP/SAVPF 111\na=rtcp-mux\n"
			   "a=fingerprint:sha-256 49:66\n"
			   "m=video 20000 UDP/TLS/RTP/SAVPF 96\na=rtcp-mux\n"
			   "m=application 0 TCP/MSRP *\na=rtcp:7\nm=video 20002 udp 33\n");
}
END_TEST

/* RTP on odd ports side by side: nobody's RTCP comes there. */
START_TEST(test_neighbours)
{
	sdp_read(HEAD "m=video 5004 RTP/AVP 96\nm=audio 5005 RTP/AVP 97\n");
	expect_ports("5004-5006");
	sdp_read(HEAD "m=video 65535 RTP/AVP 96\n");
	expect_ports("65535");
}
END_TEST

START_TEST(test_broken)
{
	sdp_refuse("", "it is empty");
	sdp_refuse(HEAD, "there is no m= line in it");
	sdp_refuse(HEAD "m=video 0 RTP/AVP 96\n",
		"every m= line has port 0, so there is nothing to punch for "
		"(a description of an RTSP server?)");
	sdp_refuse(
		"o=- 1 1 IN IP4 192.0.2.1\n", "line 1: a session description begins with \"v=0\"");
	sdp_refuse("<html>\n", "line 1: not of the form \"x=...\"");
	sdp_refuse(HEAD HEAD, "line 6: a second session description begins here");
	sdp_refuse("v=0\nm=video 5004 RTP/AVP 96\n", "line 2: media without a c= line");
	sdp_refuse("v=0\nc=ATM NSAP 47\n", "line 2: a c= line looks like \"c=IN IP4 192.0.2.1\"");
	sdp_refuse(
		HEAD "m=video 5004\n", "line 6: an m= line looks like \"m=video 5004 RTP/AVP 96\"");
	sdp_refuse(HEAD "m=video 65536 RTP/AVP 96\n", "line 6: \"65536\" is not a port");
	sdp_refuse(HEAD "m=video -1 RTP/AVP 96\n", "line 6: \"-1\" is not a port");
	sdp_refuse(HEAD "m=video 5004/33 RTP/AVP 96\n",
		"line 6: \"5004/33\": from 1 to 32 ports can be asked for");
	sdp_refuse(
		HEAD "m=video 65534/2 RTP/AVP 96\n", "line 6: \"65534/2\" goes beyond port 65535");
	sdp_refuse(HEAD "\nm=video 5004 TCP/RTP/AVP 96\n",
		"line 7: TCP/RTP/AVP is media over TCP, only UDP can be punched for");
	sdp_refuse(HEAD "m=video 5004 DCCP 96\n",
		"line 6: unknown transport \"DCCP\", RTP/AVP would be right");
	sdp_refuse(HEAD "m=video 5004 RTP/AVP 96\na=rtcp:0\n", "line 7: a=rtcp:0 is not a port");
	sdp_refuse(HEAD "m=video 5004/2 RTP/AVP 96\na=rtcp:5010\n",
		"line 7: a=rtcp cannot stand with more than one port");
	sdp_refuse(HEAD "m=video 5004 RTP/AVP 96\na=rtcp:5006\nm=audio 5006 RTP/AVP 97\n",
		"line 6: RTCP port 5006 is also a port of other media");
	sdp_refuse(HEAD "m=video 5004/2 RTP/AVP 96\nm=audio 5006 RTP/AVP 97\n",
		"line 7: port 5006 is also a port of line 6");
}
END_TEST

START_TEST(test_rtcp_shared)
{
	sdp_refuse(HEAD
		"m=video 5004 RTP/AVP 96\na=rtcp:7000\nm=audio 5006 RTP/AVP 97\na=rtcp:7000\n",
		"line 8: RTCP port 7000 is also a port of other media");
}
END_TEST

START_TEST(test_limits)
{
	char *text = malloc(SDP_SIZE_MAX + 2);
	size_t len = 0;

	ck_assert_ptr_nonnull(text);
	memset(text, 'a', SDP_SIZE_MAX + 1);
	ck_assert_int_lt(sdp_parse(text, SDP_SIZE_MAX + 1, &sdp, why), 0);
	ck_assert_str_eq(why, "it is larger than 65536 bytes");
	len = (size_t)sprintf(text, "v=0\n");
	for (unsigned int i = 0; i < SDP_LINES_MAX; i++)
		len += (size_t)sprintf(text + len, "a=x\n");
	sdp_refuse(text, "line 2001: more than 2000 lines");
	len = (size_t)sprintf(text, HEAD);
	for (unsigned int i = 0; i <= SDP_MEDIA_MAX; i++)
		len += (size_t)sprintf(text + len, "m=audio %u RTP/AVP 0\n", 5000 + 2 * i);
	sdp_refuse(text, "line 22: more than 16 m= lines");
	sdp_refuse(HEAD "m=audio 5000/32 RTP/AVP 0\nm=audio 6000 RTP/AVP 0\n",
		"line 7: more than 64 ports in all are too many");
	ck_assert_int_lt(sdp_parse("v=0\na=\0x\n", 9, &sdp, why), 0);
	ck_assert_str_eq(why, "line 2: there is a zero byte in it");
	free(text);
}
END_TEST

START_TEST(test_no_room)
{
	const uint16_t local[SDP_MEDIA_MAX] = {20000, 20002};
	char out[sizeof(FFMPEG("20000", "20002"))];
	size_t len, need = sizeof(out) - 1;

	sdp_read(FFMPEG("9200", "9202"));
	ck_assert_int_eq(sdp_rewrite(&sdp, local, out, need, &len), 0);
	ck_assert_uint_eq(len, need);
	for (size_t size = 0; size < need; size++)
		ck_assert_int_lt(sdp_rewrite(&sdp, local, out, size, &len), 0);
}
END_TEST

static Suite *sdp_suite(void)
{
	Suite *suite = suite_create("sdp");
	TCase *tcase = tcase_create("sdp");

	tcase_add_test(tcase, test_ffmpeg);
	tcase_add_test(tcase, test_heading);
	tcase_add_test(tcase, test_mp4box);
	tcase_add_test(tcase, test_gstreamer);
	tcase_add_test(tcase, test_rtcp);
	tcase_add_test(tcase, test_rejected_and_bundled);
	tcase_add_test(tcase, test_neighbours);
	tcase_add_test(tcase, test_broken);
	tcase_add_test(tcase, test_rtcp_shared);
	tcase_add_test(tcase, test_limits);
	tcase_add_test(tcase, test_no_room);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(sdp_suite());
}
