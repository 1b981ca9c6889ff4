// SPDX-License-Identifier: GPL-3.0-or-later
// Cameras in a browser as other programs' pages show them, from another origin and with a camera
// token, and many of them over the wall's WebSocket. Pixels are looked at, not only status codes.
import { expect, test, type Page } from '@playwright/test';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const command = process.env.BEDSIDE ?? '';
test.skip(!command, 'BEDSIDE does not say where the program is');
test.describe.configure({ mode: 'serial' });

let dir = '';
let daemon: ChildProcess | null = null;
let other: Server | null = null;
let base = '';
let elsewhere = '';
let token = '';
let page: Page;

function serve(config: string): Promise<RegExpExecArray> {
  daemon = spawn(command, ['serve', '--config', config, '--data', join(dir, 'data'), '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let all = '';
  return new Promise((done, fail) => {
    const hear = (d: Buffer) => {
      all += d;
      const said = /http:\/\/[^\s/]*(:\d+)\/\S*token=(\w+)/.exec(all);
      if (said) done(said);
    };
    daemon?.stdout?.on('data', hear);
    daemon?.stderr?.on('data', hear);
    daemon?.once('exit', () => fail(new Error(`it ended: ${all}`)));
  });
}

test.beforeAll(async ({ browser }) => {
  if (!command) return;
  dir = mkdtempSync(join(tmpdir(), 'bedside-clients-'));
  writeFileSync(
    join(dir, 'bedside.yaml'),
    `web: { listen: 127.0.0.1, port: 0 }
cameras:
  - { name: Left, driver: fake, size: 640x480, fps: 8 }
  - { name: Right, driver: fake, size: 320x240, fps: 8 }
  - { name: Wide, driver: fake, size: 1280x720, fps: 10 }
  - { name: Tall, driver: fake, size: 1280x720, fps: 10 }
  - { name: Below 1, driver: fake, size: 1280x720, fps: 10 }
  - { name: Below 2, driver: fake, size: 1280x720, fps: 10 }
`,
  );
  const said = await serve(join(dir, 'bedside.yaml'));
  base = `http://127.0.0.1${said[1]}/`;
  page = await browser.newPage();
  const set = await page.request.post(`${base}api/v1/setup`, { data: { token: said[2], name: 'root', password: 'correct horse' } });
  expect(set.ok()).toBe(true);
  const { csrf } = (await set.json()) as { csrf: string };
  const made = await page.request.post(`${base}api/v1/camera-tokens`, {
    data: { camera: 'left', name: 'another page' },
    headers: { 'X-Bedside-Csrf': csrf },
  });
  expect(made.status()).toBe(201);
  token = ((await made.json()) as { secret: string }).secret;
  other = createServer((_q, r) => r.setHeader('Content-Type', 'text/html').end('<!doctype html><title>another program</title>'));
  await new Promise<void>((done) => other?.listen(0, '127.0.0.1', done));
  elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
});

test.afterAll(async () => {
  await page?.close();
  other?.close();
  if (daemon && daemon.exitCode === null)
    await new Promise<void>((done) => {
      daemon?.once('exit', () => done());
      daemon?.kill('SIGTERM');
    });
  if (dir) rmSync(dir, { recursive: true, force: true });
});

test("another program's page shows the stream and may read its pixels", async ({ browser }) => {
  const theirs = await (await browser.newContext()).newPage();
  await theirs.goto(elsewhere);
  await theirs.evaluate((src) => {
    const img = document.createElement('img');
    img.crossOrigin = 'anonymous';
    img.src = src;
    document.body.append(img);
  }, `${base}c/${token}/?action=stream`);
  const look = () =>
    theirs.locator('img').evaluate((img: HTMLImageElement) => {
      const c = document.createElement('canvas');
      c.width = 64;
      c.height = 48;
      const g = c.getContext('2d')!;
      g.drawImage(img, 0, 0, 64, 48);
      const d = [...g.getImageData(0, 0, 64, 48).data];
      const mean = d.reduce((a, b) => a + b, 0) / d.length;
      return { width: img.naturalWidth, spread: Math.sqrt(d.reduce((a, b) => a + (b - mean) ** 2, 0) / d.length), print: d.join() };
    });
  await expect.poll(async () => (await look()).width).toBe(640);
  const first = await look();
  expect(first.spread).toBeGreaterThan(8);
  // It moves: the drawn camera shows its time.
  await expect.poll(async () => (await look()).print !== first.print).toBe(true);
  await theirs.close();
});

test('their script reads part by part, with the length of each', async ({ browser }) => {
  const theirs = await (await browser.newContext()).newPage();
  await theirs.goto(elsewhere);
  const seen = await theirs.evaluate(async (url) => {
    const answer = await fetch(url);
    const reader = answer.body!.getReader();
    let text = '';
    while (text.split('Content-Length: ').length < 4) {
      const { value, done } = await reader.read();
      if (done) break;
      text += new TextDecoder('latin1').decode(value);
    }
    await reader.cancel();
    return text.split('Content-Length: ').length - 1;
  }, `${base}c/${token}/stream.mjpg`);
  expect(seen).toBeGreaterThanOrEqual(3);
  const refused = await theirs.evaluate((url) => fetch(url).then((r) => r.status, () => 0), `${base}api/v1/cameras/left/snapshot`);
  expect(refused).toBe(0);
  await theirs.close();
});

test('the wall carries both cameras over one connection', async () => {
  await page.goto(base);
  const seen = await page.evaluate(
    (url) =>
      new Promise<{ width: number; spread: number }[]>((done, fail) => {
        const ws = new WebSocket(url);
        const found: { width: number; spread: number }[] = [];
        ws.binaryType = 'arraybuffer';
        ws.onopen = () => ws.send(JSON.stringify({ want: [{ camera: 'left', width: 300, fps: 5 }, { camera: 'right' }] }));
        ws.onerror = () => fail(new Error('no WebSocket'));
        ws.onmessage = async (m) => {
          if (typeof m.data === 'string') return;
          const head = new DataView(m.data as ArrayBuffer);
          ws.send(JSON.stringify({ ack: head.getUint32(4) }));
          const picture = await createImageBitmap(new Blob([(m.data as ArrayBuffer).slice(28)], { type: 'image/jpeg' }));
          const c = new OffscreenCanvas(64, 48);
          const g = c.getContext('2d')!;
          g.drawImage(picture, 0, 0, 64, 48);
          const d = [...g.getImageData(0, 0, 64, 48).data];
          const mean = d.reduce((a, b) => a + b, 0) / d.length;
          found[head.getUint16(2)] = { width: picture.width, spread: Math.sqrt(d.reduce((a, b) => a + (b - mean) ** 2, 0) / d.length) };
          if (found[0] && found[1]) {
            ws.close();
            done(found);
          }
        };
      }),
    `${base.replace('http', 'ws')}api/v1/wall`,
  );
  // The next size above what was wanted; the other as it comes.
  expect(seen.map((s) => s.width)).toEqual([320, 320]);
  expect(seen[0].spread).toBeGreaterThan(8);
  expect(seen[1].spread).toBeGreaterThan(8);
});

/** A line to the program that carries so many bytes a second downwards. */
function slowLine(port: number, bytesPerSecond: number): Promise<{ port: number; close: () => void }> {
  const open = new Set<Socket>();
  let allowed = 0;
  const waiting: (() => void)[] = [];
  const tick = setInterval(() => {
    allowed = Math.min(allowed + bytesPerSecond / 50, bytesPerSecond / 4);
    for (const go of waiting.splice(0)) go();
  }, 20);
  const server = createTcpServer((theirs) => {
    const ours = connect(port, '127.0.0.1');
    for (const s of [theirs, ours]) {
      open.add(s);
      s.on('error', () => {}).on('close', () => {
        ours.destroy();
        theirs.destroy();
      });
    }
    theirs.pipe(ours);
    ours.on('data', (d) => {
      ours.pause();
      const send = (rest: Buffer) => {
        const n = Math.max(0, Math.min(rest.length, Math.floor(allowed)));
        allowed -= n;
        if (n) theirs.write(rest.subarray(0, n));
        if (n < rest.length) waiting.push(() => send(rest.subarray(n)));
        else ours.resume();
      };
      send(d);
    });
  });
  return new Promise((done) =>
    server.listen(0, '127.0.0.1', () =>
      done({
        port: (server.address() as AddressInfo).port,
        close: () => {
          clearInterval(tick);
          for (const s of open) s.destroy();
          server.close();
        },
      }),
    ),
  );
}

test('on a slow line the wall becomes smaller and slower, not later; only what is on the screen comes', async () => {
  test.setTimeout(150_000);
  const line = await slowLine(Number(new URL(base).port), 250_000);
  const seen: { at: number; age: number; width: number; size: number; index: number }[] = [];
  let wanted: string[] = [];
  let level = 0;
  page.on('websocket', (ws) => {
    if (!ws.url().endsWith('/wall')) return;
    ws.on('framesent', ({ payload }) => {
      const m = JSON.parse(String(payload)) as { want?: { camera: string }[] };
      if (m.want) wanted = m.want.map((w) => w.camera);
    });
    ws.on('framereceived', ({ payload }) => {
      if (typeof payload === 'string') {
        const m = JSON.parse(payload) as { type: string; level: number };
        if (m.type === 'pace') level = m.level;
        return;
      }
      seen.push({
        at: Date.now(), age: Date.now() - Number(payload.readBigUInt64BE(8)), width: payload.readUInt16BE(24), size: payload.length, index: payload.readUInt16BE(2),
      });
    });
  });
  await page.setViewportSize({ width: 1440, height: 520 });
  await page.goto(`http://127.0.0.1:${line.port}/#/wall`);
  await expect.poll(() => level, { timeout: 90_000 }).toBeGreaterThan(0);
  const from = seen.length;
  await expect.poll(() => seen.length - from, { timeout: 60_000 }).toBeGreaterThan(40);
  const late = seen.slice(-30);
  const rate = (1000 * late.slice(1).reduce((n, p) => n + p.size, 0)) / (late[29].at - late[0].at);
  expect(rate).toBeLessThan(275_000);
  // What comes is smaller than what came first, and of now: nothing hoards.
  expect(Math.max(...late.map((p) => p.width))).toBeLessThan(Math.max(...seen.slice(0, 8).map((p) => p.width)));
  expect(late.map((p) => p.age).sort((a, b) => a - b)[15]).toBeLessThan(2000);
  // Some cameras are below the screen's edge.
  expect(wanted.length).toBeGreaterThan(0);
  expect(wanted.length).toBeLessThan(6);
  line.close();
});
