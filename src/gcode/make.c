/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/make.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gcode/archive.h"
#include "gcode/index.h"

#define POINTS 96 /* around a layer */
#define LINE_WIDTH_MM 0.42
#define FILAMENT_AREA 2.405 /* mm² of 1.75 mm */
#define DENSITY 1.24        /* g/cm³ of PLA */
#define WALL_MM_S 120.0
#define FILL_MM_S 200.0
#define TRAVEL_MM_S 500.0
#define PREPARE_S 390.0 /* heating, homing, levelling: as an A1 takes */
#define CHANGE_S 95.0   /* of filament */
#define LAYERS_MAX 10000

struct machine {
	const char *model, *id;
	double centre_x, centre_y;
	double park_x; /* of the time-lapse; NAN: it does not park */
	bool is_a1;
};

/* Printer ids as the vendor's slicer writes them into slice_info.config. */
static const struct machine machines[] = {
	[GCODE_MACHINE_A1] = { "Bambu Lab A1", "N2S", 128, 128, -48.2, true },
	[GCODE_MACHINE_A1_MINI] = { "Bambu Lab A1 mini", "N1", 90, 90, -13, true },
	[GCODE_MACHINE_P1S] = { "Bambu Lab P1S", "C12", 128, 128, 65, false },
	[GCODE_MACHINE_X1C] = { "Bambu Lab X1 Carbon", "BL-P001", 128, 128, 65, false },
};

static const char *const shape_names[] = {
	[GCODE_SHAPE_VASE] = "Twisted vase",
	[GCODE_SHAPE_GEAR] = "Gear",
	[GCODE_SHAPE_BOAT] = "Boat",
	[GCODE_SHAPE_CUBE] = "Cube",
};

static const char *const colours[] = { "#00AE42", "#F2754E", "#2850E0", "#F4EE2A" };

struct maker {
	struct gcode_make m;
	const struct machine *machine;
	struct buf *out;
	double x, y, z;
	double feed; /* mm/s */
	double time_s, total_s;
	double mm[4]; /* of each filament */
	double last_mm[4];
	unsigned tool;
	int last_percent, last_minutes;
};

static double vase_radius(double angle, double t)
{
	double belly = 0.66 + 0.26 * sin(M_PI * (0.1 + 1.35 * t));

	return belly * (1 + 0.1 * cos(8 * (angle + 1.1 * t)));
}

static double gear_radius(double angle)
{
	/* A square wave with flanks: sixteen teeth. */
	double tooth = tanh(3 * sin(16 * angle));

	return 0.88 + 0.12 * tooth;
}

/* A hull with a sharp bow, wider towards the deck; then a cabin. */
static void boat_point(double angle, double t, double *x, double *y)
{
	double c = cos(angle);
	double s = sin(angle);

	if (t > 0.6) {
		double r = 1 / MAX(fabs(c), fabs(s));

		*x = -0.25 + 0.35 * c * r;
		*y = 0.26 * s * r;
		return;
	}

	double flare = 0.62 + 0.38 * sqrt(t / 0.6);

	*x = c * (0.8 + 0.2 * t / 0.6);
	*y = 0.42 * flare * s * (c > 0 ? 1 - pow(c, 3) * 0.85 : 1);
}

/* The outline at `angle` and height `t` (0 to 1), its largest radius being 1. */
static void shape_point(enum gcode_shape shape, double angle, double t, double *x, double *y)
{
	double r = 1;

	switch (shape) {
	case GCODE_SHAPE_VASE:
		r = vase_radius(angle, t);
		break;
	case GCODE_SHAPE_GEAR:
		r = gear_radius(angle);
		break;
	case GCODE_SHAPE_BOAT:
		boat_point(angle, t, x, y);
		return;
	case GCODE_SHAPE_CUBE:
		r = 0.7 / MAX(fabs(cos(angle)), fabs(sin(angle)));
		break;
	}
	*x = r * cos(angle);
	*y = r * sin(angle);
}

static double layer_part(const struct maker *k, unsigned layer)
{
	return k->m.n_layers > 1 ? (double)(layer - 1) / (k->m.n_layers - 1) : 0;
}

