// SPDX-License-Identifier: GPL-3.0-or-later
// Places with a climate, and a button with lights: invented.

export class MockEnvironment {
  constructor({ tell, Refusal, log, isEmpty }) {
    Object.assign(this, { tell, Refusal, log });
    const ago = (min) => new Date(Date.now() - min * 60_000).toISOString();
    this.places = isEmpty ? [] : [
      { location: 'Enclosure', source: 'dht11', at: ago(0.1), temperature_c: 31.4, humidity_pct: 28, is_stale: false, is_here: true, text: '', crossed: 'above 30 °C' },
      { location: 'Balcony', source: 'key of admin', at: ago(3), temperature_c: -2.5, humidity_pct: 81, is_stale: false, is_here: false, text: '', crossed: '' },
      { location: 'Filament box', source: 'key of admin', at: ago(95), temperature_c: 24.1, humidity_pct: null, is_stale: true, is_here: false, text: 'it does not answer: check its wires and its supply', crossed: '' },
    ];
    this.panel = isEmpty ? null : {
      printer: 'anna',
      button: { state: 'works', text: 'gpiochip0 line 22 (GPIO22)', is_pressed: false, presses: 12, last: { clicks: 3, order: 'start_stop', at: ago(40), text: 'a session is being recorded' } },
      lights: { state: 'works', text: '', show: 'recording' },
    };
  }

  routes() {
    return [
      ['GET', 'environment', 'viewer', () => ({ places: this.places })],
      ['GET', 'environment/history', 'viewer', ({ q }) => this.history(q)],
      ['GET', 'panel', 'viewer', () => ({ panel: this.panel })],
      ['POST', 'panel/clicks', 'operator', ({ body, response }) => {
        if (!this.panel) throw new this.Refusal(409, 'conflict', 'no button is configured: write button: into bedside.yaml.');
        this.log.orders.push({ clicks: body.clicks });
        const isPause = body.clicks === 4;
        this.panel = {
          ...this.panel,
          button: { ...this.panel.button, last: { clicks: body.clicks, order: isPause ? 'pause_resume' : 'frame', at: new Date().toISOString(), text: isPause ? 'the session is paused' : 'a picture is kept' } },
          lights: { ...this.panel.lights, show: isPause ? 'paused' : 'recording' },
        };
        this.tell({ type: 'panel', panel: this.panel });
        response.statusCode = 202;
        return { panel: this.panel };
      }],
      ['POST', 'panel/press', 'operator', ({ body }) => {
        if (this.panel?.button.state !== 'simulated') throw new this.Refusal(409, 'conflict', 'this button is a real one: press it by hand, or order clicks.');
        this.log.orders.push({ down: body.down });
        return { panel: this.panel };
      }],
    ];
  }

  history(q) {
    const from = Date.parse(q.get('from'));
    const to = Math.min(Date.parse(q.get('to')), Date.now());
    const step = Number(q.get('step_s') ?? 300) * 1000;
    const readings = [];
    this.log.orders.push({ history: q.get('location'), step_s: q.get('step_s') });
    for (let t = from; t < to; t += step) {
      const hour = ((t - from) / 3.6e6) % 24;
      readings.push({ at: new Date(t).toISOString(), temperature_c: 24 + 6 * Math.sin(hour / 4), humidity_pct: q.get('location') === 'Filament box' ? null : 40 + 10 * Math.cos(hour / 5) });
    }
    return { location: q.get('location'), from: q.get('from'), to: q.get('to'), step_s: step / 1000, readings };
  }
}
