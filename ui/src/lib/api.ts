// SPDX-License-Identifier: GPL-3.0-or-later
// One door to the server: every address relative to <base>, every refusal a sentence.
import { words } from '../words';

const PREFIX = 'api/v1/';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    text: string,
    readonly field: string | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(text);
  }
}

let csrf = '';
let onSignedOut: () => void = () => {};

export function setCsrf(value: string): void {
  csrf = value;
}

export function whenSignedOut(then: () => void): void {
  onSignedOut = then;
}

/** The absolute address of an API path, wherever the server lives. */
export function apiUrl(path: string): string {
  return new URL(PREFIX + path, document.baseURI).href;
}

export function liveUrl(): string {
  return apiUrl('live').replace(/^http/, 'ws');
}

async function toError(answer: Response): Promise<ApiError> {
  let code = String(answer.status);
  let text: string = words.errors.status(answer.status);
  let field: string | null = null;
  try {
    const body = await answer.json();
    if (body?.error?.text) {
      code = body.error.code ?? code;
      text = body.error.text;
      field = body.error.field ?? null;
    }
  } catch {
    // No JSON (a proxy's page, perhaps): the sentence for the status stays.
  }
  const retry = Number(answer.headers.get('Retry-After'));
  return new ApiError(answer.status, code, text, field, retry > 0 ? retry : null);
}

export interface Ask {
  method?: string;
  /** Sent as JSON, but for bytes of a file. */
  body?: unknown;
  signal?: AbortSignal;
}

/** Sends a request; throws ApiError for refusals and for a server that cannot be reached. */
export async function ask(path: string, { method = 'GET', body, signal }: Ask = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  const bytes = body instanceof Blob ? body : null;
  if (body !== undefined) headers['Content-Type'] = bytes ? 'application/octet-stream' : 'application/json';
  if (method !== 'GET' && csrf) headers['X-Bedside-Csrf'] = csrf;
  let answer: Response;
  try {
    answer = await fetch(apiUrl(path), {
      method,
      headers,
      body: body === undefined ? undefined : (bytes ?? JSON.stringify(body)),
      signal,
      credentials: 'same-origin',
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new ApiError(0, 'unreachable', words.errors.unreachable);
  }
  if (answer.ok) return answer;
  const error = await toError(answer);
  if (answer.status === 401 && path !== 'login' && path !== 'setup') onSignedOut();
  throw error;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask(path, { signal })).json() as Promise<T>;
}

export async function send<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await ask(path, { method, body });
  if (answer.status === 204 || answer.headers.get('Content-Length') === '0') return undefined as T;
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export function query(values: Record<string, string | number | null | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(values)) if (v !== null && v !== undefined && v !== '') q.set(k, String(v));
  const s = q.toString();
  return s ? `?${s}` : '';
}

export function message(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}