/* Corner `i` of the outline, made smaller by `inset` mm. */
static void corner(const struct maker *k, unsigned layer, unsigned i, double inset, double *x,
                   double *y)
{
	double half = k->m.size_mm / 2;

	shape_point(k->m.shape, 2 * M_PI * (i % POINTS) / POINTS, layer_part(k, layer), x, y);

	double r = hypot(*x, *y) * half;
	double scale = r > inset ? (r - inset) / r : 0;

	*x = k->machine->centre_x + *x * half * scale;
	*y = k->machine->centre_y + *y * half * scale;
}

static void progress(struct maker *k)
{
	if (k->total_s <= 0)
		return;

	int percent = (int)(k->time_s / k->total_s * 100);
	int minutes = (int)((k->total_s - k->time_s) / 60);

	if (percent == k->last_percent && minutes == k->last_minutes)
		return;
	k->last_percent = MIN(percent, 100);
	k->last_minutes = MAX(minutes, 0);
	buf_printf(k->out, "M73 P%d R%d\n", k->last_percent, k->last_minutes);
}

static void travel(struct maker *k, double x, double y)
{
	buf_printf(k->out, "G1 X%.3f Y%.3f F%.0f\n", x, y, TRAVEL_MM_S * 60);
	k->time_s += hypot(x - k->x, y - k->y) / TRAVEL_MM_S;
	k->x = x;
	k->y = y;
}

static void feed(struct maker *k, double mm_s)
{
	k->feed = mm_s;
	buf_printf(k->out, "G1 F%.0f\n", mm_s * 60);
}

static void extrude(struct maker *k, double x, double y)
{
	double mm = hypot(x - k->x, y - k->y);
	double e = mm * LINE_WIDTH_MM * k->m.layer_height_mm / FILAMENT_AREA;

	if (mm < 1e-3)
		return;
	buf_printf(k->out, "G1 X%.3f Y%.3f E%.5f\n", x, y, e);
	k->mm[k->tool] += e;
	k->time_s += mm / k->feed;
	k->x = x;
	k->y = y;
}

static void loop(struct maker *k, unsigned layer, double inset, const char *feature, double mm_s)
{
	double x;
	double y;

	corner(k, layer, 0, inset, &x, &y);
	travel(k, x, y);
	buf_printf(k->out, "; FEATURE: %s\n; LINE_WIDTH: %.2f\n", feature, LINE_WIDTH_MM);
	feed(k, mm_s);
	for (unsigned i = 1; i <= POINTS; i++) {
		corner(k, layer, i, inset, &x, &y);
		extrude(k, x, y);
	}
}

/* A vase is hollow above its floor; everything else is filled with lines to and fro. */
static void fill(struct maker *k, unsigned layer)
{
	bool is_floor = layer <= 3;
	unsigned turn = layer % 2 * POINTS / 4;
	unsigned step = is_floor ? 1 : 4;
	double x;
	double y;

	if (k->m.shape == GCODE_SHAPE_VASE && !is_floor)
		return;
	corner(k, layer, turn + 1, 1.4, &x, &y);
	travel(k, x, y);
	buf_printf(k->out, "; FEATURE: %s\n; LINE_WIDTH: %.2f\n",
	           is_floor ? "Bottom surface" : "Sparse infill", LINE_WIDTH_MM);
	feed(k, FILL_MM_S);
	for (unsigned i = 1; i < POINTS / 2; i += step) {
		bool is_back = i / step % 2;

		corner(k, layer, turn + (is_back ? POINTS - i : i), 1.4, &x, &y);
		extrude(k, x, y);
		corner(k, layer, turn + (is_back ? i : POINTS - i), 1.4, &x, &y);
		extrude(k, x, y);
	}
}

/* What the slicer puts in for the printer's own time-lapse: A1 parks after the outer walls, P1 and
 * X1 take the picture at the layer's notice, or park too if the time-lapse is smooth. */
