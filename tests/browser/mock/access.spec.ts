// SPDX-License-Identifier: GPL-3.0-or-later
// For every hand, eye and screen.
import { card, expect, signIn, test, tooWide } from '../support';

const PAGES = [
  'printers', 'printers/anna', 'printers/clara', 'printers/emil', 'printers/anna/films', 'printers/anna/history', 'printers/gerda/service', 'wall', 'films', 'films/f-dora',
  'alerts', 'environment', 'more', 'settings/printers', 'settings/cameras', 'settings/rigs', 'settings/pull', 'settings/snippets', 'settings/storage', 'settings/users', 'settings/keys', 'settings/audit', 'settings/appearance',
  'settings/account', 'nowhere',
];

for (const width of [390, 768, 1440]) {
  test(`no page scrolls sideways at ${width} px`, async ({ page, mock }) => {
    await page.setViewportSize({ width, height: 844 });
    await signIn(page, mock);
    for (const p of PAGES) {
      await page.goto(`${mock.url}#/${p}`);
      await page.waitForTimeout(250);
      expect(await tooWide(page), p).toBe('');
    }
  });
}

test('what can be touched is at least 44 px high on a phone', async ({ page, mock }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, mock);
  for (const p of ['printers', 'printers/anna', 'films', 'alerts', 'environment', 'settings/rigs', 'settings/pull', 'settings/snippets', 'settings/users', 'settings/account']) {
    await page.goto(`${mock.url}#/${p}`);
    await page.waitForTimeout(300);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('button, select, input:not([type=hidden],[type=checkbox],[type=radio])')]
        .map((e) => ({ r: e.getBoundingClientRect(), e }))
        .filter(({ r }) => r.width > 1 && r.height > 1 && (r.height < 42 || r.width < 42))
        .map(({ e, r }) => `${e.tagName} ${e.textContent?.trim() || e.getAttribute('aria-label')} ${Math.round(r.width)}x${Math.round(r.height)}`),
    );
    expect(small, p).toEqual([]);
  }
});

test('a phone has its bar at the thumb, a desk its navigation at the left', async ({ page, mock }) => {
  await signIn(page, mock);
  const bar = page.locator('nav.bottom');
  const side = page.locator('nav.side');
  await expect(side).toBeVisible();
  await expect(bar).toBeHidden();
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(bar).toBeVisible();
  await expect(side).toBeHidden();
  await bar.getByRole('link', { name: 'More' }).click();
  await page.getByRole('link', { name: 'Users' }).click();
  await expect(page.getByRole('button', { name: 'Add a user' })).toBeVisible();
});

test('everything can be reached and done by keyboard', async ({ page, mock }) => {
  await page.goto(mock.url);
  await expect(page.getByLabel('Name', { exact: true })).toBeFocused();
  await page.keyboard.type('admin');
  await page.keyboard.press('Tab');
  await page.keyboard.type('admin-password');
  await page.keyboard.press('Enter');
  await expect(card(page, 'anna')).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('#main')).toBeFocused();
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const label = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    if (label === 'Stop the session') break;
  }
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('every control has a name and every picture a text', async ({ page, mock }) => {
  await signIn(page, mock);
  for (const p of PAGES) {
    await page.goto(`${mock.url}#/${p}`);
    await page.waitForTimeout(250);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, a[href], input:not([type=hidden]), select, img, canvas[role=img], svg[role=img]')]
        .filter((e) => !e.closest('[aria-hidden=true]') && (e as HTMLElement).getClientRects().length > 0)
        .filter((e) => {
          const own = e.getAttribute('aria-label') || e.getAttribute('title') || e.textContent?.trim();
          const labelled = (e as HTMLInputElement).labels?.length;
          return !(own || labelled || e.hasAttribute('alt'));
        })
        .map((e) => e.outerHTML.slice(0, 120)),
    );
    expect(nameless, p).toEqual([]);
  }
});

for (const scheme of ['dark', 'light'] as const) {
  test(`text stands out from its ground in ${scheme}`, async ({ page, mock }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await signIn(page, mock, 'admin', '#/printers/clara');
    await page.waitForTimeout(400);
    const weak = await page.evaluate(() => {
      const parse = (c: string) => {
        const m = c.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
        if (c.startsWith('color(srgb')) return [m[0]! * 255, m[1]! * 255, m[2]! * 255, m[3] ?? 1];
        return [m[0]!, m[1]!, m[2]!, m[3] ?? 1];
      };
      const over = (a: number[], b: number[]) => [0, 1, 2].map((i) => a[i]! * a[3]! + b[i]! * (1 - a[3]!)).concat(1);
      const light = (c: number[]) => {
        const [r, g, b] = c.slice(0, 3).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
      };
      const ground = (e: Element): number[] => {
        const layers: number[][] = [];
        for (let x: Element | null = e; x; x = x.parentElement) {
          const c = parse(getComputedStyle(x).backgroundColor);
          if (c[3]! > 0) layers.push(c);
          if (c[3]! >= 1) break;
        }
        return layers.reduceRight((below, c) => over(c, below), [255, 255, 255, 1]);
      };
      const list: string[] = [];
      for (const e of document.querySelectorAll('#main *, nav *')) {
        const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent?.trim());
        if (!text || !(e as HTMLElement).offsetParent || e.closest(':disabled, .picture, .unseen, [aria-hidden=true]')) continue;
        const b = ground(e);
        const c = over(parse(getComputedStyle(e).color), b);
        const [hi, lo] = [light(c), light(b)].sort((x, y) => y - x) as [number, number];
        const ratio = (hi + 0.05) / (lo + 0.05);
        if (ratio < 4.5) list.push(`${e.textContent?.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
      }
      return list;
    });
    expect(weak).toEqual([]);
  });
}

test('the page is installable', async ({ page, mock, request }) => {
  await page.goto(mock.url);
  const href = await page.locator('link[rel=manifest]').getAttribute('href');
  const manifest = await (await request.get(new URL(href!, mock.url).href)).json();
  expect(manifest.display).toBe('standalone');
  for (const icon of manifest.icons) expect((await request.get(new URL(icon.src, mock.url).href)).status(), icon.src).toBe(200);
});
