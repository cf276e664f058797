/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operator's commands, as text and as JSON, against a daemon that says what it was told to. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "punchctl/cmd.h"
#include "tests/shell.h"
#include "tests/suite.h"

#define COUNT(arr) (sizeof(arr) / sizeof((arr)[0]))
#define KEY	   "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static const char *const asking[] = {"add cam1 --listen 9099", "remove cam1", "list", "show cam1",
	"flush", "flush cam1", "reload", "monitor", "rules", "rules cam1", "metrics"};

/* What every command says when the daemon refuses, or answers with what is no answer. */
static const struct said answers[] = {
	{"{\"ok\":false,\"error\":\"there is no\\nstream\"}\n", "punchctl: there is no?stream\n"},
	{"{\"ok\":false}\n", "punchctl: relayd refused and did not say why\n"},
	{"{}\n", "punchctl: relayd refused and did not say why\n"},
	{"", "punchctl: relayd hung up\n"},
	{"{\"ok\":true", "punchctl: relayd hung up\n"},
	{"[]\n", "punchctl: relayd's answer makes no sense: not an object\n"},
};

START_TEST(test_refused)
{
	for (size_t i = 0; i < COUNT(answers); i++) {
		ck_assert_int_eq(shell_ask(answers[i].line, asking[_i]), CMD_FAILED);
		ck_assert_str_eq(shell.err, answers[i].text);
		ck_assert_str_eq(shell.out, "");
	}
}
END_TEST

#define PORT_9099                                                                                  \
	"{\"listen\":\"203.0.113.7:9099\",\"state\":\"live\",\"sender\":\"198.51.100.9:5000\","    \
	"\"client\":\"192.0.2.8:40001\",\"consent\":14.5,\"packets\":120,\"bytes\":120000,"        \
	"\"rate\":1500000,\"idle\":0.1}"
#define PORT_9100                                                                                  \
	"{\"listen\":\"203.0.113.7:9100\",\"state\":\"waiting\",\"sender\":null,\"client\":null,"  \
	"\"consent\":null,\"packets\":0,\"bytes\":0,\"rate\":0,\"idle\":null}"
#define STREAM(ports)                                                                              \
	"{\"name\":\"cam1\",\"state\":\"live\",\"engine\":\"conntrack\",\"origin\":\"runtime\","   \
	"\"source\":\"first\",\"clients\":\"any\",\"rate\":2000000,"                               \
	"\"quota\":\"50G/month\",\"used\":12300000000,\"raw_punch\":9199,"                         \
	"\"expires\":86400,\"listen\":\"9099-9100\",\"refused\":3,\"moves\":1,\"ports\":[" ports   \
	"]}"
#define ADDED                                                                                      \
	"{\"ok\":true,\"stream\":" STREAM("") ",\"key\":\"" KEY "\",\"relays\":["                  \
					      "\"203.0.113.7:3478\",\"[2001:db8::7]:3478\","       \
					      "\"203.0.113.8:3479\"]}\n"

START_TEST(test_add)
{
	ck_assert_int_eq(shell_ask(ADDED, "add cam1 --listen 9099-9100"), CMD_DONE);
	ck_assert_str_eq(
		shell.request, "{\"do\":\"add\",\"listen\":\"9099-9100\",\"name\":\"cam1\"}");
	ck_assert_str_eq(shell.err, "");
	ck_assert_str_eq(shell.out,
		"On the client:\n"
		"  (umask 077; echo '" KEY "' > cam1.key)\n"
		"  punchctl punch cam1@203.0.113.7 --key-file cam1.key --port 9099-9100\n"
		"or\n"
		"  punchctl punch cam1@[2001:db8::7] --key-file cam1.key --port 9099-9100\n"
		"or\n"
		"  punchctl punch cam1@203.0.113.8:3479 --key-file cam1.key --port 9099-9100\n"
		"The sender sends to port 9099-9100 of\n"
		"  203.0.113.7\n  2001:db8::7\n  203.0.113.8\n");
	ck_assert_int_eq(shell_ask(ADDED, "add cam1 --listen 9099-9100 --json"), CMD_DONE);
	ck_assert_str_eq(shell.out, ADDED);
}
END_TEST

