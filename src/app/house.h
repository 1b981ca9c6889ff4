/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * house: what a rig (fleet/rig.h) shows of its printers and cameras, and how it carries out the orders
 * of its hub.
 *
 * Thread: loop.
 */

#pragma once

#include "fleet/rig.h"

struct cameras;
struct captures;
struct climates;
struct house;
struct printers;
struct sessions;

struct house_env {
	struct loop *loop;
	struct printers *printers;
	struct cameras *cameras;
	struct sessions *sessions;
	struct captures *captures;
	struct climates *climates; /* NULL: none */
};

struct house *house_new(const struct house_env *env);
void house_fill(struct house *h, struct rig_house *ret);
/* Whose house it is, once that is there. */
void house_set_rig(struct house *h, struct rig *r);
/* Orders under way get no answer. NULL is allowed. */
void house_free(struct house *h);
