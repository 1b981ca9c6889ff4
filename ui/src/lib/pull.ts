// SPDX-License-Identifier: GPL-3.0-or-later
// From where films and captures come home, as the interface says it.
import { words } from '../words';

export interface Source {
  id: string;
  name: string;
  url: string;
  deletes: boolean;
  state: 'not_yet' | 'due' | 'fetching' | 'good' | 'failed';
  /** Why the newest run failed, and what to do; both stay while the next one is under way. */
  text: string;
  advice: string;
  ended_at: string | null;
  good_at: string | null;
  next_at: string | null;
  n_found: number;
  n_waiting: number;
  n_busy: number;
  n_newest: number;
  n_refused: number;
  n_fetched: number;
  fetched_bytes: number;
}

export const trouble = (s: Source): string => (s.text ? [words.pull.failed(s.name, s.text), s.advice].filter(Boolean).join(' ') : '');
