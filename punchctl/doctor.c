/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Behind those of the system and of /etc/sysctl.conf, which is 99-sysctl.conf there. */
#define SYSCTL_FILE "/etc/sysctl.d/zz-relayd.conf"
#define KEEP_BEGIN  "printf '%s\\n'"
#define KEEP_END    " >>" SYSCTL_FILE

bool doctor_is_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= DOCTOR_NAME || *text == '-' || *text == '.')
		return false;
	for (; *text; text++)
		if (!isascii(*text) || !(isalnum((unsigned char)*text) || strchr("_-.", *text)))
			return false;
	return true;
}

const char *doctor_weight_text(enum doctor_weight weight)
{
	switch (weight) {
	case DOCTOR_NOTE:
		return "note";
	case DOCTOR_WEAKENS:
		return "weakens";
	case DOCTOR_STOPS:
		return "stops";
	}
	return "?";
}

struct doctor_finding *doctor_add(struct doctor_report *report, const char *id,
	enum doctor_weight weight, const char *format, ...)
{
	struct doctor_finding *finding;
	va_list list;

	if (report->count == DOCTOR_FINDINGS) /* the last one gives way */
		report->count--;
	finding = &report->list[report->count++];
	memset(finding, 0, sizeof *finding);
	finding->id = id;
	finding->weight = weight;
	report->stops |= weight == DOCTOR_STOPS;
	va_start(list, format);
	vsnprintf(finding->what, sizeof finding->what, format, list);
	va_end(list);
	return finding;
}

/* As sysctl(8) writes it: with dots, unless a device's name has one. */
static void dotted(char *name)
{
	if (strchr(name, '.'))
		return;
	for (; *name; name++)
		if (*name == '/')
			*name = '.';
}

void doctor_set(struct doctor_finding *finding, const char *sysctl, long value)
{
	size_t fix = strlen(finding->fix), keep = strlen(finding->keep);
	char name[128];

	snprintf(name, sizeof name, "%s", sysctl);
	dotted(name);
	snprintf(finding->fix + fix, sizeof finding->fix - fix, "%s %s=%ld", fix ? "" : "sysctl -w",
		name, value);
	if (keep)
		keep -= strlen(KEEP_END);
	snprintf(finding->keep + keep, sizeof finding->keep - keep, "%s '%s = %ld'" KEEP_END,
		keep ? "" : KEEP_BEGIN, name, value);
}

static int heaviest_first(const void *a, const void *b)
{
	const struct doctor_finding *x = a, *y = b;

	return (int)y->weight - (int)x->weight;
}

/* Insertion keeps those of one weight in the order in which they were found. */
static void sort(struct doctor_report *report)
{
	struct doctor_finding finding;

	for (size_t i = 1; i < report->count; i++) {
		size_t at = i;

		finding = report->list[i];
		for (; at && heaviest_first(&report->list[at - 1], &finding) > 0; at--)
			report->list[at] = report->list[at - 1];
		report->list[at] = finding;
	}
}

void doctor_examine(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	memset(report, 0, sizeof *report);
	doctor_firewall(host, relay, report);
	doctor_sysctl(host, relay, report);
	doctor_conntrack(host, relay, report);
	doctor_system(host, relay, report);
	if (relay->asked) {
		doctor_streams(relay, report);
		doctor_trouble(relay, report);
	}
	sort(report);
}
