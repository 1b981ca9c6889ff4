// SPDX-License-Identifier: GPL-3.0-or-later
// The program itself, as a newcomer meets it: `bedside demo`, watched in a browser until a film has
// been made, played and deleted; and killed, to see the page come back.
import { expect, test, type Page } from '@playwright/test';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guard, tooWide } from '../support';

const command = process.env.BEDSIDE ?? '';
test.skip(!command, 'BEDSIDE does not say where the program is');
test.describe.configure({ mode: 'serial' });

let port = 0;
let data = '';
let program: ChildProcess | null = null;
let said = '';
let page: Page;
let faults: string[] = [];

function freePort(): Promise<number> {
  return new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const a = s.address();
      s.close(() => done(typeof a === 'object' && a ? a.port : 0));
    });
  });
}

async function start(): Promise<void> {
  program = spawn(command, ['demo', '--data', data, '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
  program.stdout?.on('data', (d) => (said += d));
  program.stderr?.on('data', (d) => (said += d));
  await expect
    .poll(async () => (await fetch(`${base()}healthz`).catch(() => null))?.status, { timeout: 30_000, message: 'the program does not answer' })
    .toBe(200);
}

function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const p = program;
  program = null;
  if (!p || p.exitCode !== null || p.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    p.once('exit', () => done());
    p.kill(signal);
  });
}

const base = () => `http://127.0.0.1:${port}/`;
const layerOf = async (id: string) => Number(/Layer\s(\d+)/.exec((await card(id).textContent()) ?? '')?.[1] ?? 0);
const card = (id: string) => page.locator(`article[data-printer="${id}"]`);

test.beforeAll(async ({ browser }) => {
  if (!command) return;
  port = await freePort();
  data = mkdtempSync(join(tmpdir(), 'bedside-page-'));
  await start();
  page = await browser.newPage();
  faults = await guard(page, base);
  await page.goto(base());
});

test.afterAll(async () => {
  await page?.close();
  await end('SIGTERM');
  if (data) rmSync(data, { recursive: true, force: true });
});

test.afterEach(({}, info) => {
  if (info.status !== info.expectedStatus) console.log(said.slice(-4000));
});

test('cards with pictures that change', async () => {
  await expect(page.locator('article[data-printer]').first()).toBeVisible();
  expect(await page.locator('article[data-printer]').count()).toBeGreaterThanOrEqual(2);
  const canvas = page.locator('article[data-printer] canvas[data-captured-at]').first();
  await expect(canvas).toBeVisible({ timeout: 60_000 });
  const first = await canvas.getAttribute('data-captured-at');
  await expect.poll(() => canvas.getAttribute('data-captured-at')).not.toBe(first);
  const colours = await canvas.evaluate((c: HTMLCanvasElement) => new Set(c.getContext('2d')?.getImageData(0, 0, c.width, c.height).data).size);
  expect(colours).toBeGreaterThan(10);
});

test('layers are counted and photographed', async () => {
  let id = '';
  await expect
    .poll(
      async () => {
        const ids = await page.locator('article[data-printer]').evaluateAll((l) => l.map((e) => (e as HTMLElement).dataset.printer ?? ''));
        for (const x of ids) if ((await layerOf(x)) > 0) id = x;
        return id;
      },
      { timeout: 90_000, message: 'no printer prints a layer' },
    )
    .not.toBe('');
  const first = await layerOf(id);
  await expect.poll(() => layerOf(id), { timeout: 60_000 }).toBeGreaterThan(first);
  await expect(page.locator('[data-test=pictures]').first()).toContainText(/[1-9]\d* pictures?/, { timeout: 60_000 });
});

test('the printer page follows the stream', async () => {
  await page.locator('article[data-printer] h2 a').first().click();
  await expect(page.locator('.view .badge')).toHaveText('live');
  const canvas = page.locator('.view canvas');
  const first = await canvas.getAttribute('data-captured-at');
  await expect.poll(() => canvas.getAttribute('data-captured-at')).not.toBe(first);
});

