/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * macro_links: fleet/macros with this program's printers, sessions and captures.
 *
 * Thread: loop. All that is given outlives it.
 */

#pragma once

struct bus;
struct captures;
struct loop;
struct macro_links;
struct printers;
struct sessions;

struct macro_links *macro_links_new(struct loop *l, struct bus *b, struct printers *ps,
                                    struct sessions *ss, struct captures *cs);
void macro_links_free(struct macro_links *m);
