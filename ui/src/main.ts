// SPDX-License-Identifier: GPL-3.0-or-later
import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { canOpenAlone } from './lib/lastseen';

const target = document.getElementById('app');
if (target) mount(App, { target });

// The page opens without its server then. Refused where the certificate is not trusted: no loss.
if (import.meta.env.PROD && canOpenAlone)
  navigator.serviceWorker.register(new URL('sw.js', document.baseURI)).catch(() => undefined);
