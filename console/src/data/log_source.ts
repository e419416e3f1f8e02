// The lines of one log for the pane: segments by number from the server, as few as are needed in memory, and what comes live.
import type { Change, Line, LineSource, Query, Range } from "../pane/source.ts";
import { ApiError, query, send } from "./api.ts";
import { isFiltered } from "./filters.ts";
import type { Filters } from "./filters.ts";
import { follow, LOST } from "./follow.ts";
import type { Control, Following } from "./follow.ts";
import { delayOf, pause } from "./patience.ts";
import { lineOf } from "./record.ts";
import type { LogRecord } from "./record.ts";
import { densityOf, findLine } from "./search.ts";
import { DenseSegments, SparseSegments } from "./segments.ts";

export interface Limits {
  /** Lines of a segment. */
  page: number;
  /** What is kept in memory at most. */
  lines: number;
  characters: number;
}

export const LIMITS: Limits = { page: 500, lines: 100_000, characters: 24_000_000 };
const AT_ONCE = 3;
const BUCKETS = 1000;
const MOST_OF_A_PAGE = 10_000;

interface Page {
  logs: LogRecord[];
  first_sequence: number;
  next_cursor: string | null;
  last_index: number;
  sealed: boolean;
}

/** Lines of a segment. One that came live is its JSON until somebody looks at it. */
interface Segment {
  lines: (Line | string)[];
  characters: number;
}

const NUMBER_KEY = '"sequence_number":';

/** The sequence number of a record in JSON, which stands before all that others have written. */
function sequenceOf(json: string): number {
  return Number.parseInt(json.slice(json.indexOf(NUMBER_KEY) + NUMBER_KEY.length), 10);
}

export class LogSource implements LineSource {
  first = 0;
  ended = false;
  arrived = 0;
  /** Why there is no connection. */
  away: string | undefined;
  /** What cannot be mended by asking again. */
  failure: string | undefined;
  /** There is something to show, or it is known that there is nothing. */
  ready = false;
  /** `count` is not all yet: the server counts what passes the filters. */
  counting = false;
  /** The first number that is kept: retention has removed what was before it. */
  oldest = 0;
  /** The store became another one, from a backup, while it was shown. */
  restored = false;

  private dense: DenseSegments | undefined;
  private sparse: SparseSegments | undefined;
  private readonly loaded = new Map<number, Segment>();
  private readonly loading = new Map<number, AbortController>();
  private readonly listeners = new Set<(change: Change) => void>();
  private readonly aborter = new AbortController();
  /** Being loaded for somebody who waits: not given up. */
  private readonly pinned = new Set<number>();
  private wanted: Range[] = [];
  private lines = 0;
  private characters = 0;
  private failures = 0;
  /** Behind the last record that was seen: where to go on. */
  private next = 0;
  private live: AbortController | undefined;
  /** Which store the lines are from. */
  private incarnation: string | undefined;

  constructor(
    /** Of the execution. */
    private readonly path: string,
    private readonly filters: Filters,
    private readonly limits = LIMITS,
  ) {
    this.clear();
  }

  /** Nothing is known. */
  private clear(): void {
    this.loaded.clear();
    this.lines = this.characters = this.next = this.first = this.oldest = 0;
    this.ready = this.ended = this.counting = false;
    if (isFiltered(this.filters)) this.sparse = new SparseSegments();
    else this.dense = new DenseSegments(this.limits.page);
  }

  /** The store is another one: what was read before may not be what it has. */
  private beginAnew(): void {
    this.stop();
    for (const loading of this.loading.values()) loading.abort();
    this.clear();
    this.restored = true;
    this.tell({ kind: "reset" });
    void this.open();
  }

  private answered(response: Response): void {
    const now = response.headers.get("X-Runnel-Incarnation") ?? undefined;
    const before = this.incarnation;
    if (now === undefined || now === before) return;
    this.incarnation = now;
    if (before !== undefined) this.beginAnew();
  }

  private async page(parameters: Record<string, string | number | undefined>, signal: AbortSignal): Promise<Page> {
    const response = await send(`${this.path}/logs${query(parameters)}`, { signal });
    this.answered(response);
    return (await response.json()) as Page;
  }

  get count(): number {
    return this.segments.count;
  }

  /** What is in memory: for tests and benches. */
  get kept(): { lines: number; characters: number } {
    return { lines: this.lines, characters: this.characters };
  }

