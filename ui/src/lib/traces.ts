// SPDX-License-Identifier: GPL-3.0-or-later
// What the vitals were in the last half hour, as far as this page has seen: one ring of samples,
// one a second, for each curve.
import type { Heat, Printer } from './types';

export const TRACE_SIZE = 1800;

export class Trace {
  private values = new Float32Array(TRACE_SIZE).fill(NaN);
  private targets = new Float32Array(TRACE_SIZE).fill(NaN);
  private next = 0;
  count = 0;

  push(value: number | null | undefined, target: number | null | undefined): void {
    this.values[this.next] = value ?? NaN;
    this.targets[this.next] = target ?? NaN;
    this.next = (this.next + 1) % TRACE_SIZE;
    this.count = Math.min(this.count + 1, TRACE_SIZE);
  }

  /** The value `back` seconds ago. */
  at(back: number): number {
    return back >= this.count ? NaN : (this.values[(this.next - 1 - back + 2 * TRACE_SIZE) % TRACE_SIZE] ?? NaN);
  }

  targetAt(back: number): number {
    return back >= this.count ? NaN : (this.targets[(this.next - 1 - back + 2 * TRACE_SIZE) % TRACE_SIZE] ?? NaN);
  }
}

const traces = new Map<string, Trace>();

export function traceOf(printer: string, curve: string): Trace {
  const key = `${printer}\n${curve}`;
  let t = traces.get(key);
  if (!t) traces.set(key, (t = new Trace()));
  return t;
}

function push(printer: string, curve: string, heat: Heat | null | undefined, isStale: boolean): void {
  traceOf(printer, curve).push(isStale ? null : heat?.now_c, heat?.target_c);
}

/** One sample of each curve of a printer; call once a second. */
export function traceSample(p: Printer, layerTimeS: number | null): void {
  const isStale = p.stale || p.link.state === 'off';
  p.nozzles?.forEach((n, i) => push(p.id, `nozzle${i}`, n, isStale));
  push(p.id, 'bed', p.bed, isStale);
  push(p.id, 'chamber', p.chamber, isStale);
  traceOf(p.id, 'layer').push(layerTimeS, null);
}

export function traceForget(printer: string): void {
  for (const key of traces.keys()) if (key.startsWith(`${printer}\n`)) traces.delete(key);
}
