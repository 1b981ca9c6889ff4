// SPDX-License-Identifier: GPL-3.0-or-later
// The nouns of the API as they arrive (src/model/json.h). Unknown values are null.

export type Role = 'viewer' | 'operator' | 'admin';
export type Link = 'off' | 'connecting' | 'online' | 'silent' | 'offline' | 'refused';
export type Activity =
  | 'unknown' | 'idle' | 'preparing' | 'printing' | 'paused' | 'finished' | 'failed' | 'cancelled';

export interface Heat {
  now_c: number | null;
  target_c: number | null;
}

export interface Nozzle extends Heat {
  name: string;
  diameter_mm: number | null;
  type: string;
  tray: number | null;
}

export interface Tray {
  present: boolean;
  filament_id: string;
  type: string;
  brand: string;
  color: string;
  remain_percent: number | null;
  full_g: number | null;
  nozzle_min_c: number | null;
  nozzle_max_c: number | null;
}

export interface Ams {
  id: number;
  kind: string;
  humidity_level: number | null;
  humidity_percent: number | null;
  temp_c: number | null;
  dry_minutes_left: number | null;
  trays: Tray[];
}

export interface Hms {
  code: string;
  severity: number;
  module: string;
  text: string;
  wiki: string;
}

export interface PrinterJob {
  name: string;
  file: string;
  layer: number | null;
  layers: number | null;
  percent: number | null;
  remaining_min: number | null;
  prepare_percent: number | null;
}

/** A key that an OctoPrint was asked for. */
export interface Pairing {
  id: string;
  state: 'waiting' | 'allowed' | 'failed';
  where: string;
  text: string;
}

export interface Printer {
  id: string;
  name: string;
  driver: string;
  address: string;
  url?: string;
  serial: string;
  model: string | null;
  link: { state: Link; text: string };
  stale: boolean;
  heard_at: string | null;
  activity: Activity;
  pause: string;
  since_at: string | null;
  stage: { number: number | null; text: string } | null;
  job: PrinterJob | null;
  nozzles: Nozzle[];
  active_nozzle: number | null;
  bed: Heat | null;
  chamber: Heat | null;
  fans: { part: number | null; aux: number | null; chamber: number | null; heatbreak: number | null } | null;
  speed: { level: number | null; percent: number | null } | null;
  lights: { name: string; on: boolean }[];
  ams: Ams[];
  external: Tray[];
  tray_now: number | null;
  error: { code: string; text: string } | null;
  hms: Hms[];
  firmware: string;
  has_update: boolean;
  needs_developer_mode: boolean;
  door: { open: boolean } | null;
  wifi: string;
  camera: { on: boolean; text: string } | null;
}

export type CameraState = 'closed' | 'connecting' | 'live' | 'stale' | 'no_signal';

export interface Camera {
  id: string;
  name: string;
  driver: string;
  printer: string | null;
  /** All that it sees; the first is `printer`. */
  printers?: string[];
  origin?: 'file' | 'printer' | 'page';
  state: CameraState;
  text: string;
  newest_at: string | null;
  width: number | null;
  height: number | null;
  per_second: number | null;
  n_frames: number;
  n_refused: number;
  n_reconnects: number;
  watchers: number;
  /** It gives H.264 or H.265 that can be passed on; `codec` is "" until it is known. */
  has_video?: boolean;
  codec?: string;
  rotation?: number;
  is_flipped_h?: boolean;
  is_flipped_v?: boolean;
}

export type SessionState = 'idle' | 'armed' | 'recording' | 'paused' | 'finalising' | 'done';

export interface Session {
  id: string;
  printer: string;
  job: string;
  job_name: string;
  state: SessionState;
  state_text: string;
  started_at: string | null;
  ended_at: string | null;
  n_frames: number;
  n_missed: number;
  layer: number | null;
  layers: number | null;
  bytes: number;
  forecast_bytes: number | null;
  is_thinned: boolean;
  keep_one_in: number;
  outcome: string;
  films?: Film[];
}

export interface FilmPlan {
  fps?: number | null;
  duration_s?: number | null;
  hold_s?: number | null;
  crf?: number | null;
  width?: number | null;
  height?: number | null;
  preset?: string;
}

export type FilmState = 'growing' | 'finishing' | 'ready' | 'verified' | 'failed';

