/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config: reads relayd.conf; a mistake is one line with file, line, what is wrong, what would be
 * right. */
#ifndef RELAYD_CONFIG_H
#define RELAYD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/addr.h"
#include "relayd/spec.h"

#define CONFIG_DEFAULT	 "/etc/relayd.conf"
#define CONFIG_ADDRESSES 16
#define CONFIG_FAMILIES	 2
#define CONFIG_REALM	 64
#define CONFIG_PATH	 100 /* fits sun_path */
#define CONFIG_ERROR	 640
#define CONFIG_KEY	 129		    /* a key of 128 characters */
#define CONFIG_SHARE	 64		    /* punch ports of shared sockets, at most */
#define CONFIG_PORTS	 (4 + CONFIG_SHARE) /* that relayd itself may have at one address */

struct config_advertise {
	struct addr local, public;
};

struct config {
	bool automatic; /* "auto" stood in `address` */
	size_t address_count;
	struct addr addresses[CONFIG_ADDRESSES]; /* as configured or, for "auto", found */
	size_t advertise_count;
	struct config_advertise advertise[CONFIG_ADDRESSES];
	bool discover_cloud;			   /* ask the metadata service of a cloud */
	struct endpoint discover[CONFIG_FAMILIES]; /* STUN servers: IPv4, IPv6; family 0: none */
	/* As which each address was discovered; family 0: nobody knows. Not from the file. */
	struct addr seen[CONFIG_ADDRESSES];
	uint16_t punch;
	uint16_t alternate; /* the second port of plain STUN, 0: none */
	uint16_t rfc3489;   /* the first of two ports for clients of RFC 3489, 0: none */
	uint16_t share_low, share_high; /* punch ports of sockets that are shared, 0: none */
	struct endpoint partner;	/* another relayd's punch port; family 0: none */
	char partner_key[CONFIG_KEY];
	char realm[CONFIG_REALM];
	uint32_t consent;     /* seconds, 10 to 3600 */
	uint32_t max_clients; /* ports that may have one, 0: no limit */
	uint64_t max_rate;    /* bytes per second of all of them together, 0: no limit */
	char database[256];
	char socket[CONFIG_PATH];
	char user[33];
	size_t stream_count;
	struct spec *streams; /* owned */
};

/*
 * Reads and checks the whole file. 0, or -errno and one line of text in error (no newline), *out
 * untouched. "auto" is resolved with getifaddrs(3): every global address of an interface that is
 * up. Nobody but root and who runs us may be able to write the files.
 */
int config_read(const char *path, struct config **out, char error[static CONFIG_ERROR]);
/* The same before relayd runs as this user, who may be able to write them as well. */
int config_read_for(const char *path, uid_t uid, gid_t gid, struct config **out,
	char error[static CONFIG_ERROR]);
/* The same whoever may write them, and without a warning: to learn of `user`. */
int config_peek(const char *path, struct config **out, char error[static CONFIG_ERROR]);
void config_free(struct config *config);
/* What it means, for relayd --check: in the file's syntax with all defaults, keys as "(set)". */
void config_print(const struct config *config, FILE *out);
/* The address under which the others see this local address: what `advertise` says, else what was
 * discovered, else itself. */
struct addr config_public(const struct config *config, const struct addr *local);
/* What `advertise` says of it, or NULL. */
const struct addr *config_advertised(const struct config *config, const struct addr *local);
bool config_is_local(const struct config *config, const struct addr *addr);
/* It is one of ours, or as one of ours is seen. */
bool config_is_own(const struct config *config, const struct addr *addr);
/*
 * The local address that a stream listens at, for what an operator writes: that address or the one
 * that config_public() shows for it. -EADDRNOTAVAIL: it is none of the relay's, and why.
 */
int config_place(const struct config *config, struct spec *spec, char why[static SPEC_WHY]);

/*
 * The address that is this one's other for behaviour discovery: the next of the same family, in the
 * order of the configuration and around its end. false, and *out untouched, when there is none.
 */
bool config_second(const struct config *config, const struct addr *local, struct addr *out);
/* The ports that relayd itself has at every address, the punch port first; how many. */
size_t config_ports(const struct config *config, uint16_t out[static CONFIG_PORTS]);
/* Lanes of shared sockets alone punch there. */
bool config_is_share(const struct config *config, uint16_t port);
/* The option that takes this port from the streams, or NULL. */
const char *config_port_option(const struct config *config, uint16_t port);
/* That port for people: "the punch port", "the alternate port", "a port of rfc3489",
 * "a port of share". */
const char *config_port_text(const struct config *config, uint16_t port);

#endif
