// SPDX-License-Identifier: GPL-3.0-or-later
// Figures as people read them: units on each, the browser's language and clock.
import { words } from '../words';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const number0 = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const number1 = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const number2 = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

function asDate(at: string | number | null | undefined): Date | null {
  if (at === null || at === undefined || at === '') return null;
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? null : d;
}

export const number = (v: number): string => number0.format(v);
export const decimal = (v: number): string => number2.format(v);

/** "18:40"; with the day when it is not today's. */
export function timeOfDay(at: string | number | null | undefined, now = Date.now()): string {
  const d = asDate(at);
  if (!d) return words.unknown;
  const today = new Date(now);
  if (d.toDateString() === today.toDateString()) return clock.format(d);
  const days = Math.abs(d.getTime() - now) / 86_400_000;
  return `${days < 6 ? weekday.format(d) : day.format(d)} ${clock.format(d)}`;
}

export function timeExact(at: string | number | null | undefined): string {
  const d = asDate(at);
  return d ? clockSeconds.format(d) : words.unknown;
}

export function dateTime(at: string | number | null | undefined): string {
  const d = asDate(at);
  if (!d) return words.unknown;
  const format = d.getFullYear() === new Date().getFullYear() ? day : dayYear;
  return `${format.format(d)}, ${clock.format(d)}`;
}

/** "1 h 12 min", "12 min", "48 s". */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return words.unknown;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const min = Math.round(s / 60);
  if (min < 60) return `${min} min`;
  if (min < 60 * 48) return min % 60 ? `${Math.floor(min / 60)} h ${min % 60} min` : `${min / 60} h`;
  return `${Math.floor(min / 1440)} d ${Math.round((min % 1440) / 60)} h`;
}

/** "0:08", "1:02:09": the length of a film. */
export function playTime(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return words.unknown;
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const h = Math.floor(s / 3600);
  return h ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

export function bytes(v: number | null | undefined): string {
  if (v === null || v === undefined) return words.unknown;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  let n = v;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return `${n >= 100 || i === 0 ? number0.format(n) : number1.format(n)} ${units[i]}`;
}

export function celsius(v: number | null | undefined): string {
  return v === null || v === undefined ? words.unknown : `${number0.format(v)} °C`;
}

export function percent(v: number | null | undefined): string {
  return v === null || v === undefined ? words.unknown : `${number0.format(v)} %`;
}

/** "3 s", "2 min", "1 h": how old something is. */
export function age(ms: number): string {
  const s = ms / 1000;
  if (s < 60) return `${Math.max(0, Math.round(s))} s`;
  return span(s);
}

export function fingerprint(sha256: string): string {
  const hex = sha256.replace(/^sha256:/, '').replace(/[^0-9a-fA-F]/g, '').toUpperCase();
  return hex.match(/.{1,4}/g)?.join(' ') ?? sha256;
}
