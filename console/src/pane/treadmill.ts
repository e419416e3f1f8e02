// The arithmetic of the pane, without a page.
//
// A browser ends an element at some 33 million pixels, so a log is never laid out at its full height. A scroller of a
// fixed height (the treadmill) shows rows [from, to) in a block at `top`; what lies around them is empty. The truth is the
// anchor: which line stands at how many pixels from the upper edge. The place on the treadmill is only where that is shown,
// and may be any other: it is moved to the middle when an edge comes near, to 0 with the first line, and ends with the last.

export interface Extent {
  first: number;
  count: number;
}

/** The line at the upper edge of what is seen; `pixel` is where its top stands, 0 or less. */
export interface Anchor {
  line: number;
  pixel: number;
}

/** Pixels of a treadmill, far below what browsers bear at any ratio. */
export const LENGTH = 2_000_000;
const EDGE = 200_000;

export class Treadmill {
  from = 0;
  /** Of the rows [from, to). */
  heights: number[] = [];
  /** Of the block of rows. */
  top = 0;
  /** Of the upper edge of what is seen. */
  scroll = 0;
  length = 0;

  get to(): number {
    return this.from + this.heights.length;
  }

  get height(): number {
    let sum = 0;
    for (const height of this.heights) sum += height;
    return sum;
  }

  /** Pixels from the block's beginning to the top of a line, which is one of [from, to]. */
  offset(line: number): number {
    let sum = 0;
    for (let i = 0; i < line - this.from; i++) sum += this.heights[i]!;
    return sum;
  }

  anchor(): Anchor {
    let at = this.top - this.scroll;
    for (let i = 0; i < this.heights.length; i++) {
      const next = at + this.heights[i]!;
      if (next > 0.01 || i === this.heights.length - 1) return { line: this.from + i, pixel: at };
      at = next;
    }
    return { line: this.from, pixel: at };
  }

  /** Forgets all rows; `anchor` is to stand where it says, and no row is there yet. */
  place(anchor: Anchor): void {
    this.from = anchor.line;
    this.heights = [];
    this.top = LENGTH / 2;
    this.scroll = this.top - anchor.pixel;
  }

  /** Rows that are missing at both ends so that [scroll − margin, scroll + viewport + margin) is covered, at a guess. */
  missing(extent: Extent, viewport: number, margin: number, guess: number): { before: number; behind: number } {
    const above = this.top - (this.scroll - margin);
    const below = this.scroll + viewport + margin - (this.top + this.height);
    return {
      before: Math.max(0, Math.min(Math.ceil(above / guess), this.from - extent.first)),
      behind: Math.max(0, Math.min(Math.ceil(below / guess), extent.count - this.to)),
    };
  }

  /** Rows that are out of reach at both ends. One row stays. */
  spare(viewport: number, margin: number): { before: number; behind: number } {
    let before = 0;
    let behind = 0;
    let at = this.top;
    while (before < this.heights.length - 1 && at + this.heights[before]! <= this.scroll - margin)
      at += this.heights[before++]!;
    let end = this.top + this.height;
    while (
      behind < this.heights.length - 1 - before &&
      end - this.heights[this.heights.length - 1 - behind]! >= this.scroll + viewport + margin
    )
      end -= this.heights[this.heights.length - 1 - behind++]!;
    return { before, behind };
  }

  prepend(heights: number[]): void {
    this.from -= heights.length;
    this.heights.unshift(...heights);
    for (const height of heights) this.top -= height;
  }

  append(heights: number[]): void {
    this.heights.push(...heights);
  }

  drop(before: number, behind: number): void {
    for (const height of this.heights.splice(0, before)) this.top += height;
    this.from += before;
    this.heights.length -= behind;
  }

  /** Rows have other heights: the anchor keeps its pixel. */
  resize(heights: number[], { line, pixel } = this.anchor()): void {
    this.heights = heights;
    this.top = this.scroll + pixel - this.offset(line);
  }

  /** True if no row is within `margin` of what is seen: a jump by the browser. */
  lost(viewport: number, margin: number): boolean {
    return this.top > this.scroll + viewport + margin || this.top + this.height < this.scroll - margin;
  }

  /** After a jump by the browser: the anchor that so many pixels lead to; exact where all lines are as high as the guess. */
  leap(extent: Extent, guess: number): Anchor {
    const pixels = this.scroll - this.top;
    const lines = Math.floor(pixels / guess);
    const line = this.from + lines;
    if (line < extent.first) return { line: extent.first, pixel: 0 };
    if (line >= extent.count) return { line: extent.count - 1, pixel: 0 };
    return { line, pixel: lines * guess - pixels };
  }

  /** Moves block and scroll position together to where they may go on, and says how long the treadmill is. */
  settle(extent: Extent, viewport: number): void {
    const atFirst = this.from <= extent.first;
    const atLast = this.to >= extent.count;
    if (atFirst) this.shift(-this.top);
    else if (this.top < EDGE || this.top + this.height > LENGTH - EDGE) this.shift(LENGTH / 2 - this.top);
    const end = this.top + this.height;
    this.length = atLast ? end : Math.max(LENGTH, end + EDGE);
    const lowest = Math.max(0, this.length - viewport);
    // What is past an end stands there.
    if (this.scroll > lowest) this.scroll = lowest;
    if (this.scroll < 0) this.scroll = 0;
  }

  private shift(by: number): void {
    this.top += by;
    this.scroll += by;
  }
}

/** Lines that a bar stands for: those that can be the uppermost one. */
function steps(extent: Extent, visible: number): number {
  return Math.max(0, extent.count - extent.first - visible);
}

/** The line that is at p (0 … 1) of the bar. */
export function lineAt(p: number, extent: Extent, visible: number): number {
  return extent.first + Math.round(Math.max(0, Math.min(1, p)) * steps(extent, visible));
}

/** Where a line stands on the bar: 0 … 1. */
export function placeOf(line: number, extent: Extent, visible: number): number {
  const all = steps(extent, visible);
  return all === 0 ? 0 : Math.max(0, Math.min(1, (line - extent.first) / all));
}

/** Length and beginning of the bar's thumb on a track, in pixels. */
export function thumb(
  line: number,
  extent: Extent,
  visible: number,
  track: number,
): { length: number; start: number } | undefined {
  const lines = extent.count - extent.first;
  if (lines <= visible || track <= 0) return undefined;
  const length = Math.min(track, Math.max(28, (visible / lines) * track));
  return { length, start: placeOf(line, extent, visible) * (track - length) };
}
