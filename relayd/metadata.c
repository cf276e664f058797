/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/metadata.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "relayd/http.h"

#define FIRST_MS 5000	/* after the first round without an answer; it doubles */
#define LAST_MS	 300000 /* and as often as this is asked anew what is known */

#define ADDRESSES 2 /* of an instance: IPv4, IPv6 */
#define LIST	  (1 + 2 * ADDRESSES)
#define STEPS	  (LIST + 1)

#define AWS   "/latest/meta-data/"
#define GCP   "/computeMetadata/v1/instance/network-interfaces/0/"
#define AZURE "/metadata/instance/network/interface/0/"
#define TEXT  "?api-version=2021-02-01&format=text"

static const struct cloud {
	const char *name;
	const char *field;  /* of each question; the token follows */
	const char *secret; /* of the question for the token, NULL: there is none */
	/* The token, then a local and a public address of each, then a list of both; NULL: it is
	 * not asked for. IPv6 addresses are an instance's own, but for Azure's. */
	const char *path[STEPS];
} clouds[] = {
	{"AWS", "X-aws-ec2-metadata-token: ", "X-aws-ec2-metadata-token-ttl-seconds: 60",
		{"/latest/api/token", AWS "local-ipv4", AWS "public-ipv4", AWS "ipv6", AWS "ipv6"}},
	{"Google Cloud", "Metadata-Flavor: Google", NULL,
		{NULL, GCP "ip", GCP "access-configs/0/external-ip", GCP "ipv6s", GCP "ipv6s"}},
	{"Azure", "Metadata: true", NULL,
		{NULL, AZURE "ipv4/ipAddress/0/privateIpAddress" TEXT,
			AZURE "ipv4/ipAddress/0/publicIpAddress" TEXT,
			AZURE "ipv6/ipAddress/0/privateIpAddress" TEXT,
			AZURE "ipv6/ipAddress/0/publicIpAddress" TEXT,
			"/metadata/loadbalancer?api-version=2020-10-01"}},
};

#define CLOUDS (sizeof(clouds) / sizeof(clouds[0]))

static void cloud_begin(struct metadata *metadata, unsigned int cloud)
{
	metadata->cloud = cloud;
	metadata->step = cloud < CLOUDS && clouds[cloud].path[0] ? 0 : 1;
	metadata->token[0] = '\0';
}

void metadata_init(struct metadata *metadata, bool on, int64_t now_ms)
{
	memset(metadata, 0, sizeof(*metadata));
	metadata->on = on;
	metadata_again(metadata, now_ms);
}

void metadata_again(struct metadata *metadata, int64_t now_ms)
{
	metadata->asking = false;
	metadata->found = false;
	metadata->due_ms = now_ms;
	metadata->wait_ms = 0;
	cloud_begin(metadata, 0);
}

size_t metadata_ask(struct metadata *metadata, int64_t now_ms, char out[static METADATA_ASK])
{
	const struct cloud *cloud = &clouds[metadata->cloud];
	bool wants_token = metadata->step == 0;

	if (!metadata->on || metadata->asking || now_ms < metadata->due_ms)
		return 0;
	metadata->asking = true;
	return (size_t)snprintf(out, METADATA_ASK,
		"%s %s HTTP/1.1\r\nHost: " METADATA_HOST "\r\n%s%s\r\n%sConnection: close\r\n\r\n",
		wants_token ? "PUT" : "GET", cloud->path[metadata->step],
		wants_token ? cloud->secret : cloud->field, metadata->token,
		wants_token ? "Content-Length: 0\r\n" : "");
}

/* It becomes part of a question, so nothing that ends a line may stand in it. */
static bool token_read(struct metadata *metadata, const struct http_answer *answer)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789+/=_-";

	if (answer->len == 0 || answer->len >= METADATA_TOKEN)
		return false;
	memcpy(metadata->token, answer->body, answer->len);
	metadata->token[answer->len] = '\0';
	return strspn(metadata->token, allowed) == answer->len;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool addr_read(const char *from, size_t len, struct addr *out)
{
	char text[ADDR_TEXT];

	if (len >= sizeof(text))
		return false;
	memcpy(text, from, len);
	text[len] = '\0';
	return strlen(text) == len && addr_parse(text, out) == 0;
}

/* An address and nothing else, but for white space behind it. */
static bool body_read(const struct http_answer *answer, struct addr *out)
{
	size_t len = answer->len;

	while (len && is_blank(answer->body[len - 1]))
		len--;
	return addr_read(answer->body, len, out);
}

