// SPDX-License-Identifier: GPL-3.0-or-later
// The printers of the mock server: one for each thing that can be so.

const iso = (ms) => (ms ? new Date(ms).toISOString() : null);
const tray = (type, brand, color, remain) => ({
  present: true, filament_id: 'GFA00', type, brand, color, remain_percent: remain, full_g: 1000, nozzle_min_c: 190, nozzle_max_c: 240,
});
const empty = () => ({
  present: false, filament_id: '', type: '', brand: '', color: '', remain_percent: null, full_g: null, nozzle_min_c: null, nozzle_max_c: null,
});

function printer(id, name, model, more = {}) {
  return {
    id, name, driver: 'bambu', address: `192.168.1.${40 + id.length}`, serial: `00M00A0000${id.toUpperCase()}`, model,
    link: { state: 'online', text: '' }, stale: false, heard_at: iso(Date.now()), activity: 'idle', pause: '', since_at: iso(Date.now() - 3e6),
    stage: { number: -1, text: '' },
    job: { name: '', file: '', layer: null, layers: null, percent: null, remaining_min: null, prepare_percent: null },
    nozzles: [{ now_c: 24.3, target_c: 0, name: 'nozzle', diameter_mm: 0.4, type: 'hardened steel', tray: null }],
    active_nozzle: 0, bed: { now_c: 23.8, target_c: 0 }, chamber: { now_c: null, target_c: null },
    fans: { part: 0, aux: null, chamber: null, heatbreak: 0 }, speed: { level: 2, percent: 100 }, lights: [{ name: 'chamber', on: true }],
    ams: [], external: [tray('PETG', 'PETG Basic', '2E3B4EFF', null)], tray_now: -1, error: null, hms: [], firmware: '01.04.00.00',
    has_update: false, needs_developer_mode: false, door: null, has_storage: true, wifi: '-47dBm', camera: { on: true, text: '' },
    records_timelapse: false, ...more,
  };
}

const job = (name, layer, layers, percent, remaining) => ({
  name, file: `${name}.gcode.3mf`, layer, layers, percent, remaining_min: remaining, prepare_percent: 100,
});
const hot = (n, t, tray_ = null, name = 'nozzle') => ({ now_c: n, target_c: t, name, diameter_mm: 0.4, type: 'hardened steel', tray: tray_ });

