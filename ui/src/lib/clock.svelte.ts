// SPDX-License-Identifier: GPL-3.0-or-later
// The server's time, as far as we know it, ticking once a second while the page is seen.

class Clock {
  offsetMs = 0;
  now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.tick();
    }, 1000);
    document.addEventListener('visibilitychange', () => this.tick());
  }

  tick(): void {
    this.now = Date.now() + this.offsetMs;
  }

  /** The server says what time it is. */
  set(serverNow: string | undefined): void {
    const t = serverNow ? Date.parse(serverNow) : NaN;
    if (Number.isNaN(t)) return;
    this.offsetMs = t - Date.now();
    this.tick();
  }

  exact(): number {
    return Date.now() + this.offsetMs;
  }

  /** Milliseconds since a moment the server named; null if there was none. */
  since(at: string | null | undefined): number | null {
    if (!at) return null;
    const t = Date.parse(at);
    return Number.isNaN(t) ? null : Math.max(0, this.now - t);
  }
}

export const clock = new Clock();
