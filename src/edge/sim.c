/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/sim.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LINE 64

struct sim_input {
	int fd;
	bool is_active_low, is_high;
	bool is_skipping; /* the rest of a line that was too long */
	size_t n;
	char line[MAX_LINE];
	char *path;
};

bool sim_line_parse(const char *line, size_t size, bool *ret_is_high, int64_t *ret_us)
{
	static const struct {
		const char *word;
		size_t size;
		bool is_high;
	} words[] = { { "pull-up", 7, true }, { "pull-down", 9, false } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		char number[24];
		size_t n = words[i].size;
		int64_t us = 0;

		if (size < n || memcmp(line, words[i].word, n) != 0)
			continue;
		if (size > n && (line[n] != ' ' ||
		                 !text_copy_n(number, sizeof(number), line + n + 1, size - n - 1) ||
		                 !text_to_i64(number, &us) || us < 0))
			return false;
		*ret_is_high = words[i].is_high;
		*ret_us = us;
		return true;
	}
	return false;
}

int sim_input_open(const char *path, bool is_active_low, struct sim_input **ret, struct err *err)
{
	struct stat st;
	struct sim_input *in;
	int fd;

	if (mkfifo(path, 0660) < 0 && errno != EEXIST)
		return err_sys(err, "the simulated button's pipe %s", path);
	/* Writing as well: it never ends when the last writer goes. */
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, "the simulated button's pipe %s", path);
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
		(void)close(fd);
		return err_set(err, -EEXIST, "%s is in the way of the simulated button's pipe",
		               path);
	}
	in = MEM_NEW(struct sim_input);
	in->fd = fd;
	in->is_active_low = is_active_low;
	in->is_high = is_active_low;
	in->path = mem_str(path);
	*ret = in;
	return 0;
}

void sim_input_close(struct sim_input *in)
{
	if (!in)
		return;
	(void)close(in->fd);
	(void)unlink(in->path);
	free(in->path);
	free(in);
}

int sim_input_fd(const struct sim_input *in)
{
	return in->fd;
}

/* A line is whole. True: an edge. */
static bool take_line(struct sim_input *in, int64_t now_us, struct gpio_edge *ret)
{
	bool is_high, is_line = !in->is_skipping;
	int64_t us;
	size_t n = in->n;

	in->n = 0;
	in->is_skipping = false;
	if (!is_line || !sim_line_parse(in->line, n, &is_high, &us) || is_high == in->is_high)
		return false;
	in->is_high = is_high;
	*ret = (struct gpio_edge){ .at_us = us > 0 && us <= now_us ? us : now_us,
		                   .is_active = is_high != in->is_active_low };
	return true;
}

int sim_input_read(struct sim_input *in, int64_t now_us, struct gpio_edge *ret, size_t max)
{
	size_t n = 0;
	char c;

	/* By bytes: what is left over waits in the pipe, and people type slowly. */
	while (n < max && read(in->fd, &c, 1) == 1) {
		if (c == '\n')
			n += take_line(in, now_us, &ret[n]);
		else if (in->n < MAX_LINE)
			in->line[in->n++] = c;
		else
			in->is_skipping = true;
	}
	return (int)n;
}