  private get segments(): DenseSegments | SparseSegments {
    return (this.dense ?? this.sparse)!;
  }

  /** Asks how long the log is, and follows it if it goes on. */
  async open(): Promise<void> {
    const { signal } = this.aborter;
    for (let failures = 0; !signal.aborted && !this.ready; ) {
      try {
        await this.begin(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) {
          this.fail(error);
          return;
        }
        await this.patience(++failures);
      }
    }
    this.setAway(undefined);
    if (!this.ended) this.resume();
  }

  private async begin(signal: AbortSignal): Promise<void> {
    // The last record alone: it says how long the log is, and where it begins.
    const page = await this.page({ tail: 1 }, signal);
    this.oldest = page.first_sequence;
    this.first = this.dense ? page.first_sequence : 0;
    this.next = page.last_index;
    this.ended = page.sealed;
    if (this.dense) this.dense.count = page.last_index;
    const rest = this.sparse && (await this.takeFirst(signal));
    this.ready = true;
    this.tell({ kind: "extent" });
    if (rest !== undefined) await this.countRest(rest, signal);
  }

  /** The first lines that pass a filter are shown before all are counted. Returns where to count on, unless that was all. */
  private async takeFirst(signal: AbortSignal): Promise<number | undefined> {
    const limit = this.limits.page;
    const page = await this.page({ ...this.filters, from: 0, limit }, signal);
    const rest = page.next_cursor === null ? undefined : Number(page.next_cursor);
    this.next = Math.max(this.next, page.last_index);
    this.sparse!.push(rest ?? page.last_index, page.logs.length);
    this.take(0, page.logs.map((record) => lineOf(record)));
    this.counting = rest !== undefined;
    return rest;
  }

  private async countRest(from: number, signal: AbortSignal): Promise<void> {
    const density = await densityOf(this.path, this.filters, from, BUCKETS, signal);
    this.counting = false;
    density.counts.forEach((count, i) => {
      const to = Math.min(density.from + (i + 1) * density.width, Math.max(density.to, this.next));
      this.sparse!.push(to, count);
    });
    this.next = Math.max(this.next, density.to);
    this.tell({ kind: "extent" });
  }

  close(): void {
    this.aborter.abort();
    this.live?.abort();
    for (const loading of this.loading.values()) loading.abort();
    this.tell({ kind: "extent" }); // nobody waits any longer
    this.listeners.clear();
  }

  /** Takes what comes, from where it stopped. */
  resume(): void {
    if (this.live || this.ended || this.aborter.signal.aborted) return;
    const live = new AbortController();
    this.live = live;
    const following: Following = {
      from: () => this.next,
      records: (lines) => this.append(lines),
      control: (told) => this.control(told),
      answered: (response) => this.answered(response),
      state: (away) => {
        if (!live.signal.aborted) this.setAway(away);
      },
    };
    follow(this.path, this.filters, following, live.signal).catch((error: unknown) => this.fail(error));
  }

  /** Takes nothing more, until it is resumed. */
  stop(): void {
    this.live?.abort();
    this.live = undefined;
    this.setAway(undefined);
  }

  line(position: number): Line | undefined {
    if (position < 0 || position >= this.count) return undefined;
    const number = this.segments.at(position);
    const segment = this.loaded.get(number);
    const at = position - this.segments.start(number);
    const line = segment?.lines[at];
    if (typeof line !== "string") return line;
    const parsed = lineOf(JSON.parse(line) as LogRecord);
    segment!.lines[at] = parsed;
    return parsed;
  }

  want(ranges: Range[]): void {
    this.wanted = ranges;
    if (!this.ready) return;
    const needed = new Set<number>();
    for (const { from, to } of ranges)
      if (to > from) for (let at = this.segments.at(from); at <= this.segments.at(to - 1); at++) needed.add(at);
    const near = (number: number): boolean => [number - 1, number, number + 1].some((each) => needed.has(each));
    for (const [number, loading] of this.loading) if (!near(number) && !this.pinned.has(number)) loading.abort();
    const inOrder = [...needed];
    const fromMiddle = inOrder
      .map((number, i) => ({ number, far: Math.abs(i - (inOrder.length - 1) / 2) }))
      .sort((a, b) => a.far - b.far);
    for (const { number } of fromMiddle) this.need(number);
  }

