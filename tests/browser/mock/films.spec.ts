// SPDX-License-Identifier: GPL-3.0-or-later
import { expect, signIn, test } from '../support';

test('a film plays in its place, by ranges', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/films');
  const partial = page.waitForResponse((r) => r.url().includes('/films/f-dora/video') && r.status() === 206);
  await page.getByRole('button', { name: 'Play Cube' }).click();
  await partial;
  const video = page.locator('[data-film=f-dora] video');
  await expect(video).toHaveAttribute('playsinline', '');
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime)).toBeGreaterThan(0.3);
  await video.evaluate((v: HTMLVideoElement) => (v.currentTime = 6));
  await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime)).toBeGreaterThan(6);
  await expect(page).toHaveURL(/#\/films\/f-dora$/);
  await page.getByRole('button', { name: 'Close the player' }).click();
  await expect(video).toHaveCount(0);
});

test('a film grows, is finished and appears without a reload', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/films');
  await expect(page.locator('[data-film=f-anna]')).toContainText('Growing');
  mock.finish('anna');
  const film = page.locator('[data-film][data-state=verified]').filter({ hasText: 'Vase, spiral' });
  await expect(film).toBeVisible();
  await expect(film).toContainText('verified');
});

test('a film is made again with other options', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/films');
  await page.locator('[data-film=f-dora]').getByRole('button', { name: 'Make again' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Wanted length' }).click();
  await dialog.getByLabel('Length in seconds').fill('20');
  await dialog.getByLabel('Picture size').selectOption('1280x720');
  await dialog.getByRole('button', { name: 'Make the film' }).click();
  await expect(dialog).toHaveCount(0);
  expect(mock.log.orders.at(-1)).toEqual({ render: { hold_s: 2, crf: 23, camera: 'dora-camera', duration_s: 20, width: 1280, height: 720 } });
  await expect(page.locator('[data-film]').filter({ hasText: 'Cube' })).toHaveCount(2);
});

test('deleting a film asks, and it is gone', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/films');
  await page.locator('[data-film=f-dora]').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('dialog')).toContainText('cannot be brought back');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.locator('[data-film=f-dora]')).toHaveCount(0);
  expect(mock.films().some((f) => f.id === 'f-dora')).toBe(false);
});

test('a film is downloaded under its name', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/films');
  const wait = page.waitForEvent('download');
  await page.locator('[data-film=f-dora]').getByRole('link', { name: 'Download' }).click();
  expect((await wait).suggestedFilename()).toBe('f-dora.mp4');
});

test('a growing film counts its pictures, not its bytes', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/films');
  const growing = page.locator('article.film[data-state=growing]').first();
  await expect(growing).toContainText(/\d+ pictures/);
  await expect(growing).not.toContainText(/ [kM]?B\b/);
  await expect(page.locator('article.film[data-state=verified]').first()).toContainText(/ [kM]B\b/);
});
