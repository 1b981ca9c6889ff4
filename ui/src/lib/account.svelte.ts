// SPDX-License-Identifier: GPL-3.0-or-later
// Who is signed in, and what that allows. The server decides; this only saves a wasted click.
import { get, send, setCsrf, whenSignedOut } from './api';
import { live } from './live.svelte';
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

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

class Account {
  phase = $state<Phase>('starting');
  user = $state<User | null>(null);
  isDemo = $state(false);
  hasLink = $state(false);
  version = $state('');

  constructor() {
    whenSignedOut(() => this.forget());
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
      else this.phase = s.needs_setup ? 'setup' : 'signin';
    } catch {
      if (this.phase === 'starting' || this.phase === 'unreachable') {
        this.phase = 'unreachable';
        setTimeout(() => void this.start(), 2000);
      }
    }
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
    this.phase = 'in';
    live.start();
  }

  async signIn(name: string, password: string, remember: boolean): Promise<void> {
    this.enter(await send<SignedIn>('POST', 'login', { name, password, remember }));
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
    if (this.phase !== 'in') return;
    live.stop();
    setCsrf('');
    this.user = null;
    this.phase = 'signin';
  }
}

export const account = new Account();
