// SPDX-License-Identifier: GPL-3.0-or-later
// The cameras of the mock server: their settings, the controls of their devices, their tokens.
import { randomBytes } from 'node:crypto';

const slug = (s) => s.toLowerCase().normalize('NFD').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

const control = (name, title, kind, more) => ({
  name, title, kind, min: 0, max: 1, step: 1, fallback: 0, value: 0, is_read_only: false, is_inactive: false, choices: [], ...more,
});

function makeControls() {
  return [
    control('brightness', 'Brightness', 'number', { max: 255, fallback: 128, value: 128 }),
    control('white_balance_automatic', 'White balance, automatic', 'switch', { fallback: 1, value: 1 }),
    control('white_balance_temperature', 'White balance temperature', 'number', { min: 2800, max: 6500, fallback: 4000, value: 4600, is_inactive: true }),
    control('power_line_frequency', 'Power line frequency', 'menu', { max: 2, fallback: 2, value: 1, choices: [{ value: 0, title: 'Disabled' }, { value: 1, title: '50 Hz' }, { value: 2, title: '60 Hz' }] }),
    control('focus_absolute', 'Focus', 'number', { max: 250, step: 5, fallback: 0, value: 30 }),
  ];
}

const DEFAULTS = {
  printers: [], source: '', user: '', tls: 'ca', command: [], arguments: [], poll_ms: 1000, fps: null, size: '', format: 'auto', quality: 95, rotation: 0, flip: 'none',
  controls: [], focus: 'continuous', lens_position: 0, focus_window: '', exposure_bias: -0.5, full_still: false, always_open: false, latency_ms: 0, stale_after_ms: 10_000,
  ring_ms: 3000,
};

const DEVICES = [
  {
    source: 'usb:046d:0825:A1B2C3', title: 'Webcam C270', node: '/dev/video0', by_port: 'port:1-1.2:1.0', serial: 'A1B2C3', camera: '', text: '',
    sizes: [{ format: 'mjpeg', width: 1280, height: 720, fps: 30 }, { format: 'mjpeg', width: 640, height: 480, fps: 30 }, { format: 'yuyv', width: 640, height: 480, fps: 30 }],
  },
  { source: 'usb:1bcf:0b09', title: 'Side camera', node: '/dev/video2', by_port: 'port:1-1.4:1.0', serial: '', camera: 'anna-side', text: '', sizes: [{ format: 'mjpeg', width: 1920, height: 1080, fps: 30 }] },
];

/** A second camera of Anna, one of the room, one whose picture is old. */
export function moreCameras(cameras) {
  const like = (id, more) => ({ ...cameras[0], id, n_refused: 0, n_reconnects: 0, state: 'live', text: '', ...more });
  return [
    like('anna-side', { name: 'Anna from the side', driver: 'v4l2', printer: 'anna', printers: ['anna'], origin: 'page', width: 1280, height: 720, per_second: 12.5 }),
    like('room', { name: 'The room', driver: 'http-mjpeg', printer: '', printers: [], origin: 'file', width: 1280, height: 720, per_second: 5 }),
  ];
}

export class MockCameras {
  constructor({ cameras, tell, Refusal, log, base }) {
    Object.assign(this, { cameras, tell, Refusal, log, base });
    this.settings = new Map();
    this.controls = new Map();
    this.tokens = [];
    for (const c of cameras) this.learn(c);
  }

  learn(c) {
    const sources = { 'anna-side': 'usb:1bcf:0b09', room: 'http://192.168.1.60:8080/stream' };
    this.settings.set(c.id, { ...DEFAULTS, name: c.name, driver: c.driver, origin: c.origin ?? 'printer', printers: c.printers ?? [c.printer], source: sources[c.id] ?? '', has_password: false });
    if (c.driver === 'v4l2') this.controls.set(c.id, makeControls());
  }

