/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ftps_server: FTP over implicit TLS, as Bambu's printers serve it (bambu.md 5): for the simulator.
 *
 * Two profiles: vsftpd (X1, P1, P2S, H2) and the small server of the A1 without FEAT and REST. The
 * rules may change while it runs; they are looked at for each command. Files are read and written
 * on the loop: a test tool's liberty, on a local disk.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct err;
struct ftps_server;
struct loop;
struct tls_server;

/* The owner's, changed at will. */
struct ftps_rules {
	bool is_small;        /* the A1's own server: no FEAT, no REST */
	bool has_no_storage;  /* lists nothing, stores nothing: 550, 553 */
	bool aborts_with_426; /* transfers are complete and end with 426 all the same */
	bool demands_reuse;   /* data connections must resume the control's TLS session: else 522 */
	bool only_clear_data; /* the TLS handshake of data connections fails: PROT C is needed */
	unsigned bytes_per_s; /* 0: no limit */
	uint64_t max_file;    /* STOR of more ends with 552; 0: no limit */
	int64_t idle_ms; /* without a command and without data; 0: 5 min, 1 min before the login */
	int64_t delay_226_ms;    /* between the end of the data and the 226 */
	int64_t clock_offset_ms; /* of the times in listings */
};

struct ftps_config {
	struct loop *loop;
	struct tls_server *tls; /* outlives the server */
	const char *address;    /* numeric, to listen on */
	uint16_t port;          /* 0: any */
	const char *root;       /* folder; what the printer calls / */
	const struct ftps_rules *rules;
	bool (*login)(void *arg, const char *user, const char *password);
	void *arg;
};

int ftps_server_open(const struct ftps_config *c, struct ftps_server **ret,
                     struct err *err) MUST_CHECK;
uint16_t ftps_server_port(const struct ftps_server *s);
/* Ends all sessions. NULL is allowed. */
void ftps_server_close(struct ftps_server *s);
/* Breaks all sessions off and goes on listening. */
void ftps_server_drop(struct ftps_server *s);
/* Connections are closed as soon as they come, as if it were off. */
void ftps_server_set_off(struct ftps_server *s, bool is_off);
