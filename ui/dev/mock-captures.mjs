// SPDX-License-Identifier: GPL-3.0-or-later
// Layer capture of the mock server: a plan for each printer, its grid, what was captured.
import { encodeJpeg } from './jpeg.mjs';
import { drawScene, HEIGHT, WIDTH } from './scene.mjs';

const PLAN = {
  enabled: false, every_n_layers: 3, z_heights: '', every: 0, by_order: true, by_button: false, marker: '', first_layer: false, last_layer: false, mode: 'snap',
  points_x: 3, points_y: 3, points_z: 3, spacing_x: 20, spacing_y: 20, spacing_z: 5, centre_x: null, centre_y: null, centre_z: 0, base_offset: 5,
  clearance: 5, too_low: 'reject', bed_min_x: null, bed_min_y: null, bed_max_x: null, bed_max_y: null, max_z: null, margin: 10, park_x: null, park_y: null,
  speed: 3000, z_speed: 600, settle: 1.5, retract: 0.7, prime: 0.7, retract_speed: 1800, return_to_origin: true, pause_timeout: 10, move_timeout: 30,
  shot_timeout: 5, emergency_resume_attempts: 3, extrusion: 'auto', dry_run: false, bambu_moves: false, cameras: '', thumbnails: true, quality: 0,
  metadata: true, folder: 'captures', calibration_file: '',
};
const BED = 256;
const LAYER_MM = 0.2;

export class MockCaptures {
  constructor({ printers, cameras, tell, Refusal, log }) {
    Object.assign(this, { printers, cameras, tell, Refusal, log });
    this.plans = new Map(printers.map((p) => [p.id, { ...PLAN }]));
    this.running = new Map();
    this.list = [];
    this.shots = new Map();
    this.nextId = 1;
    if (!printers.length) return;
    Object.assign(this.plans.get('anna'), { enabled: true, mode: 'grid', points_z: 2, spacing_x: 40, spacing_y: 40 });
    const anna = printers.find((p) => p.id === 'anna');
    const old = { job: 'j-old', job_name: 'Planter', daysAgo: 2 };
    for (const layer of [30, 33, 36]) this.add(anna, layer, old);
    const top = anna.job.layer;
    for (let layer = Math.max(3, top - 36); layer <= top; layer += 3) {
      const isMissed = layer === top - 12;
      const c = this.add(anna, layer, isMissed ? { state: 'missed', text: 'The capture of the layer before it was still under way.' } : {});
      if (layer === top - 6) this.spoil(c);
    }
  }

  add(p, layer, { job = `j-${p.id}`, job_name = p.job.name, daysAgo = 0, state = 'completed', text = '' } = {}) {
    const plan = this.plans.get(p.id);
    const at = Date.now() - daysAgo * 864e5 - (p.job.layer - layer) * 41_000;
    const points = state === 'missed' ? [] : this.grid(plan, layer).points.filter((x) => x.is_safe);
    const c = {
      id: String(this.nextId++).padStart(8, '0'), printer: p.id, job, job_name, layer, z_mm: layer * LAYER_MM, trigger: 'layer', mode: plan.mode, state,
      started_at: new Date(at).toISOString(), ended_at: new Date(at + 24_000).toISOString(), n_points: points.length, n_done: points.length, n_pictures: 0,
      paused_s: state === 'missed' ? 0 : 23.4, printer_wait_s: state === 'missed' ? 0 : 9.1, is_dry_run: false, folder: 'captures/2026-11-21', metadata: `layer_${layer}_metadata.json`, text,
    };
    this.list.unshift(Object.defineProperty(c, 'points', { value: points, enumerable: false }));
    Object.defineProperty(c, 'pics', { value: [], enumerable: false });
    if (state === 'completed') this.photograph(c);
    return c;
  }