static void timelapse(struct maker *k)
{
	const struct machine *m = k->machine;

	buf_add_str(k->out, "; SKIPPABLE_START\n; SKIPTYPE: timelapse\n"
	                    "M622.1 S1\nM1002 judge_flag timelapse_record_flag\nM622 J1\n");
	if (m->is_a1 || k->m.is_smooth)
		buf_printf(k->out,
		           "G92 E0\nG1 Z%.2f F1200\nG1 X0 Y%.0f F18000\nG1 X%.1f F3000\nM400\n"
		           "M1004 S5 P1\nM400 P300\nM971 S11 C11 O0\nG92 E0\nG1 X0 F18000\n"
		           "G1 Z%.2f F1200\n",
		           k->z + 0.4, m->centre_y, m->park_x, k->z);
	else
		buf_add_str(k->out, "M971 S11 C10 O0\nM1004 S5 P1\n");
	buf_add_str(k->out, "M623\n; SKIPPABLE_END\n");
}

static void change_filament(struct maker *k, unsigned tool)
{
	if (tool == k->tool)
		return;
	buf_printf(k->out,
	           "; CP TOOLCHANGE START\nM620 S%uA\nM204 S9000\nG1 Z%.2f F1200\nM400\nT%u\n"
	           "; FLUSH_START\nG1 E23.7 F523\nG1 E20 F523\n; FLUSH_END\nM400\nM621 S%uA\n"
	           "G1 Z%.2f F1200\n; CP TOOLCHANGE END\n",
	           tool, k->z + 3, tool, tool, k->z);
	k->tool = tool;
	k->mm[tool] += 43.7;
	k->time_s += CHANGE_S;
	progress(k);
}

static void layer(struct maker *k, unsigned n)
{
	k->z = n * k->m.layer_height_mm;
	buf_printf(k->out,
	           "; CHANGE_LAYER\n; Z_HEIGHT: %g\n; LAYER_HEIGHT: %g\nG1 E-.8 F1800\n"
	           "; layer num/total_layer_count: %u/%u\n; update layer progress\nM73 L%u\n"
	           "M991 S0 P%u ;notify layer change\n",
	           k->z, k->m.layer_height_mm, n, k->m.n_layers, n, n - 1);
	if (!k->machine->is_a1)
		timelapse(k);
	change_filament(k, (n - 1) * k->m.n_filaments / k->m.n_layers);
	buf_printf(k->out,
	           "; OBJECT_ID: 71\n; start printing object, unique label id: 71\n"
	           "M624 AQAAAAAAAAA=\nG1 Z%g F1200\nG1 E.8 F1800\n",
	           k->z);
	loop(k, n, LINE_WIDTH_MM * 1.5, "Inner wall", WALL_MM_S * 1.5);
	progress(k);
	loop(k, n, LINE_WIDTH_MM / 2, "Outer wall", WALL_MM_S);
	if (k->machine->is_a1)
		timelapse(k);
	progress(k);
	if (k->m.shape == GCODE_SHAPE_GEAR)
		loop(k, n, k->m.size_mm / 2 * 0.7, "Inner wall", WALL_MM_S);
	fill(k, n);
	buf_add_str(k->out, "; stop printing object, unique label id: 71\nM625\n");
	progress(k);
}

static void start(struct maker *k)
{
	progress(k);
	buf_printf(k->out,
	           "M201 X12000 Y12000 Z1500 E5000\nM203 X500 Y500 Z30 E30\n; FEATURE: Custom\n"
	           ";===== machine: %s =====\nM1002 gcode_claim_action : 2\nM140 S65\nM190 S65\n"
	           "M104 S140\nG90\nM83\nG28 X\nM620 M\nM620 S0A\nM1002 gcode_claim_action : "
	           "4\nM109 S220\n"
	           "T0\nM400\nG92 E0\nG1 E50 F200\nG1 E5 F523\nM621 S0A\n"
	           "M1002 gcode_claim_action : 14\nG28 Z P0 T300\nG1 Z5 F1200\n"
	           "M1002 judge_flag g29_before_print_flag\nM622 J1\n"
	           "M1002 gcode_claim_action : 1\nG29 A1 X98 Y98 I60 J60\nM400\nM623\n"
	           "G90\nM83\nM975 S1\nM412 S1\nM109 S220\nG0 X18 Y1 Z0.3 F18000\n"
	           "G1 X128 E10 F1200\nG1 Z5 F1200\nM1002 gcode_claim_action : 0\nM400\n"
	           "; MACHINE_START_GCODE_END\n; filament start gcode\nG90\nG21\nM83\n",
	           k->machine->model);
	k->time_s += PREPARE_S;
	k->mm[0] += 65;
	progress(k);
}

