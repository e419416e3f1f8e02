// Requests to the interface that this page was served by.
import { isRefused, refuse, signedIn, token } from "./session.ts";

/** An answer that is no success. `code` is the word of the interface, such as `not_found`. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: { name: string; reason: string }[] = [],
  ) {
    super(message);
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = await response.json();
    const fields = error.fields ?? [];
    const reasons = fields.map((field: { name: string; reason: string }) => `${field.name} ${field.reason}`).join("; ");
    return new ApiError(response.status, error.code, reasons || error.message, fields);
  } catch {
    return new ApiError(response.status, "unreadable", `the server answered ${response.status}`);
  }
}

/**
 * The answer's body is not read yet. Throws ApiError for an answer that is no success, TypeError if there is none. When the
 * credential is refused the page asks for another one, and the request is sent again with that.
 */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    if (isRefused()) await signedIn(init.signal ?? new AbortController().signal);
    const headers = new Headers(init.headers);
    const credential = token();
    if (credential) headers.set("Authorization", `Bearer ${credential}`);
    const response = await fetch(path, { ...init, headers, credentials: "omit" });
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.status !== 401 || credential === null) throw error;
    if (token() === credential) refuse();
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

/** A request with a body in JSON. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await send(path, init);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A query of the members that are set. */
export function query(values: Record<string, string | number | boolean | undefined>): string {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}
