// SPDX-License-Identifier: GPL-3.0-or-later
// Sources that films come home from: invented.

export class MockPull {
  constructor({ Refusal, log, isEmpty }) {
    Object.assign(this, { Refusal, log });
    const at = (min) => new Date(Date.now() + min * 60_000).toISOString();
    const usual = { deletes: false, state: 'good', text: '', advice: '', ended_at: at(-4), good_at: at(-4), next_at: at(6), n_found: 31, n_waiting: 0, n_busy: 0, n_newest: 2, n_refused: 0, n_fetched: 9, fetched_bytes: 88e6 };
    this.sources = isEmpty ? [] : [
      { ...usual, id: 'attic', name: 'Attic', url: 'https://attic.fritz.box:8484', deletes: true, n_waiting: 1, n_busy: 1 },
      {
        ...usual, id: 'workshop', name: 'Workshop', url: 'sftp://workshop:22', state: 'failed', text: 'the key of workshop is another one than before: its fingerprint is SHA256:mock',
        advice: 'If the host was set up anew, write its new fingerprint as host_key; if not, somebody else answers there.', good_at: at(-190), n_waiting: 3, n_newest: 0,
      },
    ];
  }

  routes() {
    return [
      ['GET', 'pull', 'viewer', () => ({ sources: this.sources })],
      ['POST', 'pull/now', 'operator', ({ body, response }) => {
        if (!this.sources.some((s) => s.id === body.source)) throw new this.Refusal(409, 'conflict', 'there is no such source in bedside.yaml.');
        this.log.orders.push({ pull: body.source });
        this.sources = this.sources.map((s) => (s.id === body.source ? { ...s, state: 'fetching' } : s));
        response.statusCode = 202;
        return { sources: this.sources };
      }],
    ];
  }
}
