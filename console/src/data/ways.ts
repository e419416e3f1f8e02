// The ways on which a log comes live. Each reads until it ends; follow.ts takes the next one where one keeps everything back.
import { ApiError, query, send } from "./api.ts";
import { eventsOf } from "./events.ts";
import type { Filters } from "./filters.ts";

/** "shut": it does not lead through here at all. */
export type End = "complete" | "cut" | "shut";

export interface Asked {
  /** Of the execution. */
  path: string;
  filters: Filters;
  /** The first number that is wanted. */
  from: number;
}

export interface Taking {
  /** The server has said something, if only that it is there. */
  heard(): void;
  /** Whole lines in JSON, each a record or something else that is told. Returns true if nothing comes any more. */
  take(lines: string[]): boolean;
  /** Any answer of the server. */
  answered(response: Response): void;
}

export interface Way {
  /** Milliseconds within which the server says something first. */
  firstMs: number;
  read(asked: Asked, taking: Taking, signal: AbortSignal): Promise<End>;
}

/** A stream says the run's state at once, then at least each 15 s that it is there. */
const SOON_MS = 10_000;
export const SILENCE_MS = 40_000;

/** Cuts a stream of text into its lines; the rest waits for what comes. */
export class LineSplitter {
  private rest = "";

  push(text: string): string[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    return lines.filter((line) => line !== "");
  }
}

/** Reads lines of NDJSON to the end of an answer. */
export async function readLines(path: string, taking: Taking, signal: AbortSignal): Promise<End> {
  const response = await send(path, { signal });
  taking.answered(response);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const splitter = new LineSplitter();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return "cut";
    taking.heard();
    if (taking.take(splitter.push(value))) return "complete";
  }
}

const stream: Way = {
  firstMs: SOON_MS,
  read({ path, filters, from }, taking, signal) {
    const asked = query({ ...filters, from, format: "ndjson", follow: true, states: true });
    return readLines(`${path}/logs${asked}`, taking, signal);
  },
};

const REFUSALS: Record<number, ApiError> = {
  1008: new ApiError(422, "invalid", "the filter takes too many steps"),
  4403: new ApiError(403, "forbidden", "this may not be read"),
  4404: new ApiError(404, "not_found", "there is no such run"),
  4410: new ApiError(410, "expired", "the log has been removed"),
};

function listen(address: URL, protocols: string[], taking: Taking, signal: AbortSignal): Promise<End> {
  const socket = new WebSocket(address, protocols);
  return new Promise((resolve, reject) => {
    let opened = false;
    const abort = (): void => {
      reject(new DOMException("aborted", "AbortError"));
      socket.close();
    };
    signal.addEventListener("abort", abort);
    socket.onopen = () => {
      opened = true;
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      if (signal.aborted) return;
      taking.heard();
      if (taking.take(data.split("\n").filter((line) => line !== ""))) resolve("complete");
    };
    socket.onclose = ({ code }) => {
      signal.removeEventListener("abort", abort);
      const refusal = REFUSALS[code];
      if (refusal) reject(refusal);
      else resolve(opened ? "cut" : "shut");
    };
  });
}

/** What keeps answers back often lets a WebSocket through. */
const socket: Way = {
  firstMs: SOON_MS,
  async read({ path, filters, from }, taking, signal) {
    const response = await send("/api/v1/tickets", { method: "POST", signal });
    taking.answered(response);
    const { ticket } = (await response.json()) as { ticket: string };
    const asked = query({ ...filters, from, batch: true });
    const address = new URL(`${path.replace("/api/v1/", "/ws/")}/logs${asked}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    return listen(address, ["runnel.v1", `runnel.ticket.${ticket}`], taking, signal);
  },
};

/** Server-sent events are what proxies know. */
const events: Way = {
  firstMs: SILENCE_MS,
  async read({ path, filters, from }, taking, signal) {
    const asked = query({ ...filters, from });
    const response = await send(`${path}/logs/stream${asked}`, { headers: { Accept: "text/event-stream" }, signal });
    taking.answered(response);
    if (!response.body) return "cut";
    for await (const { data } of eventsOf(response.body, () => taking.heard())) if (taking.take([data])) return "complete";
    return "cut";
  },
};

export const WAYS: readonly Way[] = [stream, socket, events];