  photograph(c) {
    const cameras = this.cameras.filter((x) => x.printers?.includes(c.printer) || x.printer === c.printer);
    const points = c.points.length ? c.points : [{ x: null, y: null, z: null, place: [-1, -1, -1] }];
    points.forEach((pt, index) =>
      cameras.forEach((cam) =>
        c.pics.push({
          index, camera: cam.id, file: `layer_${c.layer}_${cam.id}_${index}.jpg`, thumbnail: `layer_${c.layer}_${cam.id}_${index}_thumb.jpg`, x_mm: pt.x, y_mm: pt.y, z_mm: pt.z,
          grid: pt.place, bytes: 61_234, sha256: 'c0ffee'.repeat(11).slice(0, 64), width: WIDTH, height: HEIGHT, at: c.ended_at, is_still: true,
        }),
      ),
    );
    c.n_pictures = c.pics.length;
  }

  /** A picture that moved, and one that never came. */
  spoil(c) {
    c.pics[4].is_still = false;
    c.pics.splice(8, 1);
    c.n_pictures = c.pics.length;
    c.text = '1 picture is missing: the camera sent none within 5 s.';
  }

  grid(plan, layer) {
    const bed = [[plan.bed_min_x ?? 0, plan.bed_max_x ?? BED], [plan.bed_min_y ?? 0, plan.bed_max_y ?? BED]];
    const z = layer * LAYER_MM;
    const isPark = plan.mode === 'parked';
    const box = {
      min: [bed[0][0] + plan.margin, bed[1][0] + plan.margin, z + plan.clearance],
      max: [bed[0][1] - plan.margin, bed[1][1] - plan.margin, plan.max_z ?? 256],
    };
    const n = isPark ? [1, 1, 1] : [plan.points_x, plan.points_y, plan.points_z];
    const lowest = z + plan.base_offset + plan.centre_z;
    const raised = plan.too_low === 'raise' ? Math.max(0, box.min[2] - lowest) : 0;
    const centre = isPark ? [plan.park_x, plan.park_y] : [plan.centre_x ?? (bed[0][0] + bed[0][1]) / 2, plan.centre_y ?? (bed[1][0] + bed[1][1]) / 2];
    const points = [];
    for (let k = 0; k < n[2]; k++)
      for (let j = 0; j < n[1]; j++)
        for (let a = 0; a < n[0]; a++) {
          const i = (j + k) % 2 ? n[0] - 1 - a : a;
          const x = centre[0] + (i - (n[0] - 1) / 2) * plan.spacing_x;
          const y = centre[1] + (j - (n[1] - 1) / 2) * plan.spacing_y;
          const h = lowest + raised + k * plan.spacing_z;
          const text =
            x < box.min[0] ? `x ${x.toFixed(1)} is left of ${box.min[0].toFixed(1)}, the bed's edge and its margin`
            : x > box.max[0] ? `x ${x.toFixed(1)} is right of ${box.max[0].toFixed(1)}, the bed's edge and its margin`
            : y < box.min[1] ? `y ${y.toFixed(1)} is before ${box.min[1].toFixed(1)}, the bed's edge and its margin`
            : y > box.max[1] ? `y ${y.toFixed(1)} is behind ${box.max[1].toFixed(1)}, the bed's edge and its margin`
            : h > box.max[2] ? `z ${h.toFixed(2)} is above ${box.max[2].toFixed(2)}, as high as the head may go`
            : h < box.min[2] - 1e-9 ? `z ${h.toFixed(2)} is below ${box.min[2].toFixed(2)}, the print's top and the clearance`
            : 'safe';
          points.push({ x, y, z: h, place: [i, j, k], is_safe: text === 'safe', text });
        }
    points.sort((a, b) => Number(b.is_safe) - Number(a.is_safe));
    const n_safe = points.filter((p) => p.is_safe).length;
    const way_s = n_safe * (plan.spacing_x / (plan.speed / 60));
    return { points, n_safe, raised_mm: raised, box, way_s, total_s: 3 + way_s + n_safe * 0.45 };
  }

