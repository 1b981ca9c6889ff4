/* SPDX-License-Identifier: GPL-3.0-or-later */
/* probe: what the doctor asks an OctoPrint. Thread: loop. */

#pragma once

#include "printers/driver.h"
#include "wire/rest.h"

#define OCTO_N_PROBES 4

extern const struct printer_probe octo_probes[OCTO_N_PROBES];
