/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls: the one place that turns a printer's configured trust into what wire/tls_stream and
 * wire/fetch ask for. On all ports of a printer the same.
 *
 * Thread: any. `ret` borrows from `c` and `ca_file`.
 */

#pragma once

#include "model/printer.h"
#include "wire/tls_stream.h"

/* `ca_file`: PEM to use instead of the built-in CAs, NULL; the printer's own goes first. */
void printer_tls_client(const struct printer_config *c, const char *ca_file,
                        struct tls_client *ret);
/* Of a printer with an https URL: the system's CAs, or the printer's own file, and the host. */
void printer_tls_web(const struct printer_config *c, const char *host, struct tls_client *ret);
