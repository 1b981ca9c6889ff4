// SPDX-License-Identifier: GPL-3.0-or-later
// What was seen last, for the time when the server is away: printers, sessions and films in words
// and figures; no pictures, no serial numbers, no addresses. As long as the sign-in lasts: in this
// browser when it is remembered, else in this tab. Signing out wipes it.
import type { Camera, Film, Printer, Session, User } from './types';

export interface LastSeen {
  at: number;
  user: User;
  isDemo: boolean;
  version: string;
  printers: Printer[];
  cameras: Camera[];
  sessions: Session[];
  films: Film[];
}

const MAX_AGE_MS = 7 * 86_400_000;
// Several Bedsides may live below one origin.
const KEY = `bedside.last-seen ${new URL(document.baseURI).pathname}`;
const UNSAID = new Set(['serial', 'address', 'url', 'newest_at']);

/** Whether the page itself would open without its server. */
export const canOpenAlone = 'serviceWorker' in navigator && isSecureContext;

function each(then: (s: Storage) => void): void {
  for (const name of ['localStorage', 'sessionStorage'] as const) {
    try {
      then(window[name]);
    } catch {
      // A browser that keeps nothing.
    }
  }
}

export function wipeLastSeen(): void {
  each((s) => s.removeItem(KEY));
}

export function keepLastSeen(seen: LastSeen, isRemembered: boolean): void {
  if (!canOpenAlone) return;
  const text = JSON.stringify(seen, (key, value: unknown) => (UNSAID.has(key) ? '' : value));
  try {
    (isRemembered ? localStorage : sessionStorage).setItem(KEY, text);
  } catch {
    wipeLastSeen(); // no room: rather nothing than something old
  }
}

export function recallLastSeen(): LastSeen | null {
  let found: LastSeen | null = null;
  each((s) => {
    const seen = JSON.parse(s.getItem(KEY) ?? 'null') as LastSeen | null;
    if (seen?.user && seen.at > (found?.at ?? Date.now() - MAX_AGE_MS)) found = seen;
  });
  return found;
}
