// SPDX-License-Identifier: GPL-3.0-or-later
// Who is signed in, and what that allows. The server decides; this only saves a wasted click.
import { get, send, setCsrf, whenSignedOut } from './api';
import { keepLastSeen, recallLastSeen, wipeLastSeen } from './lastseen';
import { live } from './live.svelte';
import { recall, remember } from './theme.svelte';
import type { Role, User } from './types';

export type Phase = 'starting' | 'unreachable' | 'setup' | 'signin' | 'in';

interface Start {
  needs_setup: boolean;
  has_link: boolean;
  is_demo: boolean;
  is_signed_in: boolean;
  version: string;
}

interface SignedIn {
  user: User;
  csrf: string;
}

const AGAIN_MS = 2000;
const KEEP_MS = 15_000;
const REMEMBER = 'bedside.remember';

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

class Account {
  phase = $state<Phase>('starting');
  user = $state<User | null>(null);
  isDemo = $state(false);
  hasLink = $state(false);
  version = $state('');
  /** The server did not answer when the page opened: what is shown was seen last. */
  isAway = $state(false);

  constructor() {
    whenSignedOut(() => this.forget());
    setInterval(() => this.keep(), KEEP_MS);
    document.addEventListener('visibilitychange', () => this.keep());
    addEventListener('pagehide', () => this.keep());
  }

  can(role: Role): boolean {
    return this.user !== null && RANK[this.user.role] >= RANK[role];
  }

  /** Asks the server how things stand; tries again by itself while it cannot be reached. */
  async start(): Promise<void> {
    try {
      const s = await get<Start>('start');
      this.isDemo = s.is_demo;
      this.hasLink = s.has_link;
      this.version = s.version;
      if (s.is_signed_in) await this.load();
      else this.leave(s.needs_setup ? 'setup' : 'signin');
    } catch {
      if (this.phase === 'starting') this.showLastSeen();
      if (this.phase === 'unreachable' || this.isAway) setTimeout(() => void this.start(), AGAIN_MS);
    }
  }

  private showLastSeen(): void {
    const seen = recallLastSeen();
    this.phase = seen ? 'in' : 'unreachable';
    if (!seen) return;
    this.isAway = true;
    this.isDemo = seen.isDemo;
    this.version = seen.version;
    this.user = seen.user;
    live.restore(seen);
  }

  private keep(): void {
    if (this.phase !== 'in' || !this.user || live.connection !== 'open') return;
    keepLastSeen(
      { at: Date.now(), user: this.user, isDemo: this.isDemo, version: this.version, ...live.newest() },
      this.isDemo || recall(REMEMBER) === 'yes',
    );
  }

  private async load(): Promise<void> {
    const me = await get<SignedIn & { is_demo: boolean; version: string }>('me');
    this.isDemo = me.is_demo;
    this.version = me.version;
    this.enter(me);
  }

  private enter({ user, csrf }: SignedIn): void {
    setCsrf(csrf);
    this.user = user;
    this.isAway = false;
    this.phase = 'in';
    live.start();
  }

  async signIn(name: string, password: string, isRemembered: boolean): Promise<void> {
    const signedIn = await send<SignedIn>('POST', 'login', { name, password, remember: isRemembered });
    wipeLastSeen();
    remember(REMEMBER, isRemembered ? 'yes' : 'no');
    this.enter(signedIn);
  }

  async setUp(token: string | null, name: string, password: string): Promise<void> {
    this.enter(await send<SignedIn>('POST', 'setup', { ...(token ? { token } : {}), name, password }));
  }

  async signOut(everywhere = false): Promise<void> {
    await send('POST', everywhere ? 'logout?everywhere=1' : 'logout');
    this.forget();
  }

  /** The session ended, here or elsewhere. */
  forget(): void {
    if (this.phase === 'in') this.leave('signin');
  }

  private leave(to: Phase): void {
    wipeLastSeen();
    live.stop();
    setCsrf('');
    this.user = null;
    this.isAway = false;
    this.phase = to;
  }
}

export const account = new Account();
