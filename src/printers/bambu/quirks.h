/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/quirks: the small codings of Bambu's reports: packed temperatures, tray numbers, nozzle
 * codes, error codes.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "model/printer.h"

/* Low 16 bits: now, high 16 bits: target, whole degrees. */
struct printer_heat bambu_packed_heat(int64_t packed);

/* 0-15, or percent above; -1 for what is neither. */
int bambu_fan_percent(int64_t reported);

/* `snow` of an extruder into printer_state.tray_now's numbers. */
int bambu_tray_of_snow(int64_t snow);
/* `tray_now` of the AMS object likewise. */
int bambu_tray_of_now(int64_t tray_now);

/* Bits of ams_exist_bits and tray_exist_bits. -1: no such place. */
int bambu_ams_bit(int ams_id);
int bambu_tray_bit(int ams_id, int slot);

/* "HS01", "hardened_steel" into words. */
void bambu_nozzle_type(const char *code, char *dst, size_t size);

/* The code by which the firmware says "stopped by the user". */
bool bambu_is_cancel(uint32_t print_error);

enum printer_pause bambu_pause_reason(uint32_t print_error, int stage);

/* For people: "motion controller" … */
const char *bambu_module_name(unsigned module);
bool bambu_module_is_ams(unsigned module);
