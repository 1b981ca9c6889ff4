// SPDX-License-Identifier: GPL-3.0-or-later
// Something being sent: its button waits, and a refusal stays as a sentence.
import { words } from '../words';
import { ApiError, message } from './api';

export class Sending {
  isBusy = $state(false);
  error = $state('');

  /** True when it went well. */
  async run(send: () => Promise<void> | void): Promise<boolean> {
    this.isBusy = true;
    this.error = '';
    try {
      await send();
    } catch (e) {
      this.error = message(e);
      if (e instanceof ApiError && e.retryAfterS) this.error += ` ${words.errors.waitFor(e.retryAfterS)}`;
    } finally {
      this.isBusy = false;
    }
    return this.error === '';
  }
}
