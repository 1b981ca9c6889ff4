/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_user: accounts, keys and audit entries as JSON, without their hashes. Thread: any. */

#pragma once

#include "model/user.h"

#include <jansson.h>

json_t *json_user(const struct user *u);
json_t *json_key(const struct api_key *k);
json_t *json_audit_entry(const struct audit_entry *e);
