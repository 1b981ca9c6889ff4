// SPDX-License-Identifier: GPL-3.0-or-later
import { expect, signIn, test } from '../support';

test('macros for a slicer are written, refused where the head does not reach, and copied', async ({ page, mock, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await signIn(page, mock, 'viewer', '#/settings/snippets');
  const layer = page.getByRole('region', { name: 'Time-lapse' });
  await expect(layer).toContainText('put this instead of what stands there');
  await expect(layer).toContainText('G1 X-38.2 F18000');
  await expect(page.getByText('The head reaches X -48.2 to 256')).toBeVisible();

  await page.getByLabel('Park at X, mm').fill('-30');
  await expect(layer).toContainText('G1 X-30 F18000');
  await page.getByLabel('Mark of a layer').fill('M240');
  await expect(layer).toContainText('M240');
  await layer.getByRole('button', { name: 'Copy' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('G1 X-30 F18000');

  await page.getByLabel('Park at X, mm').fill('-90');
  await expect(page.getByRole('alert')).toContainText('X-90 is out of reach');
  await expect(layer).toHaveCount(0);

  await page.getByLabel('Park at X, mm').fill('');
  await page.getByLabel('Clicks start, pause and end').check();
  await expect(page.getByText('Put the switch elsewhere.')).toBeVisible();
  await page.getByLabel('Slicer').selectOption('Cura');
  await expect(page.getByLabel('What happens')).toHaveValue('mark');
  await expect(page.getByRole('region', { name: 'Each layer' })).toContainText('M240');
  expect(mock.log.requests.filter((r) => r.startsWith('GET snippets')).length).toBeGreaterThan(4);
});
