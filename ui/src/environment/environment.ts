// SPDX-License-Identifier: GPL-3.0-or-later
// The climate of places, and the button and lights beside a printer, as the interface says them.

export interface Reading {
  at: string;
  temperature_c: number | null;
  humidity_pct: number | null;
}

export interface Place extends Omit<Reading, 'at'> {
  location: string;
  source: string;
  at: string | null;
  is_stale: boolean;
  is_here: boolean;
  text: string;
  /** Limits that it is beyond: “above 40 °C”. */
  crossed: string;
}

export interface Panel {
  printer: string;
  button: {
    state: string;
    text: string;
    is_pressed: boolean;
    presses: number;
    last: { clicks: number; order: string; at: string; text: string } | null;
  };
  lights: { state: string; text: string; show: string };
}

export type SortKey = 'location' | 'temperature_c' | 'humidity_pct' | 'at';

/** Places whose name holds the words, in the wanted order; what is unknown stands last. */
export function arrange(places: Place[], filter: string, key: SortKey, isDown: boolean): Place[] {
  const wanted = filter.trim().toLocaleLowerCase();
  const list = places.filter((p) => p.location.toLocaleLowerCase().includes(wanted));
  return list.sort((a, b) => {
    const x = a[key];
    const y = b[key];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    const order = typeof x === 'string' ? x.localeCompare(String(y)) : x - Number(y);
    return isDown ? -order : order;
  });
}

/** Least, mean and most; null of nothing. */
export function summary(values: (number | null)[]): { min: number; avg: number; max: number } | null {
  const known = values.filter((v): v is number => v !== null);
  if (!known.length) return null;
  return { min: Math.min(...known), avg: known.reduce((a, b) => a + b, 0) / known.length, max: Math.max(...known) };
}

/** A day of this browser's, as the interface wants it; `back` days ago. */
export function dayOf(now: number, back: number): { from: Date; to: Date } {
  const from = new Date(now);
  from.setHours(0, 0, 0, 0);
  from.setDate(from.getDate() - back);
  const to = new Date(from);
  to.setDate(to.getDate() + 1);
  return { from, to };
}
