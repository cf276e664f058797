/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/key_file.h"
#include "common/log.h"
#include "common/mac.h"

__attribute__((format(printf, 2, 0))) static int why_set(
	char why[static TARGET_WHY], const char *text, const char *subject)
{
	snprintf(why, TARGET_WHY, text, subject);
	return -EINVAL;
}

int target_parse_relay(const char *text, struct target *target, char why[static TARGET_WHY])
{
	const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");
	const char *host = text + (*text == '[');
	struct ports ports;
	size_t len;

	if (!end || (*text != '[' && strchr(end, ':') != strrchr(end, ':')))
		return why_set(why, "\"%.200s\": an IPv6 address is written in brackets", text);
	len = (size_t)(end - host);
	if (len == 0 || len >= sizeof(target->host))
		return why_set(why, "\"%.200s\" is not a relay", text);
	memcpy(target->host, host, len);
	target->host[len] = '\0';
	end += *text == '[';
	target->port = TARGET_PUNCH;
	if (*end == '\0')
		return 0;
	if (*end != ':' || ports_parse(end + 1, &ports) < 0 || ports.count != 1)
		return why_set(why, "\"%.200s\" does not end in a port", text);
	target->port = ports.port[0];
	return 0;
}

int target_parse(const char *text, struct target *out, char why[static TARGET_WHY])
{
	const char *at = strchr(text, '@');
	struct target target = {0};
	size_t len = at ? (size_t)(at - text) : 0;
	int ret;

	if (len == 0 || len >= sizeof(target.name))
		return why_set(why, "\"%.200s\" is not NAME@RELAY", text);
	memcpy(target.name, text, len);
	ret = target_parse_relay(at + 1, &target, why);
	if (ret == 0)
		*out = target;
	return ret;
}

const struct addrinfo target_hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};

bool target_is_address(const struct target *target)
{
	struct addr addr;

	return addr_parse(target->host, &addr) == 0;
}

unsigned int target_take(struct target *target, const struct addrinfo *found)
{
	target->count = 0;
	for (; found && target->count < TARGET_ADDRESSES; found = found->ai_next) {
		struct endpoint *relay = &target->relays[target->count];

		if (endpoint_from_sockaddr(found->ai_addr, relay) < 0)
			continue;
		relay->port = target->port;
		target->count++;
	}
	return target->count;
}

unsigned int target_keep(struct target *target, const struct endpoint *relay)
{
	unsigned int other = TARGET_ADDRESSES;

	for (unsigned int i = 0; i < target->count; i++) {
		if (endpoint_equal(&target->relays[i], relay))
			return i;
		if (target->relays[i].addr.family == relay->addr.family &&
			other == TARGET_ADDRESSES)
			other = i;
	}
	if (other < TARGET_ADDRESSES)
		return other;
	if (target->count == TARGET_ADDRESSES)
		target->count--;
	target->relays[target->count] = *relay;
	return target->count++;
}

int target_resolve(struct target *target, char why[static TARGET_WHY])
{
	struct addrinfo *found;
	int ret;

	target->count = 1;
	target->relays[0].port = target->port;
	if (addr_parse(target->host, &target->relays[0].addr) == 0)
		return 0;
	target->count = 0;
	ret = getaddrinfo(target->host, NULL, &target_hints, &found);
	if (ret != 0) {
		snprintf(why, TARGET_WHY, "%.180s: %.60s", target->host, gai_strerror(ret));
		return -ENOENT;
	}
	target_take(target, found);
	freeaddrinfo(found);
	if (target->count > 0)
		return 0;
	why_set(why, "%.200s has no address", target->host);
	return -ENOENT;
}

int target_read_key(const char *path, char key[static TARGET_KEY], char why[static TARGET_WHY])
{
	char fault[FILE_WHY];
	struct stat st;
	int ret = key_file_read(path, true, key, &st, why);
	bool root = geteuid() == 0; /* who may be somebody under sudo, with a file of his own */

	if (ret < 0)
		return ret;
	if (file_is_foreign(&st, path, root ? st.st_uid : 0, root ? st.st_gid : 0, fault)) {
		mac_wipe(key, TARGET_KEY);
		snprintf(why, TARGET_WHY, "%.50s: %s", path, fault);
		return -EPERM;
	}
	if (file_is_public(&st))
		log_warning("%s can be read by everybody; chmod 600 mends it", path);
	return 0;
}