START_TEST(test_add_options)
{
	shell_write("key", KEY "\nanother line\n");
	ck_assert_int_eq(
		shell_ask(ADDED, "add --listen=9099 --source 198.51.100.0/24 --client-prefix any "
				 "--rate 128k --quota 50G/month --raw-punch 9199 --expire 2h "
				 "--key-file key -- cam1"),
		CMD_DONE);
	ck_assert_str_eq(shell.request,
		"{\"do\":\"add\",\"listen\":\"9099\",\"source\":"
		"\"198.51.100.0/24\",\"clients\":\"any\",\"rate\":128000,\"quota\":\"50G/month\","
		"\"raw_punch\":9199,\"expire\":7200,\"key\":\"" KEY "\",\"name\":\"cam1\"}");
}
END_TEST

START_TEST(test_add_key_file)
{
	ck_assert_int_eq(shell_run("add cam1 --listen 9099 --key-file key"), CMD_FAILED);
	ck_assert_str_eq(shell.err, "punchctl: --key-file: key: No such file or directory\n");
	shell_write("key", "short\n");
	ck_assert_int_eq(shell_run("add cam1 --listen 9099 --key-file key"), CMD_FAILED);
	ck_assert_ptr_nonnull(strstr(shell.err, "the first line of key is not a key"));
	shell_assert_line("a short key");
	shell_write("key", "");
	ck_assert_int_eq(shell_run("add cam1 --listen 9099 --key-file key"), CMD_FAILED);
	ck_assert_ptr_nonnull(strstr(shell.err, "key is empty"));
	shell_write("key", KEY "\n");
	ck_assert_int_eq(chmod("key", 0602), 0);
	ck_assert_int_eq(shell_run("add cam1 --listen 9099 --key-file key"), CMD_FAILED);
	ck_assert_ptr_nonnull(
		strstr(shell.err, "key: everybody on this host may write it; chmod o-w key"));
	shell_assert_line("a key that everybody may write");
	/* Under sudo it is the caller's. */
	ck_assert_int_eq(chmod("key", 0660), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown("key", 54321, 54321), 0);
	ck_assert_int_eq(shell_ask(ADDED, "add cam1 --listen 9099 --key-file key"), CMD_DONE);
}
END_TEST

/* As `punchctl key | punchctl add --key-file /dev/stdin` and <(...) have it. */
START_TEST(test_add_key_pipe)
{
	char words[80];
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], KEY "\n", strlen(KEY) + 1), (ssize_t)strlen(KEY) + 1);
	snprintf(words, sizeof(words), "add cam1 --listen 9099 --key-file /dev/fd/%d", ends[0]);
	ck_assert_int_eq(shell_ask(ADDED, words), CMD_DONE);
	ck_assert_ptr_nonnull(strstr(shell.request, "\"key\":\"" KEY "\""));
}
END_TEST

START_TEST(test_add_sdp)
{
	shell_write("sdp", "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\n"
			   "c=IN IP4 203.0.113.7\r\nt=0 0\r\nm=video 9100 RTP/AVP 96\r\n");
	ck_assert_int_eq(shell_ask(ADDED, "add cam1 --sdp sdp"), CMD_DONE);
	ck_assert_str_eq(
		shell.request, "{\"do\":\"add\",\"listen\":\"9100-9101\",\"name\":\"cam1\"}");
	ck_assert_int_eq(shell_run("add cam1 --sdp sdp --listen 1"), CMD_USAGE);
	ck_assert_ptr_nonnull(strstr(shell.err, "one of --listen and --sdp is enough"));
	shell_write("sdp", "v=0\r\nx\r\n");
	ck_assert_int_eq(shell_run("add cam1 --sdp sdp"), CMD_FAILED);
	ck_assert_ptr_nonnull(strstr(shell.err, "--sdp sdp: line 2: "));
	ck_assert_int_eq(shell_run("add cam1 --sdp ."), CMD_FAILED);
	ck_assert_str_eq(shell.err, "punchctl: --sdp .: Is a directory\n");
	ck_assert_int_eq(shell_run("add cam1 --sdp none"), CMD_FAILED);
	ck_assert_str_eq(shell.err, "punchctl: --sdp none: No such file or directory\n");
}
END_TEST

/* A daemon that is not ours may leave out what it likes. */
START_TEST(test_sparse)
{
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"relays\":[null,3]}\n", asking[_i]),
		strcmp(asking[_i], "monitor") == 0 ? CMD_FAILED : CMD_DONE);
}
END_TEST

