// SPDX-License-Identifier: GPL-3.0-or-later
// Live H.264 in a browser: a simulated X1 shows its camera by RTSPS, the daemon passes the video on,
// the page plays it; pixels are looked at, not only status codes.
import { expect, test, type Page } from '@playwright/test';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guard } from '../support';

const command = process.env.BEDSIDE ?? '';
test.skip(!command, 'BEDSIDE does not say where the program is');
test.describe.configure({ mode: 'serial' });

const SERIAL = '00M00A2B0000099';
let dir = '';
let simulator: ChildProcess | null = null;
let daemon: ChildProcess | null = null;
let base = '';
let page: Page;
let faults: string[] = [];

/** Starts a program and waits for what it says first that matches. */
function begin(args: string[], wanted: RegExp): Promise<{ child: ChildProcess; said: RegExpExecArray }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let all = '';
  return new Promise((done, fail) => {
    const hear = (d: Buffer) => {
      all += d;
      const said = wanted.exec(all);
      if (said) done({ child, said });
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', () => fail(new Error(`it ended: ${all}`)));
  });
}

function end(p: ChildProcess | null): Promise<void> {
  if (!p || p.exitCode !== null || p.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    p.once('exit', () => done());
    p.kill('SIGTERM');
  });
}

test.beforeAll(async ({ browser }) => {
  if (!command) return;
  dir = mkdtempSync(join(tmpdir(), 'bedside-video-'));
  const sim = await begin(
    ['simulate', 'bambu', '--model', 'X1C', '--serial', SERIAL, '--cert-dir', join(dir, 'sim'), '--no-ssdp', '--camera-fps', '10'],
    /^\{.*\}$/m,
  );
  simulator = sim.child;
  const at = JSON.parse(sim.said[0]) as { ports: Record<string, number>; ca_file: string };
  writeFileSync(
    join(dir, 'bedside.yaml'),
    `ca_file: ${at.ca_file}
web: { listen: 127.0.0.1, port: 0 }
printers:
  - name: X1
    driver: bambu
    address: 127.0.0.1
    serial: ${SERIAL}
    access_code: "12345678"
    ports: { mqtt: ${at.ports.mqtt}, ftps: ${at.ports.ftps}, rtsp: ${at.ports.rtsp}, detect: ${at.ports.detect}, detect_tls: ${at.ports.detect_tls} }
`,
  );
  const served = await begin(['serve', '--config', join(dir, 'bedside.yaml'), '--data', join(dir, 'data'), '--port', '0'], /http:\/\/[^\s/]*(:\d+)\/\S*token=(\w+)/);
  daemon = served.child;
  base = `http://127.0.0.1${served.said[1]}/`;
  page = await browser.newPage();
  faults = await guard(page, () => base);
  const set = await page.request.post(`${base}api/v1/setup`, { data: { token: served.said[2], name: 'root', password: 'correct horse' } });
  expect(set.ok()).toBe(true);
});

test.afterAll(async () => {
  await page?.close();
  await end(daemon);
  await end(simulator);
  if (dir) rmSync(dir, { recursive: true, force: true });
});

/** Mean and spread of brightness, and a rough print of what is shown. */
const look = () =>
  page.locator('video').first().evaluate((v: HTMLVideoElement) => {
    const c = document.createElement('canvas');
    c.width = 64;
    c.height = 36;
    const g = c.getContext('2d')!;
    g.drawImage(v, 0, 0, 64, 36);
    const d = g.getImageData(0, 0, 64, 36).data;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < d.length; i += 4) {
      const y = (d[i] + d[i + 1] + d[i + 2]) / 3;
      sum += y;
      squares += y * y;
    }
    const n = d.length / 4;
    return { width: v.videoWidth, height: v.videoHeight, mean: sum / n, spread: Math.sqrt(squares / n - (sum / n) ** 2) };
  });

test("the page plays the printer's own camera as video", async () => {
  await page.goto(`${base}#/printers/x1`);
  const video = page.locator('video');
  await expect(video).toBeVisible({ timeout: 60_000 });
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.videoWidth), { timeout: 60_000 }).toBe(1280);
  await expect.poll(async () => (await look()).spread).toBeGreaterThan(8);
  const seen = await look();
  expect(seen.height).toBe(720);
  expect(seen.mean).toBeGreaterThan(5);
  const first = await video.evaluate((v: HTMLVideoElement) => v.currentTime);
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime)).toBeGreaterThan(first + 1);
  await expect(page.locator('.badge', { hasText: 'live' }).first()).toBeVisible();
});

test('playback stays near the end of what there is', async () => {
  const behind = () =>
    page.locator('video').evaluate((v: HTMLVideoElement) => {
      const n = v.buffered.length;
      return n === 0 ? 99 : v.buffered.end(n - 1) - v.currentTime;
    });
  await expect.poll(behind).toBeLessThan(2.5);
});

test('video.mp4 plays in a bare video element', async () => {
  await page.evaluate(() => {
    const v = document.createElement('video');
    v.id = 'bare';
    v.muted = true;
    v.autoplay = true;
    v.src = 'api/v1/cameras/x1/video.mp4';
    document.body.append(v);
  });
  await expect.poll(() => page.locator('#bare').evaluate((v: HTMLVideoElement) => v.videoWidth)).toBe(1280);
  await expect.poll(() => page.locator('#bare').evaluate((v: HTMLVideoElement) => v.currentTime)).toBeGreaterThan(0.5);
  await page.locator('#bare').evaluate((v: HTMLVideoElement) => v.remove());
  expect(faults).toEqual([]);
});
