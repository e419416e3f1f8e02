// Groups of lines that are folded: a source over a source, without the lines that are hidden.
import type { Change, Line, LineSource, Query, Range } from "./source.ts";

const HEADER = /^(?:::group::|##\[group\]|(?:\+\+\+|---|~~~) )/;
/** What ends a group, as a pattern of the server: the end that it names, or the next group's beginning. */
const END_OF_GROUP = "^(::endgroup::|##\\[endgroup\\]|::group::|##\\[group\\])";
const END_OF_SECTION = "^(\\+\\+\\+|---|~~~) ";

export interface Heading {
  title: string;
  /** The line that comes next after the group matches it. */
  until: string;
}

export function heading(text: string): Heading | undefined {
  const found = HEADER.exec(text);
  if (!found) return undefined;
  const section = found[0].length === 4;
  return { title: text.slice(section ? 0 : found[0].length) || "group", until: section ? END_OF_SECTION : END_OF_GROUP };
}

export function isEndOfGroup(text: string): boolean {
  return text.startsWith("::endgroup::") || text.startsWith("##[endgroup]");
}

/** Ranges of hidden positions: apart from each other, in order. */
export class Hidden {
  private ranges: Range[] = [];

  get size(): number {
    let sum = 0;
    for (const { from, to } of this.ranges) sum += to - from;
    return sum;
  }

  hide(from: number, to: number): void {
    if (to <= from) return;
    const apart = this.ranges.filter((range) => range.to < from || range.from > to);
    const met = this.ranges.filter((range) => !(range.to < from || range.from > to));
    const merged = { from: Math.min(from, ...met.map((r) => r.from)), to: Math.max(to, ...met.map((r) => r.to)) };
    this.ranges = [...apart, merged].sort((a, b) => a.from - b.from);
  }

  /** Shows the range that begins at a position. */
  show(from: number): void {
    this.ranges = this.ranges.filter((range) => range.from !== from);
  }

  clear(): void {
    this.ranges = [];
  }

  startsAt(position: number): boolean {
    return this.ranges.some((range) => range.from === position);
  }

  /** The range that a position is hidden in. */
  around(position: number): Range | undefined {
    return this.ranges.find((range) => range.from <= position && position < range.to);
  }

  /** From what is shown to what is there. */
  inner(shown: number): number {
    let at = shown;
    for (const { from, to } of this.ranges) {
      if (at < from) break;
      at += to - from;
    }
    return at;
  }

  /** From what is there to what is shown; a hidden one to the next that is shown. */
  outer(position: number): number {
    let hidden = 0;
    for (const { from, to } of this.ranges) {
      if (position < from) break;
      hidden += Math.min(position, to) - from;
    }
    return position - hidden;
  }

  /** What is there of a range of what is shown: without what is hidden between. */
  shownOf({ from, to }: Range): Range[] {
    if (to <= from) return [];
    const end = this.inner(to - 1) + 1;
    const pieces: Range[] = [];
    let at = this.inner(from);
    for (const hidden of this.ranges) {
      if (hidden.to <= at) continue;
      if (hidden.from >= end) break;
      pieces.push({ from: at, to: hidden.from });
      at = hidden.to;
    }
    return [...pieces, { from: at, to: end }];
  }

  /** Lines have come in, or went, behind a position. */
  moved(from: number, by: number): void {
    this.ranges = this.ranges.map((range) => ({
      from: range.from > from ? range.from + by : range.from,
      to: range.to > from ? range.to + by : range.to,
    }));
  }
}

export class FoldedSource implements LineSource {
  readonly hidden = new Hidden();
  private readonly listeners = new Set<(change: Change) => void>();
  private readonly end: () => void;

  constructor(private readonly base: LineSource) {
    this.end = base.subscribe((change) => this.pass(change));
  }

  close(): void {
    this.end();
  }

  get count(): number {
    return this.base.count - this.hidden.size;
  }

  get first(): number {
    return this.hidden.outer(this.base.first);
  }

  get ended(): boolean {
    return this.base.ended;
  }

  line(position: number): Line | undefined {
    return this.base.line(this.hidden.inner(position));
  }

  get arrived(): number {
    return this.base.arrived;
  }

  want(ranges: Range[]): void {
    this.base.want(ranges.flatMap((range) => this.hidden.shownOf(range)));
  }

  /** A line that is sought is shown: its group is opened. */
  async positionOf(sequence: number): Promise<number> {
    const position = await this.base.positionOf(sequence);
    const range = this.hidden.around(position);
    if (range) this.reveal(range);
    return this.hidden.outer(position);
  }

  async *read(from: number, to: number, signal: AbortSignal): AsyncIterable<Line> {
    // What is copied is what is there: a folded group with its lines.
    if (to > from) yield* this.base.read(this.hidden.inner(from), this.hidden.inner(to - 1) + 1, signal);
  }

  find(query: Query, sequence: number, direction: 1 | -1, signal: AbortSignal): Promise<number | undefined> {
    return this.base.find(query, sequence, direction, signal);
  }

  folded(position: number): boolean {
    return this.hidden.startsAt(this.hidden.inner(position) + 1);
  }

  /** Folds the group whose heading is at a position, or unfolds it. */
  async toggle(position: number, until: string, signal: AbortSignal): Promise<void> {
    const header = this.hidden.inner(position);
    const line = this.base.line(header);
    if (!line) return;
    if (this.hidden.startsAt(header + 1)) {
      const range = this.hidden.around(header + 1)!;
      this.reveal(range);
      return;
    }
    const query = { text: until, regex: true, matchCase: true };
    const end = await this.base.find(query, line.sequence, 1, signal);
    let to = end === undefined ? this.base.count : await this.base.positionOf(end);
    if (end !== undefined) for await (const last of this.base.read(to, to + 1, signal)) if (isEndOfGroup(last.text)) to++;
    const before = this.hidden.size;
    this.hidden.hide(header + 1, to);
    this.tell({ kind: "moved", from: position, by: before - this.hidden.size });
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private reveal(range: Range): void {
    this.hidden.show(range.from);
    this.tell({ kind: "moved", from: this.hidden.outer(range.from) - 1, by: range.to - range.from });
  }

  private pass(change: Change): void {
    if (change.kind === "reset") this.hidden.clear();
    if (change.kind === "moved") this.hidden.moved(change.from, change.by);
    if (change.kind === "lines")
      this.tell({ kind: "lines", from: this.hidden.outer(change.from), to: this.hidden.outer(change.to) });
    else if (change.kind === "moved") this.tell({ ...change, from: this.hidden.outer(change.from) });
    else this.tell(change);
  }

  private tell(change: Change): void {
    for (const listener of this.listeners) listener(change);
  }
}
