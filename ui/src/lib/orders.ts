// SPDX-License-Identifier: GPL-3.0-or-later
// Orders to printers and sessions; the answer comes back as a message with its reason.
import { words } from '../words';
import { message, send } from './api';
import { live } from './live.svelte';
import { toasts } from './toasts.svelte';
import type { Answer, Printer, Session } from './types';

export interface Command {
  command: string;
  level?: number;
  on?: boolean;
  light?: string;
  fan?: string;
  percent?: number;
  celsius?: number;
  nozzle?: number;
  gcode?: string;
}

/** Sends a command and says what became of it. True if the printer acknowledged. */
export async function command(printer: Printer, c: Command): Promise<boolean> {
  const name = words.command[c.command] ?? c.command;
  const title = `${printer.name}: ${name}`;
  try {
    const r = await send<{ answer: Answer; reason: string }>(
      'POST',
      `printers/${encodeURIComponent(printer.id)}/commands`,
      c,
    );
    const text = r.reason || words.answer[r.answer];
    if (r.answer === 'acknowledged') toasts.add('done', title, words.answer.acknowledged);
    else if (r.answer === 'timed_out') toasts.add('warning', title, text);
    else toasts.add('error', title, text);
    return r.answer === 'acknowledged';
  } catch (e) {
    toasts.add('error', title, message(e));
    return false;
  }
}

export type Order = 'start' | 'pause' | 'resume' | 'stop' | 'discard' | 'shoot';

export async function order(printer: Printer, what: Order): Promise<boolean> {
  const title = `${printer.name}: ${words.order[what]}`;
  try {
    const s = await send<Session | undefined>('POST', `printers/${encodeURIComponent(printer.id)}/session`, { order: what });
    if (s?.id) {
      if (live.sessions[s.id]) Object.assign(live.sessions[s.id] as Session, s);
      else live.sessions[s.id] = s;
    }
    toasts.add('done', title, words.orderDone[what]);
    return true;
  } catch (e) {
    toasts.add('error', title, message(e));
    return false;
  }
}
