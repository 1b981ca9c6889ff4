// SPDX-License-Identifier: GPL-3.0-or-later
// The state of everything, kept true by one WebSocket: a snapshot, then changes with sequence
// numbers. A gap asks for a new snapshot; silence for 25 s or a lost connection tries again with
// growing pauses. What was last seen stays on the screen, marked as such.
import { get, liveUrl } from './api';
import { clock } from './clock.svelte';
import type { Capture } from '../captures/captures';
import type { Panel, Place } from '../environment/environment';
import type { LastSeen } from './lastseen';
import { traceForget, traceSample } from './traces';
import type { Camera, Film, Layer, Notice, Printer, Session, Storage } from './types';

const SILENCE_MS = 25_000;
const PAUSES_MS = [300, 700, 1500, 3000, 5000, 8000];
const NOTICES_KEPT = 200;
const LAYERS_KEPT = 2000;
const FILMS_KEPT = 60;

export type Connection = 'off' | 'connecting' | 'open' | 'lost';
type Message = { seq?: number; type: string; [key: string]: unknown };
type Part<T> = Partial<T> & { id: string };

class Live {
  connection = $state<Connection>('off');
  hasSnapshot = $state(false);
  lostAt = $state<number | null>(null);
  printers = $state<Record<string, Printer>>({});
  cameras = $state<Record<string, Camera>>({});
  sessions = $state<Record<string, Session>>({});
  films = $state<Record<string, Film>>({});
  notices = $state.raw<Notice[]>([]);
  storage = $state<Storage | null>(null);
  layers = $state.raw<Record<string, Layer[]>>({});
  /** Of each printer, the capture of a layer last told of. */
  captures = $state.raw<Record<string, Capture>>({});
  /** The newest reading told of, of whatever place, and the newest of button and lights. */
  climate = $state.raw<Place | null>(null);
  panel = $state.raw<Panel | null>(null);
  /** The picture told of last, an object of its own each time. */
  framed = $state.raw<{ printer: string } | null>(null);
  layerTimes = $state<Record<string, number | null>>({});
  version = $state('');
  unseenAlarms = $state(0);
  /** Counts up whenever films came or went, for pages that list more than the newest. */
  filmsChanged = $state(0);

  private socket: WebSocket | null = null;
  private seq = 0;
  private heardAt = 0;
  private tries = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private isWanted = false;

