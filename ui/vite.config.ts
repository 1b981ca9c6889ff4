// SPDX-License-Identifier: GPL-3.0-or-later
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
// @ts-expect-error plain JavaScript
import { serviceWorker } from './dev/service-worker.mjs';

// `base: './'`: the server may sit below any path; index.html carries a <base> that it fills in.
// Nothing is inlined as a data: URL, and no polyfill is injected: the page lives under
// `default-src 'self'`.
export default defineConfig({
  base: './',
  plugins: [svelte(), serviceWorker()],
  build: {
    target: ['es2022', 'safari15.4', 'firefox100', 'chrome100'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      '/api': { target: 'http://127.0.0.1:8485', ws: true },
    },
  },
});