START_TEST(test_drain)
{
	ck_assert_int_eq(
		shell_ask("{\"ok\":true,\"draining\":true,\"clients\":0,\"pairs\":0}\n", "drain"),
		CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"drain\",\"on\":true}");
	ck_assert_str_eq(shell.out, "draining: nobody is left\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"draining\":true,\"clients\":1,\"pairs\":2}\n",
				 "drain --no-wait"),
		CMD_DONE);
	ck_assert_str_eq(shell.out, "draining: 1 client and 2 pairs of peers are left\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"draining\":false,\"clients\":1,\"pairs\":2}\n",
				 "drain --off"),
		CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"drain\",\"on\":false}");
	ck_assert_str_eq(shell.out, "new clients are taken again\n");
}
END_TEST

START_TEST(test_remove)
{
	ck_assert_int_eq(shell_ask("{\"ok\":true}\n", "remove cam1"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"remove\",\"name\":\"cam1\"}");
	ck_assert_str_eq(shell.out, "cam1 removed\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true}\n", "--json remove cam1"), CMD_DONE);
	ck_assert_str_eq(shell.out, "{\"ok\":true}\n");
}
END_TEST

#define LIST "[" STREAM(PORT_9100 "," PORT_9099) "]"

START_TEST(test_list)
{
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"streams\":" LIST "}\n", "list"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"list\",\"brief\":true}");
	ck_assert_str_eq(shell.out,
		"NAME  STATE  LISTEN     SENDER             CLIENT           RATE      IDLE\n"
		"cam1  live   9099-9100  198.51.100.9:5000  192.0.2.8:40001  1.5 MB/s  0.1 s\n");
	ck_assert_int_eq(
		shell_ask("{\"ok\":true,\"streams\":" LIST "}\n", "list --json"), CMD_DONE);
	ck_assert_str_eq(shell.out, LIST "\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"streams\":[]}\n", "list"), CMD_DONE);
	ck_assert_str_eq(shell.out, "NAME  STATE  LISTEN  SENDER  CLIENT  RATE  IDLE\n");
}
END_TEST

START_TEST(test_complete_streams)
{
	static const char streams[] = "{\"ok\":true,\"streams\":" LIST "}\n";

	ck_assert_int_eq(shell_ask(streams, "complete -- show ca"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"list\",\"brief\":true}");
	ck_assert_str_eq(shell.out, "cam1\tlive\n");
	ck_assert_int_eq(shell_ask(streams, "complete -- explain --trace x"), CMD_DONE);
	ck_assert_str_eq(shell.out, "");
	ck_assert_int_eq(shell_ask(streams, "complete -- add ca"), CMD_DONE);
	ck_assert_str_eq(shell.out, "");
	ck_assert_int_eq(shell_ask(streams, "complete -- show cam1 ca"), CMD_DONE);
	ck_assert_str_eq(shell.out, "");
}
END_TEST

#define SHOW "{\"ok\":true,\"stream\":" STREAM(PORT_9099 "," PORT_9100) "}\n"

START_TEST(test_show)
{
	ck_assert_int_eq(shell_ask(SHOW, "show cam1"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"show\",\"name\":\"cam1\"}");
	ck_assert_str_eq(shell.out,
		"cam1 is live\n"
		"  ports 9099-9100, from first, clients any\n"
		"  limited to 2.0 MB/s\n"
		"  12.3 GB of 50G/month used\n"
		"  raw punches at 9199: unproven\n"
		"  expires Fri Jan  2 00:00:00 1970\n"
		"  refused 3 packets, the client moved 1 times\n"
		"LISTEN            STATE    SENDER             CLIENT           CONSENT  PACKETS  "
		"RATE      IDLE\n"
		"203.0.113.7:9099  live     198.51.100.9:5000  192.0.2.8:40001  14.5 s   120      "
		"1.5 MB/s  0.1 s\n"
		"203.0.113.7:9100  waiting  -                  -                -        0        "
		"0 B/s     -\n");
	ck_assert_int_eq(shell_ask(SHOW, "show cam1 --json"), CMD_DONE);
	ck_assert_str_eq(shell.out, STREAM(PORT_9099 "," PORT_9100) "\n");
}
END_TEST

START_TEST(test_flush)
{
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"clients\":2}\n", "flush"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"flush\"}");
	ck_assert_str_eq(shell.out, "2 holes closed\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"clients\":1}\n", "flush cam1"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"flush\",\"name\":\"cam1\"}");
	ck_assert_str_eq(shell.out, "1 hole closed\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true,\"clients\":2}\n", "flush --json"), CMD_DONE);
	ck_assert_str_eq(shell.out, "{\"ok\":true,\"clients\":2}\n");
}
END_TEST