  find(id) {
    const c = this.cameras.find((x) => x.id === id);
    if (!c) throw new this.Refusal(404, 'not_found', 'There is no camera of this id.');
    return c;
  }

  check(v) {
    const bad = (field, text) => {
      throw new this.Refusal(422, 'invalid', text, field);
    };
    if (v.driver === 'exec') bad('driver', 'cameras of the page may run a program only if bedside.yaml says so; write programs: yes under web: there and restart');
    if (v.driver?.startsWith('http') && !/^https?:/.test(v.source ?? '')) bad('source', 'source: must begin with http:// or https://');
  }

  apply(c, v) {
    const s = this.settings.get(c.id);
    for (const [k, x] of Object.entries(v)) if (k !== 'password') s[k] = x ?? DEFAULTS[k];
    if (v.password) s.has_password = true;
    Object.assign(c, { name: s.name, printers: s.printers, printer: s.printers[0] ?? '', rotation: s.rotation, is_flipped_h: /both|horizontal/.test(s.flip), is_flipped_v: /both|vertical/.test(s.flip) });
    this.tell({ type: 'camera', camera: c });
  }

  routes() {
    return [
      ['POST', 'cameras', 'admin', ({ body, response }) => {
        this.log.orders.push({ addCamera: body });
        this.check(body);
        const id = slug(body.name);
        if (this.cameras.some((c) => c.id === id)) throw new this.Refusal(422, 'invalid', `there is a camera or a printer called '${body.name}' already`, 'name');
        const c = { ...this.cameras[0], id, name: body.name, driver: body.driver, origin: 'page', printer: '', printers: [], state: 'live', text: '', n_frames: 3, n_refused: 0, n_reconnects: 0 };
        this.cameras.push(c);
        this.learn(c);
        this.apply(c, body);
        response.statusCode = 201;
        return c;
      }],
      ['PATCH', 'cameras/:id', 'admin', ({ id, body }) => {
        const c = this.find(id);
        this.log.orders.push({ changeCamera: body, id });
        if (c.origin !== 'page') throw new this.Refusal(409, 'conflict', `'${id}' stands in bedside.yaml: change it there and restart`);
        this.check({ ...this.settings.get(id), ...body });
        this.apply(c, body);
        return c;
      }],
      ['DELETE', 'cameras/:id', 'admin', ({ id }) => {
        const c = this.find(id);
        this.cameras.splice(this.cameras.indexOf(c), 1);
        this.tell({ type: 'camera_gone', id });
        return null;
      }],
      ['GET', 'cameras/:id/settings', 'admin', ({ id }) => ({ id, ...(this.find(id), this.settings.get(id)) })],
      ['GET', 'cameras/:id/controls', 'operator', ({ id }) => ({ controls: (this.find(id), this.controls.get(id) ?? []) })],
      ['POST', 'cameras/:id/controls', 'operator', ({ id, body }) => {
        this.find(id);
        const list = this.controls.get(id) ?? [];
        const c = list.find((x) => x.name === body.name);
        if (!c) throw new this.Refusal(422, 'invalid', `this camera has no control '${body.name}'`, 'value');
        this.log.orders.push({ control: body, id });
        c.value = body.value;
        const temperature = list.find((x) => x.name === 'white_balance_temperature');
        if (c.name === 'white_balance_automatic' && temperature) temperature.is_inactive = body.value !== 0;
        return null;
      }],
      ['GET', 'devices', 'admin', () => ({ devices: DEVICES })],
      ['POST', 'camera-test', 'admin', ({ body }) => {
        const isOk = !/dead/.test(body.source ?? '');
        return {
          is_ok: isOk, width: isOk ? 1280 : 0, height: isOk ? 720 : 0, n_frames: isOk ? 5 : 0, size: isOk ? 84_211 : 0, first_ms: isOk ? 412 : 0, shot_ms: isOk ? 80 : null,
          age_ms: isOk ? 34 : null, per_second: isOk ? 12.5 : 0, text: isOk ? '' : 'no picture: nothing answers at this address',
        };
      }],
      ['POST', 'cameras/:id/test', 'operator', ({ id }) => {
        const c = this.find(id);
        const isOk = c.state === 'live';
        return {
          is_ok: isOk, width: isOk ? c.width : 0, height: isOk ? c.height : 0, n_frames: isOk ? 5 : 0, size: isOk ? 84_211 : 0, first_ms: isOk ? 412 : 0, shot_ms: isOk ? 80 : null,
          age_ms: isOk ? 34 : null, per_second: isOk ? 12.5 : 0, text: isOk ? '' : `no picture: ${c.text}`,
        };
      }],
      ['GET', 'camera-tokens', 'admin', () => ({ tokens: this.tokens })],
      ['POST', 'camera-tokens', 'admin', ({ body, user, response }) => {
        this.find(body.camera);
        const secret = `ct${randomBytes(16).toString('hex')}`;
        const token = { id: `t${this.tokens.length + 1}`, camera: body.camera, name: body.name, made_by: user.name, created_at: new Date().toISOString(), expires_at: body.expires_in_min ? new Date(Date.now() + body.expires_in_min * 6e4).toISOString() : null, last_used_at: null };
        this.tokens.push(token);
        response.statusCode = 201;
        return { token, secret, path: `${this.base}c/${secret}/` };
      }],
      ['DELETE', 'camera-tokens/:id', 'admin', ({ id }) => {
        this.tokens = this.tokens.filter((t) => t.id !== id);
        return null;
      }],
    ];
  }
}

