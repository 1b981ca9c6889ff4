/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/certs: the certificates of simulated printers, on disk.
 *
 * `dir`/ca.pem is for clients; ca.key and device.{pem,key} make leaves; SERIAL.pem and SERIAL.key
 * are a printer's. What is there is used again. Processes that begin together make one CA: they wait
 * for each other at `dir`/.lock.
 *
 * Thread: any; waits for the disk and for keys to be found.
 */

#pragma once

#include "base/base.h"

struct err;

struct sim_certs {
	char ca[1100];   /* ca.pem */
	char leaf[1100]; /* leaf and intermediate */
	char key[1100];
};

int sim_certs_make(const char *dir, const char *serial, int64_t wall_ms, struct sim_certs *ret,
                   struct err *err) MUST_CHECK;
