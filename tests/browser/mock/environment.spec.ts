// SPDX-License-Identifier: GPL-3.0-or-later
// The climate of places, the button and the lights.
import { expect, signIn, test, tooWide } from '../support';

test('places show what is measured, how old it is and what is wrong', async ({ page, mock }) => {
  await signIn(page, mock);
  await page.getByRole('link', { name: 'Environment' }).click();
  const tile = (name: string) => page.getByRole('button', { name });
  await expect(tile('Enclosure')).toContainText('31.4');
  await expect(tile('Enclosure')).toContainText('28');
  await expect(tile('Enclosure')).toContainText('above 30 °C');
  await expect(tile('Balcony')).toContainText('-2.5');
  await expect(tile('Filament box')).toContainText('it does not answer');
  await expect(tile('Filament box')).toContainText('old');
  await page.getByLabel('Find a place').fill('balc');
  await expect(tile('Enclosure')).toBeHidden();
  await page.getByLabel('Find a place').fill('');
  await page.getByLabel('Sort by').selectOption('temperature_c');
  await expect(page.locator('.tile strong')).toHaveText(['Balcony', 'Filament box', 'Enclosure']);
  await page.getByRole('button', { name: 'Upwards' }).click();
  await expect(page.locator('.tile strong')).toHaveText(['Enclosure', 'Filament box', 'Balcony']);
});

test('a new reading comes by itself', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/environment');
  await expect(page.getByRole('button', { name: 'Balcony' })).toContainText('-2.5');
  mock.tell({ type: 'climate', reading: { location: 'Balcony', source: 'key of admin', at: new Date().toISOString(), temperature_c: 4.5, humidity_pct: 70 } });
  await expect(page.getByRole('button', { name: 'Balcony' })).toContainText('4.5');
  mock.tell({ type: 'climate', reading: { location: 'Cellar', source: 'key of admin', at: new Date().toISOString(), temperature_c: 12, humidity_pct: null } });
  await expect(page.getByRole('button', { name: 'Cellar' })).toBeVisible();
});

test('a day is drawn, with its extremes, its means and the day before', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/environment');
  await page.getByRole('button', { name: 'Enclosure' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('img', { name: 'Temperature' })).toBeVisible();
  await expect(dialog.getByRole('img', { name: 'Humidity' })).toBeVisible();
  await dialog.getByRole('button', { name: 'The day before' }).click();
  await expect(dialog.getByText(/Temperature: \d+ to \d+ °C, mean \d+/)).toBeVisible();
  const drawn = await dialog.getByRole('img', { name: 'Temperature' }).evaluate((c: HTMLCanvasElement) => {
    const { data } = c.getContext('2d')!.getImageData(0, 0, c.width, c.height);
    return data.some((v) => v !== 0);
  });
  expect(drawn).toBe(true);
  await dialog.getByLabel('Means').selectOption('15');
  await expect.poll(() => mock.log.orders.some((o: Record<string, unknown>) => o.history === 'Enclosure' && o.step_s === '900')).toBe(true);
});

test('the button is pressed on the page by those who may', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/environment');
  await expect(page.getByRole('img', { name: 'Recording' })).toBeVisible();
  await page.getByRole('button', { name: '4 clicks' }).click();
  await expect(page.getByText('4 clicks: the session is paused')).toBeVisible();
  await expect(page.getByRole('img', { name: 'Paused' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Press', exact: true })).toHaveCount(0);
});

const simulated = {
  printer: 'anna',
  button: { state: 'simulated', text: '', is_pressed: false, presses: 0, last: null },
  lights: { state: 'absent', text: '', show: 'idle' },
};

test('a simulated button is pressed by mouse and by key, each edge in its order; the red light tells of a picture', async ({ page, mock }) => {
  const panel = { ...simulated, lights: { state: 'simulated', text: '', show: 'recording' } };
  mock.environment.panel = panel;
  await signIn(page, mock, 'operator', '#/environment');
  const press = page.getByRole('button', { name: 'Press', exact: true });
  await press.click({ clickCount: 3, delay: 30 });
  await press.focus();
  await page.keyboard.press('Space', { delay: 30 });
  await page.keyboard.press('Enter', { delay: 30 });
  const edges = () => mock.log.orders.filter((o) => 'down' in o).map((o) => o.down);
  await expect.poll(() => edges().length).toBe(10);
  expect(edges()).toEqual([true, false, true, false, true, false, true, false, true, false]);
  const red = page.locator('.lamp.red');
  await expect(red).not.toHaveClass(/lit/);
  const lit = red.evaluate((e) => new Promise<boolean>((done) => new MutationObserver(() => e.classList.contains('lit') && done(true)).observe(e, { attributes: true })));
  mock.tell({ type: 'frame', frame: { session: 's', printer: 'anna', camera: 'anna', number: 1, layer: 3 } });
  expect(await lit).toBe(true);
  await expect(red).not.toHaveClass(/lit/);
  // Other news of the panel are no picture.
  await red.evaluate((e) => new MutationObserver(() => e.classList.contains('lit') && e.setAttribute('data-flashed', '')).observe(e, { attributeFilter: ['class'] }));
  mock.tell({ type: 'panel', panel: { ...panel, button: { ...panel.button, presses: 1, last: { clicks: 3, order: 'start_stop', at: new Date().toISOString(), text: 'a session is being recorded' } } } });
  await expect(page.getByText('a session is being recorded')).toBeVisible();
  await expect(red).not.toHaveAttribute('data-flashed');
});

test('a button that went up by itself before it was let go was pressed', async ({ page, mock }) => {
  mock.environment.panel = simulated;
  await signIn(page, mock, 'operator', '#/environment');
  await page.route('**/panel/press', (r) =>
    r.request().postDataJSON().down ? r.continue() : r.fulfill({ status: 409, json: { error: { code: 'conflict', text: 'the button is not held down.' } } }));
  const press = page.getByRole('button', { name: 'Press', exact: true });
  const refusal = page.waitForResponse((r) => r.status() === 409);
  await press.click();
  await refusal;
  await press.click();
  await expect.poll(() => mock.log.orders.filter((o) => 'down' in o).length).toBe(2);
  await expect(page.getByText('The button was not pressed', { exact: true })).toHaveCount(0);
});

test('a button that is held down is let go by leaving the page', async ({ page, mock }) => {
  mock.environment.panel = simulated;
  await signIn(page, mock, 'operator', '#/environment');
  // As Safari, where a click does not focus a button.
  await page.evaluate(() => addEventListener('mousedown', (e) => e.preventDefault()));
  await page.getByRole('button', { name: 'Press', exact: true }).hover();
  await page.mouse.down();
  const edges = () => mock.log.orders.filter((o) => 'down' in o).map((o) => o.down);
  await expect.poll(edges).toEqual([true]);
  await page.evaluate(() => (location.hash = '#/films'));
  await expect.poll(edges).toEqual([true, false]);
});

test('a viewer sees the button and cannot press it; a phone shows it all', async ({ page, mock }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, mock, 'viewer');
  await page.locator('nav.bottom').getByRole('link', { name: 'More' }).click();
  await page.getByRole('link', { name: 'Environment' }).click();
  await expect(page.getByText('3 clicks: a session is being recorded')).toBeVisible();
  await expect(page.getByRole('button', { name: '1 click' })).toBeHidden();
  expect(await tooWide(page)).toBe('');
  await page.getByRole('button', { name: 'Enclosure' }).click();
  await expect(page.getByRole('dialog').getByRole('img', { name: 'Temperature' })).toBeVisible();
  expect(await tooWide(page)).toBe('');
});
