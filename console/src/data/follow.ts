// A log live: NDJSON that goes on until the log is sealed, taken up again by number after any cut.
import { ApiError, get, query, send } from "./api.ts";
import type { Filters } from "./filters.ts";
import { delayOf, pause } from "./patience.ts";
import { isRefused } from "./session.ts";

/** What is told of a log beside its records. */
export interface Control {
  type: string;
  from?: number;
  to?: number;
  reason?: string;
}

export interface Following {
  /** Where to go on: the first number that is wanted. */
  from(): number;
  /** A piece of the stream: whole lines, each a record. */
  records(lines: string[]): void;
  control(told: Control): void;
  /** The connection is up (undefined), or why not. */
  state(away: string | undefined): void;
}

export const LOST = "the connection is lost";
/** The server sends an empty line after 15 s. A way there that keeps even those back is not live. */
const SILENCE_MS = 40_000;
/** After so many streams of which nothing came, it is asked again and again instead. */
const SILENCES = 2;
const POLL_MS = 1000;

/** Cuts a stream of text into its lines; the rest waits for what comes. */
export class LineSplitter {
  private rest = "";

  push(text: string): string[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    return lines.filter((line) => line !== "");
  }
}

function hand(lines: string[], following: Following): boolean {
  let records: string[] = [];
  let complete = false;
  for (const line of lines) {
    // Records begin with execution_id; everything else with its type.
    if (!line.startsWith('{"type":')) {
      records.push(line);
      continue;
    }
    if (records.length) following.records(records);
    records = [];
    const told = JSON.parse(line) as Control;
    complete ||= told.type === "complete";
    following.control(told);
  }
  if (records.length) following.records(records);
  return complete;
}

type End = "complete" | "cut" | "silent";

/** Reads until the stream ends; "silent" is one of which nothing at all came for so long. */
async function once(
  path: string,
  filters: Filters,
  following: Following,
  outer: AbortSignal,
  stream: boolean,
): Promise<End> {
  const aborter = new AbortController();
  const abort = (): void => aborter.abort();
  outer.addEventListener("abort", abort);
  let silent = false;
  let heard = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Nobody has signed in yet: there was no request.
      if (isRefused()) return watch();
      silent = true;
      abort();
    }, SILENCE_MS);
  };
  try {
    watch();
    const follow = stream ? true : undefined;
    const asked = query({ ...filters, from: following.from(), format: "ndjson", follow });
    const response = await send(`${path}/logs${asked}`, { signal: aborter.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const splitter = new LineSplitter();
    following.state(undefined);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "cut";
      heard = true;
      watch();
      if (hand(splitter.push(value), following)) return "complete";
    }
  } catch (error) {
    if (silent) return heard ? "cut" : "silent";
    throw error;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", abort);
    aborter.abort();
  }
}

/** Follows until the log is complete or `signal` says so. Throws what does not become better by asking again. */
export async function follow(path: string, filters: Filters, following: Following, signal: AbortSignal): Promise<void> {
  let failures = 0;
  let silences = 0;
  while (!signal.aborted) {
    const from = following.from();
    const stream = silences < SILENCES;
    try {
      // A stream says when the log is complete. What is asked for again and again ends if the log was closed before.
      const sealed = !stream && (await get<{ sealed: boolean }>(`${path}/logs${query({ tail: 1 })}`, signal)).sealed;
      const ended = await once(path, filters, following, signal, stream);
      if (sealed && ended === "cut") following.control({ type: "complete" });
      if (ended === "complete" || (sealed && ended === "cut")) return;
      if (ended === "silent") silences++;
      else if (stream) silences = 0;
      failures = following.from() > from || !stream ? 0 : failures + 1;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
      failures = following.from() > from ? 1 : failures + 1;
    }
    if (failures > 0) following.state(LOST);
    await pause(stream || failures > 0 ? delayOf(failures) : POLL_MS, signal);
  }
}
