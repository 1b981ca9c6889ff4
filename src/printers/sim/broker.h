/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/broker: the MQTT side of a simulated printer, over any streams.
 *
 * Behaves as bambu.md 2.1 tells of the real ones: several clients, the two topics of one serial,
 * CONNACK 5 and a close on a wrong code, SUBACK 0x80 for foreign topics, wildcards, QoS 1 taken
 * and acknowledged, reports at QoS 0 and pretty-printed.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "printers/sim/engine.h"

struct loop;
struct sim_broker;
struct stream;

struct sim_broker *sim_broker_new(struct loop *l, struct sim_engine *e, const char *serial);
void sim_broker_free(struct sim_broker *b);

/* Takes the stream: opened, or about to be. */
void sim_broker_accept(struct sim_broker *b, struct stream *s);
/* To everybody who subscribed. */
void sim_broker_publish(struct sim_broker *b, json_t *report);
/* Every connection breaks off. */
void sim_broker_drop(struct sim_broker *b);
unsigned sim_broker_clients(const struct sim_broker *b); /* logged in */