  private need(number: number): void {
    const segment = this.loaded.get(number);
    if (segment && segment.lines.length >= this.segments.size(number)) {
      this.loaded.delete(number); // the latest used ones stand last
      this.loaded.set(number, segment);
    } else if (!this.loading.has(number) && this.loading.size < AT_ONCE) void this.load(number);
  }

  async positionOf(sequence: number): Promise<number> {
    await this.counted();
    if (this.dense) return Math.max(this.first, Math.min(sequence, Math.max(0, this.count - 1)));
    const number = this.sparse!.of(sequence);
    await this.fetchNow(number);
    const start = this.sparse!.start(number);
    const segment = this.loaded.get(number);
    const behind = segment?.lines.findIndex((_, at) => this.line(start + at)!.sequence >= sequence) ?? 0;
    return Math.max(0, Math.min(behind < 0 ? start + this.sparse!.size(number) : start + behind, this.count - 1));
  }

  async *read(from: number, to: number, signal: AbortSignal): AsyncIterable<Line> {
    if (to <= from) return;
    const start = await this.sequenceAt(from, signal);
    let left = to - from;
    let cursor: string | number | undefined = start;
    while (left > 0 && cursor !== undefined) {
      const limit = Math.min(left, 5000);
      const page: Page = await this.page({ ...this.filters, cursor, limit }, signal);
      for (const record of page.logs.slice(0, left)) yield lineOf(record, Infinity);
      left -= page.logs.length;
      cursor = page.next_cursor ?? undefined;
    }
  }

