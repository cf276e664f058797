/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/ctl.h"
#include "relayd/view_rules.h"

char *text_object(json_t *object, size_t *len)
{
	char *line = object ? ctl_format(object, len) : NULL;

	json_decref(object);
	return line;
}

char *text_rules(const struct stream_table *table, const char *name,
	const struct sync_snapshot *snapshot, size_t *len)
{
	char *line = NULL;
	FILE *out = open_memstream(&line, len);
	bool broken;
	int ret;

	if (!out)
		return NULL;
	fputs("{\"ok\":true,\"streams\":", out);
	ret = view_rules(table, name, snapshot, out);
	fputs("}\n", out);
	broken = ferror(out) != 0;
	if ((fclose(out) != 0 || broken) && ret == 0)
		ret = -ENOMEM;
	if (ret == 0 && *len <= CTL_REPLY_MAX)
		return line;
	free(line);
	if (ret == -ENOMEM)
		return NULL;
	return text_object(ctl_error("the answer is larger than %d MiB; ask for one stream",
				   CTL_REPLY_MAX / 1024 / 1024),
		len);
}

char *text_metrics(const struct net *net, const struct metrics_control *counts, size_t *len)
{
	char *text = NULL, *line = NULL;
	size_t text_len;
	FILE *out = open_memstream(&text, &text_len);
	int ret;

	if (!out)
		return NULL;
	ret = metrics_write(net, counts, out);
	if (fclose(out) == 0 && ret == 0)
		line = text_object(json_pack("{s:b, s:s}", "ok", 1, "text", text), len);
	free(text);
	return line;
}
