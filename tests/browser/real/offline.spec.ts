// SPDX-License-Identifier: GPL-3.0-or-later
// The program itself goes away: its page still opens, says so, and goes on when it is back.
import { expect, test } from '@playwright/test';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guard } from '../support';

const command = process.env.BEDSIDE ?? '';
test.skip(!command, 'BEDSIDE does not say where the program is');
test.use({ serviceWorkers: 'allow' });

function freePort(): Promise<number> {
  return new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const a = s.address();
      s.close(() => done(typeof a === 'object' && a ? a.port : 0));
    });
  });
}

async function start(data: string, port: number): Promise<ChildProcess> {
  const p = spawn(command, ['demo', '--data', data, '--port', String(port)], { stdio: 'ignore' });
  await expect
    .poll(async () => (await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => null))?.status, { timeout: 60_000 })
    .toBe(200);
  return p;
}

function end(p: ChildProcess): Promise<void> {
  return new Promise((done) => {
    p.once('exit', () => done());
    p.kill('SIGTERM');
  });
}

test('the page opens while the program is away, and goes on when it is back', async ({ page }) => {
  const data = mkdtempSync(join(tmpdir(), 'bedside-away-'));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}/`;
  const faults = await guard(page, () => base);
  let program = await start(data, port);
  try {
    await page.goto(base);
    await expect(page.locator('article[data-printer=a1]')).toBeVisible({ timeout: 60_000 });
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const kept = await page.evaluate(async () => {
      const urls: string[] = [];
      for (const n of await caches.keys()) for (const r of await (await caches.open(n)).keys()) urls.push(r.url);
      return urls;
    });
    expect(kept.length).toBeGreaterThan(4);
    for (const url of kept) expect(url.slice(base.length)).toMatch(/^$|^assets\/|^icon|^manifest/);
    await page.evaluate(() => dispatchEvent(new Event('pagehide')));

    await end(program);
    await page.reload();
    await expect(page.locator('[data-test=connection-lost]')).toContainText('Bedside does not answer, trying again.');
    await expect(page.locator('[data-test=connection-lost]')).toContainText(/This is how it was at .+ ago/);
    await expect(page.locator('article[data-printer=a1]')).toBeVisible();

    program = await start(data, port);
    await expect(page.locator('[data-test=connection-lost]')).toHaveCount(0, { timeout: 60_000 });
    await expect(page.locator('article[data-printer] .badge', { hasText: 'live' }).first()).toBeVisible({ timeout: 60_000 });
    expect(faults).toEqual([]);
  } finally {
    await end(program);
    rmSync(data, { recursive: true, force: true });
  }
});
