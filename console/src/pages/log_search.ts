// A search over a whole log: how many lines match, which one is shown, and the next.
import type { Range } from "../pane/permalink.ts";
import type { Query } from "../pane/source.ts";
import type { Filters } from "../data/filters.ts";
import { countLines, findLine } from "../data/search.ts";
import { ApiError } from "../data/api.ts";
import { pause } from "../data/patience.ts";

export interface SearchState {
  /** Lines that match; undefined before anything is known. */
  count?: number | undefined;
  /** All of the log was looked at. */
  complete: boolean;
  /** Number of the line that is shown, and which of the hits it is, from 1. */
  current?: number | undefined;
  ordinal?: number | undefined;
  error?: string | undefined;
}

const AGAIN_MS = 1000;
const COUNT_AFTER_MS = 150;

export class Search {
  state: SearchState = { complete: false };
  private readonly aborter = new AbortController();
  private looked = 0;
  /** The look for the first hit has gone through the log in vain, which mostly ends before the count. */
  private none = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly path: string,
    private readonly query: Query,
    private readonly filters: Filters,
    private readonly changed: (state: SearchState) => void,
    private readonly show: (sequence: number) => void,
  ) {}

  /** Counts, and shows the first hit; or goes on from a line that an address names. */
  begin(named: Range | undefined): void {
    const shown = this.try(async () => {
      if (named) await this.take(named.from, false);
      else await this.step(-1, 1);
    });
    // The first hit goes before the count, which looks at all of the log.
    const { signal } = this.aborter;
    void Promise.race([shown, pause(COUNT_AFTER_MS, signal)]).then(() => this.try(() => this.count()));
  }

  close(): void {
    clearTimeout(this.timer);
    this.aborter.abort();
  }

  /** The hit behind the one that is shown, or the one before it; from the other end where there is none. */
  next(direction: 1 | -1): void {
    const from = this.state.current ?? (direction === 1 ? -1 : Number.MAX_SAFE_INTEGER);
    void this.try(() => this.step(from, direction));
  }

  /** The log has grown: what is new is counted, too. */
  grown(): void {
    if (!this.state.complete || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.try(() => this.count());
    }, AGAIN_MS);
  }

  private async step(from: number, direction: 1 | -1): Promise<void> {
    const { signal } = this.aborter;
    let found = await findLine(this.path, this.query, this.filters, from, direction, signal);
    const wrapped = found === undefined && this.state.current !== undefined;
    if (wrapped) {
      const end = direction === 1 ? -1 : Number.MAX_SAFE_INTEGER;
      found = await findLine(this.path, this.query, this.filters, end, direction, signal);
    }
    if (signal.aborted) return;
    if (found === undefined) {
      this.none = from === -1 && direction === 1;
      if (this.none && !this.state.count) this.update({ count: 0, complete: true });
      return;
    }
    const { ordinal } = this.state;
    if (wrapped || ordinal === undefined) await this.take(found, true, from === -1 && direction === 1);
    else {
      this.update({ current: found, ordinal: ordinal + direction });
      this.show(found);
    }
  }

  /** A hit is shown; which one it is, the server counts, unless it is known to be the first. */
  private async take(sequence: number, show: boolean, first = false): Promise<void> {
    this.update({ current: sequence, ordinal: first ? 1 : undefined });
    if (show) this.show(sequence);
    if (first) return;
    const until = await countLines(this.path, this.query, this.filters, this.aborter.signal, { to: sequence + 1 });
    if (this.state.current === sequence && until.count > 0) this.update({ ordinal: until.count });
  }

  private async count(): Promise<void> {
    const before = this.state.count ?? 0;
    const { signal } = this.aborter;
    const sum = await countLines(this.path, this.query, this.filters, signal, { from: this.looked }, (sofar) =>
      this.update({ count: before + sofar.count, complete: this.none && before + sofar.count === 0 }),
    );
    this.looked = sum.lastIndex;
    this.update({ count: before + sum.count, complete: true });
  }

  private async try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.aborter.signal.aborted) return;
      this.update({ error: error instanceof ApiError ? error.message : "the server cannot be reached" });
    }
  }

  private update(part: Partial<SearchState>): void {
    if (this.aborter.signal.aborted) return;
    this.state = { ...this.state, ...part };
    this.changed(this.state);
  }
}
