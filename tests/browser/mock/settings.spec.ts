// SPDX-License-Identifier: GPL-3.0-or-later
import { card, expect, signIn, test } from '../support';

test('a printer is found and added; an unknown certificate only after a yes', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/printers');
  await page.getByRole('button', { name: 'Look for printers' }).click();
  await expect(page.getByText('3 printers found')).toBeVisible();
  await page.getByRole('listitem').filter({ hasText: 'Hanna' }).getByRole('button', { name: 'Add' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('AB12 AB12');
  await dialog.getByLabel('Access code', { exact: true }).fill('12345678');
  await expect(dialog.getByRole('button', { name: 'Add the printer' })).toBeDisabled();
  await dialog.getByRole('checkbox').check();
  await dialog.getByRole('button', { name: 'Add the printer' }).click();
  await expect(dialog).toContainText('The way to Hanna');
  await expect(dialog.getByRole('status')).toContainText('Everything is in order');
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await expect(dialog).toHaveCount(0);
  expect(mock.log.orders.at(-1)).toEqual({
    add: { name: 'Hanna', driver: 'bambu', address: '192.168.1.61', serial: '03919A123456789', access_code: '12345678', trust: `sha256:${'ab12'.repeat(16)}` },
  });
  await page.goto(`${mock.url}#/printers`);
  await expect(page.getByRole('heading', { name: 'Hanna' })).toBeVisible();
});

test('an OctoPrint gives its key when it is allowed there, and says so when it is not', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/printers');
  await page.getByRole('button', { name: 'Add by address' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What speaks for it').selectOption('octoprint');
  await dialog.getByLabel('Name', { exact: true }).fill('Ender');
  await dialog.getByLabel('Address of its page').fill('http://elsewhere.local');
  await dialog.getByRole('button', { name: 'Ask OctoPrint for a key' }).click();
  await expect(dialog.getByRole('alert')).toContainText('This is no OctoPrint');
  await dialog.getByLabel('Address of its page').fill('http://octopi.local');
  mock.faults.denies = true;
  await dialog.getByRole('button', { name: 'Ask OctoPrint for a key' }).click();
  await expect(dialog.getByRole('status')).toContainText('Waiting for your consent');
  await expect(dialog.getByRole('link', { name: 'Open it' })).toHaveAttribute('href', 'http://octopi.local/plugin/appkeys/auth/abc');
  await expect(dialog.getByRole('alert')).toContainText('denied in OctoPrint');
  mock.faults.denies = false;
  await dialog.getByRole('button', { name: 'Ask OctoPrint for a key' }).click();
  await expect(dialog).toContainText('The way to Ender');
  expect(mock.log.orders.at(-1)).toEqual({ add: { name: 'Ender', driver: 'octoprint', url: 'http://octopi.local', trust: 'ca', pairing: 'pair-1' } });
});

test('each kind of printer is added with the login that it has', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/printers');
  const dialog = page.getByRole('dialog');
  const begin = async (kind: string, name: string, url: string): Promise<void> => {
    await page.getByRole('button', { name: 'Add by address' }).click();
    await dialog.getByLabel('What speaks for it').selectOption(kind);
    await dialog.getByLabel('Name', { exact: true }).fill(name);
    await dialog.getByLabel('Address of its page').fill(url);
  };
  const add = async (): Promise<void> => {
    await dialog.getByRole('button', { name: 'Add the printer' }).click();
    await expect(dialog.getByRole('status')).toContainText('Everything is in order');
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await expect(dialog).toHaveCount(0);
  };

  await begin('prusalink', 'Mk4', 'http://192.168.1.20');
  await expect(dialog.getByLabel('User', { exact: true })).toHaveValue('maker');
  await expect(dialog.getByLabel('Serial number', { exact: true })).toHaveCount(0);
  await dialog.getByLabel('Password', { exact: true }).fill('abcdefgh');
  await add();
  expect(mock.log.orders.at(-1)).toEqual({ add: { name: 'Mk4', driver: 'prusalink', url: 'http://192.168.1.20', user: 'maker', password: 'abcdefgh', trust: 'ca' } });

  await begin('moonraker', 'Voron', 'https://voron.local:7130');
  await dialog.getByLabel('Exactly the certificate with this fingerprint').check();
  await dialog.getByLabel('Fingerprint (SHA-256)').fill(`sha256:${'AB12'.repeat(16)}`);
  await expect(dialog.getByRole('button', { name: 'Add the printer' })).toBeDisabled();
  await dialog.getByRole('checkbox').check();
  await add();
  expect(mock.log.orders.at(-1)).toEqual({ add: { name: 'Voron', driver: 'moonraker', url: 'https://voron.local:7130', trust: `sha256:${'ab12'.repeat(16)}` } });

  await begin('moonraker', 'Ratrig', 'http://ratrig.local');
  await dialog.getByLabel('API key', { exact: true }).check();
  await dialog.getByRole('textbox', { name: 'API key' }).fill('0123456789abcdef');
  await add();
  expect(mock.log.orders.at(-1)).toEqual({ add: { name: 'Ratrig', driver: 'moonraker', url: 'http://ratrig.local', api_key: '0123456789abcdef', trust: 'ca' } });

  await page.getByRole('button', { name: 'Add by address' }).click();
  await expect(dialog.getByLabel('Serial number', { exact: true })).toHaveCount(1); // Bambu Lab is offered first
});

test('removing a printer asks first', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/printers');
  await page.getByRole('button', { name: 'Remove Dora' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('cell', { name: 'Dora' })).toHaveCount(0);
  await page.goto(`${mock.url}#/printers`);
  await expect(card(page, 'dora')).toHaveCount(0);
});

test('the doctor says what to do, and a refused certificate is trusted after a confirmation', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/printers/gerda/service');
  await page.getByRole('button', { name: 'Examine the connection' }).click();
  await expect(page.getByText('2 steps are not in order. Begin with the first.')).toBeVisible();
  await expect(page.getByText('Compare the fingerprint below')).toBeVisible();
  await expect(page.locator('[data-test=fingerprint]')).toContainText('3F1B 3F1B');
  await page.getByRole('button', { name: 'Trust exactly this certificate' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Trust exactly this certificate' }).click();
  await expect(page.getByText('The certificate is pinned.')).toBeVisible();
  expect(mock.log.orders.at(-1)).toEqual({ id: 'gerda', pin: '3f1b'.repeat(16) });
  await page.getByRole('button', { name: 'Show the raw report' }).click();
  await expect(page.locator('pre')).toContainText('gcode_state');
});

test('users are added, changed and deleted; the first administrator stays', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/users');
  await expect(page.getByRole('row').filter({ hasText: 'first administrator' }).getByRole('button', { name: 'Change' })).toBeDisabled();
  await page.getByRole('button', { name: 'Add a user' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('guest');
  await page.getByRole('dialog').getByLabel('Password', { exact: true }).fill('guest-password');
  await page.getByRole('dialog').getByLabel('Account ends').selectOption('1440');
  await page.getByRole('dialog').getByRole('button', { name: 'Add a user' }).click();
  const row = page.getByRole('row').filter({ hasText: 'guest' });
  await expect(row).toContainText('viewer');
  await row.getByRole('button', { name: 'Change' }).click();
  await page.getByRole('dialog').getByRole('radio', { name: /operator/ }).check();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(row).toContainText('operator');
  await row.getByRole('button', { name: 'Delete guest' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(row).toHaveCount(0);
});

test('an API key is shown once', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/keys');
  await page.getByRole('button', { name: 'Make a key' }).click();
  await page.getByLabel('What it is for').fill('dashboard');
  await page.getByRole('dialog').getByRole('button', { name: 'Make a key' }).click();
  await expect(page.locator('#secret')).toContainText(/^sk_\d+_[0-9a-f]{32}$/);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await expect(page.locator('#secret')).toHaveCount(0);
  await expect(page.getByRole('row').filter({ hasText: 'dashboard' })).toContainText('read');
});

test('storage, audit log and appearance', async ({ page, mock }) => {
  await signIn(page, mock, 'admin', '#/settings/storage');
  await expect(page.getByText('214 GB free of 512 GB')).toBeVisible();
  const wait = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download a backup' }).click();
  expect((await wait).suggestedFilename()).toBe('bedside-backup.tar');
  mock.storage.free_bytes = 4e9;
  mock.tell({ type: 'storage', storage: mock.storage });
  await expect(page.getByText('The disk is nearly full')).toBeVisible();
  await page.goto(`${mock.url}#/settings/audit`);
  await expect(page.getByRole('row').filter({ hasText: 'login_failed' })).toBeVisible();
  await page.getByLabel('User').fill('operator');
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'login_failed' })).toHaveCount(0);
  await page.goto(`${mock.url}#/settings/appearance`);
  await page.getByRole('button', { name: 'Light' }).first().click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
});

test.describe('in the demo', () => {
  test.use({ options: { isDemo: true } });
  test('the users say why there are none', async ({ page, mock }) => {
    await page.route('**/api/v1/users', (r) => r.fulfill({ json: { users: [] } }));
    await signIn(page, mock, 'admin', '#/settings/users');
    await expect(page.getByText('There is no account: the demo takes everybody at this machine for its administrator.')).toBeVisible();
  });
});
