// SPDX-License-Identifier: GPL-3.0-or-later
// A server that speaks the API with invented, lively data: for working on the page and for its
// tests. Nothing but node. `node dev/mock-server.mjs [--port 8485] [--setup] [--empty] [--base /x/]`
// Accounts: admin, operator, viewer; each password is the name followed by "-password".
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { encodeJpeg } from './jpeg.mjs';
import { MockCameras, MockWall, moreCameras } from './mock-cameras.mjs';
import { MockCaptures } from './mock-captures.mjs';
import { MockEnvironment } from './mock-environment.mjs';
import { MockPull } from './mock-pull.mjs';
import { MockRigs } from './mock-rigs.mjs';
import { makeCameras, makeFilm, makeFilms, makeJobs, makeNotices, makePrinters, makeSession } from './mock-data.mjs';
import { drawScene, HEIGHT, WIDTH } from './scene.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const DIST = join(HERE, '..', 'dist');
const FILM = join(HERE, 'film.mp4');
const RANK = { viewer: 0, operator: 1, admin: 2 };
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};
const CSP = "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'";

class Refusal extends Error {
  constructor(status, code, text, field) {
    super(text);
    Object.assign(this, { status, code, field });
  }
}

const WHO = { operator: 'Operators and administrators can do this.', admin: 'Administrators can do this.' };