#define RELOADED "{\"ok\":true,\"added\":1,\"changed\":2,\"removed\":3}\n"

START_TEST(test_reload)
{
	ck_assert_int_eq(shell_ask(RELOADED, "reload"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"reload\"}");
	ck_assert_str_eq(shell.out, "1 added, 2 changed, 3 removed\n");
	ck_assert_int_eq(shell_ask(RELOADED, "reload --json"), CMD_DONE);
	ck_assert_str_eq(shell.out, RELOADED);
}
END_TEST

#define METRICS "{\"ok\":true,\"text\":\"# TYPE a gauge\\na 1\\u001b\\n# EOF\\n\"}\n"

START_TEST(test_metrics)
{
	ck_assert_int_eq(shell_ask(METRICS, "metrics"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"metrics\"}");
	ck_assert_str_eq(shell.out, "# TYPE a gauge\na 1?\n# EOF\n");
	ck_assert_int_eq(shell_ask(METRICS, "metrics --json"), CMD_DONE);
	ck_assert_ptr_nonnull(
		strstr(shell.out, "\"text\":\"# TYPE a gauge\\na 1\\u001B\\n# EOF\\n\""));
}
END_TEST

#define PUNCHED                                                                                    \
	"{\"time\":3661.5,\"event\":\"punched\",\"name\":\"cam1\",\"listen\":\"203.0.113.7:9099\"" \
	",\"client\":\"192.0.2.8:40001\"}\n"
#define FAILED "{\"time\":3662.0,\"event\":\"failed\",\"text\":\"the kernel\\nrefused\"}\n"

START_TEST(test_monitor)
{
	ck_assert_int_eq(shell_ask("{\"ok\":true}\n" PUNCHED FAILED, "monitor"), CMD_FAILED);
	ck_assert_str_eq(shell.request, "{\"do\":\"monitor\"}");
	ck_assert_str_eq(shell.out,
		"01:01:01 cam1 punched listen 203.0.113.7:9099 client 192.0.2.8:40001\n"
		"01:01:02 - failed: the kernel?refused\n");
	/* It comes back, and ends when it is not wanted. */
	ck_assert_str_eq(shell.err, "punchctl: relayd hung up\npunchctl: once is enough\n");
	ck_assert_int_eq(shell_ask("{\"ok\":true}\n" PUNCHED FAILED, "monitor --json"), CMD_FAILED);
	ck_assert_str_eq(shell.out, PUNCHED FAILED);
}
END_TEST

#define RULES                                                                                      \
	"[{\"name\":\"cam1\",\"number\":1,\"mark\":4096,\"listening\":["                           \
	"{\"listen\":\"203.0.113.7:9099\",\"source\":\"198.51.100.9/32\"}],\"ingress\":["          \
	"{\"listen\":\"203.0.113.7:9099\",\"client\":\"192.0.2.8:40001\"},"                        \
	"{\"listen\":\"[2001:db8::7]:9099\",\"client\":\"[2001:db8:1::8]:40001\"}],"               \
	"\"clients\":[{\"client\":\"192.0.2.8:40001\",\"punch\":\"203.0.113.7:3478\","             \
	"\"consent\":14.5,\"rate\":0,\"packets\":120,\"bytes\":120000}],"                          \
	"\"flows\":[{\"sender\":\"198.51.100.9:5000\",\"listen\":\"203.0.113.7:9099\","            \
	"\"client\":\"192.0.2.8:40001\",\"punch\":\"203.0.113.7:3478\"}],\"peers\":["              \
	"{\"client\":\"192.0.2.8:40001\",\"punch\":\"203.0.113.7:3478\","                          \
	"\"peer\":\"198.51.100.9:6000\"},{\"client\":\"[2001:db8:1::8]:1\","                       \
	"\"punch\":\"[2001:db8::7]:2\",\"peer\":\"[2001:db8:2::9]:3\"}]}]"

START_TEST(test_rules)
{
	ck_assert_int_eq(
		shell_ask("{\"ok\":true,\"streams\":" RULES "}\n", "rules cam1"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"rules\",\"name\":\"cam1\"}");
	ck_assert_str_eq(shell.out,
		"cam1, conntrack mark 0x1000\n as nft has it\n"
		"  add element inet relayd ingress4 { 203.0.113.7 . 9099 comment \"cam1\" : "
		"192.0.2.8 . 40001 }\n"
		"  add element inet relayd exact4 { 203.0.113.7 . 9099 . 198.51.100.9 timeout "
		"14500ms comment "
		"\"cam1\" : accept }  # 14.5 s left, 120 packets\n"
		"  add element inet relayd ingress6 { 2001:db8::7 . 9099 comment \"cam1\" : "
		"2001:db8:1::8 . 40001 }\n"
		"  add element inet relayd egress4 { 192.0.2.8 . 40001 comment \"cam1\" : "
		"203.0.113.7 . 3478 }\n"
		"  add element inet relayd peer4 { 192.0.2.8 . 40001 . 203.0.113.7 . 3478 comment "
		"\"cam1\" : 198.51.100.9 . 6000 }\n"
		"  add element inet relayd peer6 { 2001:db8:1::8 . 1 . 2001:db8::7 . 2 comment "
		"\"cam1\" : 2001:db8:2::9 . 3 }\n"
		" as iptables would say it\n"
		"  iptables -t nat -A PREROUTING -p udp -d 203.0.113.7 --dport 9099 -m comment "
		"--comment relayd:cam1 -j DNAT --to-destination 192.0.2.8:40001\n"
		"  ip6tables -t nat -A PREROUTING -p udp -d 2001:db8::7 --dport 9099 -m comment "
		"--comment relayd:cam1 -j DNAT --to-destination [2001:db8:1::8]:40001\n"
		"  iptables -t nat -A POSTROUTING -p udp -d 192.0.2.8 --dport 40001 -m comment "
		"--comment relayd:cam1 -j SNAT --to-source 203.0.113.7:3478\n"
		"  iptables -t nat -A PREROUTING -p udp -s 192.0.2.8 --sport 40001 -d 203.0.113.7 "
		"--dport 3478 -m comment --comment relayd:cam1 -j DNAT --to-destination "
		"198.51.100.9:6000\n"
		"  ip6tables -t nat -A PREROUTING -p udp -s 2001:db8:1::8 --sport 1 -d 2001:db8::7 "
		"--dport 2 -m comment --comment relayd:cam1 -j DNAT --to-destination "
		"[2001:db8:2::9]:3\n"
		" flows\n"
		"  198.51.100.9:5000 -> 203.0.113.7:9099, forwarded as 203.0.113.7:3478 -> "
		"192.0.2.8:40001\n");
	ck_assert_int_eq(
		shell_ask("{\"ok\":true,\"streams\":" RULES "}\n", "rules --json"), CMD_DONE);
	ck_assert_str_eq(shell.request, "{\"do\":\"rules\"}");
	ck_assert_str_eq(shell.out, RULES "\n");
}
END_TEST

/* What could not be written was not done. */
START_TEST(test_full)
{
	ck_assert_int_eq(shell_ask_to("/dev/full", RELOADED, "reload"), CMD_FAILED);
	ck_assert_str_eq(shell.err, "punchctl: standard output: No space left on device\n");
	ck_assert_int_eq(
		shell_ask_to("/dev/full", "{\"ok\":true}\n" PUNCHED, "monitor"), CMD_FAILED);
	ck_assert_str_eq(shell.err, "punchctl: standard output: No space left on device\n");
}
END_TEST

static Suite *ask_suite(void)
{
	Suite *suite = suite_create("punchctl_ask");
	TCase *tcase = tcase_create("punchctl_ask");

	tcase_add_checked_fixture(tcase, shell_setup, shell_teardown);
	tcase_add_loop_test(tcase, test_refused, 0, COUNT(asking));
	tcase_add_loop_test(tcase, test_sparse, 0, COUNT(asking));
	tcase_add_test(tcase, test_add);
	tcase_add_test(tcase, test_add_options);
	tcase_add_test(tcase, test_add_key_file);
	tcase_add_test(tcase, test_add_key_pipe);
	tcase_add_test(tcase, test_add_sdp);
	tcase_add_test(tcase, test_drain);
	tcase_add_test(tcase, test_remove);
	tcase_add_test(tcase, test_list);
	tcase_add_test(tcase, test_complete_streams);
	tcase_add_test(tcase, test_show);
	tcase_add_test(tcase, test_flush);
	tcase_add_test(tcase, test_reload);
	tcase_add_test(tcase, test_metrics);
	tcase_add_test(tcase, test_monitor);
	tcase_add_test(tcase, test_rules);
	tcase_add_test(tcase, test_full);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(ask_suite());
}
