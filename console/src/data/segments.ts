// Where lines stand: a log cut into segments of sequence numbers, of each of which it is known how many lines it shows.
// A segment is what is loaded and forgotten as one.

export interface Span {
  /** Sequence numbers, [from, to). */
  from: number;
  to: number;
}

export interface Segments {
  /** The segment that a position is in. */
  at(position: number): number;
  /** The segment that a sequence number is in. */
  of(sequence: number): number;
  /** Position of a segment's first line. */
  start(segment: number): number;
  /** Lines of a segment. */
  size(segment: number): number;
  span(segment: number): Span;
  /** Lines of all. */
  readonly count: number;
}

/** Without a filter: each number is a line. */
export class DenseSegments implements Segments {
  count = 0;

  constructor(readonly page: number) {}

  at(position: number): number {
    return Math.floor(position / this.page);
  }

  of(sequence: number): number {
    return Math.floor(sequence / this.page);
  }

  start(segment: number): number {
    return segment * this.page;
  }

  size(segment: number): number {
    return Math.max(0, Math.min(this.page, this.count - segment * this.page));
  }

  span(segment: number): Span {
    return { from: segment * this.page, to: (segment + 1) * this.page };
  }
}

/** With a filter: some numbers are lines. Segments have been counted by the server. */
export class SparseSegments implements Segments {
  private starts: number[] = [];
  private sizes: number[] = [];
  private froms: number[] = [];
  /** Behind the last segment. */
  private end = 0;
  count = 0;

  get length(): number {
    return this.froms.length;
  }

  /** One more at the end: up to the number `to`. Empty ones are joined to their neighbour. */
  push(to: number, size: number): void {
    const last = this.froms.length - 1;
    if (last >= 0 && (size === 0 || this.sizes[last] === 0)) {
      this.sizes[last]! += size;
    } else {
      this.starts.push(this.count);
      this.sizes.push(size);
      this.froms.push(this.end);
    }
    this.end = to;
    this.count += size;
  }

  /** The last segment has one line more, and reaches up to the number `to`. */
  extend(to: number): void {
    this.sizes[this.sizes.length - 1]! += 1;
    this.end = to;
    this.count++;
  }

  /** What comes next is in a segment of its own. */
  cut(): void {
    this.starts.push(this.count);
    this.sizes.push(0);
    this.froms.push(this.end);
  }

  /** A segment has other lines than was thought; returns how many more. */
  resize(segment: number, size: number): number {
    const by = size - this.sizes[segment]!;
    this.sizes[segment] = size;
    for (let i = segment + 1; i < this.starts.length; i++) this.starts[i]! += by;
    this.count += by;
    return by;
  }

  at(position: number): number {
    return lastBelow(this.starts, position);
  }

  of(sequence: number): number {
    return lastBelow(this.froms, sequence);
  }

  start(segment: number): number {
    return this.starts[segment] ?? this.count;
  }

  size(segment: number): number {
    return this.sizes[segment] ?? 0;
  }

  span(segment: number): Span {
    return { from: this.froms[segment]!, to: this.froms[segment + 1] ?? this.end };
  }
}

/** Index of the last value that is not above; 0 if there is none. */
function lastBelow(values: number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
