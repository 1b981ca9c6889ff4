/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link: the connection to one PrusaLink. What the files of this driver share. Thread: loop. */

#pragma once

#include "printers/driver.h"
#include "wire/rest.h"

#define PRUSA_N_PROBES 4

extern const struct printer_probe prusa_probes[PRUSA_N_PROBES];
