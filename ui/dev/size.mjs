// SPDX-License-Identifier: GPL-3.0-or-later
// What the first load weighs, gzipped: index.html and every script and style it names.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const LIMIT = 150_000;
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const files = ['index.html', ...[...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => m[1])].filter(
  (f) => /\.(html|js|css|svg|webmanifest)$/.test(f),
);
let sum = 0;
for (const f of files) {
  const size = gzipSync(readFileSync(join(dist, f)), { level: 9 }).length;
  sum += size;
  console.log(`${String(size).padStart(8)}  ${f}`);
}
console.log(`${String(sum).padStart(8)}  first load, gzipped (limit ${LIMIT})`);
if (sum > LIMIT) {
  console.error('The first load is too heavy: load what is not needed at once only when it is opened.');
  process.exit(1);
}
