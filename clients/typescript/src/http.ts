/** Requests over node:http, with a deadline for the answer's beginning. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

/** An API key, a JSON Web Token, or a function that is asked for one before each connection. */
export type Token = string | (() => string | Promise<string>);

/** What the server refused: sending it again does not help. */
export class RunnelError extends Error {
  override readonly name = "RunnelError";
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(`${status} ${code}: ${message}`);
  }
}

/** The server was not reached, or says that it cannot do it now. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  constructor(
    message: string,
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }
}

export interface Exchange {
  method: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  body?: Buffer;
  /** Milliseconds until the answer begins. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

const TEXT_MAX = 64 * 1024; // bytes of an answer that is read as a whole
const TEXT_TIMEOUT_MS = 10_000; // without any more of it
const RETRY_AFTER_MAX_MS = 30_000;

export class Http {
  readonly #url: URL;
  readonly #token: Token | undefined;
  readonly #agent: HttpAgent;

  constructor(url: string, token: Token | undefined) {
    this.#url = new URL(url);
    this.#token = token;
    this.#agent = this.#isTls() ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  #isTls(): boolean {
    return this.#url.protocol === "https:";
  }

  /** The answer, if its status is below 300; its body is still to be read. Throws RunnelError or Unavailable. */
  async open(exchange: Exchange): Promise<IncomingMessage> {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    const answer = await this.#send(exchange, token);
    if (answer.statusCode! < 300) return answer;
    const text = await textOf(answer);
    const { code, message } = problemOf(text);
    const status = answer.statusCode!;
    if (status >= 500 || status === 429 || status === 408) {
      const seconds = Number(answer.headers["retry-after"] ?? 0);
      throw new Unavailable(`${status} ${code}: ${message}`, Math.min(seconds * 1000 || 0, RETRY_AFTER_MAX_MS));
    }
    throw new RunnelError(status, code, message);
  }

  #send({ method, path, headers, body, timeoutMs, signal }: Exchange, token?: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const to = new URL(this.#url.pathname.replace(/\/+$/, "") + path, this.#url);
      const request = (this.#isTls() ? httpsRequest : httpRequest)(to, {
        method,
        agent: this.#agent,
        headers: {
          ...headers,
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "Content-Length": String(body.length) }),
        },
      });
      const stop = () => request.destroy(new Unavailable("ended"));
      const timer = setTimeout(() => request.destroy(new Unavailable(`no answer in ${timeoutMs} ms`)), timeoutMs);
      const settle = () => clearTimeout(timer);
      if (signal?.aborted) stop();
      signal?.addEventListener("abort", stop, { once: true });
      request.on("close", () => signal?.removeEventListener("abort", stop));
      request.on("response", (answer) => (settle(), resolve(answer)));
      request.on("error", (error) => {
        settle();
        reject(error instanceof Unavailable ? error : new Unavailable(error.message));
      });
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The whole answer, as far as TEXT_MAX. */
export async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => answer.destroy(new Error("the answer has stopped")), TEXT_TIMEOUT_MS);
  try {
    for await (const part of answer) {
      parts.push(part as Buffer);
      timer.refresh();
      size += (part as Buffer).length;
      if (size > TEXT_MAX) break;
    }
  } catch (error) {
    throw new Unavailable((error as Error).message);
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts).toString();
}

function problemOf(text: string): { code: string; message: string } {
  try {
    const { code, message, fields } = JSON.parse(text).error;
    const reasons = (fields ?? []).map((field: { name: string; reason: string }) => `${field.name} ${field.reason}`);
    return { code, message: [message, ...reasons].join("; ") };
  } catch {
    return { code: "unknown", message: text.slice(0, 500) };
  }
}

/** Until the time is over or the signal comes. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** How long to wait before the next try, after so many that failed. */
export function backoffMs(failures: number): number {
  return Math.min(100 * 2 ** failures, 5000);
}
