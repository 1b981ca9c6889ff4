// SPDX-License-Identifier: GPL-3.0-or-later
// The sections of the settings, and who may see each.
import type { Role } from '../lib/types';
import type { IconName } from '../parts/Icon.svelte';

export interface Section {
  id: string;
  icon: IconName;
  needs: Role;
}

export const SECTIONS: Section[] = [
  { id: 'printers', icon: 'printers', needs: 'admin' },
  { id: 'cameras', icon: 'camera', needs: 'viewer' },
  { id: 'rigs', icon: 'link', needs: 'viewer' },
  { id: 'pull', icon: 'download', needs: 'viewer' },
  { id: 'snippets', icon: 'code', needs: 'viewer' },
  { id: 'storage', icon: 'disk', needs: 'viewer' },
  { id: 'users', icon: 'users', needs: 'admin' },
  { id: 'keys', icon: 'key', needs: 'admin' },
  { id: 'audit', icon: 'list', needs: 'admin' },
  { id: 'appearance', icon: 'sun', needs: 'viewer' },
  { id: 'account', icon: 'user', needs: 'viewer' },
];
