/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check-config: says everything that is wrong with a configuration, before anything starts. */

#include "app/cmd.h"
#include "app/config.h"
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

static int print_document(void (*make)(struct buf *out))
{
	struct buf b;

	buf_init(&b, 0);
	make(&b);
	fputs(buf_peek(&b), stdout);
	buf_fini(&b);
	return 0;
}

int config_print_errors(const struct conf_errors *errors)
{
	for (unsigned i = 0; i < errors->n && i < CONF_MAX_ERRORS; i++)
		fprintf(stderr, "%s\n", errors->texts[i]);
	if (errors->n > CONF_MAX_ERRORS)
		fprintf(stderr, "… and %u more\n", errors->n - CONF_MAX_ERRORS);
	return 1;
}

int cmd_check_config(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	char path[1024];
	const char *given = argc > 1 ? argv[1] : NULL;

	if (argc > 2 || (given && given[0] == '-' && strcmp(given, "--example") != 0 &&
	                 strcmp(given, "--manual") != 0)) {
		fputs("usage: bedside check-config [--example|--manual] [FILE]\n", stderr);
		return 2;
	}
	if (given && strcmp(given, "--example") == 0)
		return print_document(config_example);
	if (given && strcmp(given, "--manual") == 0)
		return print_document(config_manual);
	if (!config_find(given, path, sizeof(path))) {
		fputs("bedside: no configuration found; 'bedside check-config --example' prints "
		      "one, "
		      "to be kept as ~/.config/bedside/bedside.yaml\n",
		      stderr);
		return 1;
	}
	if (!config_load(path, NULL, &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}
	printf("%s: fine; %zu printers, %zu further cameras, data in %s\n", path, config.n_printers,
	       config.n_cameras, config.data_dir);
	config_fini(&config);
	return 0;
}
