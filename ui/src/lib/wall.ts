// SPDX-License-Identifier: GPL-3.0-or-later
// All moving pictures of the page over one WebSocket: browsers open six connections to a server, a
// wall has more cameras. The server is told what is on the screen, how large and how often, and
// sends what the connection carries. Where no WebSocket gets through, the older ways do.
import { apiUrl } from './api';
import { followStream, pollSnapshots, type PictureSink } from './pictures';

export interface Tile {
  camera: string;
  /** Pixels of the screen; 0: as the camera gives them. */
  width: number;
  /** Pictures a second at most; 0: all that come. */
  fps: number;
  sink: PictureSink;
}

interface Slot extends Tile {
  /** Came while the one before was being decoded; only the newest matters. */
  waiting: { jpeg: Uint8Array<ArrayBuffer>; at: number; number: number } | null;
  isDecoding: boolean;
  stopOlder: (() => void) | null;
}

const HEAD_SIZE = 28;
/* What the server takes. */
const MOST_CAMERAS = 64;
const MOST_BYTES = 4096;
const SETTLE_MS = 60;
const LINGER_MS = 1500;
const PAUSES_MS = [300, 800, 2000, 5000, 10_000];
/* Refused so often without ever being open: something between us passes no WebSockets. */
const MOST_REFUSED = 2;
const MOST_STREAMS = 4;
const RETRY_OLDER_MS = 60_000;

class Wall {
  private slots: Slot[] = [];
  private wanted: Slot[] = []; // as the server knows them, in its order
  private socket: WebSocket | null = null;
  private generation = 0;
  private failures = 0;
  private refused = 0;
  private isOlder = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  /** Begins to show a camera; what is returned ends it. */
  show(tile: Tile): () => void {
    const slot: Slot = { ...tile, waiting: null, isDecoding: false, stopOlder: null };
    this.slots.push(slot);
    this.settle(SETTLE_MS);
    return () => {
      this.slots = this.slots.filter((s) => s !== slot);
      slot.stopOlder?.();
      slot.stopOlder = null;
      slot.waiting = null;
      this.settle(this.slots.length ? SETTLE_MS : LINGER_MS);
    };
  }

  private settle(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), ms);
  }

  private tell(): void {
    if (this.isOlder) return this.older();
    if (!this.slots.length) {
      clearTimeout(this.retry);
      this.failures = this.refused = 0;
      return this.drop();
    }
    if (!this.socket) return this.open();
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.generation = (this.generation + 1) & 0xff;
    this.wanted = this.slots.slice(0, MOST_CAMERAS);
    let text = this.wish();
    while (text.length > MOST_BYTES) {
      this.wanted.pop();
      text = this.wish();
    }
    this.socket.send(text);
  }

  private wish(): string {
    const want = this.wanted.map(({ camera, width, fps }) => ({ camera, width, ...(fps ? { fps } : {}) }));
    return JSON.stringify({ want, generation: this.generation });
  }

  private drop(): void {
    const s = this.socket;
    this.socket = null;
    this.wanted = [];
    s?.close();
  }

  private open(): void {
    const socket = new WebSocket(apiUrl('wall').replace(/^http/, 'ws'));
    let wasOpen = false;
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      wasOpen = true;
      this.failures = this.refused = 0;
      if (this.socket === socket) this.tell();
    };
    socket.onmessage = (e) => {
      if (this.socket !== socket) return;
      if (typeof e.data === 'string') this.told(e.data);
      else this.picture(e.data as ArrayBuffer);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.drop();
      for (const s of this.slots) s.sink.fail('');
      if (!wasOpen && ++this.refused >= MOST_REFUSED) {
        this.isOlder = true;
        setTimeout(() => this.backToSocket(), RETRY_OLDER_MS);
      }
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.tell(), PAUSES_MS[Math.min(this.failures++, PAUSES_MS.length - 1)]);
    };
  }

  private told(text: string): void {
    let m: { type?: string; index?: number; state?: string; text?: string; generation?: number };
    try {
      m = JSON.parse(text);
    } catch {
      return;
    }
    if (m.type !== 'state' || m.index === undefined || this.isOld(m.generation)) return;
    if (m.state === 'no_signal' || m.state === 'stale' || m.state === 'gone') this.wanted[m.index]?.sink.fail(m.text ?? '');
  }

  /* What was on its way when other cameras were asked for. */
  private isOld(generation: number | undefined): boolean {
    return generation !== undefined && generation !== this.generation;
  }

  private picture(data: ArrayBuffer): void {
    const head = new DataView(data);
    if (data.byteLength < HEAD_SIZE || head.getUint8(0) !== 1) return;
    const number = head.getUint32(4);
    const slot = this.wanted[head.getUint16(2)];
    if (!slot || this.isOld(head.getUint8(1)) || !this.slots.includes(slot)) return this.acknowledge(number);
    if (slot.waiting) this.acknowledge(slot.waiting.number);
    slot.waiting = { jpeg: new Uint8Array(data, HEAD_SIZE, head.getUint32(20)), at: Number(head.getBigUint64(8)), number };
    if (!slot.isDecoding) void this.decode(slot);
  }

  private async decode(slot: Slot): Promise<void> {
    slot.isDecoding = true;
    while (slot.waiting) {
      const { jpeg, at, number } = slot.waiting;
      slot.waiting = null;
      try {
        const bitmap = await createImageBitmap(new Blob([jpeg], { type: 'image/jpeg' }));
        if (this.slots.includes(slot)) slot.sink.show({ bitmap, capturedAt: at });
        else bitmap.close();
      } catch {
        // One broken picture; the next one will do.
      }
      // Only now: a device that cannot keep up gets smaller or fewer ones, too.
      this.acknowledge(number);
    }
    slot.isDecoding = false;
  }

  private acknowledge(number: number): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ack: number }));
  }

  /* --- without a WebSocket --- */

  private older(): void {
    const mayStream = this.slots.length <= MOST_STREAMS;
    for (const s of this.slots) {
      if (s.stopOlder) continue;
      s.stopOlder = mayStream
        ? followStream(s.camera, s.sink)
        : pollSnapshots(s.camera, Math.max(700, this.slots.length * 150), s.sink);
    }
  }

  private backToSocket(): void {
    this.isOlder = false;
    this.refused = MOST_REFUSED - 1;
    for (const s of this.slots) {
      s.stopOlder?.();
      s.stopOlder = null;
    }
    this.tell();
  }
}

export const wall = new Wall();
