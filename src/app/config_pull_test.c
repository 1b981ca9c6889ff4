/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config.h"

#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"

#include <stdio.h>
#include <string.h>

#define PIN "SHA256:uNiVztksCsDhcc0u9e8BrUXVUDvAIxIYQUMBpStGSP8"

static struct config config;
static struct conf_errors errors;

static bool load(const char *yaml)
{
	char dir[128], path[160];

	TEXT_SET(dir, test_tmp_dir());
	(void)snprintf(path, sizeof(path), "%s/bedside.yaml", dir);
	assert_int_equal(fs_write_atomic(path, yaml, strlen(yaml), 0600, NULL), 0);
	return config_load(path, dir, &config, &errors);
}

static bool says(const char *what)
{
	for (unsigned i = 0; i < errors.n && i < CONF_MAX_ERRORS; i++)
		if (strstr(errors.texts[i], what))
			return true;
	for (unsigned i = 0; i < errors.n && i < CONF_MAX_ERRORS; i++)
		print_error("%s\n", errors.texts[i]);
	return false;
}

TEST(pull_sources_are_read)
{
	CHECK(load("pull:\n"
	           "  poll_interval: 1m\n"
	           "  into: films\n"
	           "  sources:\n"
	           "    - name: Shed rig\n"
	           "      url: https://shed.local:8484/\n"
	           "      api_key: \"sk_1\"\n"
	           "      delete: yes\n"
	           "    - name: pi\n"
	           "      url: sftp://anna@raspberry\n"
	           "      folders: [Timelapses/, /srv/photos]\n"
	           "      types: [mp4]\n"
	           "      password: \"1234\"\n"
	           "      host_key: \"" PIN "=\"\n"));
	CHECK_INT(config.pull.n_sources, 2);

	const struct pull_source *rig = &config.pull.sources[0], *pi = &config.pull.sources[1];

	CHECK_STR(rig->id, "shed-rig");
	CHECK_STR(rig->url, "https://shed.local:8484");
	CHECK(!rig->is_sftp && rig->deletes && rig->wants_films && rig->wants_captures);
	CHECK(pi->is_sftp && !pi->deletes && pi->settle_ms == 10000);
	CHECK_STR(pi->user, "anna");
	CHECK_STR(pi->url, "sftp://raspberry");
	CHECK_STR(pi->folders[0], "Timelapses");
	CHECK_STR(pi->host_key, PIN);
	CHECK_INT(pi->n_types, 1);
	CHECK(text_ends(config.pull.into, "/films"));
	CHECK_INT(config.pull.poll_ms, 60000);
	config_fini(&config);
}

TEST(pull_faults_are_named_with_their_lines)
{
	CHECK(!load("pull:\n"
	            "  sources:\n"
	            "    - name: a\n"
	            "      url: http://rig.local:8484\n"
	            "    - name: A\n"
	            "      url: https://x\n"
	            "    - name: c\n"
	            "      url: sftp://pi:secret@host\n"
	            "      folders: [x]\n"
	            "    - name: d\n"
	            "      url: sftp://host\n"
	            "      user: pi\n"
	            "      password: \"x\"\n"
	            "      folders: [a/x, b/x, ../etc]\n"
	            "    - name: e\n"
	            "      url: https://h\n"
	            "      folders: [x]\n"
	            "    - name: f\n"
	            "      url: sftp://h\n"
	            "      host_key: abc\n"
	            "    - name: g\n"
	            "      url: ftp://h\n"
	            "    - name: h\n"
	            "      url: https://h\n"
	            "      api_key_file: /nowhere/key\n"));
	CHECK(says("bedside.yaml:4: pull.sources[0].url: the key would go"));
	CHECK(says("bedside.yaml:5: pull.sources[1].name: 'A' and 'a'"));
	CHECK(says("bedside.yaml:8: pull.sources[2].url: the login does not belong"));
	CHECK(!strstr(errors.texts[2], "secret"));
	CHECK(says("pull.sources[3].folders: two folders called 'x'"));
	CHECK(says("pull.sources[3].folders: '../etc'"));
	CHECK(says("bedside.yaml:17: pull.sources[4].folders: is of SFTP"));
	CHECK(says("bedside.yaml:20: pull.sources[5].host_key"));
	CHECK(says("bedside.yaml:22: pull.sources[6].url: must begin with"));
	CHECK(says("bedside.yaml:25: pull.sources[7].api_key_file"));
	config_fini(&config);
}
