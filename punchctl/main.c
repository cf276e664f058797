/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/punchctl.h"

int main(int argc, char **argv)
{
	return punchctl_main(argc, argv);
}
