// A log live, until it is sealed, taken up again by number after any cut.
import { ApiError, get, query } from "./api.ts";
import type { Filters } from "./filters.ts";
import { delayOf, pause } from "./patience.ts";
import { isRefused } from "./session.ts";
import { readLines, SILENCE_MS, WAYS } from "./ways.ts";
import type { Asked, End, Taking, Way } from "./ways.ts";

/** What is told of a log beside its records. */
export interface Control {
  type: string;
  from?: number;
  to?: number;
  reason?: string;
  sequence_number?: number;
}

export interface Following {
  /** Where to go on: the first number that is wanted. */
  from(): number;
  /** A piece of the stream: whole lines, each a record. */
  records(lines: string[]): void;
  control(told: Control): void;
  /** The connection is up (undefined), or why not. */
  state(away: string | undefined): void;
  /** Of any answer: whose store it is. */
  answered(response: Response): void;
}

export const LOST = "the connection is lost";
const POLL_MS = 1000;
/** After so many the better ways are tried again. */
const MOST_POLLS = 300;

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

/** Reads on one way until it ends. "shut" is also one on which nothing at all came; "quiet" one on which nothing came any more. */
async function once(way: Way, asked: Asked, following: Following, outer: AbortSignal): Promise<End | "quiet"> {
  const aborter = new AbortController();
  const abort = (): void => aborter.abort();
  outer.addEventListener("abort", abort);
  let silent = false;
  let heard = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        // Nobody has signed in yet: there was no request.
        if (isRefused()) return watch();
        silent = true;
        abort();
      },
      heard ? SILENCE_MS : way.firstMs,
    );
  };
  const taking: Taking = {
    heard: () => {
      heard = true;
      following.state(undefined);
      watch();
    },
    take: (lines) => hand(lines, following),
    answered: (response) => following.answered(response),
  };
  try {
    watch();
    return await way.read(asked, taking, aborter.signal);
  } catch (error) {
    if (silent) return heard ? "quiet" : "shut";
    throw error;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", abort);
    aborter.abort();
  }
}

/** Asks once for what there is. A stream says when the log is complete; this ends if the log was closed before. */
async function poll({ path, filters, from }: Asked, following: Following, signal: AbortSignal): Promise<End> {
  const { sealed } = await get<{ sealed: boolean }>(`${path}/logs${query({ tail: 1 })}`, signal);
  const taking: Taking = {
    heard: () => {},
    take: (lines) => hand(lines, following),
    answered: (response) => following.answered(response),
  };
  await readLines(`${path}/logs${query({ ...filters, from, format: "ndjson" })}`, taking, signal);
  following.state(undefined);
  if (!sealed) return "cut";
  following.control({ type: "complete" });
  return "complete";
}

/** Follows until the log is complete or `signal` says so. Throws what does not become better by asking again. */
export async function follow(path: string, filters: Filters, following: Following, signal: AbortSignal): Promise<void> {
  let failures = 0;
  let polls = 0;
  for (let at = 0; !signal.aborted; ) {
    const from = following.from();
    const asked = { path, filters, from };
    const way = WAYS[at];
    try {
      const end = await (way ? once(way, asked, following, signal) : poll(asked, following, signal));
      if (end === "complete") return;
      if (end === "shut") at++;
      failures = following.from() > from || end !== "cut" || !way ? 0 : failures + 1;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
      failures = following.from() > from ? 1 : failures + 1;
    }
    if (failures > 0) following.state(LOST);
    await pause(way || failures > 0 ? delayOf(failures) : POLL_MS, signal);
    if (!way && ++polls % MOST_POLLS === 0) at = 0;
  }
}