/** One page's wall: what it wants, sent as it acknowledges. */
export class MockWall {
  constructor({ socket, send, find, shotOf, faults, log }) {
    Object.assign(this, { send, find, shotOf, faults, log });
    this.tiles = [];
    this.generation = 0;
    this.number = 0;
    this.acked = 0;
    this.timer = setInterval(() => this.beat(), 100);
    socket.on('close', () => clearInterval(this.timer));
  }

  hear(m) {
    if (Array.isArray(m.want)) {
      this.tiles = m.want.map((w) => ({ ...w, sentAt: 0, last: 0, told: '' }));
      this.generation = m.generation ?? 0;
      this.log.wall = m.want;
    }
    if (typeof m.ack === 'number') this.acked = Math.max(this.acked, m.ack);
  }

  beat() {
    this.tiles.forEach((t, index) => {
      const c = this.find(t.camera);
      const isDead = !c || c.state === 'no_signal' || this.faults.deadCameras.has(t.camera);
      const state = !c ? 'gone' : isDead ? 'no_signal' : c.state;
      if (state !== t.told) {
        t.told = state;
        const text = !c ? 'There is no camera of this id.' : isDead ? c.text || 'The camera stopped answering. Bedside tries again every 30 s.' : '';
        this.send(0x81, Buffer.from(JSON.stringify({ type: 'state', index, camera: t.camera, generation: this.generation, state, text, newest_at: null })));
      }
      if (isDead || c.state === 'stale' || this.number - this.acked > 16) return;
      const s = this.shotOf(c);
      if (s.at === t.last || (t.fps && Date.now() - t.sentAt < 900 / t.fps)) return;
      t.last = s.at;
      t.sentAt = Date.now();
      const head = Buffer.alloc(28);
      head[0] = 1;
      head[1] = this.generation;
      head.writeUInt16BE(index, 2);
      head.writeUInt32BE(++this.number, 4);
      head.writeBigUInt64BE(BigInt(s.at), 8);
      head.writeUInt32BE(Date.now() - s.at, 16);
      head.writeUInt32BE(s.jpeg.length, 20);
      head.writeUInt16BE(640, 24);
      head.writeUInt16BE(360, 26);
      this.log.sent = (this.log.sent ?? 0) + 1;
      this.send(0x82, Buffer.concat([head, s.jpeg]));
    });
  }
}
