/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams to a port for RFC 3489: whatever comes, the answer is the sender's and is well formed.
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <string.h>

#include "common/buf.h"
#include "relayd/rfc3489.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct endpoint mapped = {{AF_INET, {192, 0, 2, 9}}, 40123};
	static const struct endpoint six = {{AF_INET6, {0x20, 1}}, 3480};
	uint8_t out[RFC3489_ANSWER];
	struct rfc3489 request;
	size_t len;

	if (rfc3489_parse(data, size, &request))
		return 0;
	assert(size >= 20 && size % 4 == 0);
	assert(memcmp(request.id, data + 4, RFC3489_ID) == 0);
	len = rfc3489_write(request.id, &mapped, &mapped, &(struct endpoint){0}, out);
	assert(len == 44 && memcmp(out + 4, data + 4, RFC3489_ID) == 0);
	assert(rfc3489_parse(out, len, &request) < 0);
	assert(rfc3489_write(request.id, &six, &six, &six, out) == RFC3489_ANSWER);
	return 0;
}
