/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serve: the daemon. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/plumbing.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/sandbox.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int serve_options(int argc, char **argv, struct serve_options *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "data", required_argument, NULL, 'd' },
		{ "port", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int64_t port = -1;

	*ret = (struct serve_options){ .port = -1 };
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'c')
			ret->config = optarg;
		else if (o == 'd')
			ret->data = optarg;
		else if (o == 'p' && text_to_i64(optarg, &port) && port >= 0 && port <= 65535)
			ret->port = (int)port;
		else
			return 2;
	}
	return optind == argc ? 0 : 2;
}

void serve_ready(void *arg, const char *address, const char *fingerprint)
{
	(void)arg;
	printf("Bedside is up: %s\n", address);
	if (*fingerprint)
		printf("The SHA-256 fingerprint of its certificate: %s\n", fingerprint);
	(void)fflush(stdout);
}

void serve_again(int argc, char **argv)
{
	char **again = mem_new_array((size_t)argc + 2, sizeof(*again));

	again[0] = mem_str("bedside");
	for (int i = 0; i < argc; i++)
		again[i + 1] = argv[i];
	execv("/proc/self/exe", again);
	perror("bedside: starting again");
	free(again[0]);
	free(again);
}

int cmd_serve(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct serve_options o;
	char path[1024];
	struct err err = { 0 };

	if (serve_options(argc, argv, &o) != 0) {
		fputs("usage: bedside serve [--config FILE] [--data DIR] [--port N]\n", stderr);
		return 2;
	}

	bool has_file = config_find(o.config, path, sizeof(path));

	if (!config_load(has_file ? path : NULL, o.data, &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}
	if (o.port >= 0)
		config.web.port = (uint16_t)o.port;

	const struct plumbing_options run = { .config = &config, .ready = serve_ready };
	int rc = sandbox_become_owner(config.data_dir, &err);

	if (rc == 0)
		rc = plumbing_run(&run, &err);

	if (rc < 0)
		fprintf(stderr, "bedside: %s\n", err.text);
	config_fini(&config);
	if (rc == PLUMBING_AGAIN)
		serve_again(argc, argv);
	return rc == 0 ? 0 : 1;
}
