// What the log pane shows, and all that it knows of where lines come from. The pane knows nothing of runs; the data layer
// nothing of the page. Both meet here.

/** One line as it is shown. */
export interface Line {
  /** The record's sequence number: what permalinks name. Rises from line to line; under a filter with holes. */
  sequence: number;
  text: string;
  /** Milliseconds since 1970. */
  time: number;
  stream: "stdout" | "stderr" | "system" | "event";
  level?: string;
  node?: string;
  eventType?: string;
  /** The record goes on with the one before it: a line of a traceback, a part of a line that was too long. */
  continues?: boolean;
}

export type Change =
  /** Lines of [from, to) have come, or have other content than before (a filter, a purge). */
  | { kind: "lines"; from: number; to: number }
  /** `count`, `first` or `ended` has changed. */
  | { kind: "extent" };

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
  /** These are about to be seen: loads what is missing, nearest first, and gives up what is far from them. */
  want(from: number, to: number): void;
  /** Where a sequence number stands, or the next one that is shown. */
  positionOf(sequence: number): Promise<number>;
  /** The lines of [from, to), also those that are not in memory, in order: for copying. */
  read(from: number, to: number, signal: AbortSignal): AsyncIterable<Line>;
  /** Returns what ends it. */
  subscribe(listener: (change: Change) => void): () => void;
}