export function makePrinters() {
  const now = Date.now();
  return [
    printer('anna', 'Anna', 'A1', {
      activity: 'printing', since_at: iso(now - 5.1e6), stage: { number: 0, text: 'printing' },
      job: job('Vase, spiral', 84, 212, 39, 72), nozzles: [hot(219.6, 220, 1)], bed: { now_c: 64.8, target_c: 65 },
      fans: { part: 80, aux: null, chamber: null, heatbreak: 100 },
      ams: [{ id: 0, kind: 'AMS Lite', humidity_level: null, humidity_percent: null, temp_c: null, dry_minutes_left: 0,
        trays: [tray('PLA', 'PLA Basic', 'F4F6F8FF', 64), tray('PLA', 'PLA Matte', '4CC2FFFF', 31), tray('PLA', 'PLA Silk', 'C9A227FF', 88), empty()] }],
      tray_now: 1,
    }),
    printer('bertha', 'Bertha', 'P1S', {
      activity: 'printing', since_at: iso(now - 9.3e6), stage: { number: 0, text: 'printing' },
      job: job('Bracket, set of four', 190, 205, 93, 9), nozzles: [hot(254.2, 255, 2)], bed: { now_c: 79.9, target_c: 80 },
      chamber: { now_c: 38.5, target_c: null }, fans: { part: 30, aux: 40, chamber: 50, heatbreak: 100 },
      ams: [{ id: 0, kind: 'AMS', humidity_level: 4, humidity_percent: 24, temp_c: 27.1, dry_minutes_left: 0,
        trays: [tray('PETG', 'PETG HF', '111417FF', 12), tray('ABS', 'ABS', 'D84A3AFF', 70), tray('PETG', 'PETG HF', '2F8F4EFF', 55), tray('PLA', 'PLA Basic', 'FFE14DFF', 97)] }],
      tray_now: 2, door: { open: false },
    }),
    printer('clara', 'Clara', 'X1C', {
      activity: 'paused', pause: 'runout', since_at: iso(now - 4e5), stage: { number: 6, text: 'paused: filament ran out' },
      job: job('Helmet, left half', 310, 744, 46, 402), nozzles: [hot(150.4, 140, 0)], bed: { now_c: 60.1, target_c: 60 },
      chamber: { now_c: 33, target_c: null }, fans: { part: 0, aux: 0, chamber: 30, heatbreak: 100 },
      ams: [{ id: 0, kind: 'AMS', humidity_level: 2, humidity_percent: 41, temp_c: 25.9, dry_minutes_left: 0,
        trays: [empty(), tray('PLA', 'PLA Basic', '8A8F98FF', 8), empty(), empty()] }],
      tray_now: 0, door: { open: false },
      hms: [{ code: '0700_2000_0002_0001', severity: 2, module: 'AMS', text: 'The filament in slot 1 of the AMS has run out. Put in a new spool; the print waits.', wiki: 'https://wiki.bambulab.com/en/x1/troubleshooting/hmscode/0700_2000_0002_0001' }],
    }),
    printer('dora', 'Dora', 'A1 mini', { activity: 'finished', since_at: iso(now - 2.4e6), job: job('Cube', 60, 60, 100, 0), lights: [{ name: 'chamber', on: false }] }),
    printer('emil', 'Emil', 'H2D', {
      activity: 'preparing', since_at: iso(now - 1.2e5), stage: { number: 2, text: 'heating the bed' }, job: { ...job('Gears, two colours', 0, 388, 0, 275), prepare_percent: 100 },
      nozzles: [hot(140.2, 245, 0, 'right'), hot(38.4, 220, 4, 'left')], bed: { now_c: 41.3, target_c: 70 }, chamber: { now_c: 31.2, target_c: 45 },
      fans: { part: 0, aux: 0, chamber: 0, heatbreak: 60 }, external: [tray('PLA', 'Support for PLA', 'F0F0F0FF', null), empty()],
      ams: [{ id: 0, kind: 'AMS 2 Pro', humidity_level: 5, humidity_percent: 14, temp_c: 44.8, dry_minutes_left: 184,
        trays: [tray('PLA', 'PLA Basic', 'E4572EFF', 45), empty(), tray('PLA', 'PLA Basic', '1F2A44FF', 100), empty()] }],
      tray_now: 0, door: { open: true },
    }),
    printer('frida', 'Frida', 'P1P', {
      link: { state: 'offline', text: 'Not heard since a quarter of an hour. Bedside keeps trying every minute. Is the printer on and on the network?' },
      stale: true, heard_at: iso(now - 9e5), activity: 'printing', since_at: iso(now - 6e6), job: job('Lamp shade', 120, 300, 41, 130),
      nozzles: [hot(214.7, 220)], bed: { now_c: 59.2, target_c: 60 }, camera: { on: true, text: '' },
    }),
    printer('gerda', 'Gerda', 'X1E', {
      link: { state: 'refused', text: 'The certificate of this printer does not lead to the maker. Nothing was sent to it. Compare its fingerprint, then trust it.' },
      heard_at: null, activity: 'unknown', nozzles: [], bed: { now_c: null, target_c: null }, external: [],
      camera: { on: false, text: 'No picture: the printer’s certificate is not trusted yet.' },
    }),
  ];
}

export function makeCameras(printers) {
  return printers.map((p, i) => ({
    id: `${p.id}-camera`, name: `${p.name}’s camera`, driver: 'bambu', printer: p.id, printers: [p.id], origin: 'printer', state: p.stale || p.link.state === 'refused' ? 'no_signal' : 'live',
    text: p.stale ? 'The camera does not answer. Bedside tries again every 30 s.' : p.link.state === 'refused' ? p.camera.text : '',
    newest_at: iso(Date.now()), width: 640, height: 360, per_second: i % 2 ? 1 : 0.5, n_frames: 12345 + i * 100, n_refused: i, n_reconnects: i * 2, watchers: 1,
  }));
}

export function makeSession(p, state, n, text = '') {
  return {
    id: `s-${p.id}`, printer: p.id, job: `j-${p.id}`, job_name: p.job.name, job_file: p.job.file, task_id: '', state, state_text: text,
    started_at: p.since_at, ended_at: null, n_frames: n, n_missed: p.id === 'clara' ? 1 : 0, layer: p.job.layer, layers: p.job.layers,
    bytes: n * 81_000, forecast_bytes: (p.job.layers ?? 0) * 81_000, is_thinned: false, keep_one_in: 1, outcome: '',
  };
}

