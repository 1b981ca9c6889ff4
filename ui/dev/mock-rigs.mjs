// SPDX-License-Identifier: GPL-3.0-or-later
// Rigs that report here, one of them away: invented.

export class MockRigs {
  constructor({ cameras, Refusal, log, shotOf, isEmpty }) {
    Object.assign(this, { cameras, Refusal, log, shotOf });
    const ago = (min) => new Date(Date.now() - min * 60_000).toISOString();
    const rig = (id, name, more) => ({
      id, name, version: '1.0.0', address: '192.168.7.20', is_online: true, text: '', seen_at: ago(0), paired_at: ago(9000), made_by: 'admin', clock_offset_ms: 12, rtt_ms: 34,
      n_news: 512, status_delay_s: null, climate_delay_s: null, image_delay_s: null, printers: [], cameras: [], sessions: [], climate: [], pictures: [], ...more,
    });
    this.rigs = isEmpty ? [] : [
      rig('shed', 'Shed', {
        clock_offset_ms: -7_200_000,
        printers: [{ id: 'a1', name: 'A1 in the shed', activity: 'printing', job: { name: 'gear', percent: 40 } }],
        sessions: [{ id: 's1', printer: 'a1', state: 'recording', n_frames: 77 }],
        pictures: [{ camera: 'a1', at: ago(0.1) }],
      }),
      rig('loft', 'Loft', {
        is_online: false, seen_at: ago(300), rtt_ms: null, clock_offset_ms: null, text: 'Another machine, at 192.168.7.9, uses this rig’s key, too, and was sent away: pair that one anew, under a name of its own.',
        printers: [{ id: 'p1', name: 'P1S in the loft', activity: 'idle', job: null }],
      }),
    ];
  }

  find(id) {
    const r = this.rigs.find((x) => x.id === id);
    if (!r) throw new this.Refusal(404, 'not_found', 'There is no rig of this id.');
    return r;
  }

  routes() {
    return [
      ['GET', 'rigs', 'viewer', () => ({ rigs: this.rigs, hub: null })],
      ['POST', 'rigs/codes', 'admin', ({ response }) => {
        response.statusCode = 201;
        return { code: 'ABCD-EF23', expires_at: new Date(Date.now() + 600_000).toISOString() };
      }],
      ['PATCH', 'rigs/:id', 'admin', ({ id, body }) => {
        this.log.orders.push({ changeRig: id, body });
        return Object.assign(this.find(id), body);
      }],
      ['DELETE', 'rigs/:id', 'admin', ({ id }) => {
        this.rigs.splice(this.rigs.indexOf(this.find(id)), 1);
        this.log.orders.push({ revokeRig: id });
        return null;
      }],
      ['POST', 'rigs/:id/orders', 'operator', ({ id, body }) => {
        const r = this.find(id);
        this.log.orders.push({ rig: id, body });
        if (!r.is_online) return { answer: 'away', reason: 'The rig is away: it takes orders only while it is connected.' };
        if (body.order === 'shoot') return { answer: 'refused', reason: 'no camera gives a picture now' };
        const s = r.sessions.find((x) => x.printer === body.printer);
        if (s && body.order === 'pause') s.state = 'paused';
        if (s && body.order === 'resume') s.state = 'recording';
        return { answer: 'done', reason: '' };
      }],
      ['GET', 'rigs/:id/pictures/[^/]+', 'viewer', ({ id, response }) => {
        this.find(id);
        response.setHeader('Content-Type', 'image/jpeg');
        response.end(this.shotOf(this.cameras[0]).jpeg);
      }],
    ];
  }
}
