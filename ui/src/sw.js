// SPDX-License-Identifier: GPL-3.0-or-later
// The page without its server: its own files, as listed by the build, and nothing else. What the
// server answers (state, pictures, films) never comes through here, so none of it is kept.
const VERSION = '__VERSION__';
const FILES = ['__FILES__'];
const PATIENCE_MS = 4000;

// Two Bedsides below one origin share its caches.
const FAMILY = `bedside-page ${self.registration.scope} `;
const NAME = FAMILY + VERSION;
const home = new URL(self.registration.scope);

self.addEventListener('install', (e) => {
  const wanted = FILES.map((f) => new Request(new URL(f, home), { cache: 'reload', credentials: 'same-origin' }));
  e.waitUntil(caches.open(NAME).then((c) => c.addAll(wanted)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (e) => {
  e.waitUntil(
    caches
      .keys()
      .then((all) => Promise.all(all.filter((n) => n.startsWith(FAMILY) && n !== NAME).map((n) => caches.delete(n))))
      .then(() => self.clients.claim()),
  );
});

async function kept(name) {
  return (await caches.open(NAME)).match(new URL(name, home));
}

/** From the server, so that a new version shows at once; ours when it does not answer. */
async function page(request) {
  const late = new Promise((done) => setTimeout(done, PATIENCE_MS));
  const answer = await Promise.race([fetch(request).catch(() => undefined), late]);
  // A proxy in front of a server that is away says so with one of these.
  if (answer && ![502, 503, 504].includes(answer.status)) return answer;
  return (await kept('')) ?? answer ?? fetch(request);
}

self.addEventListener('fetch', (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== 'GET' || url.origin !== home.origin || !url.pathname.startsWith(home.pathname)) return;
  const name = url.pathname.slice(home.pathname.length);
  if (e.request.mode === 'navigate') {
    if (name === '') e.respondWith(page(e.request));
  } else if (name !== '' && !url.search && FILES.includes(name)) {
    e.respondWith(kept(name).then((r) => r ?? fetch(e.request)));
  }
});
