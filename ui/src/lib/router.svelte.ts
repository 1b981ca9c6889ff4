// SPDX-License-Identifier: GPL-3.0-or-later
// Pages are named in the address's hash, so that the server needs to know none of them.

class Router {
  path = $state<string[]>([]);
  params = $state.raw(new URLSearchParams());

  constructor() {
    this.read();
    addEventListener('hashchange', () => this.read());
  }

  private read(): void {
    const raw = location.hash.replace(/^#\/?/, '');
    const [path = '', search = ''] = raw.split('?', 2);
    this.path = path.split('/').filter(Boolean).map(safeDecode);
    this.params = new URLSearchParams(search);
  }

  get page(): string {
    return this.path[0] ?? 'printers';
  }

  go(to: string, { replace = false } = {}): void {
    const url = `${location.pathname}${location.search}#${to}`;
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.read();
  }
}

function safeDecode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

export const router = new Router();

/** The href of a page: "#/printers/a1". Parts are escaped. */
export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}
