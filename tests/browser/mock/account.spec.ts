// SPDX-License-Identifier: GPL-3.0-or-later
import { expect, signIn, test } from '../support';

test.describe('first start', () => {
  test.use({ options: { needsSetup: true } });

  test('the set-up link makes the first administrator and leads to the printers', async ({ page, mock }) => {
    await page.goto(`${mock.url}#/setup?token=good-token`);
    await expect(page.getByRole('heading', { name: 'Welcome to Bedside' })).toBeVisible();
    await page.getByLabel('Name', { exact: true }).fill('ada');
    await page.getByLabel('Password', { exact: true }).fill('short');
    await page.getByLabel('Password once more').fill('short');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('alert')).toContainText('at least 8 characters');
    await page.getByLabel('Password', { exact: true }).fill('long enough');
    await page.getByLabel('Password once more').fill('long enougH');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('alert')).toContainText('differ');
    await page.getByLabel('Password once more').fill('long enough');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('heading', { name: 'Printers', exact: true })).toBeVisible();
    await expect(page).toHaveURL(/#\/printers$/);
  });

  test('who came without the link is asked for it', async ({ page, mock }) => {
    await page.goto(mock.url);
    await page.getByLabel('Set-up link').fill(`${mock.url}?token=good-token`);
    await page.getByLabel('Password', { exact: true }).fill('long enough');
    await page.getByLabel('Password once more').fill('long enough');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('heading', { name: 'Printers', exact: true })).toBeVisible();
  });

  test('an old link is refused with what to do', async ({ page, mock }) => {
    await page.goto(`${mock.url}#/setup?token=old`);
    await page.getByLabel('Password', { exact: true }).fill('long enough');
    await page.getByLabel('Password once more').fill('long enough');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('alert')).toContainText('Start Bedside again');
    await expect(page.getByLabel('Set-up link')).toBeVisible();
  });
});

test('a wrong password is said, a right one opens, signing out closes', async ({ page, mock }) => {
  await page.goto(mock.url);
  await page.getByLabel('Name', { exact: true }).fill('admin');
  await page.getByLabel('Password', { exact: true }).fill('wrong');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('Name or password is wrong');
  await page.getByLabel('Password', { exact: true }).fill('admin-password');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Printers', exact: true })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Printers', exact: true })).toBeVisible();
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'Account' }).click();
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('a session that ended elsewhere leads to the sign-in', async ({ page, mock }) => {
  await signIn(page, mock);
  mock.signOutAll();
  mock.drop();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('a viewer looks, and is told who can do more', async ({ page, mock }) => {
  await signIn(page, mock, 'viewer', '#/printers/anna');
  await expect(page.getByRole('button', { name: 'Stop print' })).toBeDisabled();
  await expect(page.getByRole('button', { name: 'Take a picture now' })).toBeDisabled();
  await expect(page.getByText('Operators and administrators can do this').first()).toBeVisible();
  await expect(page.getByRole('link', { name: 'Service' })).toHaveCount(0);
  await page.goto(`${mock.url}#/settings/users`);
  await expect(page.getByText('Users is not open to you')).toBeVisible();
  await expect(page.getByText('You are signed in as viewer')).toBeVisible();
  await page.goto(`${mock.url}#/films`);
  await expect(page.locator('[data-film=f-dora]').getByRole('button', { name: 'Delete' })).toBeDisabled();
  await expect(page.locator('[data-film=f-dora]').getByRole('button', { name: 'Make again' })).toBeDisabled();
  expect(mock.log.requests.filter((r) => !r.startsWith('GET') && r !== 'POST login')).toEqual([]);
});

test('an operator runs a print but does not delete', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/printers/anna');
  await page.getByRole('button', { name: 'Pause print' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The printer confirmed it' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Resume print' })).toBeVisible();
  await page.goto(`${mock.url}#/films`);
  await expect(page.locator('[data-film=f-dora]').getByRole('button', { name: 'Delete' })).toBeDisabled();
});

test('one can change the password', async ({ page, mock }) => {
  await signIn(page, mock, 'operator', '#/settings/account');
  await page.getByLabel('Present password').fill('nonsense');
  await page.getByLabel('New password', { exact: true }).fill('a new password');
  await page.getByLabel('New password once more').fill('a new password');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await expect(page.getByRole('alert')).toContainText('present password is wrong');
  await page.getByLabel('Present password').fill('operator-password');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await expect(page.getByText('The password is changed.')).toBeVisible();
});
