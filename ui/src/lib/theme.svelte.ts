// SPDX-License-Identifier: GPL-3.0-or-later
// Dark and light: the system's choice unless the user made one. Kept in this browser.

export type Theme = 'system' | 'dark' | 'light';
const KEY = 'bedside.theme';
const NAV_KEY = 'bedside.nav';

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
}

export const recall = stored;

class Appearance {
  theme = $state<Theme>('system');
  isNavNarrow = $state(false);
  private systemIsDark = $state(true);

  constructor() {
    const t = stored(KEY);
    if (t === 'dark' || t === 'light') this.theme = t;
    this.isNavNarrow = stored(NAV_KEY) === 'narrow';
    const media = matchMedia('(prefers-color-scheme: dark)');
    this.systemIsDark = media.matches;
    media.addEventListener('change', (e) => {
      this.systemIsDark = e.matches;
      this.apply();
    });
    this.apply();
  }

  get isDark(): boolean {
    return this.theme === 'system' ? this.systemIsDark : this.theme === 'dark';
  }

  choose(theme: Theme): void {
    this.theme = theme;
    remember(KEY, theme);
    this.apply();
  }

  narrowNav(isNarrow: boolean): void {
    this.isNavNarrow = isNarrow;
    remember(NAV_KEY, isNarrow ? 'narrow' : 'wide');
  }

  private apply(): void {
    document.documentElement.dataset.theme = this.isDark ? 'dark' : 'light';
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', this.isDark ? '#0f1115' : '#f6f7f9');
  }
}

export const appearance = new Appearance();
