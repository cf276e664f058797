/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any line as a request: refused with one line that says why, or valid in all it says. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"
#include "relayd/control_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct request *request, const char *why)
{
	json_t *error = ctl_error("%s", why);

	assert(strnlen(why, SPEC_WHY) > 0 && strnlen(why, SPEC_WHY) < SPEC_WHY);
	assert(error && !strchr(why, '\n'));
	assert(request->spec.key[0] == '\0');
	json_decref(error);
}

static void check_request(const struct request *request)
{
	const struct spec *spec = &request->spec;
	char why[SPEC_WHY];
	struct spec other;

	assert(request->what < REQUEST_COUNT);
	assert(request->expire >= 0 && request->expire <= REQUEST_EXPIRE_MAX);
	assert(spec->name[0] == '\0' || spec_init(&other, spec->name, why) == 0);
	assert(spec->key[0] == '\0' || spec_set_key(&other, spec->key, why) == 0);
	if (request->what == REQUEST_ADD)
		assert(spec->name[0] && spec->peers <= SPEC_PEERS_MAX &&
			spec->listen.count <= PORTS_MAX);
	else
		assert(!request->expire && !spec->rate && !spec->raw_punch && !spec->listen.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[256], why[SPEC_WHY];
	struct request request;
	struct ctl_reader reader;
	json_t *object;
	int ret;

	ctl_reader_init(&reader, CTL_LINE_MAX);
	if (ctl_reader_feed(&reader, data, size) < 0 || ctl_reader_feed(&reader, "\n", 1) < 0)
		goto out;
	while ((ret = ctl_reader_next(&reader, &object, text, sizeof(text))) != -EAGAIN) {
		if (ret < 0)
			continue;
		if (request_parse(object, &request, why) < 0)
			check_refusal(&request, why);
		else
			check_request(&request);
		json_decref(object);
	}
out:
	ctl_reader_fini(&reader);
	return 0;
}