export interface Film {
  id: string;
  session: string;
  printer: string;
  camera: string;
  job_name: string;
  file: string;
  poster: string | null;
  state: FilmState;
  text: string;
  made_at: string | null;
  duration_s: number | null;
  fps: number | null;
  width: number | null;
  height: number | null;
  n_frames: number;
  n_skipped: number;
  bytes: number;
  progress_percent: number | null;
  plan: FilmPlan | null;
}

export type Outcome = 'running' | 'finished' | 'failed' | 'cancelled' | 'lost';

export interface Job {
  id: string;
  printer: string;
  name: string;
  file: string;
  started_at: string | null;
  ended_at: string | null;
  outcome: Outcome;
  reason: string;
  layer: number | null;
  layers: number | null;
  estimate_s: number | null;
  filament_g: number | null;
}

export interface Layer {
  job: string;
  printer: string;
  number: number;
  layers: number | null;
  z_mm: number | null;
  at: string | null;
  confidence: number | null;
  reason: string;
  is_catching_up: boolean;
}

export interface Notice {
  id: string;
  at: string;
  level: 'info' | 'warning' | 'alarm';
  topic: string;
  subject: string;
  text: string;
}

export interface Snippets {
  snippets: { id: string; title: string; field: string; place: string; text: string }[];
  notes: string[];
  models: string[];
  park_x: number | null;
  park_y: number | null;
  press: number | null;
  min_mm: number[];
  max_mm: number[];
}

export interface Storage {
  free_bytes: number | null;
  total_bytes: number | null;
  frames_bytes: number | null;
  films_bytes: number | null;
  floor_bytes: number | null;
  budget_bytes: number | null;
  text: string;
}

export interface User {
  id: string | number;
  name: string;
  role: Role;
  is_root: boolean;
  created_at?: string | null;
  expires_at: string | null;
  last_seen_at?: string | null;
}

export interface Key {
  id: string | number;
  name: string;
  scopes: string[];
  created_at: string | null;
  last_used_at: string | null;
  expires_at: string | null;
}

export interface AuditEntry {
  id: number;
  at: string;
  user: string;
  address: string;
  action: string;
  subject: string;
  text: string;
}

export interface FrameInfo {
  number: number;
  camera: string;
  layer: number | null;
  z_mm: number | null;
  trigger: string;
  at: string;
  size: number;
  is_deleted: boolean;
}

export type Answer = 'acknowledged' | 'refused' | 'timed_out' | 'not_sent';

export interface DoctorStep {
  name: string;
  is_ok: boolean;
  took_ms: number | null;
  text: string;
  advice: string;
}

export interface Certificate {
  sha256: string;
  subject: string;
  is_trusted: boolean;
}

export interface Found {
  serial: string;
  name: string;
  model: string;
  address: string;
  firmware: string;
  connect: string;
  is_known: boolean;
  certificate: { sha256: string; chains: boolean } | null;
}

export interface CameraTest {
  is_ok: boolean;
  width: number;
  height: number;
  n_frames: number;
  size: number;
  first_ms: number;
  shot_ms?: number | null;
  age_ms?: number | null;
  per_second: number;
  text: string;
}

export interface CameraSettings {
  id: string;
  origin: 'file' | 'printer' | 'page';
  driver: string;
  name: string;
  printers: string[];
  source: string;
  user: string;
  has_password: boolean;
  tls: string;
  command: string[];
  arguments: string[];
  poll_ms: number;
  fps: number | null;
  size: string;
  format: string;
  quality: number;
  rotation: number;
  flip: string;
  controls: string[];
  focus: string;
  lens_position: number;
  focus_window: string;
  exposure_bias: number;
  full_still: boolean;
  always_open: boolean;
  latency_ms: number;
  stale_after_ms: number;
  ring_ms: number;
}

export interface Control {
  name: string;
  title: string;
  kind: 'number' | 'switch' | 'menu';
  min: number;
  max: number;
  step: number;
  fallback: number;
  value: number;
  is_read_only: boolean;
  is_inactive: boolean;
  choices: { value: number; title: string }[];
}

export interface Device {
  source: string;
  title: string;
  node: string;
  by_port: string;
  serial: string;
  /** The camera that uses it already. */
  camera: string;
  text: string;
  sizes: { format: string; width: number; height: number; fps: number }[];
}

export interface CameraToken {
  id: string;
  camera: string;
  name: string;
  made_by: string;
  created_at: string | null;
  expires_at: string | null;
  last_used_at: string | null;
}