static void end(struct maker *k)
{
	buf_printf(k->out,
	           "; close powerlost recovery\nM1003 S0\n; filament end gcode\n"
	           "; MACHINE_END_GCODE_START\nG392 S0\nM400\nG92 E0\nG1 E-0.8 F1800\n"
	           "G1 Z%.2f F900\nM140 S0\nM106 S0\nM620 S255\nT255\nM621 S255\nM104 S0\n"
	           "M991 S0 P-1 ;end timelapse\nM400\nG1 Z%.2f F600\nM220 S100\nM73.2 R1.0\n"
	           "M73 P100 R0\n; EXECUTABLE_BLOCK_END\n",
	           k->z + 0.5, MIN(k->z + 100, 250));
	k->time_s += 40;
}

/* One number for each filament, joined by commas. */
static void add_list(struct buf *b, const double *v, unsigned n, double factor)
{
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%.2f", i > 0 ? "," : "", v[i] * factor);
}

static void add_clock(struct buf *b, double s)
{
	unsigned n = (unsigned)s;

	if (n >= 3600)
		buf_printf(b, "%uh ", n / 3600);
	buf_printf(b, "%um %us", n / 60 % 60, n % 60);
}

static void header(const struct maker *k, struct buf *b)
{
	unsigned n = k->m.n_filaments;

	buf_add_str(b, "; HEADER_BLOCK_START\n; BambuStudio 02.04.00.70\n"
	               "; model printing time: ");
	add_clock(b, k->total_s - PREPARE_S);
	buf_add_str(b, "; total estimated time: ");
	add_clock(b, k->total_s);
	buf_printf(b, "\n; total layer number: %u\n; total filament length [mm] : ", k->m.n_layers);
	add_list(b, k->last_mm, n, 1);
	buf_add_str(b, "\n; total filament volume [cm^3] : ");
	add_list(b, k->last_mm, n, FILAMENT_AREA);
	buf_add_str(b, "\n; total filament weight [g] : ");
	add_list(b, k->last_mm, n, FILAMENT_AREA * DENSITY / 1000);
	buf_printf(b, "\n; model label id: 71\n; max_z_height: %.2f\n; filament: ",
	           k->m.n_layers * k->m.layer_height_mm);
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%u", i > 0 ? "," : "", i + 1);
	buf_add_str(b, "\n; HEADER_BLOCK_END\n\n");
}

static void add_repeated(struct buf *b, const char *key, const char *value, char separator,
                         unsigned n)
{
	buf_printf(b, "; %s = %s", key, value);
	for (unsigned i = 1; i < n; i++)
		buf_printf(b, "%c%s", separator, value);
	buf_add_char(b, '\n');
}

static void config(const struct maker *k, struct buf *b)
{
	unsigned n = k->m.n_filaments;

	buf_add_str(b, "; CONFIG_BLOCK_START\n; brim_type = no_brim\n"
	               "; curr_bed_type = Textured PEI Plate\n");
	buf_printf(b, "; filament_colour = %s", colours[0]);
	for (unsigned i = 1; i < n && i < ARRAY_LEN(colours); i++)
		buf_printf(b, ";%s", colours[i]);
	buf_add_char(b, '\n');
	add_repeated(b, "filament_density", "1.24", ',', n);
	add_repeated(b, "filament_diameter", "1.75", ',', n);
	add_repeated(b, "filament_ids", "GFA00", ';', n);
	add_repeated(b, "filament_type", "PLA", ';', n);
	buf_printf(b,
	           "; initial_layer_print_height = %g\n; layer_height = %g\n"
	           "; line_width = %.2f\n; nozzle_diameter = 0.4\n; nozzle_temperature = 220\n"
	           "; print_sequence = by layer\n; printable_area = 0x0,%gx0,%gx%g,0x%g\n"
	           "; printer_model = %s\n; spiral_mode = 0\n; timelapse_type = %d\n"
	           "; wall_loops = 2\n; CONFIG_BLOCK_END\n\n",
	           k->m.layer_height_mm, k->m.layer_height_mm, LINE_WIDTH_MM,
	           k->machine->centre_x * 2, k->machine->centre_x * 2, k->machine->centre_y * 2,
	           k->machine->centre_y * 2, k->machine->model, k->m.is_smooth ? 1 : 0);
}

