/** A log as it grows: its records in order, each once, also over restarts of the server and cut connections. */
import type { IncomingMessage } from "node:http";
import type { components, operations } from "./api.js";
import { backoffMs, Http, pause, Unavailable, type Token } from "./http.js";

type Query = NonNullable<operations["readLogs"]["parameters"]["query"]>;
type Many<Value> = Value | readonly Value[];

/** Which records; see the execution contract. Of several values any may hold, of several filters all must. */
export type Filters = {
  stream?: Many<NonNullable<Query["stream"]>>;
  level?: Many<string>;
  event_type?: Many<string>;
  node?: Many<string>;
} & Pick<
  Query,
  | "min_level"
  | "category"
  | "milestone"
  | "min_priority"
  | "start_time"
  | "end_time"
  | "grep"
  | "regex"
  | "ignore_case"
  | "invert"
>;

/** Where to begin; at the beginning of the log without one. */
export type Position = Pick<Query, "from" | "after" | "since_index" | "since" | "tail">;

export type Gap = components["schemas"]["Gap"];
export type Complete = components["schemas"]["Complete"];
/** `log` is a record, `gap` says that records are gone, `complete` ends a log that is sealed. */
export type FollowItem = components["schemas"]["LogFrame"] | Gap | Complete;

export interface FollowOptions extends Position {
  url: string;
  token?: Token | undefined;
  executionId: string;
  filters?: Filters;
  /** Ends it. */
  signal?: AbortSignal;
}

const ANSWER_TIMEOUT_MS = 20_000;
const SILENCE_MS = 60_000; // the server says something every 15 s
const LINE_MAX = 16 * 1024 * 1024; // bytes

/** Throws RunnelError if the server refuses it. Goes on from where it was whenever the connection ends before the log does. */
export async function* follow(options: FollowOptions): AsyncGenerator<FollowItem, void, undefined> {
  const http = new Http(options.url, options.token);
  const at = new Cursor(options);
  let failures = 0;
  try {
    while (!options.signal?.aborted) {
      let wait = 0;
      try {
        const answer = await http.open({
          method: "GET",
          path: `/api/v1/executions/${encodeURIComponent(options.executionId)}/logs?${at.query()}`,
          timeoutMs: ANSWER_TIMEOUT_MS,
          signal: options.signal,
        });
        const incarnation = String(answer.headers["x-runnel-incarnation"]);
        for await (const item of itemsOf(answer, options.signal)) {
          failures = 0;
          at.pass(item, incarnation);
          yield item;
          if (item.type === "complete") return;
        }
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        wait = error.retryAfterMs;
      }
      await pause(Math.max(backoffMs(failures++), wait), options.signal);
    }
  } finally {
    http.close();
  }
}

/** Where to go on: the options' position until something has come. */
class Cursor {
  readonly #options: FollowOptions;
  #next: number | undefined;
  #incarnation = ""; // of the store that it is a position in

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  pass(item: FollowItem, incarnation: string): void {
    this.#incarnation = incarnation;
    if (item.type === "log") this.#next = item.sequence_number + 1;
    else if (item.type === "gap") this.#next = item.to + 1;
  }

  query(): URLSearchParams {
    const { from, after, since_index, since, tail, filters = {} } = this.#options;
    const position = this.#next === undefined ? { from, after, since_index, since, tail } : { from: this.#next };
    const query = new URLSearchParams({ follow: "true", format: "ndjson" });
    if (this.#next !== undefined) query.set("incarnation", this.#incarnation);
    for (const [name, value] of Object.entries({ ...position, ...filters }))
      for (const one of Array.isArray(value) ? value : [value])
        if (one !== undefined) query.append(name, String(one));
    return query;
  }
}

/** What comes as whole lines. What was cut off within a line will come again. */
async function* itemsOf(answer: IncomingMessage, signal?: AbortSignal): AsyncGenerator<FollowItem, void, undefined> {
  for await (const line of linesOf(answer, signal)) {
    if (line.length === 0) continue; // so that nobody on the way takes the connection for dead
    const item = JSON.parse(line.toString());
    if (item.type === undefined) yield { type: "log", ...item };
    else if (item.type === "gap" || item.type === "complete") yield item;
  }
}

async function* linesOf(answer: IncomingMessage, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  const stop = () => answer.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  const parts = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const rest: Buffer[] = []; // of a line that has not ended
  let held = 0;
  try {
    for (let part = await within(parts, answer); part; part = await within(parts, answer)) {
      let begin = 0;
      for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, begin)) {
        yield Buffer.concat([...rest.splice(0), part.subarray(begin, end)]);
        held = 0;
        begin = end + 1;
      }
      rest.push(part.subarray(begin));
      held += part.length - begin;
      if (held > LINE_MAX) throw new Error(`a line of the log has more than ${LINE_MAX} bytes`);
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    answer.destroy();
  }
}

/** The next part; undefined at the end, also if it was cut. The time runs only while this waits, however slow the reader is. */
async function within(parts: AsyncIterator<Buffer>, answer: IncomingMessage): Promise<Buffer | undefined> {
  const timer = setTimeout(() => answer.destroy(), SILENCE_MS);
  try {
    const next = await parts.next();
    return next.done ? undefined : next.value;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
