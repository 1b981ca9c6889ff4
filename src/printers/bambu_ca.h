/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu_ca: the vendor's public CA certificates, roots and intermediates, as one PEM text, built
 * in from data/bambu/ca. For tls_client.ca_pem.
 *
 * Thread: any.
 */

#pragma once

const char *bambu_ca_pem(void);
