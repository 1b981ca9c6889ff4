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
/* The printer is being removed; before its link is closed. `m` may be NULL. */
void macro_links_forget(struct macro_links *m, const char *printer);
void macro_links_free(struct macro_links *m);