static void body(struct maker *k)
{
	k->x = k->y = k->z = 0;
	k->time_s = 0;
	k->tool = 0;
	k->last_percent = k->last_minutes = -1;
	memset(k->mm, 0, sizeof(k->mm));
	buf_add_str(k->out, "; EXECUTABLE_BLOCK_START\n");
	start(k);
	for (unsigned i = 1; i <= k->m.n_layers; i++)
		layer(k, i);
	end(k);
}

static unsigned clamp(unsigned n, unsigned max)
{
	return n < 1 ? 1 : n > max ? max : n;
}

static void maker_init(struct maker *k, const struct gcode_make *m)
{
	*k = (struct maker){ .m = *m, .machine = &machines[m->machine] };
	k->m.n_layers = clamp(m->n_layers, LAYERS_MAX);
	k->m.layer_height_mm = m->layer_height_mm > 0 ? m->layer_height_mm : 0.2;
	k->m.size_mm = m->size_mm > 0 ? m->size_mm : 60;
	k->m.n_filaments = clamp(m->n_filaments, 4);
	if (!k->m.name)
		k->m.name = shape_names[m->shape];
}

/* Twice: the head must name what only the whole tells. */
static void make(struct maker *k, struct buf *ret)
{
	struct buf scrap;

	buf_init(&scrap, 0);
	k->out = &scrap;
	body(k);
	k->total_s = k->time_s;
	memcpy(k->last_mm, k->mm, sizeof(k->mm));
	buf_fini(&scrap);

	buf_init(ret, 0);
	header(k, ret);
	config(k, ret);
	k->out = ret;
	body(k);
}

void gcode_make_text(const struct gcode_make *m, struct buf *ret)
{
	struct maker k;

	maker_init(&k, m);
	make(&k, ret);
}

/* A picture of the part seen from the front and above: its layers' outlines, drawn bottom up. */
static void draw(const struct maker *k, uint8_t *rgb, unsigned size)
{
	double scale = size / (k->m.size_mm * 1.4);
	double height = k->m.n_layers * k->m.layer_height_mm;
	unsigned steps = MIN(k->m.n_layers, size);

	memset(rgb, 38, (size_t)size * size * 3);
	for (unsigned s = 0; s < steps; s++) {
		unsigned n = s * k->m.n_layers / steps + 1;
		unsigned tool = (n - 1) * k->m.n_filaments / k->m.n_layers;
		uint8_t base[3] = { 0 };

		(void)text_unhex(base, 3, colours[tool] + 1);
		for (unsigned i = 0; i < POINTS * 8; i++) {
			double x;
			double y;
			double shade = 0.65 + 0.35 * cos(2 * M_PI * i / (POINTS * 8) + 1);

			corner(k, n, i / 8, 0, &x, &y);

			int px = (int)(size / 2.0 + (x - k->machine->centre_x) * scale);
			int py =
				(int)(size * 0.5 + (height / 2 - n * k->m.layer_height_mm) * scale -
			              (y - k->machine->centre_y) * scale * 0.35);

			if (px < 0 || py < 0 || px >= (int)size || py >= (int)size)
				continue;

			uint8_t *p = rgb + ((size_t)py * size + (size_t)px) * 3;

			for (unsigned c = 0; c < 3; c++)
				p[c] = (uint8_t)(base[c] * shade);
		}
	}
}

static void png_chunk(struct buf *b, const char *type, const void *bytes, size_t size)
{
	uint32_t crc = (uint32_t)crc32_z(crc32_z(0, (const Bytef *)type, 4), bytes, size);
	const uint32_t words[2] = { (uint32_t)size, crc };
	uint8_t big[2][4];

	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < 4; j++)
			big[i][j] = (uint8_t)(words[i] >> (24 - 8 * j));
	buf_add(b, big[0], 4);
	buf_add(b, type, 4);
	buf_add(b, bytes, size);
	buf_add(b, big[1], 4);
}