const PLAN = { fps: 25, duration_s: 0, hold_s: 2, crf: 23, width: 0, height: 0, preset: 'veryfast' };

export function makeFilm(id, printer, name, more = {}) {
  return {
    id, session: `s-old-${id}`, printer, camera: `${printer}-camera`, job_name: name, file: `films/${id}.mp4`, poster: `films/${id}.jpg`, state: 'verified', text: '',
    made_at: iso(Date.now() - 3.6e6), duration_s: 8, fps: 15, width: 640, height: 360, n_frames: 120, n_skipped: 0, bytes: 1_734_012, progress_percent: 100, plan: PLAN, ...more,
  };
}

export function makeFilms() {
  const h = 3.6e6;
  return [
    { ...makeFilm('f-anna', 'anna', 'Vase, spiral', { state: 'growing', session: 's-anna', made_at: null, duration_s: 3.4, n_frames: 84, progress_percent: 39, bytes: 640_000 }) },
    makeFilm('f-dora', 'dora', 'Cube', { made_at: iso(Date.now() - 0.66 * h) }),
    makeFilm('f-3', 'bertha', 'Cable clips', { made_at: iso(Date.now() - 5 * h), n_frames: 88, n_skipped: 2 }),
    makeFilm('f-4', 'clara', 'Planter with a long name that does not fit on one line of a card', { made_at: iso(Date.now() - 26 * h), duration_s: 42, n_frames: 1050 }),
    makeFilm('f-5', 'anna', 'Dragon, articulated', { made_at: iso(Date.now() - 50 * h), state: 'ready', text: 'Plays; it is being decoded once more to be sure.' }),
    makeFilm('f-6', 'frida', 'Lamp shade, first try', { state: 'failed', made_at: iso(Date.now() - 74 * h), text: 'Only 3 pictures were taken, and a film needs 10. The pictures are kept.', duration_s: null, n_frames: 3, bytes: 0, poster: '' }),
  ];
}

export function makeNotices() {
  const m = 60_000;
  const list = [
    [4, 'warning', 'session', 'clara', 'Clara paused because filament ran out. The session waits and goes on with the print. Put in a new spool in slot 1.'],
    [15, 'alarm', 'printer', 'frida', 'Frida has not been heard for a minute. The session keeps its pictures and goes on when the printer is back.'],
    [32, 'info', 'film', 'dora', 'The film of “Cube” is ready: 120 pictures, 8 s, decoded to the last picture and counted.'],
    [44, 'info', 'session', 'dora', 'The print “Cube” on Dora is finished. 60 layers, 60 pictures.'],
    [80, 'warning', 'camera', 'frida-camera', 'No picture from Frida’s camera for 30 s. Bedside opens it again every 30 s.'],
    [26 * 60, 'info', 'disk', '', 'The next print needs about 1.2 GB; 214 GB are free.'],
    [27 * 60, 'alarm', 'printer', 'gerda', 'Gerda’s certificate does not lead to the maker. Nothing was sent to it.'],
  ];
  return list.map(([ago, level, topic, subject, text], i) => ({ id: `n${i}`, at: iso(Date.now() - ago * m), level, topic, subject, text }));
}

export function makeJobs(printers) {
  const list = [];
  const outcomes = ['finished', 'finished', 'failed', 'cancelled', 'finished', 'lost'];
  for (const p of printers)
    outcomes.forEach((outcome, i) => {
      const start = Date.now() - (i + 1) * 8.64e7;
      list.push({
        id: `j-${p.id}-${i}`, printer: p.id, name: ['Cable clips', 'Planter', 'Dragon, articulated', 'Lamp shade', 'Gear', 'Box'][i], file: 'x.gcode.3mf',
        started_at: iso(start), ended_at: iso(start + 5.4e6 + i * 9e5), outcome, reason: outcome === 'failed' ? 'The first layer came off the plate.' : '',
        layer: outcome === 'finished' ? 240 : 87, layers: 240, estimate_s: 5400, filament_g: 48.2 + i,
      });
    });
  return list;
}
