// Searches of one log, by the server: docs/search.md.
import type { Query } from "../pane/source.ts";
import { get, query as queryOf } from "./api.ts";
import type { Filters } from "./filters.ts";

interface Answer {
  complete: boolean;
  next_cursor: string | null;
  count: number | null;
  first_hit: number | null;
  last_hit: number | null;
  hits: { sequence_number: number }[];
  density: { from: number; width: number; counts: number[] } | null;
  first_sequence: number;
  last_index: number;
}

/** What every line matches. */
export const ANY: Query = { text: "^", regex: true, matchCase: true };

type Parameters = Record<string, string | number | boolean | undefined>;

function parameters(query: Query, filters: Filters): Parameters {
  return {
    ...filters,
    q: query.text,
    regex: query.regex || undefined,
    case: query.matchCase ? undefined : false,
  };
}

/** All parts of an answer, until it is complete. */
async function* parts(path: string, wanted: Parameters, signal: AbortSignal): AsyncIterable<Answer> {
  let cursor: string | undefined;
  do {
    const answer: Answer = await get(`${path}/logs/search${queryOf({ ...wanted, cursor })}`, signal);
    yield answer;
    cursor = answer.next_cursor ?? undefined;
    if (answer.complete) return;
  } while (cursor !== undefined);
}

/** The number of the nearest line that matches behind `sequence`, or before it. */
export async function findLine(
  path: string,
  query: Query,
  filters: Filters,
  sequence: number,
  direction: 1 | -1,
  signal: AbortSignal,
): Promise<number | undefined> {
  // Behind −1 is everything; nothing is before 0.
  const place = direction === 1 ? (sequence < 0 ? {} : { after: sequence }) : { before: sequence };
  const wanted = { ...parameters(query, filters), ...place, limit: 1, count: false };
  for await (const answer of parts(path, wanted, signal))
    if (answer.hits.length) return answer.hits[0]!.sequence_number;
  return undefined;
}

export interface Counted {
  count: number;
  first: number | undefined;
  complete: boolean;
  lastIndex: number;
}

/** How many lines of the numbers [from, to) match; tells what is counted so far. */
export async function countLines(
  path: string,
  query: Query,
  filters: Filters,
  signal: AbortSignal,
  range: { from?: number; to?: number } = {},
  told: (sofar: Counted) => void = () => {},
): Promise<Counted> {
  const sum: Counted = { count: 0, first: undefined, complete: false, lastIndex: 0 };
  const wanted = { ...parameters(query, filters), limit: 0, ...range };
  for await (const answer of parts(path, wanted, signal)) {
    sum.count += answer.count ?? 0;
    if (answer.first_hit !== null) sum.first = Math.min(sum.first ?? answer.first_hit, answer.first_hit);
    sum.complete = answer.complete;
    sum.lastIndex = Math.max(sum.lastIndex, answer.last_index);
    told(sum);
  }
  return sum;
}

export interface Density {
  from: number;
  /** Numbers in each part. */
  width: number;
  counts: number[];
  /** Numbers before this one were looked at. */
  to: number;
}

/** How many lines pass the filters in each part of the numbers from one on. */
export async function densityOf(
  path: string,
  filters: Filters,
  from: number,
  buckets: number,
  signal: AbortSignal,
): Promise<Density> {
  const sum: Density = { from, width: 1, counts: [], to: from };
  for await (const answer of parts(path, { ...parameters(ANY, filters), from, limit: 0, buckets }, signal)) {
    if (answer.density) {
      sum.from = answer.density.from;
      sum.width = answer.density.width;
      answer.density.counts.forEach((count, i) => (sum.counts[i] = (sum.counts[i] ?? 0) + count));
    }
    sum.to = answer.last_index;
  }
  return sum;
}
