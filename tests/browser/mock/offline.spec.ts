// SPDX-License-Identifier: GPL-3.0-or-later
// The page when its server is away: it opens, and shows what was seen last with its age.
import type { BrowserContext, Page } from '@playwright/test';
import { expect, test } from '../support';

test.use({ serviceWorkers: 'allow' });

async function signIn(page: Page, url: string, isRemembered: boolean): Promise<void> {
  await page.goto(url);
  await page.getByLabel('Name', { exact: true }).fill('admin');
  await page.getByLabel('Password', { exact: true }).fill('admin-password');
  if (isRemembered) await page.getByLabel('Stay signed in').check();
  await page.keyboard.press('Enter');
  await expect(page.locator('article[data-printer=anna]')).toBeVisible();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  // As when the page is left.
  await page.evaluate(() => dispatchEvent(new Event('pagehide')));
}

const stored = (page: Page) =>
  page.evaluate(() => [localStorage, sessionStorage].map((s) => Object.keys(s).filter((k) => k.startsWith('bedside.last-seen')).map((k) => s.getItem(k) ?? '')));

async function caches(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const urls: string[] = [];
    for (const n of await window.caches.keys()) for (const r of await (await window.caches.open(n)).keys()) urls.push(r.url);
    return urls;
  });
}

async function openAlone(page: Page, context: BrowserContext): Promise<void> {
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByTestId('connection-lost').or(page.locator('[data-test=connection-lost]'))).toContainText('Bedside does not answer');
}

for (const base of ['/', '/printers/bedside/']) {
  test.describe(`below ${base}`, () => {
    test.use({ options: { base } });

    test('opens without its server, says so and how old it is, and goes on by itself', async ({ page, mock, context }) => {
      await signIn(page, mock.url, true);
      await openAlone(page, context);
      await expect(page.locator('[data-test=connection-lost]')).toContainText(/This is how it was at .+ ago/);
      await expect(page.locator('article[data-printer=anna]')).toContainText('Layer');
      await page.getByRole('link', { name: 'Films' }).first().click();
      await expect(page.locator('[data-film]').first()).toBeVisible();
      await context.setOffline(false);
      await expect(page.locator('[data-test=connection-lost]')).toHaveCount(0, { timeout: 20_000 });
    });
  });
}

test('keeps its own files and words, no answers, no pictures, no serial numbers', async ({ page, mock }) => {
  await signIn(page, mock.url, true);
  for (const url of await caches(page)) expect(url.slice(mock.url.length)).toMatch(/^$|^assets\/|^icon|^manifest/);
  const [[seen], session] = await stored(page);
  expect(session).toEqual([]);
  expect(seen).toContain('anna');
  for (const p of mock.printers) {
    expect(seen).not.toContain(String(p.serial));
    expect(seen).not.toContain(String(p.address));
  }
});

test('signing out wipes what was seen', async ({ page, mock, context }) => {
  await signIn(page, mock.url, true);
  await page.goto(`${mock.url}#/settings/account`);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  expect(await stored(page)).toEqual([[], []]);
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByText('Bedside does not answer. Is it running?')).toBeVisible();
});

test('a sign-in that is not remembered is kept in its tab alone', async ({ page, mock, context }) => {
  await signIn(page, mock.url, false);
  expect((await stored(page))[0]).toEqual([]);
  await openAlone(page, context);
  const other = await context.newPage();
  await other.goto(mock.url);
  await expect(other.getByText('Bedside does not answer. Is it running?')).toBeVisible();
});

test('a session that ended meanwhile leads to the sign-in and wipes', async ({ page, mock, context }) => {
  await signIn(page, mock.url, true);
  await openAlone(page, context);
  mock.signOutAll();
  await context.setOffline(false);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible({ timeout: 20_000 });
  expect(await stored(page)).toEqual([[], []]);
});
