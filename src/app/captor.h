/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * captor: layer capture's view of the printers: capture/captures speaks to printers/ through it.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "capture/captures.h"
#include "printers/printer.h"

struct captor;

struct captor *captor_new(struct loop *l, struct printers *printers);
/* What is under way is not answered any more: after the captures are gone. */
void captor_free(struct captor *c);

/* Fills look, send and arg of `env`. */
void captor_fill(struct captor *c, struct captures_env *env);
