// SPDX-License-Identifier: GPL-3.0-or-later
// Rigs: who reports, a pairing code, orders, intervals, live pictures on demand, the end of a key.
import { expect, signIn, test, tooWide, type Mock } from '../support';
import type { Page } from '@playwright/test';

const rig = (page: Page, name: string) => page.locator(`[data-rig="${name}"]`);
const orders = (mock: Mock) => mock.log.orders as Record<string, unknown>[];

test('rigs are listed with what is wrong with them', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/settings/rigs');
  await expect(rig(page, 'Shed')).toContainText('connected from 192.168.7.20');
  await expect(rig(page, 'Shed')).toContainText('its clock is 7200 s behind');
  await expect(rig(page, 'Shed')).toContainText('session recording, 77 pictures');
  await expect(rig(page, 'Shed').getByRole('img', { name: 'Newest picture of a1' })).toBeVisible();
  await expect(rig(page, 'Loft')).toContainText('away, last seen');
  await expect(rig(page, 'Loft')).toContainText('pair that one anew');
  // A viewer looks.
  for (const name of ['Add a rig', 'Revoke', 'Intervals', 'Pause the session']) await expect(page.getByRole('button', { name })).toHaveCount(0);
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await tooWide(page)).toBe('');
});

test('a rig is paired by a code, with the address that the page was reached at', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/rigs');
  await page.getByRole('button', { name: 'Add a rig' }).click();
  await expect(page.getByRole('dialog').getByLabel('On the rig', { exact: true })).toHaveText(`bedside rig pair ${mock.url.replace(/\/$/, '')} ABCD-EF23`);
});

test('orders go to the rig, and its answer is told', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/settings/rigs');
  await rig(page, 'Shed').getByRole('button', { name: 'Pause the session' }).click();
  await expect(page.getByText('The rig has done it.')).toBeVisible();
  await expect(rig(page, 'Shed').getByRole('button', { name: 'Resume the session' })).toBeVisible();
  expect(orders(mock)).toContainEqual({ rig: 'shed', body: { what: 'session', printer: 'a1', order: 'pause' } });
  await rig(page, 'Shed').getByRole('button', { name: 'Picture now' }).click();
  await expect(page.getByText('no camera gives a picture now')).toBeVisible();
  // One that is away takes none.
  await expect(rig(page, 'Loft').getByRole('button', { name: 'Start a session' })).toBeDisabled();
});

test('intervals: what was left alone is not sent', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/rigs');
  const dialog = page.getByRole('dialog');
  await rig(page, 'Shed').getByRole('button', { name: 'Intervals' }).click();
  await dialog.getByLabel('Preview pictures').fill('5');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('The rig knows it.')).toBeVisible();
  expect(orders(mock)).toContainEqual({ changeRig: 'shed', body: { image_delay_s: 5 } });
  await rig(page, 'Shed').getByRole('button', { name: 'Intervals' }).click();
  await expect(dialog.getByLabel('Preview pictures')).toHaveValue('5');
  await dialog.getByLabel('Preview pictures').fill('');
  await dialog.getByLabel('State of printers and cameras').fill('30');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect.poll(() => orders(mock)).toContainEqual({ changeRig: 'shed', body: { status_delay_s: 30, image_delay_s: null } });
});

test('live pictures come only while they are asked for', async ({ page, mock }) => {
  const camera = { ...mock.cameras[0]!, id: 'shed-a1', name: 'Shed: a1', driver: 'rig', printer: '', printers: [] };
  mock.cameras.push(camera);
  await signIn(page, mock, 'viewer', '#/settings/rigs');
  const isAsked = () => mock.log.wall.some((r) => r.camera === 'shed-a1') || mock.log.requests.some((r) => r.includes('cameras/shed-a1/'));
  await expect(rig(page, 'Shed').getByRole('button', { name: 'Live' })).toBeVisible();
  await page.waitForTimeout(1000);
  expect(isAsked()).toBe(false);
  await rig(page, 'Shed').getByRole('button', { name: 'Live' }).click();
  await expect.poll(isAsked).toBe(true);
  await rig(page, 'Shed').getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(rig(page, 'Shed').getByRole('img', { name: 'Newest picture of a1' })).toBeVisible();
});

test('a key is revoked after a question', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/rigs');
  await rig(page, 'Loft').getByRole('button', { name: 'Revoke' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('“Loft” cannot report here any more');
  await dialog.getByRole('button', { name: 'Revoke' }).click();
  await expect(rig(page, 'Loft')).toHaveCount(0);
  expect(orders(mock)).toContainEqual({ revokeRig: 'loft' });
});
