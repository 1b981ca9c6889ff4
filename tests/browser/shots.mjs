// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of every page against the mock server, for looking at: node shots.mjs FOLDER [name…]
import { chromium } from '@playwright/test';
import { mkdirSync } from 'node:fs';
import { startMock } from '../../ui/dev/mock-server.mjs';

const [folder = 'shots', ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const mock = await startMock();
const empty = await startMock({ isEmpty: true });
const fresh = await startMock({ needsSetup: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

const PAGES = {
  printers: '/printers', printer: '/printers/anna', trouble: '/printers/clara', two: '/printers/emil', service: '/printers/gerda/service',
  history: '/printers/anna/history', wall: '/wall', films: '/films', film: '/films/f-dora', alerts: '/alerts', more: '/more',
  'set-printers': '/settings/printers', 'set-cameras': '/settings/cameras', 'set-storage': '/settings/storage', 'set-users': '/settings/users',
  'set-keys': '/settings/keys', 'set-audit': '/settings/audit', 'set-appearance': '/settings/appearance', 'set-account': '/settings/account',
};
const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

for (const [sizeName, viewport] of Object.entries(SIZES))
  for (const theme of ['dark', 'light']) {
    const context = await browser.newContext({ viewport, colorScheme: theme, locale: 'en-GB', hasTouch: sizeName === 'phone' });
    const page = await context.newPage();
    const shot = (name) => page.screenshot({ path: `${folder}/${name}-${sizeName}-${theme}.png`, fullPage: !['wall'].includes(name) });
    const want = (name) => !only.length || only.includes(name);
    if (want('setup')) {
      await page.goto(`${fresh.url}#/setup?token=good-token`);
      await page.waitForSelector('form');
      await shot('setup');
    }
    await page.goto(mock.url);
    await page.waitForSelector('form');
    if (want('signin')) await shot('signin');
    const enter = async (name) => {
      await page.fill('[name=username]', name);
      await page.fill('[name=password]', `${name}-password`);
      await page.click('button.main');
      await page.waitForSelector('#main');
    };
    await enter('admin');
    await page.waitForSelector('canvas[data-captured-at]');
    await page.waitForTimeout(7000);
    for (const [name, path] of Object.entries(PAGES)) {
      if (!want(name)) continue;
      await page.evaluate((p) => (location.hash = p), path);
      await page.waitForTimeout(name === 'service' ? 600 : 1600);
      if (name === 'service') {
        await page.click('text=Examine the connection');
        await page.waitForTimeout(700);
      }
      await shot(name);
    }
    if (want('dialogs')) {
      await page.evaluate(() => (location.hash = '/printers/anna'));
      await page.waitForTimeout(600);
      await page.click('text=Stop print');
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${folder}/dialog-stop-${sizeName}-${theme}.png` });
      await page.keyboard.press('Escape');
      await page.click('.vitals .vital');
      await page.waitForTimeout(500);
      await page.screenshot({ path: `${folder}/dialog-chart-${sizeName}-${theme}.png` });
      await page.keyboard.press('Escape');
      await page.evaluate(() => (location.hash = '/films'));
      await page.waitForTimeout(600);
      await page.click('[data-film=f-dora] [aria-label="Make again"]');
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${folder}/dialog-remake-${sizeName}-${theme}.png` });
      await page.keyboard.press('Escape');
      await page.evaluate(() => (location.hash = '/settings/printers'));
      await page.waitForTimeout(300);
      await page.click('text=Look for printers');
      await page.click('li:has-text("Hanna") >> text=Add');
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${folder}/dialog-add-${sizeName}-${theme}.png` });
    }
    if (want('empty')) {
      await context.clearCookies();
      await page.goto(empty.url);
      await page.waitForSelector('form');
      await enter('admin');
      for (const p of ['printers', 'films', 'alerts', 'wall']) {
        await page.evaluate((x) => (location.hash = `/${x}`), p);
        await page.waitForTimeout(300);
        await page.screenshot({ path: `${folder}/empty-${p}-${sizeName}-${theme}.png` });
      }
    }
    await context.close();
  }
await browser.close();
await Promise.all([mock.close(), empty.close(), fresh.close()]);
