/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <stdio.h>
#include <stdlib.h>

#include "punchctl/gateway.h"
#include "punchctl/gateway_job.h"

#define DISCOVER_MS    1000 /* all who answer do so within; the rest of the budget is for HTTP */
#define DISCOVER_TTL   2
#define PERMANENT_ONLY 725 /* error of IGD 1: lease times are not supported */
#define CONFLICT       718 /* another host has the port */
#define ANOTHER_PORT   16  /* tries */

struct gateway_igd {
	struct UPNPUrls urls;
	struct IGDdatas data;
	char lan[ADDR_TEXT]; /* our address, as the router shall see it */
};

static int igd_is_valid(struct UPNPDev *devices, struct gateway_igd *igd)
{
#if MINIUPNPC_API_VERSION >= 18
	char wan[ADDR_TEXT];

	return UPNP_GetValidIGD(
		devices, &igd->urls, &igd->data, igd->lan, sizeof(igd->lan), wan, sizeof(wan));
#else
	return UPNP_GetValidIGD(devices, &igd->urls, &igd->data, igd->lan, sizeof(igd->lan));
#endif
}

static int external_ask(struct gateway_job *job)
{
	const struct gateway_igd *igd = job->igd;
	char text[ADDR_TEXT] = "";

	if (UPNP_GetExternalIPAddress(igd->urls.controlURL, igd->data.first.servicetype, text) != 0)
		return -EACCES;
	return addr_parse(text, &job->external) < 0 ? -EPROTO : 0;
}

/* All are searched for at once: one after another, each would take its whole time. */
static int upnp_find(struct gateway_job *job)
{
	static const char *const kinds[] = {
		"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
		"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
		NULL,
	};
	char local[ADDR_TEXT];
	struct UPNPDev *devices;
	int error, found;

	job->igd = calloc(1, sizeof(*job->igd));
	if (!job->igd)
		return -ENOMEM;
	devices = upnpDiscoverDevices(kinds, DISCOVER_MS, addr_format(&job->local, local), NULL,
		UPNP_LOCAL_PORT_ANY, 0, DISCOVER_TTL, &error, 1);
	if (!devices)
		return -ETIMEDOUT;
	found = igd_is_valid(devices, job->igd);
	freeUPNPDevlist(devices);
	/* 1: connected; 2: it says that it is not, as those behind another NAT do. */
	if (found != 1 && found != 2)
		return -ETIMEDOUT;
	return external_ask(job);
}

static int add(struct gateway_job *job, uint16_t outside, uint32_t lease_s)
{
	const struct gateway_igd *igd = job->igd;
	char inside_text[8], outside_text[8], lease_text[16];

	snprintf(inside_text, sizeof(inside_text), "%u", job->port);
	snprintf(outside_text, sizeof(outside_text), "%u", outside);
	snprintf(lease_text, sizeof(lease_text), "%u", lease_s);
	return UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, outside_text,
		inside_text, igd->lan, "punchrelay", "UDP", NULL, lease_text);
}

static int upnp_map(struct gateway_job *job)
{
	uint32_t lease_s = job->lifetime_s;
	uint16_t outside = job->wanted;
	int ret = add(job, outside, lease_s);

	if (ret == PERMANENT_ONLY) {
		lease_s = 0;
		ret = add(job, outside, lease_s);
	}
	for (int i = 0; ret == CONFLICT && i < ANOTHER_PORT; i++) {
		outside = outside > UINT16_MAX - 1 ? 1024 : outside + 1;
		ret = add(job, outside, lease_s);
	}
	if (ret != 0)
		return -EACCES;
	job->given = outside;
	job->granted_s = lease_s;
	return external_ask(job);
}

static int upnp_unmap(struct gateway_job *job)
{
	char outside[8];

	snprintf(outside, sizeof(outside), "%u", job->wanted);
	return UPNP_DeletePortMapping(job->igd->urls.controlURL, job->igd->data.first.servicetype,
		       outside, "UDP", NULL) == 0
		       ? 0
		       : -EACCES;
}

void gateway_upnp_run(struct gateway_job *job)
{
	switch (job->what) {
	case GATEWAY_FIND:
		job->ret = upnp_find(job);
		return;
	case GATEWAY_MAP:
		job->ret = upnp_map(job);
		return;
	case GATEWAY_UNMAP:
		job->ret = upnp_unmap(job);
		return;
	}
}

void gateway_upnp_free(struct gateway_igd *igd)
{
	if (!igd)
		return;
	FreeUPNPUrls(&igd->urls);
	free(igd);
}