test('a camera is added, tested and turned on the page, hangs on the wall, is seen by another program, and goes', async () => {
  const asked: string[] = [];
  const note = (r: { url(): string }) => asked.push(r.url());
  page.on('request', note);
  await page.goto(`${base()}#/settings/cameras/add`);
  await page.getByRole('button', { name: 'Drawn camera' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Upright');
  await page.getByLabel('A1', { exact: true }).check();
  await page.getByLabel('Picture size').fill('640x352');
  await page.getByLabel('Pictures a second').fill('5');
  await page.getByRole('button', { name: '90°' }).click();
  await page.getByRole('button', { name: 'Add a camera' }).click();
  await expect(page.getByText('The camera works.')).toBeVisible();
  await expect(page.getByRole('status').getByText('352 × 640')).toBeVisible();
  const look = (where: string) =>
    page.locator(`${where} canvas`).first().evaluate((c: HTMLCanvasElement) => ({
      isUpright: c.height > c.width,
      colours: new Set(c.getContext('2d')?.getImageData(0, 0, c.width, c.height).data).size,
    }));
  await expect(page.locator('.view .badge')).toHaveText('live');
  const seen = await look('.view');
  expect(seen.isUpright).toBe(true);
  expect(seen.colours).toBeGreaterThan(10);

  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByLabel('What it is for').fill('OctoPrint');
  await page.getByRole('dialog').getByRole('button', { name: 'Make a token' }).click();
  const secret = await page.locator('#token-secret').innerText();
  const snapshot = `${base()}c/${secret}/snapshot`;
  await expect(page.getByText(snapshot.replace('127.0.0.1', new URL(page.url()).hostname), { exact: true })).toBeVisible();
  const picture = await fetch(snapshot);
  expect(picture.status).toBe(200);
  expect([...new Uint8Array(await picture.arrayBuffer()).slice(0, 2)]).toEqual([0xff, 0xd8]);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();

  asked.length = 0;
  await page.goto(`${base()}#/wall`);
  for (const id of ['upright', 'drawing', 'a1', 'p1s']) {
    await page.locator(`[data-camera=${id}]`).scrollIntoViewIfNeeded();
    await expect(page.locator(`[data-camera=${id}] .badge`)).toHaveText('live');
    expect((await look(`[data-camera=${id}]`)).colours).toBeGreaterThan(10);
  }
  expect(asked.filter((u) => /\/(stream|snapshot)/.test(u))).toEqual([]);
  page.off('request', note);

  await page.goto(`${base()}#/settings/cameras/upright`);
  await page.getByRole('button', { name: 'Remove this camera' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page.locator('[data-camera=drawing]')).toBeVisible();
  await expect(page.locator('[data-camera=upright]')).toHaveCount(0);
  expect((await fetch(snapshot)).status).not.toBe(200);
  await page.goto(`${base()}#/printers`);
});

test('a film appears, plays by ranges, and is deleted', async () => {
  await page.goto(`${base()}#/films`);
  const ready = page.locator('[data-film][data-state=verified], [data-film][data-state=ready]').first();
  await expect(ready).toBeVisible({ timeout: 200_000 });
  const id = (await ready.getAttribute('data-film')) ?? '';
  const partial = page.waitForResponse((r) => r.url().includes(`/films/${id}/video`) && r.status() === 206);
  await ready.getByRole('button', { name: /^Play/ }).click();
  await partial;
  const video = page.locator(`[data-film="${id}"] video`);
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime)).toBeGreaterThan(0.2);
  const film = page.locator(`[data-film="${id}"]`);
  await film.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(film).toHaveCount(0);
  expect((await page.request.get(`${base()}api/v1/films/${id}`)).status()).toBe(404);
});

test('after kill -9 the page says so, and comes back by itself', async () => {
  await page.goto(`${base()}#/printers`);
  await expect(page.locator('article[data-printer]').first()).toBeVisible();
  await end('SIGKILL');
  await expect(page.getByText('Connection lost, trying again.')).toBeVisible();
  await start();
  await expect(page.getByText('Connection lost, trying again.')).toHaveCount(0);
  await expect(page.locator('article[data-printer]').first()).toBeVisible();
  await expect(page.locator('article[data-printer] .badge', { hasText: 'live' }).first()).toBeVisible({ timeout: 60_000 });
});

test('no page is wider than a phone, and nothing left the origin or broke the policy', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const p of ['printers', 'wall', 'films', 'alerts', 'settings/printers', 'settings/cameras', 'settings/storage', 'settings/users', 'settings/keys', 'settings/audit']) {
    await page.goto(`${base()}#/${p}`);
    await page.waitForTimeout(400);
    expect(await tooWide(page), p).toBe('');
  }
  expect(faults).toEqual([]);
});
