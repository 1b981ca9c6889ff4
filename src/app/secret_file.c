/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/cmd.h"

#include "base/err.h"
#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

int secret_from_file(const char *path, struct secret *ret, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	char line[SECRET_MAX + 2] = "";

	if (!f)
		return err_sys(err, "opening %s", path);

	bool is_read = fgets(line, sizeof(line), f);

	if (!is_stdin)
		(void)fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	if (is_read)
		secret_set(ret, line);
	secret_wipe(line, sizeof(line));
	if (!is_read || !secret_is_set(ret))
		return err_set(err, -EINVAL,
		               "%s is empty; its first line must be the access code or "
		               "password",
		               name);
	return 0;
}

bool secret_ask(const char *prompt, char *dst, size_t size)
{
	struct termios old, quiet;
	bool is_terminal = tcgetattr(STDIN_FILENO, &old) == 0;
	bool is_read;

	fputs(prompt, stderr);
	if (is_terminal) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	is_read = fgets(dst, (int)size, stdin);
	if (is_read)
		dst[strcspn(dst, "\r\n")] = '\0';
	if (is_terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	return is_read;
}
