/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/user.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

static const char *const role_names[] = {
	[ROLE_OPEN] = "open",
	[ROLE_VIEWER] = "viewer",
	[ROLE_OPERATOR] = "operator",
	[ROLE_ADMIN] = "admin",
};

static const char *const scope_names[] = { "read", "operate", "admin", "collect", "measure" };

const char *user_role_name(enum user_role r)
{
	return role_names[r];
}

bool user_role_from_name(const char *name, enum user_role *ret)
{
	for (size_t i = ROLE_VIEWER; i < ARRAY_LEN(role_names); i++) {
		if (text_equal(name, role_names[i])) {
			*ret = (enum user_role)i;
			return true;
		}
	}
	return false;
}

void key_scopes_text(char dst[KEY_SCOPES_SIZE], unsigned scopes)
{
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(scope_names); i++) {
		if (!(scopes & (1u << i)))
			continue;
		if (n > 0)
			dst[n++] = ',';
		text_copy(dst + n, KEY_SCOPES_SIZE - n, scope_names[i]);
		n += strlen(dst + n);
	}
}

bool key_scopes_from_text(const char *text, unsigned *ret)
{
	unsigned scopes = 0;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");
		unsigned bit = 0;

		for (size_t i = 0; i < ARRAY_LEN(scope_names); i++) {
			if (strlen(scope_names[i]) == n && memcmp(p, scope_names[i], n) == 0)
				bit = 1u << i;
		}
		if (!bit)
			return false;
		scopes |= bit;
		p += n;
		if (*p == ',')
			p++;
	}
	if (scopes)
		*ret = scopes;
	return scopes != 0;
}

int user_name_check(const char *name, struct err *err)
{
	size_t n = strlen(name);

	if (n == 0 || n >= USER_NAME_SIZE)
		return err_set(err, -EINVAL, "a user's name has 1 to %d letters",
		               USER_NAME_SIZE - 1);
	if (name[0] == ' ' || name[n - 1] == ' ')
		return err_set(err, -EINVAL, "a user's name does not begin or end with a blank");
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(err, -EINVAL,
			               "a user's name has no control characters in it");
	}
	return 0;
}

int user_password_check(const char *password, struct err *err)
{
	size_t n = strlen(password);

	if (n < USER_MIN_PASSWORD)
		return err_set(err, -EINVAL,
		               "the password is too short: take %d characters or more",
		               USER_MIN_PASSWORD);
	if (n > USER_MAX_PASSWORD)
		return err_set(err, -EINVAL, "the password is too long: %d characters at most",
		               USER_MAX_PASSWORD);
	return 0;
}
