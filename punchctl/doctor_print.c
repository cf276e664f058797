/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_print.h"

#include "punchctl/out.h"

static const char *headline(enum doctor_weight weight)
{
	switch (weight) {
	case DOCTOR_NOTE:
		return "note:   ";
	case DOCTOR_WEAKENS:
		return "weakens:";
	case DOCTOR_STOPS:
		return "STOPS:  ";
	}
	return "?";
}

static void finding_print(const struct doctor_finding *finding)
{
	out_print("%s %s\n", headline(finding->weight), finding->what);
	if (*finding->breaks)
		out_print("    breaks: %s\n", finding->breaks);
	if (*finding->fix)
		out_print("    fix:    %s\n", finding->fix);
	if (*finding->keep)
		out_print("    keep:   %s\n", finding->keep);
	if (*finding->hint)
		out_print("    hint:   %s\n", finding->hint);
}

void doctor_print(const struct doctor_report *report, const char *unchecked)
{
	for (size_t i = 0; i < report->count; i++)
		finding_print(&report->list[i]);
	if (unchecked)
		out_print("not looked at: %s\n", unchecked);
	if (!report->stops)
		out_print("Nothing%s on this host would stop a stream.\n",
			unchecked ? " of what was looked at" : "");
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

json_t *doctor_json(const struct doctor_report *report, const char *unchecked)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < report->count; i++) {
		const struct doctor_finding *finding = &report->list[i];
		json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "id", finding->id,
			"weight", doctor_weight_text(finding->weight), "what", finding->what,
			"breaks", finding->breaks, "fix", text_or_null(finding->fix), "keep",
			text_or_null(finding->keep), "hint", text_or_null(finding->hint));

		json_array_append_new(list, object);
	}
	return json_pack("{s:b, s:o, s:o}", "stops", report->stops, "findings", list, "unchecked",
		unchecked ? json_string(unchecked) : json_null());
}
