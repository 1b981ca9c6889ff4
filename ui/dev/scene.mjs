// SPDX-License-Identifier: GPL-3.0-or-later
// A drawn printer for the mock server: bed, a part that grows, the head, and its figures.

// 3 x 5 dots, a row per hex digit.
const FONT = {
  '0': [7, 5, 5, 5, 7], '1': [2, 6, 2, 2, 7], '2': [7, 1, 7, 4, 7], '3': [7, 1, 7, 1, 7], '4': [5, 5, 7, 1, 1],
  '5': [7, 4, 7, 1, 7], '6': [7, 4, 7, 5, 7], '7': [7, 1, 2, 2, 2], '8': [7, 5, 7, 5, 7], '9': [7, 5, 7, 1, 7],
  ':': [0, 2, 0, 2, 0], '/': [1, 1, 2, 4, 4], ' ': [0, 0, 0, 0, 0], '.': [0, 0, 0, 0, 2],
};

export const WIDTH = 640;
export const HEIGHT = 360;

const PARTS = [[76, 194, 255], [255, 156, 84], [126, 211, 151], [222, 120, 196]];

function painter(rgb) {
  const put = (x, y, c, a = 1) => {
    if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT) return;
    const p = (y * WIDTH + x) * 3;
    for (let i = 0; i < 3; i++) rgb[p + i] = rgb[p + i] * (1 - a) + c[i] * a;
  };
  const box = (x0, y0, w, h, c, a = 1) => {
    for (let y = Math.max(0, y0 | 0); y < Math.min(HEIGHT, (y0 + h) | 0); y++)
      for (let x = Math.max(0, x0 | 0); x < Math.min(WIDTH, (x0 + w) | 0); x++) put(x, y, c, a);
  };
  const text = (s, x, y, scale, c) => {
    for (const ch of s) {
      FONT[ch]?.forEach((row, r) => {
        for (let b = 0; b < 3; b++) if (row & (4 >> b)) box(x + b * scale, y + r * scale, scale, scale, c);
      });
      x += 4 * scale;
    }
  };
  return { box, text, put };
}

const grounds = new Map();
function ground(shade) {
  let rgb = grounds.get(shade);
  if (rgb) return rgb;
  rgb = Buffer.alloc(WIDTH * HEIGHT * 3);
  const { box } = painter(rgb);
  for (let y = 0; y < HEIGHT; y++) {
    const v = 26 + (y / HEIGHT) * 26;
    box(0, y, WIDTH, 1, [v + shade, v + 4 + shade, v + 12 + shade]);
  }
  box(40, 0, 16, HEIGHT, [58, 62, 70]);
  box(WIDTH - 56, 0, 16, HEIGHT, [58, 62, 70]);
  for (let y = 0; y < 70; y++) box(110 - y * 0.9, 262 + y, WIDTH - 220 + y * 1.8, 1, [70 - y * 0.3, 74 - y * 0.3, 82 - y * 0.3]);
  for (let i = 0; i < 8; i++) box(120 + i * 56, 264, 1, 66, [96, 101, 110], 0.5);
  grounds.set(shade, rgb);
  return rgb;
}

/** One picture: how far the part has grown (0 to 1), where the head is, figures. */
export function drawScene({ kind = 0, done = 0, layer = 0, layers = 0, at = Date.now(), isLit = true }) {
  const rgb = Buffer.from(ground(isLit ? 14 : 0));
  const { box, text } = painter(rgb);
  const colour = PARTS[kind % PARTS.length];
  const full = 170;
  const height = Math.max(1, done * full);
  const wave = (t, k) => (kind % 2 ? 52 + 30 * Math.sin(t * 5 + k) : 88 - t * 46 + 8 * Math.sin(t * 14));
  for (let h = 0; h < height; h++) {
    const t = h / full;
    const half = wave(t, kind);
    const stripe = h % 4 < 2 ? 0.92 : 1;
    const y = 296 - h;
    for (let x = -half; x < half; x++) {
      const light = 0.55 + 0.45 * Math.sqrt(Math.max(0, 1 - ((x + half * 0.3) / (half * 1.3)) ** 2));
      box(320 + x, y, 1, 1, colour.map((c) => c * light * stripe));
    }
  }
  const t = at / 900;
  const x = 320 + Math.sin(t) * 80 + Math.sin(t * 2.7) * 16;
  const y = 296 - height - 4;
  box(56, y - 52, WIDTH - 112, 9, [92, 97, 107]);
  box(x - 24, y - 60, 48, 42, [44, 48, 56]);
  box(x - 20, y - 56, 40, 12, [76, 194, 255]);
  box(x - 7, y - 18, 14, 10, [190, 150, 80]);
  box(x - 2, y - 8, 4, 6, [226, 190, 120]);
  const clock = new Date(at).toISOString().slice(11, 19);
  box(0, HEIGHT - 30, WIDTH, 30, [10, 12, 16], 0.75);
  text(clock, 14, HEIGHT - 22, 3, [232, 234, 240]);
  const figures = layers ? `${layer}/${layers}` : '0';
  text(figures, WIDTH - 14 - figures.length * 12, HEIGHT - 22, 3, [232, 234, 240]);
  return rgb;
}