/* What Azure sends has IPv6 addresses in brackets, what documents it does not. */
static bool member_read(const json_t *object, const char *name, struct addr *out)
{
	const char *text = json_string_value(json_object_get(object, name));
	size_t len = text ? strlen(text) : 0;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
		return addr_read(text + 1, len - 2, out);
	return len && addr_read(text, len, out);
}

static bool is_told(const struct metadata_pair *pair)
{
	return pair->public.family == pair->local.family && !addr_is_private(&pair->public);
}

static size_t one_read(
	const struct http_answer *answer, const struct addr *local, struct metadata_pair *out)
{
	out->local = *local;
	return body_read(answer, &out->public) && is_told(out);
}

/* Only these are the instance's: the rules behind them have what it shares with others. */
static size_t list_read(
	const struct http_answer *answer, struct metadata_pair out[static METADATA_PAIRS])
{
	json_t *whole = json_loadb(answer->body, answer->len, 0, NULL);
	const json_t *balancer = json_object_get(whole, "loadbalancer"), *item;
	size_t i, count = 0;

	json_array_foreach(json_object_get(balancer, "publicIpAddresses"), i, item) {
		if (count < METADATA_PAIRS &&
			member_read(item, "privateIpAddress", &out[count].local) &&
			member_read(item, "frontendIpAddress", &out[count].public) &&
			is_told(&out[count]))
			count++;
	}
	json_decref(whole);
	return count;
}

static void wait_longer(struct metadata *metadata)
{
	metadata->wait_ms = metadata->wait_ms ? metadata->wait_ms * 2 : FIRST_MS;
	if (metadata->wait_ms > LAST_MS)
		metadata->wait_ms = LAST_MS;
}

static void round_end(struct metadata *metadata, int64_t now_ms)
{
	if (metadata->found) {
		metadata->silent = 0;
		metadata->wait_ms = 0;
		metadata->due_ms = now_ms + LAST_MS;
	} else {
		metadata->silent++;
		wait_longer(metadata);
		metadata->due_ms = now_ms + metadata->wait_ms;
	}
	metadata->found = false;
	cloud_begin(metadata, 0);
}

/* To the next question; `steps` behind this one, for without a local address none is for the public
 * one. */
static void advance(struct metadata *metadata, unsigned int steps, int64_t now_ms)
{
	metadata->step += steps;
	if (metadata->step >= STEPS || !clouds[metadata->cloud].path[metadata->step])
		round_end(metadata, now_ms);
}

/* It is not this cloud. */
static void next_cloud(struct metadata *metadata, int64_t now_ms)
{
	if (metadata->cloud + 1 < CLOUDS)
		cloud_begin(metadata, metadata->cloud + 1);
	else
		round_end(metadata, now_ms);
}

/* In these an answer that is NULL is a refusal, or none at all. */
static void take_token(struct metadata *metadata, const struct http_answer *answer, int64_t now_ms)
{
	if (answer && token_read(metadata, answer))
		advance(metadata, 1, now_ms);
	else
		next_cloud(metadata, now_ms);
}

static void take_local(struct metadata *metadata, const struct http_answer *answer, int64_t now_ms)
{
	if (answer && body_read(answer, &metadata->local))
		advance(metadata, 1, now_ms);
	else if (metadata->step == 1)
		next_cloud(metadata, now_ms);
	else
		advance(metadata, 2, now_ms);
}

static size_t take_public(struct metadata *metadata, const struct http_answer *answer,
	int64_t now_ms, struct metadata_pair out[static METADATA_PAIRS])
{
	size_t count = 0;

	if (answer && metadata->step == LIST)
		count = list_read(answer, out);
	else if (answer)
		count = one_read(answer, &metadata->local, out);
	if (count) {
		metadata->found = true;
		metadata->name = clouds[metadata->cloud].name;
	}
	advance(metadata, 1, now_ms);
	return count;
}

size_t metadata_answer(struct metadata *metadata, const char *data, size_t len, int64_t now_ms,
	struct metadata_pair out[static METADATA_PAIRS])
{
	struct http_answer read, *answer = &read;

	if (!metadata->asking)
		return 0; /* it was asked before metadata_again() */
	metadata->asking = false;
	if (len == 0) {
		round_end(metadata, now_ms);
		return 0;
	}
	if (http_read(data, len, true, &read) || read.status != 200)
		answer = NULL;
	if (metadata->step == 0)
		take_token(metadata, answer, now_ms);
	else if (metadata->step % 2 && metadata->step != LIST)
		take_local(metadata, answer, now_ms);
	else
		return take_public(metadata, answer, now_ms, out);
	return 0;
}