static void png(const struct maker *k, unsigned size, struct buf *ret)
{
	uint8_t head[13] = { 0,
		             0,
		             (uint8_t)(size >> 8),
		             (uint8_t)size,
		             0,
		             0,
		             (uint8_t)(size >> 8),
		             (uint8_t)size,
		             8,
		             2,
		             0,
		             0,
		             0 };
	size_t line = (size_t)size * 3;
	uint8_t *rgb = mem_new(line * size);
	uint8_t *rows = mem_new((line + 1) * size); /* each with its filter, 0, before it */
	uLongf packed_size = compressBound((line + 1) * size);
	uint8_t *packed = mem_new(packed_size);

	draw(k, rgb, size);
	for (size_t i = 0; i < size; i++)
		memcpy(rows + i * (line + 1) + 1, rgb + i * line, line);
	(void)compress2(packed, &packed_size, rows, (line + 1) * size, 9);
	buf_init(ret, 0);
	buf_add(ret, "\x89PNG\r\n\x1a\n", 8);
	png_chunk(ret, "IHDR", head, sizeof(head));
	png_chunk(ret, "IDAT", packed, packed_size);
	png_chunk(ret, "IEND", "", 0);
	free(packed);
	free(rows);
	free(rgb);
}

static void slice_info(const struct maker *k, struct buf *b)
{
	double grams = 0;

	for (unsigned i = 0; i < k->m.n_filaments; i++)
		grams += k->last_mm[i] * FILAMENT_AREA * DENSITY / 1000;
	buf_init(b, 0);
	buf_printf(b,
	           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config>\n  <header>\n"
	           "    <header_item key=\"X-BBL-Client-Type\" value=\"slicer\"/>\n"
	           "    <header_item key=\"X-BBL-Client-Version\" value=\"02.04.00.70\"/>\n"
	           "  </header>\n  <plate>\n    <metadata key=\"index\" value=\"1\"/>\n"
	           "    <metadata key=\"printer_model_id\" value=\"%s\"/>\n"
	           "    <metadata key=\"nozzle_diameters\" value=\"0.4\"/>\n"
	           "    <metadata key=\"timelapse_type\" value=\"%d\"/>\n"
	           "    <metadata key=\"prediction\" value=\"%.0f\"/>\n"
	           "    <metadata key=\"weight\" value=\"%.2f\"/>\n"
	           "    <metadata key=\"outside\" value=\"false\"/>\n"
	           "    <metadata key=\"support_used\" value=\"false\"/>\n"
	           "    <metadata key=\"label_object_enabled\" value=\"true\"/>\n"
	           "    <object identify_id=\"71\" name=\"%s\" skipped=\"false\" />\n",
	           k->machine->id, k->m.is_smooth ? 1 : 0, floor(k->total_s), grams, k->m.name);
	for (unsigned i = 0; i < k->m.n_filaments; i++)
		buf_printf(b,
		           "    <filament id=\"%u\" tray_info_idx=\"GFA00\" type=\"PLA\" "
		           "color=\"%s\" used_m=\"%.2f\" used_g=\"%.2f\" />\n",
		           i + 1, colours[i], k->last_mm[i] / 1000,
		           k->last_mm[i] * FILAMENT_AREA * DENSITY / 1000);
	buf_printf(b,
	           "    <layer_filament_lists>\n      <layer_filament_list filament_list=\"0\" "
	           "layer_ranges=\"0 %u\" />\n    </layer_filament_lists>\n  </plate>\n"
	           "</config>\n",
	           k->m.n_layers - 1);
}

