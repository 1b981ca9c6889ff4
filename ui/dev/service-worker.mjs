// SPDX-License-Identifier: GPL-3.0-or-later
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** Writes sw.js: src/sw.js with the list of what was built, and a version that changes with it. */
export function serviceWorker() {
  return {
    name: 'bedside-service-worker',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const plain = readdirSync('public').sort();
        const built = Object.keys(bundle).filter((f) => f.startsWith('assets/')).sort();
        const sum = createHash('sha256');
        const source = readFileSync('src/sw.js', 'utf8');
        for (const f of plain) sum.update(f).update(readFileSync(`public/${f}`));
        for (const f of [...built, 'index.html']) {
          const part = bundle[f];
          sum.update(f).update(part?.type === 'chunk' ? part.code : (part?.source ?? ''));
        }
        sum.update(source);
        this.emitFile({
          type: 'asset',
          fileName: 'sw.js',
          source: source
            .replace("['__FILES__']", JSON.stringify(['', ...plain, ...built]))
            .replace('__VERSION__', sum.digest('hex').slice(0, 16)),
        });
      },
    },
  };
}
