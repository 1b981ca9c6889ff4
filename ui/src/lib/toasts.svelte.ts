// SPDX-License-Identifier: GPL-3.0-or-later
// Short answers to what the user just did. Errors stay until they are closed.

export type ToastKind = 'done' | 'info' | 'warning' | 'error';

export interface Toast {
  id: number;
  kind: ToastKind;
  title: string;
  text: string;
}

let next = 1;

class Toasts {
  list = $state<Toast[]>([]);

  add(kind: ToastKind, title: string, text = ''): void {
    const toast = { id: next++, kind, title, text };
    this.list = [...this.list.slice(-3), toast];
    if (kind !== 'error') setTimeout(() => this.close(toast.id), kind === 'warning' ? 12_000 : 5_000);
  }

  close(id: number): void {
    this.list = this.list.filter((t) => t.id !== id);
  }
}

export const toasts = new Toasts();