static const char model_settings[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config>\n  <plate>\n"
	"    <metadata key=\"plater_id\" value=\"1\"/>\n"
	"    <metadata key=\"plater_name\" value=\"\"/>\n"
	"    <metadata key=\"locked\" value=\"false\"/>\n"
	"    <metadata key=\"gcode_file\" value=\"Metadata/plate_1.gcode\"/>\n"
	"    <metadata key=\"thumbnail_file\" value=\"Metadata/plate_1.png\"/>\n"
	"  </plate>\n</config>\n";

static const char content_types[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\n"
	" <Default Extension=\"rels\" "
	"ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\n"
	" <Default Extension=\"model\" "
	"ContentType=\"application/vnd.ms-package.3dmanufacturing-3dmodel+xml\"/>\n"
	" <Default Extension=\"png\" ContentType=\"image/png\"/>\n"
	" <Default Extension=\"gcode\" ContentType=\"text/x.gcode\"/>\n</Types>\n";

static const char relations[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<Relationships "
	"xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\n"
	" <Relationship Target=\"/3D/3dmodel.model\" Id=\"rel-1\" "
	"Type=\"http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel\"/>\n"
	" <Relationship Target=\"/Metadata/plate_1.png\" Id=\"rel-2\" "
	"Type=\"http://schemas.openxmlformats.org/package/2006/relationships/metadata/"
	"thumbnail\"/>\n</Relationships>\n";

static const char empty_model[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<model unit=\"millimeter\" xml:lang=\"en-US\" "
	"xmlns=\"http://schemas.microsoft.com/3dmanufacturing/core/2015/02\">\n"
	" <metadata name=\"Application\">BambuStudio-02.04.00.70</metadata>\n"
	" <resources>\n </resources>\n <build/>\n</model>\n";

static const char sequence[] = "{\"plate_1\":{\"sequence\":[1]}}";

static void plate_json(const struct maker *k, struct buf *b)
{
	double half = k->m.size_mm / 2;
	double x = k->machine->centre_x;
	double y = k->machine->centre_y;

	buf_init(b, 0);
	buf_printf(b,
	           "{\"bbox_all\":[%.2f,%.2f,%.2f,%.2f],\"bbox_objects\":[{\"area\":%.1f,"
	           "\"bbox\":[%.2f,%.2f,%.2f,%.2f],\"id\":71,\"layer_height\":%g,"
	           "\"name\":\"%s\"}],\"bed_type\":\"textured_plate\","
	           "\"filament_colors\":[\"%s\"],\"filament_ids\":[0],\"first_extruder\":0,"
	           "\"is_seq_print\":false,\"nozzle_diameter\":0.4,\"version\":2}",
	           x - half, y - half, x + half, y + half, M_PI * half * half, x - half, y - half,
	           x + half, y + half, k->m.layer_height_mm, k->m.name, colours[0]);
}

static void md5_upper(const struct buf *text, char dst[33])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	(void)EVP_Digest(buf_peek(text), text->size, digest, NULL, EVP_md5(), NULL);
	text_hex(dst, digest, 16);
	for (char *p = dst; *p; p++)
		if (*p >= 'a' && *p <= 'f')
			*p = (char)(*p - 'a' + 'A');
}

int gcode_make_threemf(const struct gcode_make *m, struct buf *ret, struct err *err)
{
	struct maker k;
	struct buf text;
	struct buf info;
	struct buf json;
	struct buf big;
	struct buf small;
	char md5[33];

	maker_init(&k, m);
	make(&k, &text);
	slice_info(&k, &info);
	plate_json(&k, &json);
	png(&k, 512, &big);
	png(&k, 128, &small);
	md5_upper(&text, md5);

	const struct gcode_zip_file files[] = {
		{ "[Content_Types].xml", content_types, sizeof(content_types) - 1, false },
		{ "Metadata/plate_1.png", big.data, big.size, true },
		{ "Metadata/plate_1_small.png", small.data, small.size, true },
		{ "Metadata/plate_1.json", json.data, json.size, false },
		{ "3D/3dmodel.model", empty_model, sizeof(empty_model) - 1, false },
		{ "Metadata/plate_1.gcode.md5", md5, 32, false },
		{ "Metadata/plate_1.gcode", text.data, text.size, false },
		{ "Metadata/model_settings.config", model_settings, sizeof(model_settings) - 1,
		  false },
		{ "Metadata/slice_info.config", info.data, info.size, false },
		{ "Metadata/filament_sequence.json", sequence, sizeof(sequence) - 1, false },
		{ "_rels/.rels", relations, sizeof(relations) - 1, false },
	};
	int rc = gcode_zip_make(files, ARRAY_LEN(files), ret, err);

	buf_fini(&text);
	buf_fini(&info);
	buf_fini(&json);
	buf_fini(&big);
	buf_fini(&small);
	return rc;
}
