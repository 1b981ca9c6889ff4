// SPDX-License-Identifier: GPL-3.0-or-later
// Two projects: `mock` drives the built page (script/ui first) against a server of invented data;
// `real` drives it against the program itself, whose path stands in BEDSIDE.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  outputDir: process.env.BROWSER_TEST_OUT ?? './results',
  // For a machine that is busy with the rest of the tests.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  workers: 1,
  retries: 0,
  forbidOnly: !!process.env.CI,
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
      ],
    },
    // The page without its server has a test of its own; elsewhere nothing comes between.
    serviceWorkers: 'block',
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'mock', testMatch: /mock\/.*\.spec\.ts/ },
    { name: 'real', testMatch: /real\/.*\.spec\.ts/, timeout: 240_000 },
  ],
});