  preview(p, plan, layer) {
    const z = layer * LAYER_MM;
    const hasGrid = plan.mode === 'grid' || (plan.mode === 'parked' && plan.park_x !== null);
    const grid = hasGrid ? this.grid(plan, layer) : null;
    const n = grid ? grid.points.length - grid.n_safe : 0;
    const error = grid && grid.n_safe === 0 ? 'No point of the grid is safe.' : null;
    const warnings = [];
    if (n && !error) warnings.push(`${n} of ${grid.points.length} points are not safe and are left out.`);
    if (plan.speed > 20_000) warnings.push('The speed is above what most printers reach.');
    if (p.driver === 'bambu' && hasGrid && !plan.bambu_moves) warnings.push('A Bambu printer can not say when a move has ended: bambu_moves is off, so nothing will move.');
    const cameras = this.cameras.filter((x) => x.printers?.includes(p.id) || x.printer === p.id).length;
    return { layer, z_mm: z, top_mm: z, footprint: { min_x: 88, min_y: 96, max_x: 168, max_y: 160, walls: [[88, 96, 168, 96, 168, 160, 88, 160, 88, 96], [110, 110, 140, 110, 125, 140, 110, 110]] }, grid, images: Math.max(grid?.n_safe ?? 1, 1) * cameras, warnings, error };
  }

  check(plan, change) {
    const bad = (text) => {
      throw new this.Refusal(422, 'invalid', text, text.split(':')[0]);
    };
    for (const k of Object.keys(change)) if (!(k in PLAN)) bad(`${k}: there is no such setting`);
    if ((plan.park_x === null) !== (plan.park_y === null)) bad(`park_${plan.park_x === null ? 'x' : 'y'}: a park point needs both park_x and park_y`);
    if (plan.mode !== 'snap' && !plan.return_to_origin) bad('return_to_origin: a print that is resumed from elsewhere is spoiled; with the head moved it must be on');
  }

  status(p) {
    const plan = this.plans.get(p.id);
    const own = this.list.filter((c) => c.printer === p.id && c.job === `j-${p.id}`);
    const run = this.running.get(p.id);
    const of = (state) => own.filter((c) => c.state === state);
    const targets = [plan.every_n_layers === 1 ? 'every layer' : plan.every_n_layers ? `every ${plan.every_n_layers} layers` : '', plan.by_order ? 'by order' : ''];
    return {
      printer: p.id, is_on: plan.enabled, targets: targets.filter(Boolean).join(', '), is_running: !!run, step: run ? 'photographing' : '', layer: run?.layer ?? null,
      n_points: run?.n_points ?? 0, n_done: run?.n_done ?? 0, job: `j-${p.id}`, job_name: p.job.name, job_started_at: p.since_at, current_layer: p.job.layer, has_file: true,
      n_completed: of('completed').length, n_failed: of('failed').length, n_missed: of('missed').length, missed: of('missed').map((c) => c.layer),
    };
  }

  run(p) {
    const plan = this.plans.get(p.id);
    if (this.running.has(p.id)) throw new this.Refusal(409, 'conflict', 'A layer is being captured already.');
    if (p.activity !== 'printing') throw new this.Refusal(409, 'conflict', 'The printer is not printing: there is no layer to capture.');
    const points = this.grid(plan, p.job.layer).points.filter((x) => x.is_safe);
    const c = this.add(p, p.job.layer, { state: 'running' });
    Object.assign(c, { trigger: 'order', n_done: 0, started_at: new Date().toISOString(), ended_at: null });
    this.running.set(p.id, c);
    const end = (state, text) => {
      clearInterval(c.timer);
      this.running.delete(p.id);
      Object.assign(c, { state, text, ended_at: new Date().toISOString() });
      if (state === 'completed') this.photograph(c);
      this.tell({ type: 'capture', capture: c });
    };
    Object.defineProperty(c, 'end', { value: end, enumerable: false });
    const timer = setInterval(() => {
      c.n_done++;
      if (c.n_done >= points.length) end('completed', '');
      else this.tell({ type: 'capture', capture: c });
    }, 150);
    Object.defineProperty(c, 'timer', { value: timer, enumerable: false });
    this.tell({ type: 'capture', capture: c });
  }

