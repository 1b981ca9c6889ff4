// SPDX-License-Identifier: GPL-3.0-or-later
import { expect, signIn, test, tooWide } from '../support';
import type { Page } from '@playwright/test';

/** What is really to be seen: how many colours the canvas of a picture has. */
const colours = (page: Page, within: string) =>
  page.locator(`${within} canvas`).first().evaluate((c) => {
    const canvas = c as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set<number>();
    for (let i = 0; i < data.length; i += 4 * 37) seen.add((data[i]! << 16) | (data[i + 1]! << 8) | data[i + 2]!);
    return seen.size;
  });

test('a camera is added by its address, tested, turned and removed', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/cameras');
  await expect(page.locator('[data-camera=room]')).toContainText('from bedside.yaml');
  await page.getByRole('link', { name: 'Add a camera' }).click();
  await expect(page.getByText('Webcam C270')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Added as Anna from the side' })).toBeVisible();
  await page.getByRole('button', { name: 'MJPEG stream' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Left eye');
  await page.getByLabel('Address (URL)').fill('ftp://x');
  await page.getByRole('button', { name: 'Add a camera' }).click();
  await expect(page.getByRole('alert')).toHaveText('Address (URL): must begin with http:// or https://');
  await expect(page.getByLabel('Address (URL)')).toHaveAttribute('aria-invalid', 'true');
  // Tried before it is added: what is wrong is said, and nothing is kept.
  await page.getByLabel('Address (URL)').fill('http://dead.local/stream');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await expect(page.getByRole('status')).toContainText('nothing answers at this address');
  await page.getByLabel('Address (URL)').fill('http://192.168.1.60:8080/stream');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await expect(page.getByRole('status')).toContainText('1280 × 720');
  expect(mock.cameras.some((c) => c.name === 'Left eye')).toBe(false);
  await page.getByLabel('User').fill('eve');
  await page.getByLabel('Password', { exact: true }).fill('secret');
  await page.getByLabel('Dora').check();
  await page.getByRole('button', { name: 'Add a camera' }).click();
  // It is tested at once, and its picture is there.
  await expect(page.getByText('The camera works.')).toBeVisible();
  await expect(page.getByRole('status').getByText('80 ms (12.5 a second)')).toBeVisible();
  await expect(page.getByRole('status').getByText('34 ms')).toBeVisible();
  await expect(page.locator('.view .badge')).toHaveText('live');
  expect(await colours(page, '.view')).toBeGreaterThan(50);
  expect(mock.log.orders.at(-1)).toMatchObject({ addCamera: { driver: 'http-mjpeg', user: 'eve', password: 'secret', printers: ['dora'], tls: 'ca' } });

  await page.getByRole('button', { name: '90°' }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Kept. The camera is opened anew.')).toBeVisible();
  // A password that is not typed again is kept, not emptied.
  const change = mock.log.orders.at(-1) as { changeCamera: Record<string, unknown> };
  expect(change.changeCamera.rotation).toBe(90);
  expect(change.changeCamera).not.toHaveProperty('password');

  await page.getByRole('button', { name: 'Remove this camera' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page.locator('[data-camera=room]')).toBeVisible();
  await expect(page.locator('[data-camera=left-eye]')).toHaveCount(0);
});

test('a camera of the file cannot be edited, one removed elsewhere goes', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/cameras/room');
  await expect(page.getByText('stands in bedside.yaml')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Save' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Remove this camera' })).toHaveCount(0);
  mock.tell({ type: 'camera_gone', id: 'room' });
  await expect(page.getByText('This camera is not there')).toBeVisible();
});

test('controls of a device act at once and are kept', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/cameras/anna-side');
  const temperature = page.getByLabel('White balance temperature');
  await expect(temperature).toBeDisabled();
  await page.getByLabel('White balance, automatic').uncheck();
  await expect(temperature).toBeEnabled();
  await page.getByLabel('Power line frequency').selectOption('60 Hz');
  await page.getByLabel('Brightness').fill('200');
  await expect.poll(() => mock.log.orders.at(-1)).toEqual({ control: { name: 'brightness', value: 200 }, id: 'anna-side' });
  await page.getByRole('button', { name: 'Keep these' }).click();
  await expect(page.getByText('Kept. The camera is opened anew.')).toBeVisible();
  const kept = mock.log.orders.at(-1) as { changeCamera: { controls: string[] } };
  expect(kept.changeCamera.controls).toContain('brightness=200');
  expect(kept.changeCamera.controls).toContain('white_balance_automatic=0');
});

test('a token is shown once, with the addresses other programs want', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/cameras/room');
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByLabel('What it is for').fill('OctoPrint');
  await page.getByRole('dialog').getByRole('button', { name: 'Make a token' }).click();
  const dialog = page.getByRole('dialog');
  const secret = await dialog.locator('#token-secret').innerText();
  expect(secret).toMatch(/^ct/);
  await expect(dialog.getByText(`${mock.url}c/${secret}/stream`, { exact: true })).toBeVisible();
  await dialog.getByLabel('Addresses for').selectOption('Mainsail');
  await expect(dialog.getByText(`${mock.url}c/${secret}/?action=snapshot`, { exact: true })).toBeVisible();
  await dialog.getByLabel('Addresses for').selectOption('Frigate');
  await expect(dialog.getByText('preset-http-mjpeg-generic')).toBeVisible();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await expect(page.getByText(secret)).toHaveCount(0);
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(page.getByText('No token yet.')).toBeVisible();
});

