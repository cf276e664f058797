/* SPDX-License-Identifier: GPL-2.0-or-later */
/* assets: the files of exporter/page/, which scripts/embed has put into the program. */
#ifndef EXPORTER_ASSETS_H
#define EXPORTER_ASSETS_H

#include <stddef.h>

extern const unsigned char asset_index_html[], asset_login_html[], asset_style_css[],
	asset_page_js[];
extern const size_t asset_index_html_len, asset_login_html_len, asset_style_css_len,
	asset_page_js_len;

#endif
