// SPDX-License-Identifier: GPL-3.0-or-later
// Camera pictures, drawn on a canvas: unlike an <img>, we know when each was taken, so that a
// frozen one can never look live; and nothing but 'self' is needed in the page's policy.
import { apiUrl } from './api';

export interface Shot {
  bitmap: ImageBitmap;
  capturedAt: number; // server's clock, ms
}

export interface PictureSink {
  show(shot: Shot): void;
  /** Why there is no new picture. */
  fail(text: string): void;
}

/* Browsers open six connections to a server; snapshots together use at most three. */
const MOST_AT_ONCE = 3;
let busy = 0;
const waiting: (() => void)[] = [];

async function turn(): Promise<void> {
  if (busy < MOST_AT_ONCE) {
    busy++;
    return;
  }
  await new Promise<void>((go) => waiting.push(go));
}

function turnOver(): void {
  const next = waiting.shift();
  if (next) next();
  else busy--;
}

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((done) => {
    const t = setTimeout(done, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(t);
      done();
    });
  });

async function snapshot(camera: string, signal: AbortSignal): Promise<Shot | string> {
  const limit = AbortSignal.any ? AbortSignal.any([signal, AbortSignal.timeout(8000)]) : signal;
  const answer = await fetch(apiUrl(`cameras/${encodeURIComponent(camera)}/snapshot`), {
    signal: limit,
    cache: 'no-store',
    credentials: 'same-origin',
  });
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    return body?.error?.text ?? '';
  }
  const at = Date.parse(answer.headers.get('X-Captured-At') ?? '');
  const age = Number(answer.headers.get('X-Age-Ms'));
  const bitmap = await createImageBitmap(await answer.blob());
  return { bitmap, capturedAt: Number.isNaN(at) ? Date.now() - (age || 0) : at };
}

/** Asks for a picture again and again, `everyMs` apart. Returns how to stop. */
export function pollSnapshots(camera: string, everyMs: number, sink: PictureSink): () => void {
  const stop = new AbortController();
  void (async () => {
    let failures = 0;
    while (!stop.signal.aborted) {
      await turn();
      const began = Date.now();
      try {
        if (stop.signal.aborted) return;
        const got = await snapshot(camera, stop.signal);
        if (stop.signal.aborted) return;
        if (typeof got === 'string') {
          failures++;
          sink.fail(got);
        } else {
          failures = 0;
          sink.show(got);
        }
      } catch {
        if (stop.signal.aborted) return;
        failures++;
        sink.fail('');
      } finally {
        turnOver();
      }
      const pause = Math.max(everyMs, Math.min(failures, 5) * 1000);
      await sleep(Math.max(50, pause - (Date.now() - began)), stop.signal);
    }
  })();
  return () => stop.abort();
}

/* --- motion JPEG --- */

const MAX_HEADER = 4096;
const MAX_PART = 32 << 20;

function indexOf(hay: Uint8Array, needle: number[], from: number): number {
  outer: for (let i = from; i <= hay.length - needle.length; i++) {
    for (let k = 0; k < needle.length; k++) if (hay[i + k] !== needle[k]) continue outer;
    return i;
  }
  return -1;
}

const BLANK_LINE = [13, 10, 13, 10];

/** Cuts a multipart/x-mixed-replace body into its parts; parts carry Content-Length. */
class Parts {
  private have = new Uint8Array(0);

  push(chunk: Uint8Array): void {
    const all = new Uint8Array(this.have.length + chunk.length);
    all.set(this.have);
    all.set(chunk, this.have.length);
    this.have = all;
  }

  next(): { headers: Map<string, string>; body: Uint8Array<ArrayBuffer> } | null {
    const end = indexOf(this.have, BLANK_LINE, 0);
    if (end < 0) {
      if (this.have.length > MAX_HEADER) throw new Error('no part header');
      return null;
    }
    const headers = new Map<string, string>();
    for (const line of new TextDecoder('latin1').decode(this.have.subarray(0, end)).split('\r\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const size = Number(headers.get('content-length'));
    if (!Number.isInteger(size) || size < 1 || size > MAX_PART) throw new Error('no part length');
    if (this.have.length < end + 4 + size) return null;
    const body = this.have.slice(end + 4, end + 4 + size);
    this.have = this.have.slice(end + 4 + size);
    return { headers, body };
  }
}

function partTime(headers: Map<string, string>): number {
  const raw = headers.get('x-timestamp') ?? headers.get('x-captured-at') ?? '';
  const n = Number(raw);
  if (raw && !Number.isNaN(n)) return n > 1e14 ? n / 1000 : n > 1e11 ? n : n * 1000;
  const t = Date.parse(raw);
  return Number.isNaN(t) ? Date.now() : t;
}

async function readStream(camera: string, sink: PictureSink, signal: AbortSignal): Promise<void> {
  const answer = await fetch(apiUrl(`cameras/${encodeURIComponent(camera)}/stream`), {
    signal,
    cache: 'no-store',
    credentials: 'same-origin',
  });
  if (!answer.ok || !answer.body) {
    const body = await answer.json().catch(() => null);
    sink.fail(body?.error?.text ?? '');
    return;
  }
  const reader = answer.body.getReader();
  const parts = new Parts();
  let newest: { headers: Map<string, string>; body: Uint8Array<ArrayBuffer> } | null = null;
  let isDecoding = false;
  const decode = async () => {
    isDecoding = true;
    while (newest && !signal.aborted) {
      const part = newest;
      newest = null;
      try {
        const bitmap = await createImageBitmap(new Blob([part.body], { type: 'image/jpeg' }));
        if (!signal.aborted) sink.show({ bitmap, capturedAt: partTime(part.headers) });
      } catch {
        // One broken picture; the next one will do.
      }
    }
    isDecoding = false;
  };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    parts.push(value);
    for (let part = parts.next(); part; part = parts.next()) newest = part;
    if (newest && !isDecoding) void decode();
  }
}

/** Follows the motion JPEG stream; opens it again when it ends. Returns how to stop. */
export function followStream(camera: string, sink: PictureSink): () => void {
  const stop = new AbortController();
  void (async () => {
    let failures = 0;
    const counting: PictureSink = {
      show: (s) => {
        failures = 0;
        sink.show(s);
      },
      fail: (t) => sink.fail(t),
    };
    while (!stop.signal.aborted) {
      try {
        await readStream(camera, counting, stop.signal);
      } catch {
        if (stop.signal.aborted) return;
        sink.fail('');
      }
      failures++;
      await sleep(Math.min(failures, 6) * 700, stop.signal);
    }
  })();
  return () => stop.abort();
}
