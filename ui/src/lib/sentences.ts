// SPDX-License-Identifier: GPL-3.0-or-later
// What a printer is doing, as one sentence and as one degree of urgency.
import { words } from '../words';
import { span, timeOfDay } from './format';
import type { Camera, Printer, Session } from './types';

/** calm: nothing; busy: works; look: look soon; act: act now. Each has its shape and word. */
export type Tone = 'calm' | 'busy' | 'look' | 'act';

export interface Trouble {
  tone: 'look' | 'act';
  text: string;
  code: string;
  wiki: string;
  isError: boolean;
}

const ACTIVE = new Set(['preparing', 'printing', 'paused']);

export const isJob = (p: Printer): boolean => ACTIVE.has(p.activity);
export const isReachable = (p: Printer): boolean => p.link.state === 'online' || p.link.state === 'silent';

export function troubles(p: Printer): Trouble[] {
  const list: Trouble[] = [];
  if (p.link.state === 'refused')
    list.push({ tone: 'act', text: p.link.text || words.link.refused, code: '', wiki: '', isError: false });
  else if (p.link.state === 'offline' || p.link.state === 'silent')
    list.push({
      tone: 'look',
      text: p.link.text || words.link.quiet(p.link.state, p.heard_at ? timeOfDay(p.heard_at) : ''),
      code: '',
      wiki: '',
      isError: false,
    });
  if (p.error)
    list.push({
      tone: 'act',
      text: p.error.text || words.trouble.unknownError(p.error.code),
      code: p.error.code,
      wiki: '',
      isError: true,
    });
  for (const h of p.hms ?? []) {
    if (h.severity > 3) continue;
    list.push({
      tone: h.severity <= 2 ? 'act' : 'look',
      text: h.text || words.trouble.unknownHms(h.module, h.code),
      code: h.code,
      wiki: h.wiki,
      isError: false,
    });
  }
  if (p.needs_developer_mode)
    list.push({ tone: 'look', text: words.trouble.developerMode, code: '', wiki: '', isError: false });
  return list;
}

export interface Status {
  word: string;
  tone: Tone;
}

const word = (table: Record<string, string>, key: string): string => table[key] ?? key;

/** The word in the corner: "Printing", "Paused: filament ran out", "Offline". */
export function status(p: Printer): Status {
  const { state } = p.link;
  if (state === 'refused') return { word: words.link.refusedShort, tone: 'act' };
  if (state === 'offline' || state === 'off') return { word: word(words.link.short, state), tone: state === 'off' ? 'calm' : 'look' };
  if (state === 'connecting' && !p.heard_at) return { word: word(words.link.short, state), tone: 'calm' };
  switch (p.activity) {
    case 'paused': {
      const why = p.pause ? words.pause[p.pause] : '';
      const needsHand = p.pause === 'runout' || p.pause === 'error' || p.pause === 'filament';
      return { word: why ? `${word(words.activity, 'paused')}: ${why}` : word(words.activity, 'paused'), tone: needsHand ? 'act' : 'look' };
    }
    case 'failed':
      return { word: word(words.activity, 'failed'), tone: 'act' };
    case 'preparing':
    case 'printing':
      return { word: word(words.activity, p.activity), tone: 'busy' };
    default:
      return { word: word(words.activity, p.activity), tone: 'calm' };
  }
}

/** "Layer 84 of 212, 1 h 12 min left, done 18:40" */
export function progressSentence(p: Printer, now: number): string {
  const j = p.job;
  if (p.activity === 'preparing') {
    if (j?.prepare_percent !== null && j?.prepare_percent !== undefined && j.prepare_percent < 100)
      return words.progress.preparing(j.prepare_percent);
    return words.progress.gettingReady;
  }
  if (p.activity === 'printing' || p.activity === 'paused') {
    const parts: string[] = [];
    if (j?.layer !== null && j?.layer !== undefined && j.layer > 0) parts.push(words.progress.layer(j.layer, j.layers));
    const left = j?.remaining_min;
    if (left !== null && left !== undefined) {
      parts.push(words.progress.left(span(left * 60)));
      if (p.activity === 'printing') parts.push(words.progress.done(timeOfDay(now + left * 60_000, now)));
    }
    // Lines break between the parts, not within them.
    return parts.length ? parts.map((x) => x.replaceAll(' ', '\u00a0')).join(', ') : words.progress.started;
  }
  if (p.activity === 'finished' || p.activity === 'failed' || p.activity === 'cancelled') {
    const at = p.since_at ? timeOfDay(p.since_at, now) : '';
    const layer = j?.layer && j.layers ? words.progress.layer(j.layer, j.layers) : '';
    return words.progress.ended(p.activity, at, p.activity === 'finished' ? '' : layer);
  }
  return p.activity === 'idle' ? words.progress.idle : words.progress.unknown;
}

/** What stage it is in, unless that says no more than the activity does. */
export function stageText(p: Printer): string {
  const text = p.stage?.text ?? '';
  return text.toLowerCase() === p.activity || (p.pause !== '' && text.toLowerCase().startsWith('paused')) ? '' : text;
}

/** Smaller comes first: what needs a person, then what works, then what rests. */
export function urgency(p: Printer, cameras: Camera[], session: Session | null): number {
  const tone = status(p).tone;
  const worst = troubles(p).some((t) => t.tone === 'act');
  if (tone === 'act' || worst) return 0;
  if (tone === 'look') return 1;
  if (cameras.some((c) => c.state === 'no_signal' || c.state === 'stale') && isJob(p)) return 2;
  if (p.activity === 'printing' || p.activity === 'preparing') return 3;
  if (session && session.state !== 'idle' && session.state !== 'done') return 4;
  if (p.activity === 'finished' || p.activity === 'cancelled') return 5;
  return p.link.state === 'off' ? 7 : 6;
}
