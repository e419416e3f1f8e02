/** Where records go: to the socket of a job's runner, or by HTTP to the server. */
import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { Http, RunnelError, textOf, Unavailable, type Token } from "./http.js";

export interface Way {
  /** Resolves once the records are in the log (the server), or in the spool of the runner. Throws RunnelError if they
   * were refused; anything else says that it is not known, or that they did not get there. */
  send(json: string, key: string, signal: AbortSignal): Promise<void>;
  /** Whether what failed may be sent again under the same key without being there twice. */
  mayRepeat(error: unknown): boolean;
  close(): void;
}

const ANSWER_TIMEOUT_MS = 10_000;
const ADDRESS_MAX = 107; // bytes of a path that the kernel takes as the address of a socket

export class HttpWay implements Way {
  readonly #http: Http;
  readonly #path: string;

  constructor(url: string, token: Token | undefined, executionId: string) {
    this.#http = new Http(url, token);
    this.#path = `/api/v1/executions/${encodeURIComponent(executionId)}/logs`;
  }

  async send(json: string, key: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#http.open({
      method: "POST",
      path: this.#path,
      headers: { "Content-Type": "application/json", "Idempotency-Key": key },
      body: Buffer.from(json),
      timeoutMs: ANSWER_TIMEOUT_MS,
      signal,
    });
    await textOf(answer); // so that the connection can be used again
  }

  mayRepeat(): boolean {
    return true;
  }

  close(): void {
    this.#http.close();
  }
}

/** A line with records, a line with the answer. A runner whose spool is full reads and answers nothing until there is room
 * again; then this waits with it, as what a program prints would. */
export class SocketWay implements Way {
  readonly #path: string;
  #socket: Socket | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async send(json: string, _key: string, signal: AbortSignal): Promise<void> {
    this.#socket ??= await this.#connect();
    const answer = await exchange(this.#socket, json, signal);
    const { error } = JSON.parse(answer) as { error?: { code: string; message: string } };
    if (error) throw new RunnelError(0, error.code, error.message);
  }

  /** Only while too many others are about to connect. What was sent and not answered may be in the log. */
  mayRepeat(error: unknown): boolean {
    return (error as NodeJS.ErrnoException).code === "EAGAIN";
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  /** Through the descriptor of its folder, if the path is longer than an address. */
  async #connect(): Promise<Socket> {
    if (Buffer.byteLength(this.#path) <= ADDRESS_MAX) return connected(this.#path);
    const folder = openSync(dirname(this.#path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      return await connected(`/proc/self/fd/${folder}/${basename(this.#path)}`);
    } finally {
      closeSync(folder);
    }
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => socket.destroy()); // while nothing is under way; the next use says so
      resolve(socket);
    });
  });
}

/** While nothing is under way, the connection does not keep the program from ending. */
function exchange(socket: Socket, json: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (data: Buffer) => {
      text += data.toString();
      const end = text.indexOf("\n");
      if (end >= 0) finish(() => resolve(text.slice(0, end)));
    };
    const onClose = () => finish(() => reject(new Unavailable("the runner has ended")));
    const onAbort = () => finish(() => reject(new Unavailable("ended")));
    const finish = (settle: () => void) => {
      socket.off("data", onData).off("close", onClose).unref();
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    if (socket.destroyed) return reject(new Unavailable("the runner has ended"));
    socket.ref().on("data", onData).on("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.write(json + "\n");
  });
}
