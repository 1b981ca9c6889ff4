/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/macro_links.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/captures.h"
#include "capture/sessions.h"
#include "fleet/macros.h"
#include "printers/printer.h"

#include <errno.h>
#include <stdlib.h>

struct macro_links {
	struct printers *printers;
	struct sessions *sessions;
	struct captures *captures;
	struct macros *macros;
};

static int shoot(void *arg, const char *printer, bool is_cyclic, struct err *err)
{
	return sessions_macro_frame(((struct macro_links *)arg)->sessions, printer, is_cyclic, err);
}

static int cycle(void *arg, const char *printer, double every_s, struct err *err)
{
	return sessions_macro_cycle(((struct macro_links *)arg)->sessions, printer, every_s, err);
}

static int begin(void *arg, const char *printer, struct err *err)
{
	struct sessions *ss = ((struct macro_links *)arg)->sessions;
	const struct session_plan *plan = sessions_plan(ss, printer);

	/* Else it has begun, and ended, by itself. */
	if (!plan || plan->starts_itself)
		return err_set(err, -EPERM, "its sessions begin by themselves");
	return sessions_order(ss, printer, SESSION_ORDER_START, err);
}

static int finish(void *arg, const char *printer, char session[ID_SIZE], struct err *err)
{
	struct sessions *ss = ((struct macro_links *)arg)->sessions;
	const struct session *s = sessions_of(ss, printer);
	int rc = 0;

	text_copy(session, ID_SIZE, s->id);
	/* The macro may come after the print's end, when the film is under way already. */
	if (s->state != SESSION_FINALISING)
		rc = sessions_order(ss, printer, SESSION_ORDER_STOP, err);
	return rc;
}

static int capture(void *arg, const char *printer, struct err *err)
{
	struct captures *cs = ((struct macro_links *)arg)->captures;
	const struct capture_plan *plan = captures_plan(cs, printer);

	if (!plan || !text_equal(plan->marker, MACROS_MARKER))
		return err_set(err, -EPERM, "no capture plan has this marker");
	return captures_order(cs, printer, CAPTURE_BY_MARKER, err);
}

static void go_on(void *arg, const char *printer, bool is_film)
{
	struct printer *p = printers_find(((struct macro_links *)arg)->printers, printer);

	if (p)
		printer_macro_over(p, is_film);
}

struct macro_links *macro_links_new(struct loop *l, struct bus *b, struct printers *ps,
                                    struct sessions *ss, struct captures *cs)
{
	struct macro_links *m = MEM_NEW(struct macro_links);

	*m = (struct macro_links){ .printers = ps, .sessions = ss, .captures = cs };
	m->macros = macros_new(&(struct macros_env){ .loop = l,
	                                             .bus = b,
	                                             .shoot = shoot,
	                                             .cycle = cycle,
	                                             .begin = begin,
	                                             .finish = finish,
	                                             .capture = capture,
	                                             .go_on = go_on,
	                                             .arg = m });
	return m;
}

void macro_links_forget(struct macro_links *m, const char *printer)
{
	if (m)
		macros_forget(m->macros, printer);
}

void macro_links_free(struct macro_links *m)
{
	if (!m)
		return;
	macros_free(m->macros);
	free(m);
}
