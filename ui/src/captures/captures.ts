// SPDX-License-Identifier: GPL-3.0-or-later
// The nouns of layer capture as they arrive, and what is made of them for the page.
import { apiUrl, query } from '../lib/api';

export type CaptureState = 'running' | 'completed' | 'failed' | 'missed';

export interface CapturePicture {
  /** Of the point, in the order of the visits. */
  index: number;
  camera: string;
  file: string;
  thumbnail: string;
  x_mm: number | null;
  y_mm: number | null;
  z_mm: number | null;
  /** Place in the grid from 0; -1 without one. */
  grid: [number, number, number];
  bytes: number;
  sha256: string;
  width: number;
  height: number;
  at: string | null;
  is_still: boolean;
}

export interface Capture {
  id: string;
  printer: string;
  job: string;
  job_name: string;
  layer: number | null;
  z_mm: number | null;
  trigger: string;
  mode: string;
  state: CaptureState;
  started_at: string | null;
  ended_at: string | null;
  n_points: number;
  n_done: number;
  n_pictures: number;
  paused_s: number;
  printer_wait_s: number;
  is_dry_run: boolean;
  folder: string;
  metadata: string;
  text: string;
  pictures?: CapturePicture[];
}

export interface CaptureStatus {
  printer: string;
  is_on: boolean;
  targets: string;
  is_running: boolean;
  step: string;
  layer: number | null;
  n_points: number;
  n_done: number;
  job: string;
  job_name: string;
  job_started_at: string | null;
  current_layer: number | null;
  has_file: boolean;
  n_completed: number;
  n_failed: number;
  n_missed: number;
  missed: number[];
}

export type PlanValue = boolean | number | string | null;
export type Plan = Record<string, PlanValue>;

export interface GridPoint {
  x: number;
  y: number;
  z: number;
  place: [number, number, number];
  is_safe: boolean;
  text: string;
}

export interface Preview {
  layer: number | null;
  z_mm: number | null;
  top_mm: number | null;
  /** What is printed up to that layer, and the outer walls of the layer itself as x, y, x, y … */
  footprint: { min_x: number; min_y: number; max_x: number; max_y: number; walls: number[][] } | null;
  grid: {
    points: GridPoint[];
    n_safe: number;
    raised_mm: number;
    box: { min: (number | null)[]; max: (number | null)[] };
    way_s: number;
    total_s: number;
  } | null;
  images: number;
  warnings: string[];
  error: string | null;
}

/** A place that pictures of several layers share: a column of the matrix. */
export interface Place {
  key: string;
  grid: [number, number, number];
  index: number;
}

export function placeKey(p: CapturePicture): string {
  return p.grid[0] >= 0 ? p.grid.join('.') : `#${p.index}`;
}

/** Every place in the pictures, level by level, row by row. */
export function placesOf(details: Capture[]): Place[] {
  const places = new Map<string, Place>();
  for (const c of details)
    for (const p of c.pictures ?? []) places.set(placeKey(p), { key: placeKey(p), grid: p.grid, index: p.index });
  return [...places.values()].sort(
    (a, b) => a.grid[2] - b.grid[2] || a.grid[1] - b.grid[1] || a.grid[0] - b.grid[0] || a.index - b.index,
  );
}

/** The address counts the pictures as they are listed, whatever their point. */
export function pictureUrl(capture: string, n: number, isSmall = false): string {
  return apiUrl(`captures/${encodeURIComponent(capture)}/pictures/${n}${isSmall ? '?thumbnail=1' : ''}`);
}

export function archiveUrl(format: 'zip' | 'dataset', of: { printer?: string; job?: string; capture?: string; layer?: number }): string {
  return apiUrl(`capture-archive${query({ format, ...of })}`);
}
