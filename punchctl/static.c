/* SPDX-License-Identifier: GPL-2.0-or-later */
/* static: what only a punchctl without shared libraries wants. */
#include <nss.h>

/*
 * What /etc/nsswitch.conf names besides these two, glibc would load from the host, whose libraries
 * belong to another glibc. Files and DNS are in glibc itself.
 */
__attribute__((constructor)) static void names_from_files_and_dns(void)
{
	(void)__nss_configure_lookup("hosts", "files dns");
}
