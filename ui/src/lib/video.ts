// SPDX-License-Identifier: GPL-3.0-or-later
// Live H.264 or H.265 of a camera in a video element: fragments are fetched as they come and given
// to a MediaSource, playback stays near their end.

import { apiUrl } from './api';
import type { Camera } from './types';

export interface VideoSink {
  /** A frame is on the screen. */
  shown(): void;
  /** It cannot be played here; motion JPEG will do. */
  unfit(text: string): void;
}

/* Further behind than this, and playback jumps. */
const FAR_S = 2;
const NEAR_S = 0.25;
const KEPT_S = 8;
/* Without one picture in a row. */
const MOST_FAILURES = 3;

const typeOf = (codec: string) => `video/mp4; codecs="${codec}"`;

export function canPlay(camera: Camera | null): boolean {
  if (!camera?.has_video || typeof MediaSource === 'undefined') return false;
  return !camera.codec || MediaSource.isTypeSupported(typeOf(camera.codec));
}

/* The avcC box names profile and level; of H.265 the server knows the whole name. */
function codecOf(init: Uint8Array, known: string): string | null {
  for (let i = 4; i + 8 < init.length; i++) {
    const is = (name: string) => [...name].every((c, k) => init[i + k] === c.charCodeAt(0));
    if (is('avcC')) return 'avc1.' + [5, 6, 7].map((k) => (init[i + k] ?? 0).toString(16).padStart(2, '0')).join('');
    if (is('hvcC')) return known || null;
  }
  return null;
}

class Player {
  private waiting: Uint8Array<ArrayBuffer>[] = [];
  private buffer: SourceBuffer | null = null;
  private head = new Uint8Array(0);

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly source: MediaSource,
    private readonly known: string,
  ) {}

  push(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.buffer) {
      const all = new Uint8Array(this.head.length + bytes.length);
      all.set(this.head);
      all.set(bytes, this.head.length);
      this.head = all;
      const codec = codecOf(all, this.known);
      if (!codec) return;
      this.buffer = this.source.addSourceBuffer(typeOf(codec));
      this.buffer.addEventListener('updateend', () => this.next());
      bytes = all;
    }
    this.waiting.push(bytes);
    this.next();
  }

  private next(): void {
    const b = this.buffer;
    if (!b || b.updating || this.source.readyState !== 'open') return;
    this.follow(b);
    if (b.updating) return;
    const piece = this.waiting.shift();
    if (piece) b.appendBuffer(piece);
  }

  /** Stays near the end of what there is, and forgets what was shown. */
  private follow(b: SourceBuffer): void {
    const n = b.buffered.length;
    if (n === 0) return;
    const from = b.buffered.start(n - 1);
    const to = b.buffered.end(n - 1);
    const at = this.video.currentTime;
    if (at < from || to - at > FAR_S) this.video.currentTime = Math.max(from, to - NEAR_S);
    if (this.video.paused) void this.video.play().catch(() => undefined);
    if (b.buffered.start(0) < at - 2 * KEPT_S) b.remove(0, at - KEPT_S);
  }
}

function opened(source: MediaSource, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    source.addEventListener('sourceopen', () => done(), { once: true });
    signal.addEventListener('abort', () => fail(new Error('stopped')), { once: true });
  });
}

async function play(camera: Camera, video: HTMLVideoElement, signal: AbortSignal): Promise<string> {
  const source = new MediaSource();
  const url = URL.createObjectURL(source);
  video.src = url;
  try {
    await opened(source, signal);
    const answer = await fetch(apiUrl(`cameras/${encodeURIComponent(camera.id)}/video.mp4?turn=false`), {
      signal,
      cache: 'no-store',
      credentials: 'same-origin',
    });
    if (!answer.ok || !answer.body) {
      const body = await answer.json().catch(() => null);
      return body?.error?.text ?? '';
    }
    const reader = answer.body.getReader();
    const player = new Player(video, source, camera.codec ?? '');
    for (;;) {
      const { value, done } = await reader.read();
      if (done || video.error) return '';
      player.push(value);
    }
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Plays the camera's video; begins anew when it ends. Returns how to stop. */
export function followVideo(camera: Camera, video: HTMLVideoElement, sink: VideoSink): () => void {
  const stop = new AbortController();
  let failures = 0;
  const onFrame = () => {
    failures = 0;
    sink.shown();
    if (!stop.signal.aborted) video.requestVideoFrameCallback(onFrame);
  };
  const hasCallback = 'requestVideoFrameCallback' in video;
  if (hasCallback) video.requestVideoFrameCallback(onFrame);
  else (video as HTMLVideoElement).addEventListener('timeupdate', onFrame, { signal: stop.signal });
  video.muted = true;
  void (async () => {
    let text = '';
    while (!stop.signal.aborted) {
      const one = new AbortController();
      const end = () => one.abort();
      stop.signal.addEventListener('abort', end, { once: true });
      try {
        text = await play(camera, video, one.signal);
      } catch {
        text = '';
      }
      one.abort();
      stop.signal.removeEventListener('abort', end);
      if (stop.signal.aborted) return;
      if (++failures >= MOST_FAILURES) {
        sink.unfit(text);
        return;
      }
      await new Promise((done) => setTimeout(done, failures * 700));
    }
  })();
  return () => {
    stop.abort();
    video.removeAttribute('src');
    video.load();
  };
}
