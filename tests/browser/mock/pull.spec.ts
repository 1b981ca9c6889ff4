// SPDX-License-Identifier: GPL-3.0-or-later
// Films and captures that come home from elsewhere.
import { expect, signIn, test, tooWide } from '../support';

test('each source says what came, what waits and what to do; it is fetched from now', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/settings/pull');
  const attic = page.getByRole('region', { name: 'Attic' });
  await expect(attic).toContainText('in order');
  await expect(attic).toContainText('2 files · 9 files, 88 MB since the start');
  await expect(attic).toContainText('1 file · 1 still being written');
  const workshop = page.getByRole('region', { name: 'Workshop' });
  await expect(workshop.getByRole('alert')).toContainText('another one than before');
  await expect(workshop.getByRole('alert')).toContainText('write its new fingerprint as host_key');
  await workshop.getByRole('button', { name: 'Fetch now' }).click();
  await expect(workshop).toContainText('fetching');
  await expect(workshop.getByRole('button', { name: 'Fetch now' })).toBeDisabled();
  expect(mock.log.orders).toContainEqual({ pull: 'workshop' });
});

test('films that do not come home are told where films are, until they come', async ({ page, mock }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, mock, 'viewer', '#/films');
  await expect(page.getByText('Films do not come home from Workshop')).toBeVisible();
  expect(await tooWide(page)).toBe('');
  mock.pull.sources = mock.pull.sources.map((s) => ({ ...s, state: 'good', text: '', advice: '' }));
  mock.notice({ id: 'n-pull', at: new Date().toISOString(), level: 'info', topic: 'pull', subject: 'workshop', text: 'Films come home from Workshop again.' });
  await expect(page.getByText('Films do not come home from Workshop')).toBeHidden();
});

test('a viewer sees the sources and cannot fetch; a phone shows it all', async ({ page, mock }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, mock, 'viewer', '#/settings/pull');
  await expect(page.getByRole('region', { name: 'Attic' }).getByRole('button', { name: 'Fetch now' })).toBeDisabled();
  expect(await tooWide(page)).toBe('');
});

test.describe('without a source', () => {
  test.use({ options: { isEmpty: true } });
  test('it says how to write one', async ({ page, mock }) => {
    await signIn(page, mock, 'admin', '#/settings/pull');
    await expect(page.getByText('Nothing is fetched from elsewhere')).toBeVisible();
  });
});
