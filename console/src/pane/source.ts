// What the log pane shows, and all that it knows of where lines come from. The pane knows nothing of runs; the data layer
// nothing of the page. Both meet here.

/** One line as it is shown. */
export interface Line {
  /** The record's sequence number: what permalinks name. Rises from line to line; under a filter with holes. */
  sequence: number;
  /** The text as it came, with its escapes. Of a very long one the beginning. */
  text: string;
  /** So many characters of the text are not in memory; `read` has them. */
  more: number;
  /** Milliseconds since 1970. */
  time: number;
  stream: string;
  level?: string | undefined;
  node?: string | undefined;
  eventType?: string | undefined;
  /** No newline ended it: the next record of its stream goes on with it. */
  partial?: boolean | undefined;
}

/** Positions [from, to). */
export interface Range {
  from: number;
  to: number;
}

export type Change =
  /** Lines of [from, to) have come, or have other content than before. */
  | { kind: "lines"; from: number; to: number }
  /** Behind the position `from`, `by` lines more are shown than were thought (or less): what stood there moves. */
  | { kind: "moved"; from: number; by: number }
  /** `count`, `first` or `ended` has changed. */
  | { kind: "extent" }
  /** Everything is another: what was known of positions is void. */
  | { kind: "reset" };

export interface Query {
  text: string;
  regex: boolean;
  /** Letters of either case are different. */
  matchCase: boolean;
}

/**
 * Lines by their position in the view: 0 … count − 1. Without a filter the position is the sequence number.
 * All calls are made on the main thread; nothing blocks.
 */
export interface LineSource {
  /** How many there are now; it may rise at any time. */
  readonly count: number;
  /** The first that is kept; what was before it was removed by retention. */
  readonly first: number;
  /** No line follows any more. */
  readonly ended: boolean;
  /** The line, if it is in memory. */
  line(position: number): Line | undefined;
  /** So many have come live, since the source is there. */
  readonly arrived: number;
  /** These are about to be seen: loads what is missing, from the middle on, and gives up what is far from them. */
  want(ranges: Range[]): void;
  /** Where a sequence number stands, or the next one that is shown. */
  positionOf(sequence: number): Promise<number>;
  /** The whole lines of [from, to), also those that are not in memory, in order: for copying. */
  read(from: number, to: number, signal: AbortSignal): AsyncIterable<Line>;
  /** The sequence number of the nearest line that matches behind `sequence` (direction 1) or before it (−1). */
  find(query: Query, sequence: number, direction: 1 | -1, signal: AbortSignal): Promise<number | undefined>;
  /** Returns what ends it. */
  subscribe(listener: (change: Change) => void): () => void;
}