  remove(test) {
    const before = this.list.length;
    this.list = this.list.filter((c) => !test(c));
    return { n_removed: before - this.list.length };
  }

  routes() {
    const printer = (id) => {
      const p = this.printers.find((x) => x.id === id);
      if (!p) throw new this.Refusal(404, 'not_found', 'There is no such printer.');
      if (!this.plans.has(id)) this.plans.set(id, { ...PLAN });
      return p;
    };
    const one = (id) => {
      const c = this.list.find((x) => x.id === id);
      if (!c) throw new this.Refusal(404, 'not_found', 'There is no such capture.');
      return c;
    };
    const answer = (p) => ({ plan: this.plans.get(p.id), status: this.status(p) });
    return [
      ['GET', 'printers/:id/capture', 'viewer', ({ id }) => answer(printer(id))],
      ['PATCH', 'printers/:id/capture', 'operator', ({ id, body }) => {
        const p = printer(id);
        const plan = { ...this.plans.get(id), ...body };
        this.log.orders.push({ plan: body });
        this.check(plan, body);
        this.plans.set(id, plan);
        return answer(p);
      }],
      ['POST', 'printers/:id/capture/preview', 'viewer', ({ id, body }) => {
        const p = printer(id);
        const { layer, ...change } = body;
        const plan = { ...this.plans.get(id), ...change };
        this.check(plan, change);
        return this.preview(p, plan, layer ?? p.job.layer ?? 1);
      }],
      ['POST', 'printers/:id/capture/orders', 'operator', ({ id, body }) => {
        const p = printer(id);
        this.log.orders.push({ capture: body.order });
        if (body.order === 'run') this.run(p);
        else if (this.running.has(id)) this.running.get(id).end('failed', 'Ended by a person.');
        else throw new this.Refusal(409, 'conflict', 'No layer is being captured.');
        return this.status(p);
      }],
      ['GET', 'captures', 'viewer', ({ q }) => {
        const l = this.list.filter((c) => (!q.get('printer') || c.printer === q.get('printer')) && (!q.get('job') || c.job === q.get('job')));
        return { captures: l.slice(l.findIndex((c) => c.id === q.get('before')) + 1).slice(0, Number(q.get('limit')) || 100) };
      }],
      ['DELETE', 'captures', 'admin', ({ q }) => this.remove((c) => c.job === q.get('job') && (!q.get('layer') || c.layer === Number(q.get('layer'))))],
      ['GET', 'captures/:id', 'viewer', ({ id }) => ({ ...one(id), pictures: one(id).pics })],
      ['DELETE', 'captures/:id', 'admin', ({ id }) => this.remove((c) => c === one(id))],
      ['GET', 'captures/:id/pictures/\\d+', 'viewer', ({ id, request, response }) => {
        const c = one(id);
        const pic = c.pics[Number(/pictures\/(\d+)/.exec(request.url)[1])];
        if (!pic) throw new this.Refusal(404, 'not_found', 'There is no such picture.');
        const key = `${c.layer} ${pic.camera}`;
        if (!this.shots.has(key)) {
          const isSide = pic.camera.endsWith('side');
          this.shots.set(key, encodeJpeg(drawScene({ kind: isSide ? 1 : 0, done: c.layer / 120, layer: c.layer, layers: 120, at: 1.7e12, isLit: true }), WIDTH, HEIGHT, 60));
        }
        response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Cache-Control': 'private, max-age=31536000, immutable' });
        response.end(this.shots.get(key));
      }],
      ['GET', 'capture-archive', 'viewer', ({ q, response }) => {
        const name = q.get('format') === 'dataset' ? 'dataset.tar' : 'captures.zip';
        response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Disposition': `attachment; filename="${name}"` });
        response.end('archive');
      }],
    ];
  }
}
