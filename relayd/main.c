/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/relayd.h"

int main(int argc, char **argv)
{
	return relayd_main(argc, argv);
}
