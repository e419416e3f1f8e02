import { describe, expect, test } from "vitest";

import { FoldedSource, heading, Hidden } from "./folds.ts";
import { fragment, parseFragment } from "./permalink.ts";
import type { Change, Line, LineSource, Query } from "./source.ts";

test.each([
  ["::group::Build it", "Build it"],
  ["##[group]Tests", "Tests"],
  ["+++ deploy", "+++ deploy"],
  ["--- a", "--- a"],
  ["~~~ quiet", "~~~ quiet"],
  ["::group::", "group"],
])("%j begins a group", (text, title) => expect(heading(text)?.title).toBe(title));

test.each(["---", "-----", " ::group::x", "text +++ x", "::endgroup::"])("%j does not", (text) =>
  expect(heading(text)).toBeUndefined(),
);

describe("hidden ranges", () => {
  test("what is shown and what is there are each other's inverse", () => {
    let state = 3;
    const next = (below: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
    for (let round = 0; round < 300; round++) {
      const hidden = new Hidden();
      const gone = new Set<number>();
      for (let i = 0; i < next(8); i++) {
        const from = next(200);
        const to = from + next(30);
        hidden.hide(from, to);
        for (let at = from; at < to; at++) gone.add(at);
      }
      const left = Array.from({ length: 300 }, (_, i) => i).filter((i) => !gone.has(i));
      expect(hidden.size).toBe(gone.size);
      expect(left.map((_, shown) => hidden.inner(shown))).toEqual(left);
      expect(left.map((there) => hidden.outer(there))).toEqual(left.map((_, shown) => shown));
      const between = left.slice(5, 60);
      const pieces = hidden.shownOf({ from: 5, to: 60 }).flatMap(({ from, to }) =>
        Array.from({ length: to - from }, (_, i) => from + i),
      );
      expect(pieces).toEqual(between);
      const following = [...gone].map((at) => left.findIndex((there) => there > at));
      expect([...gone].map((at) => hidden.outer(at))).toEqual(following);
    }
  });
});

class Lines implements LineSource {
  first = 0;
  ended = true;
  constructor(private readonly texts: string[]) {}
  get count(): number {
    return this.texts.length;
  }
  line(position: number): Line | undefined {
    const text = this.texts[position];
    return text === undefined ? undefined : { sequence: position, text, more: 0, time: 0, stream: "stdout" };
  }
  arrived = 0;
  want(): void {}
  positionOf(sequence: number): Promise<number> {
    return Promise.resolve(sequence);
  }
  async *read(from: number, to: number): AsyncIterable<Line> {
    for (let at = from; at < to; at++) yield this.line(at)!;
  }
  find(query: Query, sequence: number): Promise<number | undefined> {
    const pattern = new RegExp(query.text);
    const found = this.texts.findIndex((text, at) => at > sequence && pattern.test(text));
    return Promise.resolve(found < 0 ? undefined : found);
  }
  subscribe(): () => void {
    return () => {};
  }
}

describe("a source whose groups fold", () => {
  const texts = ["a", "::group::one", "1", "2", "::endgroup::", "b", "--- two", "3", "--- four", "5"];
  const shown = (source: LineSource): string[] =>
    Array.from({ length: source.count }, (_, i) => source.line(i)!.text);
  const fold = async (source: FoldedSource, position: number): Promise<void> =>
    source.toggle(position, heading(source.line(position)!.text)!.until, new AbortController().signal);

  test("folds with its end, and unfolds", async () => {
    const source = new FoldedSource(new Lines(texts));
    const changes: Change[] = [];
    source.subscribe((change) => changes.push(change));
    await fold(source, 1);
    expect(shown(source)).toEqual(["a", "::group::one", "b", "--- two", "3", "--- four", "5"]);
    expect(source.folded(1)).toBe(true);
    await fold(source, 3);
    await fold(source, 4);
    expect(shown(source)).toEqual(["a", "::group::one", "b", "--- two", "--- four"]);
    await fold(source, 1);
    expect(shown(source)).toEqual(["a", "::group::one", "1", "2", "::endgroup::", "b", "--- two", "--- four"]);
    expect(changes).toEqual([
      { kind: "moved", from: 1, by: -3 },
      { kind: "moved", from: 3, by: -1 },
      { kind: "moved", from: 4, by: -1 },
      { kind: "moved", from: 1, by: 3 },
    ]);
  });

  test("opens where a line in it is sought, and copies what is hidden", async () => {
    const source = new FoldedSource(new Lines(texts));
    await fold(source, 1);
    const read: string[] = [];
    for await (const line of source.read(1, 3, new AbortController().signal)) read.push(line.text);
    expect(read).toEqual(["::group::one", "1", "2", "::endgroup::", "b"]);
    expect(await source.positionOf(3)).toBe(3);
    expect(source.count).toBe(texts.length);
  });
});

test("fragments name lines from 1", () => {
  expect(parseFragment("#L7345678")).toEqual({ from: 7345677, to: 7345677 });
  expect(parseFragment("#L42-L10")).toEqual({ from: 9, to: 41 });
  for (const wrong of ["", "#L0", "#L", "#L1-", "#x", "#L1x", "#L99999999999999999"]) expect(parseFragment(wrong)).toBeUndefined();
  expect(fragment({ from: 9, to: 41 })).toBe("#L10-L42");
  expect(fragment({ from: 0, to: 0 })).toBe("#L1");
});
