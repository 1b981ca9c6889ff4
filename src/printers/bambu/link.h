/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/link: the connection to one Bambu printer, as a driver: logs in, asks for what the model
 * allows, reads reports into the state, sends commands and judges their answers.
 *
 * Thread: loop.
 */

#pragma once

#include "core/loop.h"
#include "printers/driver.h"

struct bambu_files;
struct bambu_message;
struct bambu_report;
struct bambu_start;
struct mqtt_client;

#define BAMBU_MAX_ASKED 16

/* A command that waits for its answer. */
struct bambu_asked {
	uint32_t ticket; /* 0: free place */
	uint32_t seq;
	struct printer_command command;
	int64_t sent_us;
	bool is_accepted_blind; /* only a bare echo came: the effect decides */
	bool had_effect;        /* before it was sent */
};

struct bambu {
	struct printer *printer;
	struct mqtt_client *mqtt; /* NULL while closed */
	struct bambu_report *report;
	struct bambu_files *files;
	struct bambu_start *start;
	struct bambu_asked *asked[BAMBU_MAX_ASKED];
	struct timer judge;   /* commands whose effect did not come */
	struct timer pushall; /* one that had to wait */
	uint32_t next_seq;
	int64_t pushall_us; /* the last one sent, 0 never */
	unsigned n_broken;  /* unreadable messages in a row */
	bool saw_refusal;   /* a command was refused for want of a signature */
};

/* Ports of a configuration, the usual ones filled in. */
struct printer_ports bambu_ports(const struct printer_config *c);

/* For bambu/start. */
bool bambu_publish(struct bambu *b, const char *text);
uint32_t bambu_take_seq(struct bambu *b);
/* The firmware wants a signature that only the maker's programs have, or does not (any more). */
void bambu_note_refusal(struct bambu *b, bool is_refused);
/* Why a command was refused, in words; notes a wanted signature. */
void bambu_reply_reason(struct bambu *b, const struct bambu_message *m, char *dst, size_t size);
