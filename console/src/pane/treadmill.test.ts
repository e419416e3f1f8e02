import { describe, expect, test } from "vitest";

import { LENGTH, lineAt, placeOf, thumb, Treadmill } from "./treadmill.ts";
import type { Extent } from "./treadmill.ts";

/** Numbers that look like chance, the same each time. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const VIEWPORT = 640;
const MARGIN = 600;

/** A pane without a page: rows of heights that are a function of their line. */
class Model {
  readonly treadmill = new Treadmill();

  constructor(
    public extent: Extent,
    private readonly heightOf: (line: number) => number,
  ) {}

  private heights(from: number, to: number): number[] {
    return Array.from({ length: to - from }, (_, i) => this.heightOf(from + i));
  }

  cover(): void {
    const { treadmill } = this;
    for (let pass = 0; pass < 2; pass++) {
      for (;;) {
        const { before, behind } = treadmill.missing(this.extent, VIEWPORT, MARGIN, 20);
        if (before + behind === 0) break;
        treadmill.prepend(this.heights(treadmill.from - before, treadmill.from));
        treadmill.append(this.heights(treadmill.to, treadmill.to + behind));
      }
      const { before, behind } = treadmill.spare(VIEWPORT, MARGIN + 40);
      treadmill.drop(before, behind);
      treadmill.settle(this.extent, VIEWPORT);
    }
  }

  go(line: number): void {
    this.treadmill.place({ line, pixel: 0 });
    this.cover();
  }

  /** Pixels of all lines before a line, from a line that is near. */
  distance(from: number, to: number): number {
    let sum = 0;
    for (let line = Math.min(from, to); line < Math.max(from, to); line++) sum += this.heightOf(line);
    return from <= to ? sum : -sum;
  }
}

const HEIGHTS: [string, (line: number) => number][] = [
  ["of one line", () => 20],
  ["of wrapped lines", (line) => 20 * (1 + ((line * 7919) % 11 === 0 ? line % 23 : line % 2))],
];

describe.each(HEIGHTS)("with rows %s", (_, heightOf) => {
  test("each turn of the wheel moves what is seen by just its pixels, wherever it is", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const next = chance(seed);
      const count = [1, 5, 31, 200, 10_000, 10_000_000][next(6)]!;
      const model = new Model({ first: next(3) === 0 ? Math.min(count - 1, next(50)) : 0, count }, heightOf);
      model.go(model.extent.first + next(count - model.extent.first));
      for (let turn = 0; turn < 200; turn++) {
        const before = model.treadmill.anchor();
        const by = [-1, 1, -100, 100, -500, 500, -7, 13][next(8)]!;
        const { treadmill } = model;
        const wanted = Math.max(0, Math.min(treadmill.scroll + by, treadmill.length - VIEWPORT));
        const moved = wanted - treadmill.scroll;
        treadmill.scroll = wanted;
        model.cover();
        const after = treadmill.anchor();
        expect(model.distance(before.line, after.line) + before.pixel - after.pixel).toBe(moved);
        if (moved !== by) expect([0, treadmill.length - VIEWPORT]).toContain(treadmill.scroll);
      }
    }
  });

  test("what is seen is covered, within few rows, and inside the log", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const next = chance(seed);
      const model = new Model({ first: next(1000), count: 2000 + next(5_000_000) }, heightOf);
      const { treadmill, extent } = model;
      for (let turn = 0; turn < 60; turn++) {
        if (turn === 0 || next(3) === 0) model.go(extent.first + next(extent.count - extent.first));
        treadmill.scroll += next(2000) - 1000;
        model.cover();
        expect(treadmill.from).toBeGreaterThanOrEqual(extent.first);
        expect(treadmill.to).toBeLessThanOrEqual(extent.count);
        expect(treadmill.heights.length).toBeLessThan(300);
        if (treadmill.from > extent.first) expect(treadmill.top).toBeLessThanOrEqual(treadmill.scroll - MARGIN);
        else expect(treadmill.top).toBe(0);
        const end = treadmill.top + treadmill.height;
        if (treadmill.to < extent.count) expect(end).toBeGreaterThanOrEqual(treadmill.scroll + VIEWPORT + MARGIN);
        else expect(treadmill.length).toBe(end);
        expect(treadmill.length).toBeLessThanOrEqual(LENGTH + 500_000);
      }
    }
  });

  test("lines that are appended move nothing", () => {
    const model = new Model({ first: 0, count: 5000 }, heightOf);
    model.go(4700);
    const before = model.treadmill.anchor();
    for (let i = 0; i < 50; i++) {
      model.extent = { first: 0, count: model.extent.count + 333 };
      model.cover();
      expect(model.treadmill.anchor()).toEqual(before);
    }
  });
});

test("rows that become higher or lower leave the anchor where it is", () => {
  const next = chance(5);
  const model = new Model({ first: 0, count: 100_000 }, () => 20);
  model.go(50_000);
  for (let i = 0; i < 100; i++) {
    model.treadmill.scroll += next(400) - 200;
    model.cover();
    const before = model.treadmill.anchor();
    model.treadmill.resize(model.treadmill.heights.map(() => 20 * (1 + next(5))));
    expect(model.treadmill.anchor()).toEqual({ line: before.line, pixel: before.pixel });
    model.treadmill.resize(model.treadmill.heights.map(() => 20));
  }
});

test("a jump by the browser leads as far as its pixels say", () => {
  const model = new Model({ first: 0, count: 1_000_000 }, () => 20);
  model.go(500_000);
  model.treadmill.scroll += 100_007;
  expect(model.treadmill.lost(VIEWPORT, MARGIN)).toBe(true);
  const anchor = model.treadmill.leap(model.extent, 20);
  expect(anchor).toEqual({ line: 505_000, pixel: -7 });
  model.treadmill.scroll = -1e9;
  expect(model.treadmill.leap(model.extent, 20)).toEqual({ line: model.extent.first, pixel: 0 });
});

describe("the bar", () => {
  test("line and place are each other's inverse, and the ends are the ends", () => {
    const next = chance(9);
    for (let i = 0; i < 2000; i++) {
      const first = next(1000);
      const visible = 1 + next(60);
      const extent = { first, count: first + visible + 1 + next(10_000_000) };
      const line = first + next(extent.count - first - visible);
      expect(lineAt(placeOf(line, extent, visible), extent, visible)).toBe(line);
      expect(lineAt(0, extent, visible)).toBe(first);
      expect(lineAt(1, extent, visible)).toBe(extent.count - visible);
    }
  });

  test("half of it is half of ten million lines", () => {
    expect(lineAt(0.5, { first: 0, count: 10_000_000 }, 40)).toBe(4_999_980);
  });

  test("the thumb is never too small to be held, stays on the track, and is not there without need", () => {
    expect(thumb(0, { first: 0, count: 40 }, 40, 600)).toBeUndefined();
    const end = thumb(9_999_960, { first: 0, count: 10_000_000 }, 40, 600)!;
    expect(end.length).toBe(28);
    expect(end.start + end.length).toBeCloseTo(600);
  });
});