test('the wall asks for what is on the screen, as large as it is, and for nothing while hidden', async ({ page, mock }) => {
  await page.setViewportSize({ width: 1440, height: 700 });
  await signIn(page, mock, 'viewer', '#/wall');
  await expect(page.locator('[data-camera=anna-side] .badge')).toHaveText('live');
  await expect(page.locator('[data-camera=room]')).toContainText('The room');
  const wanted = () => mock.log.wall.map((w) => w.camera);
  expect(wanted()).toContain('anna-camera');
  expect(wanted()).not.toContain('room');
  for (const w of mock.log.wall) expect(w.width).toBeLessThan(800);
  expect(await colours(page, '[data-camera=anna-side]')).toBeGreaterThan(50);
  await page.locator('[data-camera=room]').scrollIntoViewIfNeeded();
  await expect.poll(wanted).toContain('room');
  await expect.poll(wanted).not.toContain('anna-camera');
  expect(mock.log.requests.filter((r) => /stream|snapshot/.test(r))).toEqual([]);
  // Hidden as another tab hides it.
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await expect.poll(() => mock.walls.size).toBe(0);
  const sent = mock.log.sent;
  await page.waitForTimeout(1500);
  expect(mock.log.sent).toBe(sent);
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { get: () => false, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await expect.poll(() => mock.log.sent).toBeGreaterThan(sent);
});

test('a tile opens over everything; arrows go on, Escape leaves', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/wall');
  await page.getByRole('button', { name: 'Look at Anna from the side' }).focus();
  await page.keyboard.press('Enter');
  const viewer = page.getByRole('dialog', { name: 'Anna from the side' });
  await expect(viewer.locator('.badge')).toHaveText('live');
  await expect.poll(() => Math.max(...mock.log.wall.map((w) => w.width))).toBeGreaterThan(1200);
  expect(await colours(page, 'dialog')).toBeGreaterThan(50);
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('dialog', { name: 'Bertha’s camera' })).toBeVisible();
  await page.keyboard.press('ArrowLeft');
  await expect(viewer).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(viewer).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Look at Anna from the side' })).toBeFocused();
});

test('a stale picture says for how long, a dead camera why', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/wall');
  await expect(page.locator('[data-camera=anna-camera] .badge')).toHaveText('live');
  await expect(page.locator('[data-camera=frida-camera] .badge')).toHaveText('no signal');
  await expect(page.locator('[data-camera=frida-camera]')).toContainText('The camera does not answer');
  const c = mock.cameras.find((x) => x.id === 'anna-camera')!;
  Object.assign(c, { state: 'stale', text: 'No new picture; opening it again.', newest_at: new Date(Date.now() - 12_000).toISOString() });
  mock.tell({ type: 'camera', camera: c });
  await expect(page.locator('[data-camera=anna-camera] .badge')).toContainText(/stale for \d+ s/);
  await page.goto(`${mock.url}#/settings/cameras`);
  await expect(page.locator('[data-camera=anna-camera] .state')).toContainText(/Stale for \d+ s: No new picture; opening it again\./);
});

test('where no WebSocket gets through, pictures come as before', async ({ page, mock }) => {
  mock.faults.refuseWall = true;
  await signIn(page, mock, 'viewer', '#/printers/anna');
  await expect(page.locator('.view .badge')).toHaveText('live');
  expect(mock.log.requests).toContain('GET cameras/anna-camera/stream');
});

test('a printer with two cameras shows one, the other, or both', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/printers/anna');
  const group = page.getByRole('group', { name: 'Camera' });
  await expect(group.getByRole('button', { name: 'Anna’s camera' })).toHaveAttribute('aria-pressed', 'true');
  await group.getByRole('button', { name: 'Anna from the side' }).click();
  await expect.poll(() => mock.log.wall.map((w) => w.camera)).toEqual(['anna-side']);
  await group.getByRole('button', { name: 'All' }).click();
  await expect(page.locator('.view .badge')).toHaveText(['live', 'live']);
  await expect.poll(() => mock.log.wall.map((w) => w.camera).sort()).toEqual(['anna-camera', 'anna-side']);
  await page.getByRole('button', { name: 'Look at Anna’s camera' }).click();
  await expect(page.locator('.view .badge')).toHaveCount(1);
});

test('nothing is wider than a phone', async ({ page, mock }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, mock, 'admin', '#/wall');
  for (const path of ['/wall', '/wall/anna-side', '/settings/cameras', '/settings/cameras/add', '/settings/cameras/anna-side', '/settings/cameras/room', '/printers/anna']) {
    await page.goto(`${mock.url}#${path}`);
    await page.waitForTimeout(500);
    expect(await tooWide(page), path).toBe('');
  }
});
