// SPDX-License-Identifier: GPL-3.0-or-later
import { expect, signIn, test, tooWide } from '../support';

const ROW = 'tr[data-capture]';

test('captured layers are a matrix of layers and positions', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/printers/anna/captures');
  const rows = page.locator(ROW);
  await expect(rows.first().locator('img').first()).toBeVisible();
  await expect(page.locator('thead th')).toHaveCount(10);
  await expect(rows).toHaveCount(13);
  await expect(page.locator(`${ROW}[data-state=missed]`)).toContainText('was still under way');
  await expect(page.getByText('moved', { exact: true })).toBeVisible();
  await expect(page.getByText('1 picture is missing')).toBeVisible();
  const img = rows.first().locator('img').first();
  await expect.poll(() => img.evaluate((i: HTMLImageElement) => i.naturalWidth)).toBeGreaterThan(0);
  await page.getByRole('button', { name: 'Level 2' }).click();
  await expect(page.locator('thead th').nth(1)).toHaveText('x1 y1 z2');
  await page.getByRole('combobox', { name: 'Print' }).selectOption('j-old');
  await expect(rows).toHaveCount(3);
});

test('a picture opens with what is known of it; arrow keys go to its neighbours', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/printers/anna/captures');
  await page.locator(ROW).first().getByRole('button').first().click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('heading')).toContainText('x1 y1 z1');
  await expect(dialog).toContainText('X 88 · Y 88');
  await page.keyboard.press('ArrowRight');
  await expect(dialog.getByRole('heading')).toContainText('x2 y1 z1');
  const layer = await dialog.getByRole('heading').innerText();
  await page.keyboard.press('ArrowDown');
  await expect(dialog.getByRole('heading')).not.toHaveText(layer);
  await expect(dialog.getByRole('heading')).toContainText('x2 y1 z1');
  await expect(dialog.getByRole('button', { name: 'Delete' })).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
});

test('a capture is ordered, seen live, and its pictures appear', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/printers/anna/captures');
  await expect(page.locator(ROW)).toHaveCount(13);
  let lists = 0;
  page.on('request', (r) => (lists += Number(r.url().includes('/captures?'))));
  await page.getByRole('button', { name: 'Capture now' }).click();
  const bar = page.getByRole('progressbar', { name: 'Positions photographed' });
  await expect(bar).toBeVisible();
  await expect(bar).toHaveAttribute('aria-valuemax', '18');
  await expect(bar).toHaveCount(0);
  await expect(page.locator(ROW)).toHaveCount(14);
  await expect(page.locator(ROW).first().locator('img')).toHaveCount(9);
  expect(mock.log.orders).toContainEqual({ capture: 'run' });
  expect(lists, 'the list is asked for when a capture begins and ends, not with each of its 18 pictures').toBeLessThan(8);
});

test('a running capture is stopped', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/printers/anna/captures');
  await page.getByRole('button', { name: 'Capture now' }).click();
  await page.getByRole('button', { name: 'Stop the capture' }).click();
  await expect(page.locator(`${ROW}[data-state=failed]`)).toContainText('Ended by a person');
  await expect(page.getByRole('button', { name: 'Capture now' })).toBeVisible();
});

test('a refused order says why; a viewer cannot give one', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/printers/dora/captures');
  await expect(page.getByText('No layer captured yet')).toBeVisible();
  await page.getByRole('button', { name: 'Capture now' }).click();
  await expect(page.getByText('The printer is not printing: there is no layer to capture.')).toBeVisible();
  await page.context().clearCookies();
  await page.goto('about:blank');
  await signIn(page, mock, 'viewer', '#/printers/dora/captures');
  await expect(page.getByRole('button', { name: 'Capture now' })).toBeDisabled();
});

test('captures of a print are downloaded, and deleted after asking', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/printers/anna/captures');
  const wait = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Dataset' }).click();
  expect((await wait).url()).toContain('capture-archive?format=dataset&printer=anna&job=j-anna');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(page.getByRole('dialog')).toContainText('13 layers');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(page.locator(ROW)).toHaveCount(3);
});

test('the matrix scrolls in itself on a phone', async ({ page, mock }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, mock, 'viewer', '#/printers/anna/captures');
  await expect(page.locator(`${ROW} img`).first()).toBeVisible();
  expect(await tooWide(page)).toBe('');
});

test.describe('the plan', () => {
  const at = '#/printers/anna/captures/plan';

  test('the bed is drawn to scale with its points, the part and the way', async ({ page, mock }) => {
    await signIn(page, mock, 'viewer', at);
    const map = page.getByRole('img', { name: /^Bed from above, 256 × 256 mm, 9 positions, part 80 × 64 mm$/ });
    await expect(map).toBeVisible();
    await expect(map.locator('circle')).toHaveCount(9);
    await expect(map.locator('.bad')).toHaveCount(0);
    const scale = await map.evaluate((svg) => {
      const w = (sel: string) => svg.querySelector(sel)!.getBoundingClientRect();
      return { bed: w('.bed').width / w('.bed').height, part: w('.part').width / w('.bed').width };
    });
    expect(scale.bed).toBeCloseTo(1, 1);
    expect(scale.part).toBeCloseTo(80 / 256, 2);
    await expect(page.getByText(/^about .* moving$/)).toBeVisible();
    await expect(page.getByLabel('Points in X')).toBeDisabled();
  });

  test('points beside the bed are shown with the reason while it is edited; saving warns', async ({ page, mock }) => {
    await signIn(page, mock, 'operator', at);
    await page.getByLabel('Apart in X').fill('160');
    await expect(page.getByText('12 of 18 positions not safe')).toBeVisible();
    await expect(page.getByRole('listitem').filter({ hasText: /is left of 10.0, the bed's edge/ })).toBeVisible();
    await expect(page.locator('svg[role=img] .bad')).toHaveCount(6);
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText('The plan is saved, with a warning')).toBeVisible();
    expect(mock.log.orders.at(-1)).toEqual({ plan: { spacing_x: 160 } });
    await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled();
  });

  test('a contradiction is named by its label, and nothing is saved', async ({ page, mock }) => {
    await signIn(page, mock, 'operator', at);
    await page.getByLabel('Way').selectOption('parked');
    await page.getByLabel('Park point X').fill('12.5');
    await expect(page.getByRole('alert')).toContainText('Park point Y: a park point needs both');
    await page.getByLabel('Park point Y').fill('20');
    await expect(page.getByRole('alert')).toHaveCount(0);
    await expect(page.locator('svg[role=img] .park')).toHaveCount(1);
    await page.getByLabel('Way').selectOption('snap');
    await expect(page.getByText('Nothing moves: one picture of each camera')).toBeVisible();
    await page.getByRole('button', { name: 'Undo the changes' }).click();
    await expect(page.getByLabel('Points in X')).toHaveValue('3');
    expect(mock.log.orders).toEqual([]);
  });

  test('a value out of its range does not leave the form', async ({ page, mock }) => {
    await signIn(page, mock, 'operator', at);
    await page.getByLabel('Points in X').fill('12');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByLabel('Points in X')).toBeFocused();
    expect(mock.log.orders).toEqual([]);
  });

  test('the plan fits a phone', async ({ page, mock }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await signIn(page, mock, 'operator', at);
    await expect(page.locator('svg[role=img]').first()).toBeVisible();
    expect(await tooWide(page)).toBe('');
  });
});