  constructor() {
    setInterval(() => this.everySecond(), 1000);
    addEventListener('online', () => this.reconnectNow());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.connection === 'lost') this.reconnectNow();
    });
  }

  start(): void {
    this.isWanted = true;
    if (!this.socket) this.connect();
  }

  stop(): void {
    this.isWanted = false;
    clearTimeout(this.retryTimer);
    const s = this.socket;
    this.socket = null;
    s?.close();
    this.connection = 'off';
    this.hasSnapshot = false;
    this.lostAt = null;
    this.tries = 0;
    this.printers = {};
    this.cameras = {};
    this.sessions = {};
    this.films = {};
    this.notices = [];
    this.layers = {};
    this.captures = {};
    this.climate = this.panel = this.framed = null;
    this.storage = null;
  }

  /** What was seen before the page was opened anew, while the server is away. */
  restore(seen: LastSeen): void {
    this.printers = byId(seen.printers);
    this.cameras = byId(seen.cameras);
    this.sessions = byId(seen.sessions);
    this.films = byId(seen.films);
    this.hasSnapshot = true;
    this.connection = 'lost';
    this.lostAt = seen.at;
  }

  newest(): Pick<LastSeen, 'printers' | 'cameras' | 'sessions' | 'films'> {
    return {
      printers: Object.values(this.printers),
      cameras: Object.values(this.cameras),
      sessions: Object.values(this.sessions),
      films: Object.values(this.films).sort(newestFilmFirst).slice(0, FILMS_KEPT),
    };
  }

  reconnectNow(): void {
    if (!this.isWanted || this.connection === 'open') return;
    clearTimeout(this.retryTimer);
    this.tries = 0;
    this.drop();
    this.connect();
  }

  /** Looks up a camera of a printer; the first one is its own. */
  camerasOf(printer: string): Camera[] {
    return Object.values(this.cameras)
      .filter((c) => c.printer === printer || c.printers?.includes(printer))
      .sort((a, b) => Number(b.origin === 'printer') - Number(a.origin === 'printer') || a.name.localeCompare(b.name));
  }

  sessionOf(printer: string): Session | null {
    const all = Object.values(this.sessions).filter((s) => s.printer === printer && s.state !== 'done');
    return all.sort((a, b) => (b.started_at ?? '').localeCompare(a.started_at ?? ''))[0] ?? null;
  }

  filmsOf(printer: string): Film[] {
    return Object.values(this.films)
      .filter((f) => f.printer === printer)
      .sort(newestFilmFirst);
  }

  private connect(): void {
    this.connection = this.hasSnapshot ? 'lost' : 'connecting';
    const socket = new WebSocket(liveUrl());
    this.socket = socket;
    this.seq = 0;
    this.heardAt = Date.now();
    socket.onmessage = (e) => {
      if (this.socket === socket && typeof e.data === 'string') this.receive(e.data);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
  }

  private drop(): void {
    const s = this.socket;
    this.socket = null;
    s?.close();
  }

  private lost(): void {
    this.drop();
    if (!this.isWanted) return;
    if (this.connection !== 'lost') this.lostAt = clock.exact();
    this.connection = 'lost';
    const pause = PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)] ?? 8000;
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => void this.tryAgain(), pause * (0.8 + 0.4 * Math.random()));
  }

  /** A WebSocket does not say why it was refused; /me does, and a 401 leads to the sign-in. */
  private async tryAgain(): Promise<void> {
    try {
      await get('me');
    } catch {
      if (!this.isWanted) return;
      return this.lost();
    }
    if (this.isWanted && !this.socket) this.connect();
  }

  private everySecond(): void {
    if (this.socket && Date.now() - this.heardAt > SILENCE_MS) this.lost();
    if (this.connection !== 'open') return;
    for (const p of Object.values(this.printers)) traceSample(p, this.layerTimes[p.id] ?? null);
  }

  private receive(text: string): void {
    let m: Message;
    try {
      m = JSON.parse(text) as Message;
    } catch {
      return this.resync();
    }
    this.heardAt = Date.now();
    const isSnapshot = m.type === 'snapshot';
    if (typeof m.seq === 'number') {
      if (!isSnapshot && m.seq !== this.seq + 1) {
        this.seq = m.seq;
        return this.resync();
      }
      this.seq = m.seq;
    }
    if (isSnapshot) this.snapshot(m);
    else if (this.hasSnapshot) this.change(m);
  }

  private resync(): void {
    this.socket?.send(JSON.stringify({ type: 'resync' }));
  }

  private snapshot(m: Message): void {
    clock.set(m.now as string);
    const printers = byId(m.printers as Printer[]);
    for (const id of Object.keys(this.printers)) if (!printers[id]) traceForget(id);
    this.printers = printers;
    this.cameras = byId(m.cameras as Camera[]);
    this.sessions = byId(m.sessions as Session[]);
    this.films = byId(m.films as Film[]);
    this.notices = ((m.notices as Notice[]) ?? []).slice().sort((a, b) => b.at.localeCompare(a.at));
    this.storage = (m.storage as Storage) ?? null;
    this.version = String(m.version ?? '');
    this.hasSnapshot = true;
    this.connection = 'open';
    this.lostAt = null;
    this.tries = 0;
    this.filmsChanged++;
  }

  private change(m: Message): void {
    switch (m.type) {
      case 'printer':
        return this.merge(this.printers, m.printer as Part<Printer>, m.is_new === true);
      case 'printer_gone':
        delete this.printers[m.id as string];
        return traceForget(m.id as string);
      case 'camera':
        return this.merge(this.cameras, m.camera as Part<Camera>, false);
      case 'camera_gone':
        delete this.cameras[m.id as string];
        return;
      case 'session':
        return this.merge(this.sessions, m.session as Part<Session>, false);
      case 'film':
        if (!this.films[(m.film as Film).id]) this.filmsChanged++;
        return this.merge(this.films, m.film as Part<Film>, false);
      case 'film_gone':
        delete this.films[m.id as string];
        this.filmsChanged++;
        return;
      case 'layer':
        return this.layer(m.layer as Layer);
      case 'frame':
        return this.frame(m.frame as { session: string; printer: string; layer: number });
      case 'notice':
        return this.notice(m.notice as Notice);
      case 'capture':
        this.captures = { ...this.captures, [(m.capture as Capture).printer]: m.capture as Capture };
        return;
      case 'climate':
        this.climate = m.reading as Place;
        return;
      case 'panel':
        this.panel = m.panel as Panel;
        return;
      case 'storage':
        this.storage = m.storage as Storage;
        return;
      case 'heartbeat':
        clock.set(m.now as string);
    }
  }

  private merge<T extends { id: string }>(into: Record<string, T>, part: Part<T>, isWhole: boolean): void {
    const known = into[part.id];
    if (known && !isWhole) Object.assign(known, part);
    else into[part.id] = part as unknown as T;
  }

  private layer(l: Layer): void {
    const known = this.layers[l.printer] ?? [];
    const last = known.at(-1);
    const isSame = last?.job === l.job;
    if (isSame && last && !l.is_catching_up && last.number === l.number - 1 && last.at && l.at) {
      this.layerTimes[l.printer] = (Date.parse(l.at) - Date.parse(last.at)) / 1000;
    } else if (!isSame) {
      this.layerTimes[l.printer] = null;
    }
    this.layers = { ...this.layers, [l.printer]: [...(isSame ? known.slice(1 - LAYERS_KEPT) : []), l] };
  }

  /** Layers that were asked for over REST go before those heard live. */
  setLayers(printer: string, layers: Layer[]): void {
    const have = this.layers[printer] ?? [];
    const job = have.at(-1)?.job ?? layers.at(-1)?.job;
    const numbers = new Set(have.map((l) => l.number));
    const merged = [...layers.filter((l) => l.job === job && !numbers.has(l.number)), ...have];
    merged.sort((a, b) => a.number - b.number);
    this.layers = { ...this.layers, [printer]: merged };
    const [a, b] = merged.slice(-2);
    if (a?.at && b?.at) this.layerTimes[printer] = (Date.parse(b.at) - Date.parse(a.at)) / 1000;
  }

  private frame(f: { session: string; printer: string; layer: number }): void {
    this.framed = f;
    const s = this.sessions[f.session];
    if (!s) return;
    s.layer = f.layer;
  }

  private notice(n: Notice): void {
    this.notices = [n, ...this.notices.filter((x) => x.id !== n.id)].slice(0, NOTICES_KEPT);
    if (n.level === 'alarm') this.unseenAlarms++;
  }
}

function byId<T extends { id: string }>(list: T[] | undefined): Record<string, T> {
  return Object.fromEntries((list ?? []).map((x) => [x.id, x]));
}

export function newestFilmFirst(a: Film, b: Film): number {
  return (b.made_at ?? '9').localeCompare(a.made_at ?? '9') || b.id.localeCompare(a.id);
}

export const live = new Live();
