/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control: the control socket; one JSON object a line, requests answered in order.
 *
 *   {"do":"add","name":N,"listen":"9099-9102"[,"source":S][,"clients":P][,"rate":N][,"quota":Q]
 *      [,"raw_punch":PORT][,"key":K][,"expire":SECONDS]}   -> {"ok":true,"stream":{..},"key":K,
 *                                                             "relays":["203.0.113.7:3478",..]}
 *   {"do":"add-many","streams":[{"name":N,"listen":..},..][,"keep_going":true]}
 *      -> {"ok":true,"relays":[..],"streams":[{"name":N,"listen":L,"peers":N,"key":K}
 *         or {"name":N,"error":"one line"},..]}, in the order of the request; without keep_going a
 *         mistake leaves all undone: {"ok":false,"error":"one line","index":I}. At most 1024 at
 *         once, and 64 KiB.
 *   {"do":"remove","name":N}                 -> {"ok":true}
 *   {"do":"remove-many","streams":[N,..][,"keep_going":true]}    -> as "add-many", without keys
 *   {"do":"list"[,"brief":true][,"limit":N]} -> {"ok":true,"streams":[{..},..],"left_out":COUNT};
 *      limit: the first N by name, left_out: how many there are beside them; brief: of a stream
 *      only name, state, listen, and listen, client, sender, packets, rate, idle of its ports
 *   {"do":"show","name":N}                   -> {"ok":true,"stream":{..},"troubles":[{"trouble":T,
 *                                                "text":TEXT,"since":SECONDS,"count":TIMES},..]}
 *   {"do":"flush"[,"name":N]}                -> {"ok":true,"clients":COUNT}: holes closed
 *   {"do":"reload"}                          -> {"ok":true,"added":A,"changed":C,"removed":R}
 *   {"do":"rules"[,"name":N]}  -> {"ok":true,"streams":[{"name":N,"number":N,"mark":M,
 *      "listening":[{"listen":E,"source":P,"refused":{"packets":P,"bytes":B}}],
 *      "ingress":[{"listen":E,"client":E}],
 *      "clients":[{"client":E,"punch":E,"consent":S,"rate":R,"packets":P,"bytes":B}],
 *      "flows":[{"sender":E,"listen":E,"client":E,"punch":E}]}]}
 *   {"do":"metrics"}                         -> {"ok":true,"text":OPENMETRICS}
 *   {"do":"explain","name":N[,"port":PORT][,"from":E][,"trace":true][,"again":true]}
 *                          -> {"ok":true,"name":N,"arrives":B,"paths":[..]..} as in punchctl(8)
 *   {"do":"host"}   -> {"ok":true,"punch":PORT,"addresses":[{"address":A,"advertise":A,
 *      "unseen":B,"interface":I}],"features":{"persist":B,"refresh":B},"chains":[{"address":A,"way":"media|
 *      reply|punch|answer","family":4|6,"table_family":T,"table":T,"chain":T,"type":T,"hook":T,"priority":N,
 *      "owner":O,"verdict":V,"at":T,"handle":N,"why":T}],"legacy":B,"unread":WHY,
 *      "troubles":[..]}: what made-up packets would meet; "unread" is "" unless the rules of others
 *      could not be read; of an address that is "unseen" nobody who is asked has said how others
 *      see it
 *   {"do":"monitor"}                         -> {"ok":true}, then events without end:
 *      {"time":SECONDS,"event":EVENT[,"name":N][,"listen":E][,"client":E][,"sender":E][,"text":T]}
 *      with EVENT one of added changed removed punched moved live idle stale quota sender
 *      refused failed paired direct relayed unpaired trouble over seen
 *   anything else                            -> {"ok":false,"error":"one line"}
 *
 * A stream is {"name","state","engine","origin","source","clients","rate","quota","used",
 * "raw_punch","expires","listen":"9099-9102","refused":PACKETS,"moves":N,"packets":P,"bytes":B,
 * "ports":[..]} as in punchctl(8). Endpoints and prefixes are texts.
 */
#ifndef RELAYD_CONTROL_H
#define RELAYD_CONTROL_H

#include "common/addr.h"

struct control;
struct net;

/* Serves the listening socket fd until control_close. */
int control_open(struct net *net, int fd, struct control **out);
void control_close(struct control *control);

/* One event to everybody who monitors; a receiver that does not read is dropped. */
struct control_event {
	const char *event;
	const char *name; /* these may be NULL */
	const struct endpoint *listen, *client, *sender;
	const char *text;
};
void control_event(struct control *control, const struct control_event *event);

#endif
