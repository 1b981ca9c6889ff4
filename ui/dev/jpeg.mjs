// SPDX-License-Identifier: GPL-3.0-or-later
// A baseline JPEG writer (ITU T.81, 4:4:4, the example tables of its annex K): enough to give the
// mock server pictures of its own.

const ZIGZAG = [];
for (let s = 0; s < 15; s++) {
  for (let i = 0; i <= s; i++) {
    const [y, x] = s % 2 ? [i, s - i] : [s - i, i];
    if (x < 8 && y < 8) ZIGZAG.push(y * 8 + x);
  }
}

const Q_LUMA = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
  18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const Q_CHROMA = Array.from({ length: 64 }, (_, i) => {
  const t = [17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66, 99, 99];
  const [y, x] = [i >> 3, i & 7];
  return x < 4 && y < 4 ? t[y * 4 + x] : 99;
});

const DC_LUMA = { bits: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
const DC_CHROMA = { bits: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
const AC_LUMA = {
  bits: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
  values: [...Buffer.from(
    '01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa',
    'hex',
  )],
};

function codes({ bits, values }) {
  const table = [];
  let code = 0;
  let k = 0;
  for (let length = 1; length <= 16; length++) {
    for (let i = 0; i < bits[length - 1]; i++) table[values[k++]] = [code++, length];
    code <<= 1;
  }
  return table;
}

// One AC table serves luma and chroma.
const HUFF = { dc: [codes(DC_LUMA), codes(DC_CHROMA)], ac: codes(AC_LUMA) };

const COS = new Float64Array(64);
for (let u = 0; u < 8; u++)
  for (let x = 0; x < 8; x++) COS[u * 8 + x] = Math.cos(((2 * x + 1) * u * Math.PI) / 16) * (u ? 0.5 : Math.SQRT1_2 / 2);

const scaled = (table, quality) => {
  const s = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  return table.map((v) => Math.min(255, Math.max(1, Math.floor((v * s + 50) / 100))));
};

class Bits {
  constructor() {
    this.bytes = [];
    this.acc = 0;
    this.n = 0;
  }

  put([code, length]) {
    for (let i = length - 1; i >= 0; i--) {
      this.acc = (this.acc << 1) | ((code >> i) & 1);
      if (++this.n === 8) {
        this.bytes.push(this.acc);
        if (this.acc === 0xff) this.bytes.push(0);
        this.acc = 0;
        this.n = 0;
      }
    }
  }

  end() {
    while (this.n) this.put([1, 1]);
    return Buffer.from(this.bytes);
  }
}

const tmp = new Float64Array(64);
function transform(block, q, out) {
  for (let y = 0; y < 8; y++)
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let x = 0; x < 8; x++) sum += block[y * 8 + x] * COS[u * 8 + x];
      tmp[y * 8 + u] = sum;
    }
  for (let u = 0; u < 8; u++)
    for (let v = 0; v < 8; v++) {
      let sum = 0;
      for (let y = 0; y < 8; y++) sum += tmp[y * 8 + u] * COS[v * 8 + y];
      out[v * 8 + u] = Math.round(sum / q[v * 8 + u]);
    }
}

const size = (v) => 32 - Math.clz32(Math.abs(v));
const amplitude = (v, n) => [v < 0 ? v + (1 << n) - 1 : v, n];

function putBlock(bits, coefficients, before, dc) {
  const diff = coefficients[0] - before;
  const n = size(diff);
  bits.put(dc[n]);
  if (n) bits.put(amplitude(diff, n));
  let run = 0;
  for (let i = 1; i < 64; i++) {
    const v = coefficients[ZIGZAG[i]];
    if (!v) {
      run++;
      continue;
    }
    for (; run > 15; run -= 16) bits.put(HUFF.ac[0xf0]);
    const s = size(v);
    bits.put(HUFF.ac[(run << 4) | s]);
    bits.put(amplitude(v, s));
    run = 0;
  }
  if (run) bits.put(HUFF.ac[0]);
  return coefficients[0];
}

const segment = (marker, ...body) => {
  const b = Buffer.concat(body.map((x) => Buffer.from(x)));
  return Buffer.concat([Buffer.from([0xff, marker, (b.length + 2) >> 8, (b.length + 2) & 255]), b]);
};

/** RGB bytes to a JPEG. Width and height are multiples of 8. */
export function encodeJpeg(rgb, width, height, quality = 60) {
  const q = [scaled(Q_LUMA, quality), scaled(Q_CHROMA, quality)];
  const bits = new Bits();
  const block = new Float64Array(64);
  const out = new Int32Array(64);
  const last = [0, 0, 0];
  for (let by = 0; by < height; by += 8)
    for (let bx = 0; bx < width; bx += 8)
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < 8; y++)
          for (let x = 0; x < 8; x++) {
            const p = ((by + y) * width + bx + x) * 3;
            const [r, g, b] = [rgb[p], rgb[p + 1], rgb[p + 2]];
            block[y * 8 + x] =
              c === 0 ? 0.299 * r + 0.587 * g + 0.114 * b - 128
              : c === 1 ? -0.1687 * r - 0.3313 * g + 0.5 * b
              : 0.5 * r - 0.4187 * g - 0.0813 * b;
          }
        transform(block, q[c ? 1 : 0], out);
        last[c] = putBlock(bits, out, last[c], HUFF.dc[c ? 1 : 0]);
      }
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, [0], ZIGZAG.map((i) => q[0][i])),
    segment(0xdb, [1], ZIGZAG.map((i) => q[1][i])),
    segment(0xc0, [8, height >> 8, height & 255, width >> 8, width & 255, 3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1]),
    segment(0xc4, [0], DC_LUMA.bits, DC_LUMA.values),
    segment(0xc4, [1], DC_CHROMA.bits, DC_CHROMA.values),
    segment(0xc4, [0x10], AC_LUMA.bits, AC_LUMA.values),
    segment(0xda, [3, 1, 0x00, 2, 0x10, 3, 0x10, 0, 63, 0]),
    bits.end(),
    Buffer.from([0xff, 0xd9]),
  ]);
}
