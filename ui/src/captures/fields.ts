// SPDX-License-Identifier: GPL-3.0-or-later
// The settings of a plan as the form shows them: group by group, with the limits of the API.

export type FieldKind = 'bool' | 'whole' | 'real' | 'text' | 'choice';

export interface Field {
  name: string;
  kind: FieldKind;
  min?: number;
  max?: number;
  unit?: string;
  choices?: string[];
  /** Empty means null: the printer's word, or the middle. */
  isAuto?: boolean;
  /** Shown in these modes only. */
  modes?: string[];
  /** How long a text may be. */
  most?: number;
}

const MOVES = ['parked', 'grid'];
const GRID = ['grid'];
const whole = (name: string, min: number, max: number, more: Partial<Field> = {}): Field => ({ name, kind: 'whole', min, max, ...more });
const real = (name: string, min: number, max: number, unit: string, more: Partial<Field> = {}): Field => ({ name, kind: 'real', min, max, unit, ...more });
const auto = (name: string, modes: string[]): Field => real(name, -10_000, 10_000, 'mm', { isAuto: true, modes });
const bool = (name: string, more: Partial<Field> = {}): Field => ({ name, kind: 'bool', ...more });
const text = (name: string, most: number): Field => ({ name, kind: 'text', most });

export interface Group {
  name: string;
  isOpen: boolean;
  fields: Field[];
}

export const groups: Group[] = [
  {
    name: 'when', isOpen: true,
    fields: [
      bool('enabled'), whole('every_n_layers', 0, 10_000), text('z_heights', 399), real('every', 0, 86_400, 's'), text('marker', 63),
      bool('first_layer'), bool('last_layer'), bool('by_order'), bool('by_button'),
    ],
  },
  {
    name: 'where', isOpen: true,
    fields: [
      { name: 'mode', kind: 'choice', choices: ['snap', 'parked', 'grid'] },
      whole('points_x', 1, 9, { modes: GRID }), whole('points_y', 1, 9, { modes: GRID }), whole('points_z', 1, 9, { modes: GRID }),
      real('spacing_x', 0.1, 500, 'mm', { modes: GRID }), real('spacing_y', 0.1, 500, 'mm', { modes: GRID }), real('spacing_z', 0.1, 500, 'mm', { modes: GRID }),
      auto('centre_x', GRID), auto('centre_y', GRID), real('centre_z', -500, 500, 'mm', { modes: GRID }),
      auto('park_x', ['parked']), auto('park_y', ['parked']),
    ],
  },
  {
    name: 'safety', isOpen: true,
    fields: [
      real('base_offset', 0, 500, 'mm', { modes: MOVES }), real('clearance', 0.5, 500, 'mm', { modes: MOVES }),
      { name: 'too_low', kind: 'choice', choices: ['reject', 'raise'], modes: MOVES },
      real('margin', 0, 500, 'mm', { modes: MOVES }), auto('bed_min_x', MOVES), auto('bed_max_x', MOVES), auto('bed_min_y', MOVES), auto('bed_max_y', MOVES),
      auto('max_z', MOVES), bool('dry_run', { modes: MOVES }), bool('bambu_moves', { modes: MOVES }),
    ],
  },
  {
    name: 'motion', isOpen: false,
    fields: [
      real('speed', 100, 60_000, 'mm/min', { modes: MOVES }), real('z_speed', 30, 12_000, 'mm/min', { modes: MOVES }), real('retract', 0, 20, 'mm', { modes: MOVES }),
      real('prime', 0, 25, 'mm', { modes: MOVES }), real('retract_speed', 60, 12_000, 'mm/min', { modes: MOVES }),
      { name: 'extrusion', kind: 'choice', choices: ['auto', 'relative', 'absolute'], modes: MOVES }, bool('return_to_origin', { modes: MOVES }),
    ],
  },
  {
    name: 'waits', isOpen: false,
    fields: [
      real('settle', 0, 30, 's'), real('shot_timeout', 0.2, 60, 's'), real('pause_timeout', 1, 300, 's', { modes: MOVES }),
      real('move_timeout', 1, 300, 's', { modes: MOVES }), whole('emergency_resume_attempts', 1, 10, { modes: MOVES }),
    ],
  },
  {
    name: 'pictures', isOpen: false,
    fields: [text('cameras', 255), whole('quality', 0, 100), bool('thumbnails'), bool('metadata'), text('folder', 63), text('calibration_file', 255)],
  },
];
