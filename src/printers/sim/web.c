/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/web.h"

#include "gcode/index.h"
#include "wire/http_server.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void sim_print_begin(struct sim_print *p, int64_t now_us)
{
	p->runs = true;
	p->done_s = 0;
	p->at_us = p->begun_us = now_us;
}

double sim_print_end_s(const struct sim_print *p)
{
	return p->job->layers[p->job->n_layers].at_s;
}

bool sim_print_go_on(struct sim_print *p, int64_t now_us)
{
	double passed_s = (double)(now_us - p->at_us) / 1e6;

	p->at_us = now_us;
	if (!p->runs)
		return false;
	p->done_s += passed_s * p->speed;
	p->runs = p->done_s < sim_print_end_s(p);
	return !p->runs;
}

size_t sim_print_layer(const struct sim_print *p)
{
	size_t n = 0;

	while (n < p->job->n_layers && p->job->layers[n].at_s <= p->done_s)
		n++;
	return n;
}

uint64_t sim_print_byte(const struct sim_print *p)
{
	const struct gcode_index *ix = p->job->index;
	size_t n = sim_print_layer(p);

	if (n == 0)
		return 0;

	const struct sim_layer *l = &p->job->layers[n - 1];
	uint64_t from = ix->layers[n - 1].byte;
	uint64_t to = n < ix->n_layers ? ix->layers[n].byte : ix->n_bytes;
	double part = l[1].at_s > l->at_s ? (p->done_s - l->at_s) / (l[1].at_s - l->at_s) : 1;

	part = MAX(part, 0.0);
	return from + 1 + (uint64_t)((double)(to - from - 1) * MIN(part, 1.0));
}

static bool word_of(const char *line, size_t n, char letter, double *ret)
{
	for (size_t i = 1; i < n; i++) {
		if ((line[i] & ~0x20) == letter && line[i - 1] == ' ') {
			*ret = strtod(line + i + 1, NULL);
			return isfinite(*ret);
		}
	}
	return false;
}

double sim_move(double head_mm[3], const char *script)
{
	static const char axes[] = "XYZ";
	double feed = 3000, seconds = 0;

	while (*script) {
		size_t n = strcspn(script, "\n");
		double way = 0, to;

		if (strncmp(script, "G1 ", 3) == 0 || strncmp(script, "G0 ", 3) == 0) {
			(void)word_of(script, n, 'F', &feed);
			for (size_t i = 0; i < 3; i++) {
				if (!word_of(script, n, axes[i], &to))
					continue;
				if (fabs(to) > 250)
					return -1;
				way = hypot(way, to - head_mm[i]);
				head_mm[i] = to;
			}
			seconds += feed > 0 ? way / feed * 60 : 0;
		}
		script += n;
		script += strspn(script, "\n");
	}
	return MIN(seconds, 60.0);
}

int sim_print_fault(struct sim_print *p, const double fault_s[SIM_WEB_MAX_FAULTS], int64_t now_us)
{
	for (int i = 0; i < SIM_WEB_MAX_FAULTS; i++) {
		if (!(fault_s[i] > 0) || p->has_failed[i] || !p->begun_us ||
		    now_us < p->begun_us + (int64_t)(fault_s[i] * 1e6))
			continue;
		p->has_failed[i] = true;
		return i;
	}
	return -1;
}

void sim_reply(struct http_request *r, int status, json_t *j)
{
	const struct http_reply head = { .status = status, .type = "application/json" };
	char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12));

	http_reply_bytes(r, &head, http_bytes_new(text ? text : "{}", text ? strlen(text) : 2));
	free(text);
	json_decref(j);
}

const char *sim_header(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_headers; i++) {
		if (strcasecmp(h->headers[i].name, name) == 0)
			return h->headers[i].value;
	}
	return NULL;
}