  find(query: Query, sequence: number, direction: 1 | -1, signal: AbortSignal): Promise<number | undefined> {
    return findLine(this.path, query, this.filters, sequence, direction, signal);
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async sequenceAt(position: number, signal: AbortSignal): Promise<number> {
    if (this.dense) return position;
    const known = this.line(position);
    if (known) return known.sequence;
    const number = this.sparse!.at(position);
    await this.fetchNow(number);
    signal.throwIfAborted();
    return this.line(position)?.sequence ?? this.sparse!.span(number).from;
  }

  /** Waits until it is known how many lines there are, in each part. */
  private counted(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if ((this.counting || !this.ready) && !this.aborter.signal.aborted) return;
        end();
        resolve();
      };
      const end = this.subscribe(look);
      look();
    });
  }

  private async fetchNow(number: number): Promise<void> {
    this.pinned.add(number);
    await this.load(number);
    this.pinned.delete(number);
  }

  private async load(number: number): Promise<void> {
    const segment = this.loaded.get(number);
    if (segment && segment.lines.length >= this.segments.size(number)) return;
    // Lines that come while the last one is loaded are in the next.
    if (this.sparse && number === this.sparse.length - 1) this.sparse.cut();
    const aborter = new AbortController();
    this.loading.get(number)?.abort();
    this.loading.set(number, aborter);
    try {
      const lines = await this.fetchSegment(number, aborter.signal);
      if (aborter.signal.aborted) return;
      this.take(number, lines);
      if (this.failures > 0) this.setAway(undefined);
      this.failures = 0;
    } catch (error) {
      if (aborter.signal.aborted) return;
      if (error instanceof ApiError && error.status === 410) return this.fail(error);
      await this.patience(++this.failures);
    } finally {
      if (this.loading.get(number) === aborter) this.loading.delete(number);
      if (!aborter.signal.aborted && !this.aborter.signal.aborted) this.want(this.wanted);
    }
  }

  /** After a request that failed: until it may be sent again. */
  private async patience(failures: number): Promise<void> {
    this.setAway(LOST);
    await pause(delayOf(failures) || 250, this.aborter.signal);
  }

  private async fetchSegment(number: number, signal: AbortSignal): Promise<Line[]> {
    const span = this.segments.span(number);
    const lines: Line[] = [];
    let cursor: string | number | undefined = Math.max(span.from, this.first);
    if (this.dense && span.from < this.first) lines.length = this.first - span.from;
    while (cursor !== undefined && Number(cursor) < span.to) {
      const limit = Math.min(MOST_OF_A_PAGE, span.to - Number(cursor));
      const page: Page = await this.page({ ...this.filters, cursor, limit }, signal);
      for (const record of page.logs) if (record.sequence_number < span.to) lines.push(lineOf(record));
      this.cutAt(page.first_sequence);
      cursor = page.next_cursor ?? undefined;
    }
    return lines;
  }

  private take(number: number, lines: Line[]): void {
    const old = this.loaded.get(number);
    // What came live in the meantime may be more.
    if (old && old.lines.length > lines.length && this.dense) return;
    let characters = 0;
    for (const line of lines) characters += line?.text.length ?? 0;
    this.forget(number);
    this.loaded.set(number, { lines, characters });
    this.lines += lines.length;
    this.characters += characters;
    this.trim(number);
    const start = this.segments.start(number);
    if (this.sparse && lines.length !== this.sparse.size(number)) {
      const last = start + Math.min(lines.length, this.sparse.size(number)) - 1;
      this.tell({ kind: "moved", from: last, by: this.sparse.resize(number, lines.length) });
    }
    this.tell({ kind: "lines", from: start, to: start + lines.length });
  }

  private forget(number: number): void {
    const segment = this.loaded.get(number);
    if (!segment) return;
    this.loaded.delete(number);
    this.lines -= segment.lines.length;
    this.characters -= segment.characters;
  }

  /** Forgets what was not used for longest. */
  private trim(keep: number): void {
    for (const number of this.loaded.keys()) {
      if (this.lines <= this.limits.lines && this.characters <= this.limits.characters) return;
      if (number !== keep) this.forget(number);
    }
  }

  private append(records: string[]): void {
    const before = this.count;
    for (const json of records) {
      const sequence = sequenceOf(json);
      if (sequence < this.next) continue;
      this.next = sequence + 1;
      if (this.dense) this.appendDense(json, sequence);
      else this.appendSparse(json, sequence);
    }
    if (this.count === before) return;
    this.arrived += this.count - before;
    this.tell({ kind: "lines", from: before, to: this.count });
    this.tell({ kind: "extent" });
  }

  private appendDense(json: string, sequence: number): void {
    const number = this.dense!.of(sequence);
    this.dense!.count = sequence + 1;
    this.keepTail(number, json, sequence - this.dense!.start(number));
  }

  private appendSparse(json: string, sequence: number): void {
    const sparse = this.sparse!;
    let number = sparse.length - 1;
    const whole = sparse.size(number) >= this.limits.page;
    if (whole) {
      sparse.push(sequence + 1, 1);
      number = sparse.length - 1;
    } else {
      sparse.extend(sequence + 1);
    }
    this.keepTail(number, json, sparse.size(number) - 1);
  }

  /** A line that came live is kept if all before it in its segment is there. */
  private keepTail(number: number, json: string, at: number): void {
    let segment = this.loaded.get(number);
    if (!segment && at === 0) {
      segment = { lines: [], characters: 0 };
      this.loaded.set(number, segment);
    }
    if (!segment || segment.lines.length !== at) return;
    segment.lines.push(json.length > 65_536 ? lineOf(JSON.parse(json) as LogRecord) : json);
    const size = Math.min(json.length, 65_536);
    segment.characters += size;
    this.lines++;
    this.characters += size;
    if (at === 0) this.trim(number);
  }

  private control(told: Control): void {
    if (told.type === "complete") {
      this.ended = true;
      this.setAway(undefined);
      this.tell({ kind: "extent" });
    } else if (told.type === "gap" && told.reason === "restored") {
      this.beginAnew();
    } else if (told.type === "gap" && told.to !== undefined) {
      this.next = Math.max(this.next, told.to + 1);
      if (this.dense) this.dense.count = Math.max(this.dense.count, this.next);
      this.cutAt(told.to + 1);
    } else if (told.type === "position" && this.sparse && told.sequence_number !== undefined) {
      this.next = Math.max(this.next, told.sequence_number + 1);
    }
  }

  /** What is before this number was removed. */
  private cutAt(first: number): void {
    if (first <= this.oldest) return;
    this.oldest = first;
    if (this.dense) this.first = first;
    this.tell({ kind: "extent" });
  }

  private setAway(away: string | undefined): void {
    if (this.away === away) return;
    this.away = away;
    this.tell({ kind: "extent" });
  }

  private fail(error: unknown): void {
    if (this.aborter.signal.aborted) return;
    this.failure = error instanceof Error ? error.message : String(error);
    this.tell({ kind: "extent" });
  }

  private tell(change: Change): void {
    for (const listener of this.listeners) listener(change);
  }
}
