// SPDX-License-Identifier: GPL-3.0-or-later
// A page with a mock server behind it. Every test also fails on a breach of the content policy, on
// a request that leaves the origin, and on an error in the page.
import { expect, test as base, type Page } from '@playwright/test';
// @ts-expect-error plain JavaScript
import { startMock } from '../../ui/dev/mock-server.mjs';

export interface Printer {
  id: string;
  activity: string;
  job: { layer: number; layers: number; percent: number };
  [key: string]: unknown;
}

export interface Mock {
  url: string;
  printers: Printer[];
  log: { requests: string[]; orders: Record<string, unknown>[]; wall: { camera: string; width: number; fps?: number }[]; sent: number };
  faults: { refuseSockets: boolean; refuseWall: boolean; deadCameras: Set<string>; answer: unknown; denies: boolean };
  cameras: { id: string; name: string; state: string; text: string; newest_at: string | null; [key: string]: unknown }[];
  walls: Set<unknown>;
  storage: Record<string, unknown>;
  environment: { panel: unknown };
  pull: { sources: Record<string, unknown>[] };
  films(): { id: string; state: string }[];
  finish(id: string): void;
  notice(n: Record<string, unknown>): void;
  tell(m: Record<string, unknown>): void;
  skip(): void;
  drop(): void;
  signOutAll(): void;
  close(): Promise<void>;
}

interface Options {
  needsSetup?: boolean;
  isEmpty?: boolean;
  isDemo?: boolean;
  base?: string;
  speed?: number;
  copies?: number;
}

/** Collects what must never happen on any page. */
export async function guard(page: Page, origin: () => string): Promise<string[]> {
  const faults: string[] = [];
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  page.on('console', (m) => {
    if (m.type() === 'error' && /CSP|Content Security Policy|Refused to/.test(m.text())) faults.push(m.text());
  });
  page.on('pageerror', (e) => faults.push(`page error: ${e.message}`));
  page.on('request', (r) => {
    const url = r.url();
    if (/^(blob|data):/.test(url)) return;
    if (new URL(url).host !== new URL(origin()).host) faults.push(`left the origin: ${url}`);
  });
  page.on('websocket', (s) => {
    if (new URL(s.url()).host !== new URL(origin()).host) faults.push(`left the origin: ${s.url()}`);
  });
  return faults;
}

export const test = base.extend<{ options: Options; mock: Mock; faults: string[] }>({
  options: [{}, { option: true }],
  mock: async ({ options }, use) => {
    const mock = (await startMock(options)) as Mock;
    await use(mock);
    await mock.close();
  },
  faults: [
    async ({ page, mock }, use) => {
      const faults = await guard(page, () => mock.url);
      await use(faults);
      expect(faults).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

export async function signIn(page: Page, mock: { url: string }, name = 'admin', hash = ''): Promise<void> {
  await page.goto(`${mock.url}${hash}`);
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Password', { exact: true }).fill(`${name}-password`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.locator('#main')).toBeVisible();
}

export const card = (page: Page, id: string) => page.locator(`article[data-printer=${id}]`);

/** A page wider than the screen makes a phone scroll sideways: the first element to blame. */
export async function tooWide(page: Page): Promise<string> {
  return page.evaluate(() => {
    const most = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= most) return '';
    for (const e of document.querySelectorAll('body *')) {
      const r = e.getBoundingClientRect();
      if (r.width && r.right > most + 1) return `${e.tagName}.${e.className} ends at ${Math.round(r.right)} of ${most}`;
    }
    return `the page is ${document.documentElement.scrollWidth} wide`;
  });
}
