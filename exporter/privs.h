/* SPDX-License-Identifier: GPL-2.0-or-later */
/* privs: what the exporter gives up before it talks to anybody. */
#ifndef EXPORTER_PRIVS_H
#define EXPORTER_PRIVS_H

/*
 * Root becomes nobody, in the group of the control socket, which must be there; everybody else
 * stays who he is. No capability is left, none can be got, and a seccomp filter lets no file be
 * opened and no socket but of AF_UNIX be made. 0, or -errno and said why.
 */
int privs_drop(const char *socket_path);
/*
 * Of the keeper, which stays who it is, as the token may be readable to root alone: no capability,
 * and a filter that lets it read files and answer. 0, or -errno and said why.
 */
int privs_drop_all_but_reading(void);

#endif