export async function startMock({ port = 0, needsSetup = false, isEmpty = false, base = '/', isDemo = false, speed = 1, copies = 0 } = {}) {
  const printers = isEmpty ? [] : makePrinters();
  for (let i = 0; i < copies; i++) {
    const p = makePrinters()[i % 2];
    printers.push({ ...p, id: `${p.id}-${i}`, name: `${p.name} ${i + 2}` });
  }
  const cameras = makeCameras(printers);
  if (!isEmpty) cameras.push(...moreCameras(cameras));
  const sessions = new Map();
  let films = isEmpty ? [] : makeFilms();
  let notices = isEmpty ? [] : makeNotices();
  const jobs = makeJobs(printers);
  const storage = {
    free_bytes: 214e9, total_bytes: 512e9, frames_bytes: 38.4e9, films_bytes: 12.1e9, floor_bytes: 5e9, budget_bytes: 100e9,
    text: 'Enough for about 2 600 more prints like the last ones.',
  };
  const layers = new Map();
  const users = [
    { id: 1, name: 'admin', role: 'admin', is_root: true, created_at: '2026-01-02T10:00:00Z', expires_at: null, last_seen_at: new Date().toISOString() },
    { id: 2, name: 'operator', role: 'operator', is_root: false, created_at: '2026-02-02T10:00:00Z', expires_at: null, last_seen_at: null },
    { id: 3, name: 'viewer', role: 'viewer', is_root: false, created_at: '2026-03-02T10:00:00Z', expires_at: '2027-03-02T10:00:00Z', last_seen_at: null },
  ];
  const passwords = new Map(users.map((u) => [u.name, `${u.name}-password`]));
  const keys = [];
  const tokens = new Map();
  const sockets = new Set();
  const walls = new Set();
  const log = { requests: [], orders: [], wall: [], sent: 0 };
  const faults = { refuseSockets: false, refuseWall: false, deadCameras: new Set(), answer: null, denies: false };
  let nextId = 100;

  if (!isEmpty) {
    const of = (id) => printers.find((p) => p.id === id);
    sessions.set('s-anna', makeSession(of('anna'), 'recording', 84));
    sessions.set('s-bertha', makeSession(of('bertha'), 'recording', 190));
    sessions.set('s-clara', makeSession(of('clara'), 'paused', 309, 'Waits: filament ran out. It goes on by itself with the print.'));
    sessions.set('s-emil', makeSession(of('emil'), 'armed', 0));
    sessions.set('s-frida', makeSession(of('frida'), 'recording', 119));
    for (const p of printers) {
      const n = p.job.layer ?? 0;
      layers.set(p.id, Array.from({ length: n }, (_, i) => layerOf(p, i + 1, Date.now() - (n - i) * 41_000 - Math.sin(i) * 9000)));
    }
  }

  function layerOf(p, number, at) {
    return {
      job: `j-${p.id}`, printer: p.id, number, layers: p.job.layers, z_mm: number * 0.2, at: new Date(at).toISOString(), confidence: number % 17 ? 1 : 0.7,
      reason: number % 17 ? 'reported by the printer' : `inferred: the report of layer ${number} never came`, is_catching_up: false,
    };
  }

  /* --- pictures --- */

  const shots = new Map();
  function shotOf(camera) {
    const p = printers.find((x) => x.id === camera.printer) ?? printers[1] ?? makePrinters()[3];
    const known = shots.get(camera.id);
    const isMoving = p.activity === 'printing' || p.activity === 'preparing';
    if (known && Date.now() - known.at < (isMoving ? 900 : 2000)) return known;
    const at = Date.now();
    const rgb = drawScene({
      kind: printers.indexOf(p) + (camera.origin && camera.origin !== 'printer' ? 1 : 0), done: (p.job.percent ?? 0) / 100, layer: p.job.layer ?? 0, layers: p.job.layers ?? 0, at: isMoving ? at : 1.7e12, isLit: p.lights[0]?.on ?? true,
    });
    const shot = { at, jpeg: encodeJpeg(rgb, WIDTH, HEIGHT, 70) };
    shots.set(camera.id, shot);
    return shot;
  }

  let poster = null;
  const posterJpeg = () => (poster ??= encodeJpeg(drawScene({ kind: 0, done: 1, layer: 120, layers: 120, at: 1.7e12 }), WIDTH, HEIGHT, 75));

  /* --- live --- */

  function frame(data, opcode = 0x81) {
    const head =
      data.length < 126 ? Buffer.from([opcode, data.length])
      : data.length < 65536 ? Buffer.from([opcode, 126, data.length >> 8, data.length & 255])
      : Buffer.from([opcode, 127, 0, 0, 0, 0, (data.length >>> 24) & 255, (data.length >> 16) & 255, (data.length >> 8) & 255, data.length & 255]);
    return Buffer.concat([head, data]);
  }

  const say = (s, m) => s.socket.write(frame(Buffer.from(JSON.stringify({ seq: ++s.seq, ...m }))));
  const tell = (m) => sockets.forEach((s) => say(s, m));

  function snapshot(s) {
    say(s, {
      type: 'snapshot', now: new Date().toISOString(), version: '0.1.0-mock', printers, cameras, sessions: [...sessions.values()],
      films: films.slice(0, 50), notices: notices.slice(0, 50), storage,
    });
  }

  function upgrade(request, socket) {
    const url = new URL(request.url, 'http://x');
    const user = userOf(request);
    const isWall = url.pathname.endsWith('/api/v1/wall');
    if ((!isWall && !url.pathname.endsWith('/api/v1/live')) || !user || faults.refuseSockets || (isWall && faults.refuseWall)) {
      socket.end(`HTTP/1.1 ${user ? 503 : 401} No\r\nConnection: close\r\n\r\n`);
      return;
    }
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    const s = { socket, seq: 0, user: user.name };
    const wall = isWall
      ? new MockWall({ socket, faults, log, shotOf, find: (id) => cameras.find((c) => c.id === id), send: (opcode, data) => socket.write(frame(data, opcode)) })
      : null;
    (isWall ? walls : sockets).add(s);
    const gone = () => (isWall ? walls : sockets).delete(s);
    socket.on('close', gone);
    socket.on('error', gone);
    let have = Buffer.alloc(0);
    socket.on('data', (d) => {
      have = Buffer.concat([have, d]);
      for (;;) {
        if (have.length < 6) return;
        const length = have[1] & 127;
        const skip = length === 126 ? 4 : 2;
        const size = length === 126 ? have.readUInt16BE(2) : length;
        if (have.length < skip + 4 + size) return;
        const mask = have.subarray(skip, skip + 4);
        const body = Buffer.from(have.subarray(skip + 4, skip + 4 + size)).map((b, i) => b ^ mask[i & 3]);
        const opcode = have[0] & 15;
        have = have.subarray(skip + 4 + size);
        if (opcode === 8) return socket.end();
        if (opcode === 1 && wall) wall.hear(JSON.parse(body.toString()));
        else if (opcode === 1 && JSON.parse(body.toString()).type === 'resync') {
          log.orders.push({ resync: true });
          snapshot(s);
        }
      }
    });
    if (!wall) snapshot(s);
  }

  /* --- life --- */

  const noise = (v, target, k) => (target ? v + (target - v) * 0.08 + Math.sin(Date.now() / 1300 + k) * 0.25 : v + (24 - v) * 0.02);
  const round = (v) => Math.round(v * 100) / 100;
  let beats = 0;

  function beat() {
    beats++;
    printers.forEach((p, k) => {
      if (p.link.state !== 'online') return;
      const part = { id: p.id, heard_at: (p.heard_at = new Date().toISOString()) };
      p.nozzles.forEach((n, i) => (n.now_c = round(noise(n.now_c, n.target_c, k + i))));
      p.bed.now_c = round(noise(p.bed.now_c, p.bed.target_c, k * 2));
      if (p.chamber.now_c !== null) p.chamber.now_c = round(p.chamber.now_c + Math.sin(Date.now() / 9000 + k) * 0.1);
      Object.assign(part, { nozzles: p.nozzles, bed: p.bed, chamber: p.chamber });
      if (p.activity === 'printing' && beats % Math.max(1, Math.round((k ? 9 : 5) / speed)) === 0) Object.assign(part, nextLayer(p));
      tell({ type: 'printer', printer: part });
    });
    if (beats % 10 === 0) tell({ type: 'heartbeat', now: new Date().toISOString() });
  }

  function nextLayer(p) {
    if (p.job.layer >= p.job.layers) return finish(p);
    p.job.layer++;
    p.job.percent = Math.min(100, Math.round((100 * p.job.layer) / p.job.layers));
    p.job.remaining_min = Math.max(0, Math.round(((p.job.layers - p.job.layer) * 34) / 60));
    const l = layerOf(p, p.job.layer, Date.now());
    const list = layers.get(p.id) ?? [];
    list.push(l);
    layers.set(p.id, list);
    tell({ type: 'layer', layer: l });
    const s = sessions.get(`s-${p.id}`);
    if (s?.state === 'recording') {
      Object.assign(s, { n_frames: s.n_frames + 1, layer: p.job.layer, bytes: s.bytes + 81_000 });
      tell({ type: 'frame', frame: { session: s.id, printer: p.id, camera: `${p.id}-camera`, number: s.n_frames, layer: s.layer } });
      tell({ type: 'session', session: s });
      const f = films.find((x) => x.session === s.id);
      if (f) {
        Object.assign(f, { n_frames: s.n_frames, duration_s: s.n_frames / 25, progress_percent: p.job.percent });
        tell({ type: 'film', film: f });
      }
    }
    return { job: p.job };
  }

  function finish(p) {
    Object.assign(p, { activity: 'finished', since_at: new Date().toISOString(), stage: { number: -1, text: '' } });
    p.job.remaining_min = 0;
    endSession(p, true);
    return { activity: p.activity, since_at: p.since_at, job: p.job, stage: p.stage };
  }

  function endSession(p, makesFilm) {
    const s = sessions.get(`s-${p.id}`);
    if (!s) return;
    Object.assign(s, { state: 'done', ended_at: new Date().toISOString() });
    tell({ type: 'session', session: s });
    sessions.delete(s.id);
    films = films.filter((f) => f.session !== s.id);
    if (!makesFilm) return s;
    const f = makeFilm(`f${nextId++}`, p.id, p.job.name, { session: s.id, state: 'finishing', progress_percent: 20, made_at: new Date().toISOString() });
    films.unshift(f);
    tell({ type: 'film', film: f });
    setTimeout(() => {
      Object.assign(f, { state: 'verified', progress_percent: 100 });
      tell({ type: 'film', film: f });
    }, 900);
    return s;
  }

  /* --- who asks --- */

  function userOf(request) {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (bearer) return keys.some((k) => k.secret === bearer) ? users[0] : null;
    const cookie = /bedside_session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
    const t = cookie ? tokens.get(cookie) : null;
    return t ? { ...t.user, csrf: t.csrf } : null;
  }

  function enter(response, user, remember) {
    const token = randomBytes(16).toString('hex');
    const csrf = randomBytes(8).toString('hex');
    tokens.set(token, { user, csrf });
    response.setHeader('Set-Cookie', `bedside_session=${token}; HttpOnly; SameSite=Strict; Path=${base}${remember ? '; Max-Age=604800' : ''}`);
    return { user, csrf };
  }

  /* --- routes: [method, pattern, role or null, (context) => JSON, or undefined when answered] --- */

  const find = (list, id, what) => {
    const x = list.find((y) => String(y.id) === id);
    if (!x) throw new Refusal(404, 'not_found', `There is no such ${what}.`);
    return x;
  };
  const paged = (list, q) => {
    let l = list.filter((x) => !q.get('printer') || x.printer === q.get('printer'));
    const from = l.findIndex((x) => x.id === q.get('before'));
    l = l.slice(from + 1);
    return l.slice(0, Number(q.get('limit')) || 100);
  };
  const plain = (u) => ({ ...u, csrf: undefined });

  const environment = new MockEnvironment({ tell, Refusal, log, isEmpty });
  const pull = new MockPull({ Refusal, log, isEmpty });
  const captures = new MockCaptures({ printers, cameras, tell, Refusal, log });
  const routes = [
    ['GET', 'start', null, ({ user }) => ({ needs_setup: needsSetup, has_link: false, is_demo: isDemo, is_signed_in: !!user, version: '0.1.0-mock' })],
    ['POST', 'setup', null, ({ body, response }) => {
      if (!needsSetup) throw new Refusal(410, 'gone', 'An administrator exists already. Sign in.');
      if (body.token !== 'good-token') throw new Refusal(403, 'forbidden', 'This set-up link has expired. Start Bedside again to get a new one.');
      if (body.password.length < 8) throw new Refusal(422, 'bad_field', 'Use at least 8 characters.', 'password');
      needsSetup = false;
      users[0].name = body.name;
      passwords.set(body.name, body.password);
      return enter(response, users[0], false);
    }],
    ['POST', 'login', null, ({ body, response }) => {
      const user = users.find((u) => u.name === body.name);
      if (!user || passwords.get(body.name) !== body.password) throw new Refusal(401, 'wrong', 'Name or password is wrong.');
      return enter(response, user, body.remember);
    }],
    ['POST', 'logout', 'viewer', ({ request }) => {
      tokens.delete(/bedside_session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1]);
      return null;
    }],
    ['GET', 'me', 'viewer', ({ user }) => ({ user: plain(user), csrf: user.csrf, is_demo: isDemo, version: '0.1.0-mock' })],
    ['POST', 'me/password', 'viewer', ({ user, body }) => {
      if (passwords.get(user.name) !== body.old) throw new Refusal(422, 'bad_field', 'The present password is wrong.', 'old');
      passwords.set(user.name, body.new);
      return null;
    }],
    ['GET', 'users', 'admin', () => ({ users })],
    ['POST', 'users', 'admin', ({ body }) => {
      if (users.some((u) => u.name === body.name)) throw new Refusal(422, 'bad_field', 'There is a user of this name already.', 'name');
      const u = { id: nextId++, name: body.name, role: body.role, is_root: false, created_at: new Date().toISOString(), expires_at: body.expires_in_min ? new Date(Date.now() + body.expires_in_min * 6e4).toISOString() : null, last_seen_at: null };
      users.push(u);
      passwords.set(u.name, body.password);
      return u;
    }],
    ['PATCH', 'users/:id', 'admin', ({ id, body }) => Object.assign(find(users, id, 'user'), body.role ? { role: body.role } : {})],
    ['DELETE', 'users/:id', 'admin', ({ id }) => {
      users.splice(users.indexOf(find(users, id, 'user')), 1);
      return null;
    }],
    ['GET', 'keys', 'admin', () => ({ keys: keys.map((k) => ({ ...k, secret: undefined })) })],
    ['POST', 'keys', 'admin', ({ body }) => {
      const k = { id: nextId++, name: body.name, scopes: body.scopes, created_at: new Date().toISOString(), last_used_at: null, expires_at: body.expires_at ?? null };
      const secret = `sk_${k.id}_${randomBytes(16).toString('hex')}`;
      keys.push({ ...k, secret });
      return { key: k, secret };
    }],
    ['DELETE', 'keys/:id', 'admin', ({ id }) => {
      keys.splice(keys.indexOf(find(keys, id, 'key')), 1);
      return null;
    }],
    ['GET', 'audit', 'admin', ({ q }) => ({
      entries: ['login', 'command', 'session', 'printer_add', 'login_failed']
        .map((action, i) => ({ id: 50 - i, at: new Date(Date.now() - i * 7e5).toISOString(), user: i % 2 ? 'operator' : 'admin', address: '192.168.1.20', action, subject: i ? 'anna' : '', text: ['signed in', 'speed to sport: acknowledged', 'session paused', 'added', 'wrong password'][i] }))
        .filter((e) => (!q.get('user') || e.user === q.get('user')) && (!q.get('action') || e.action.startsWith(q.get('action')))),
    })],
    ['GET', 'printers', 'viewer', () => ({ printers })],
    ['POST', 'printers', 'admin', ({ body }) => {
      if (body.driver === 'octoprint' && !(body.api_key || body.pairing === 'pair-1')) throw new Refusal(422, 'bad_field', 'An API key is missing.', 'api_key');
      if (body.driver === 'prusalink' && !body.api_key && !(body.user && body.password)) throw new Refusal(422, 'bad_field', 'A login is missing.', 'password');
      if (body.driver === 'bambu' && body.access_code.length < 4) throw new Refusal(422, 'bad_field', 'The access code is too short; it is on the printer’s screen.', 'access_code');
      const p = { ...makePrinters()[3], id: `p${nextId++}`, name: body.name, address: body.address ?? new URL(body.url).hostname, url: body.url, serial: body.serial ?? '', activity: 'idle' };
      printers.push(p);
      layers.set(p.id, []);
      log.orders.push({ add: body });
      const c = makeCameras([p])[0];
      cameras.push(c);
      tell({ type: 'printer', printer: p, is_new: true });
      tell({ type: 'camera', camera: c });
      return p;
    }],
    ['GET', 'printers/:id', 'viewer', ({ id }) => find(printers, id, 'printer')],
    ['DELETE', 'printers/:id', 'admin', ({ id }) => {
      printers.splice(printers.indexOf(find(printers, id, 'printer')), 1);
      tell({ type: 'printer_gone', id });
      return null;
    }],
    ['GET', 'printers/:id/raw', 'admin', ({ id }) => ({ print: { gcode_state: 'RUNNING', mc_percent: 39, subtask_name: find(printers, id, 'printer').job.name } })],
    ['POST', 'printers/:id/commands', 'operator', ({ id, body }) => {
      const p = find(printers, id, 'printer');
      log.orders.push({ id, ...body });
      if (faults.answer) return faults.answer;
      if (p.link.state !== 'online') return { answer: 'not_sent', reason: 'The printer is not connected.' };
      if (p.model === 'X1C') return { answer: 'refused', reason: 'The firmware takes orders only in Developer mode. Switch it on at the printer: Settings, LAN only, Developer mode.' };
      if (body.command === 'home') return { answer: 'timed_out', reason: '' };
      const part = { id };
      if (body.command === 'pause') part.activity = p.activity = 'paused';
      if (body.command === 'resume') part.activity = p.activity = 'printing';
      if (body.command === 'stop') part.activity = p.activity = 'cancelled';
      if (body.command === 'speed') part.speed = p.speed = { level: body.level, percent: [0, 50, 100, 124, 166][body.level] };
      if (body.command === 'light') part.lights = p.lights = [{ name: 'chamber', on: body.on }];
      if (body.command === 'fan') part.fans = p.fans = { ...p.fans, [body.fan]: body.percent };
      if (body.command === 'bed_temp') part.bed = p.bed = { ...p.bed, target_c: body.celsius };
      if (body.command === 'nozzle_temp') p.nozzles[body.nozzle].target_c = body.celsius;
      tell({ type: 'printer', printer: part });
      return { answer: 'acknowledged', reason: '' };
    }],
    ['POST', 'printers/:id/session', 'operator', ({ id, body }) => {
      const p = find(printers, id, 'printer');
      let s = sessions.get(`s-${id}`);
      log.orders.push({ id, ...body });
      if (body.order === 'start') {
        if (s) throw new Refusal(409, 'conflict', 'A session is running already.');
        s = makeSession(p, 'recording', 0);
        sessions.set(s.id, s);
      } else if (!s) throw new Refusal(409, 'conflict', 'No session is running on this printer.');
      else if (body.order === 'pause') s.state = 'paused';
      else if (body.order === 'resume') s.state = 'recording';
      else if (body.order === 'shoot') s.n_frames++;
      else return endSession(p, body.order === 'stop');
      tell({ type: 'session', session: s });
      return s;
    }],
    ['GET', 'printers/:id/layers', 'viewer', ({ id }) => ({ layers: (layers.get(id) ?? []).slice(-2000) })],
    ['POST', 'printers/:id/doctor', 'admin', ({ id }) => {
      const isBad = find(printers, id, 'printer').link.state !== 'online';
      return {
        steps: [
          { name: 'name', is_ok: true, took_ms: 2, text: 'The name leads to 192.168.1.44.', advice: '' },
          { name: 'tcp', is_ok: true, took_ms: 4, text: 'Ports 8883, 990 and 6000 answer.', advice: '' },
          { name: 'tls', is_ok: true, took_ms: 61, text: 'TLS 1.2 on all of them.', advice: '' },
          { name: 'certificate', is_ok: !isBad, took_ms: 1, text: isBad ? 'The certificate does not lead to the maker.' : 'Leads to the maker and names this serial number.', advice: isBad ? 'Compare the fingerprint below. If this is your printer, trust exactly this certificate.' : '' },
          { name: 'login', is_ok: !isBad, took_ms: isBad ? null : 33, text: isBad ? 'Not tried: nothing is sent to a printer that is not trusted.' : 'The access code is right.', advice: '' },
        ],
      };
    }],
    ['GET', 'printers/:id/certificate', 'admin', ({ id }) => {
      const p = find(printers, id, 'printer');
      return { sha256: '3f1b'.repeat(16), subject: `CN=${p.serial}`, is_trusted: p.link.state !== 'refused' };
    }],
    ['POST', 'printers/:id/certificate', 'admin', ({ id, body }) => {
      const p = find(printers, id, 'printer');
      log.orders.push({ id, pin: body.sha256 });
      p.link = { state: 'connecting', text: '' };
      tell({ type: 'printer', printer: { id, link: p.link } });
      return { sha256: body.sha256, subject: `CN=${p.serial}`, is_trusted: true };
    }],
    ['POST', 'pairings', 'admin', ({ body }) => {
      if (!body.url.includes('octopi')) throw new Refusal(502, 'failed', 'This is no OctoPrint, or its plugin Application Keys is switched off.');
      log.orders.push({ pair: body });
      return { id: 'pair-1', state: 'waiting', where: `${body.url}/plugin/appkeys/auth/abc`, text: '' };
    }],
    ['GET', 'pairings/:id', 'admin', ({ id }) => ({ id, where: '', ...(faults.denies ? { state: 'failed', text: 'The request was denied in OctoPrint.' } : { state: 'allowed', text: '' }) })],
    ['DELETE', 'pairings/:id', 'admin', () => null],
    ['POST', 'discover', 'admin', async () => {
      await new Promise((r) => setTimeout(r, 400));
      return {
        printers: [
          { serial: '03919A123456789', name: 'Hanna', model: 'A1', address: '192.168.1.61', firmware: '01.05.00.00', connect: 'lan', is_known: false, certificate: { sha256: 'ab12'.repeat(16), chains: false } },
          { serial: '01P00A987654321', name: 'Ida', model: 'P1S', address: '192.168.1.62', firmware: '01.07.00.00', connect: 'lan', is_known: false, certificate: { sha256: 'cd34'.repeat(16), chains: true } },
          { serial: '00M00A0000ANNA', name: 'Anna', model: 'A1', address: '192.168.1.44', firmware: '01.04.00.00', connect: 'lan', is_known: true, certificate: null },
        ],
      };
    }],
    ['GET', 'cameras', 'viewer', () => ({ cameras })],
    ['GET', 'cameras/:id/snapshot', 'viewer', ({ id, response }) => {
      const c = find(cameras, id, 'camera');
      if (c.state === 'no_signal') throw new Refusal(503, 'no_signal', c.text);
      if (faults.deadCameras.has(id)) throw new Refusal(503, 'no_signal', 'The camera stopped answering. Bedside tries again every 30 s.');
      const s = shotOf(c);
      response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': s.jpeg.length, 'X-Captured-At': new Date(s.at).toISOString(), 'X-Age-Ms': Date.now() - s.at, 'Cache-Control': 'no-store' });
      response.end(s.jpeg);
    }],
    ['GET', 'cameras/:id/stream', 'viewer', ({ id, request, response }) => {
      const c = find(cameras, id, 'camera');
      if (c.state === 'no_signal') throw new Refusal(503, 'no_signal', c.text);
      response.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=part', 'Cache-Control': 'no-store' });
      let last = 0;
      const timer = setInterval(() => {
        if (faults.deadCameras.has(id)) return;
        const s = shotOf(c);
        if (s.at === last) return;
        last = s.at;
        response.write(`--part\r\nContent-Type: image/jpeg\r\nContent-Length: ${s.jpeg.length}\r\nX-Timestamp: ${(s.at / 1000).toFixed(6)}\r\n\r\n`);
        response.write(s.jpeg);
        response.write('\r\n');
      }, 200);
      request.on('close', () => clearInterval(timer));
    }],
    ...new MockCameras({ cameras, tell, Refusal, log, base }).routes(),
    ...captures.routes(),
    ...environment.routes(),
    ...pull.routes(),
    ...new MockRigs({ cameras, Refusal, log, shotOf, isEmpty }).routes(),
    ['GET', 'sessions', 'viewer', ({ q }) => ({ sessions: paged([...sessions.values()], q) })],
    ['GET', 'sessions/:id', 'viewer', ({ id }) => ({ ...find([...sessions.values()], id, 'session'), films: films.filter((f) => f.session === id) })],
    ['POST', 'sessions/:id/render', 'operator', ({ id, body, response }) => {
      const from = films.find((f) => f.session === id);
      if (!from) throw new Refusal(404, 'not_found', 'There is no such session.');
      if (body.fps > 60) throw new Refusal(422, 'bad_field', 'Choose 1 to 60 pictures a second.', 'fps');
      log.orders.push({ render: body });
      const f = makeFilm(`f${nextId++}`, from.printer, from.job_name, { session: id, state: 'finishing', progress_percent: 5, made_at: new Date().toISOString(), plan: { ...from.plan, ...body } });
      films.unshift(f);
      tell({ type: 'film', film: f });
      const timer = setInterval(() => {
        f.progress_percent = Math.min(100, f.progress_percent + 25);
        if (f.progress_percent === 100) {
          f.state = 'verified';
          clearInterval(timer);
        }
        tell({ type: 'film', film: f });
      }, 250);
      response.statusCode = 202;
      return { films: [f] };
    }],
    ['GET', 'films', 'viewer', ({ q }) => ({ films: paged(films, q) })],
    ['GET', 'films/:id', 'viewer', ({ id }) => find(films, id, 'film')],
    ['DELETE', 'films/:id', 'admin', ({ id }) => {
      find(films, id, 'film');
      films = films.filter((f) => f.id !== id);
      tell({ type: 'film_gone', id });
      return null;
    }],
    ['GET', 'films/:id/video', 'viewer', ({ id, q, request, response }) => video(find(films, id, 'film'), q, request, response)],
    ['GET', 'films/:id/poster', 'viewer', ({ id, response }) => {
      find(films, id, 'film');
      response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': posterJpeg().length });
      response.end(posterJpeg());
    }],
    ['GET', 'jobs', 'viewer', ({ q }) => ({ jobs: paged(jobs, q) })],
    ['GET', 'notices', 'viewer', () => ({ notices })],
    ['GET', 'snippets', 'viewer', ({ q }) => {
      const x = Number(q.get('park_x') ?? -38.2);
      if (x < -48.2 || x > 256) throw new Refusal(422, 'bad_field', `park: X${x} is out of reach of the A1, which goes from -48.2 to 256`, 'park_x');
      const isBambu = ['bambu', 'orca'].includes(q.get('slicer'));
      const one = (id, title, field, place, text) => ({ id, title, field, place, text });
      return {
        snippets: isBambu
          ? [
              one('start', 'Start', 'Machine start G-code', 'behind', '; Bedside: start\n'),
              one('layer', 'Time-lapse', 'Time lapse G-code', 'instead', `; Bedside: each layer\n${q.get('marker')}\nG1 X${x} F18000\n`),
            ]
          : [one('layer', 'Each layer', 'Insert at layer change', 'settings', `${q.get('marker')}\n`)],
        notes: q.get('clicks_rule') ? ['Put the switch elsewhere.'] : [], models: ['A1', 'P1S', 'other'], park_x: x, park_y: 128, press: -48.2,
        min_mm: [-48.2, 0], max_mm: [256, 256],
      };
    }],
    ['GET', 'storage', 'viewer', () => storage],
    ['GET', 'backup', 'admin', ({ response }) => {
      response.writeHead(200, { 'Content-Type': 'application/x-tar', 'Content-Disposition': 'attachment; filename="bedside-backup.tar"' });
      response.end('SQLite format 3\0');
    }],
  ].map(([method, pattern, role, run]) => ({ method, role, run, re: new RegExp(`^${pattern.replace(':id', '([^/]+)')}$`) }));

  function video(film, q, request, response) {
    const size = statSync(FILM).size;
    const head = { 'Content-Type': 'video/mp4', 'Accept-Ranges': 'bytes', ETag: `"${film.id}"` };
    if (q.get('download')) head['Content-Disposition'] = `attachment; filename="${film.id}.mp4"`;
    const m = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
    if (!m) {
      response.writeHead(200, { ...head, 'Content-Length': size });
      return void createReadStream(FILM).pipe(response);
    }
    const from = m[1] ? Number(m[1]) : size - Number(m[2]);
    const to = m[1] && m[2] ? Math.min(Number(m[2]), size - 1) : size - 1;
    response.writeHead(206, { ...head, 'Content-Range': `bytes ${from}-${to}/${size}`, 'Content-Length': to - from + 1 });
    createReadStream(FILM, { start: from, end: to }).pipe(response);
  }

  const readBody = async (request) => {
    const parts = [];
    for await (const p of request) parts.push(p);
    return parts.length ? JSON.parse(Buffer.concat(parts).toString() || '{}') : {};
  };

  async function api(path, q, request, response) {
    const user = userOf(request);
    log.requests.push(`${request.method} ${path}`);
    for (const r of routes) {
      const m = r.method === request.method && r.re.exec(path);
      if (!m) continue;
      if (r.role && !user) throw new Refusal(401, 'not_signed_in', 'Sign in first.');
      if (r.role && RANK[user.role] < RANK[r.role]) throw new Refusal(403, 'forbidden', WHO[r.role]);
      if (r.role && request.method !== 'GET' && request.headers['x-bedside-csrf'] !== user.csrf && !request.headers.authorization)
        throw new Refusal(403, 'csrf', 'The page is out of date. Load it again.');
      const body = request.method === 'GET' ? {} : await readBody(request);
      const answer = await r.run({ id: m[1] && decodeURIComponent(m[1]), q, user, body, request, response });
      if (response.headersSent) return;
      if (answer === null) {
        response.statusCode = 204;
        return response.end();
      }
      if (answer === undefined) return;
      response.setHeader('Content-Type', 'application/json');
      return response.end(JSON.stringify(answer));
    }
    throw new Refusal(404, 'not_found', 'There is no such address.');
  }

  function page(path, response) {
    const file = normalize(join(DIST, path));
    const isFile = file.startsWith(DIST) && existsSync(file) && statSync(file).isFile() && path !== 'index.html';
    if (!isFile && extname(path) && path !== 'index.html') {
      response.writeHead(404);
      return response.end();
    }
    const name = isFile ? file : join(DIST, 'index.html');
    response.setHeader('Content-Security-Policy', CSP);
    response.setHeader('Content-Type', TYPES[extname(name)] ?? 'application/octet-stream');
    const content = readFileSync(name);
    response.end(isFile ? content : content.toString().replace('<base href="/">', `<base href="${base}">`));
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    if (!url.pathname.startsWith(base)) {
      response.writeHead(404);
      return response.end();
    }
    const path = url.pathname.slice(base.length);
    if (!path.startsWith('api/v1/')) return page(path, response);
    api(path.slice(7), url.searchParams, request, response).catch((e) => {
      if (!(e instanceof Refusal)) console.error(e);
      if (response.headersSent) return response.end();
      response.writeHead(e.status ?? 500, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ error: { code: e.code ?? 'internal', text: e.message, field: e.field } }));
    });
  });
  server.on('upgrade', upgrade);
  await new Promise((ok, bad) => server.once('error', bad).listen(port, '127.0.0.1', ok));
  const timer = setInterval(beat, 1000 / speed);

  return {
    url: `http://127.0.0.1:${server.address().port}${base}`,
    printers, cameras, sessions, log, faults, storage, environment, pull, tell, walls,
    films: () => films,
    finish: (id) => tell({ type: 'printer', printer: { id, ...finish(find(printers, id, 'printer')) } }),
    notice(n) {
      notices = [n, ...notices];
      tell({ type: 'notice', notice: n });
    },
    skip: () => sockets.forEach((s) => (s.seq += 3)),
    signOutAll: () => tokens.clear(),
    drop() {
      for (const s of [...sockets, ...walls]) s.socket.destroy();
    },
    async close() {
      clearInterval(timer);
      for (const s of [...sockets, ...walls]) s.socket.destroy();
      server.closeAllConnections?.();
      await new Promise((r) => server.close(r));
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const arg = (name) => process.argv[process.argv.indexOf(name) + 1];
  const has = (name) => process.argv.includes(name);
  const mock = await startMock({
    port: has('--port') ? Number(arg('--port')) : 8485, needsSetup: has('--setup'), isEmpty: has('--empty'), base: has('--base') ? arg('--base') : '/', isDemo: has('--demo'),
  });
  console.log(mock.url);
}
