import { expect, test } from "vitest";

import type { Execution, Node } from "../data/types.ts";
import { nodeBars, readyTimes, runBars, tickText, ticks } from "./timeline_bars.ts";

const when = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function node(fields: { id?: string; state: Node["state"]; attempts: number; times: (number | null)[]; earlier?: (number | null)[][] }): Node {
  const [queued, started, ended] = fields.times.map(when);
  return {
    node_id: fields.id ?? "a",
    state: fields.state,
    attempts: fields.attempts,
    queued_at: queued,
    started_at: started,
    ended_at: ended,
    earlier_attempts: (fields.earlier ?? []).map((times) => {
      const [before, from, to] = times.map(when);
      return { state: "failed", queued_at: before, started_at: from, ended_at: to };
    }),
  } as Node;
}

const spans = (bars: { state: string; from: number; to: number; attempt: number }[]) => bars.map(({ state, from, to, attempt }) => [state, from, to, attempt]);

test("a node waits from its node_queued on, or from when all that lead to it were done", () => {
  const told = node({ state: "completed", attempts: 1, times: [10, 30, 50] });
  expect(spans(nodeBars(told, 5, 99))).toEqual([["queued", 10, 30, 1], ["completed", 30, 50, 1]]);
  const untold = node({ state: "running", attempts: 1, times: [null, 30, null] });
  expect(spans(nodeBars(untold, 20, 99))).toEqual([["queued", 20, 30, 1], ["running", 30, 99, 1]]);
  expect(spans(nodeBars(untold, undefined, 99))).toEqual([["running", 30, 99, 1]]);
  expect(spans(nodeBars(untold, 40, 99)), "it did not wait for them").toEqual([["running", 30, 99, 1]]);
});

test("each attempt is a bar, and what lies between two is a wait", () => {
  const retried = node({ state: "completed", attempts: 3, times: [45, 50, 60], earlier: [[null, 10, 20], [null, 30, 40]] });
  expect(spans(nodeBars(retried, 5, 99))).toEqual([
    ["queued", 5, 10, 1], ["failed", 10, 20, 1], ["queued", 20, 30, 2], ["failed", 30, 40, 2], ["queued", 45, 50, 3], ["completed", 50, 60, 3],
  ]);
  const waits = node({ state: "pending", attempts: 1, times: [25, 10, 20], earlier: [[null, 10, 20]] });
  expect(spans(nodeBars(waits, undefined, 99))).toEqual([["failed", 10, 20, 1], ["queued", 25, 99, 2]]);
  const many = node({ state: "running", attempts: 40, times: [null, 90, null], earlier: [[null, 70, 80]] });
  expect(spans(nodeBars(many, undefined, 99)).map((bar) => bar[3]), "the oldest are not kept").toEqual([39, 40, 40]);
});

test("a node is ready when the last of those that lead to it is done, and the first ones with the run", () => {
  const graph = { nodes: ["a", "b", "c", "d"].map((id) => ({ id })), edges: [["a", "c"], ["b", "c"], ["c", "d"], ["d", "d"]] };
  const a = node({ id: "a", state: "completed", attempts: 1, times: [null, 1, 10] });
  const b = node({ id: "b", state: "completed", attempts: 1, times: [null, 1, 20] });
  expect([...readyTimes(graph, [a, b], 3)]).toEqual([["a", 3], ["b", 3], ["c", 20], ["d", undefined]]);
  const still = node({ id: "b", state: "running", attempts: 1, times: [null, 1, null] });
  expect(readyTimes(graph, [a, still], 3).get("c")).toBeUndefined();
  const failed = node({ id: "b", state: "failed", attempts: 1, times: [null, 1, 20] });
  expect(readyTimes(graph, [a, failed], 3).get("c"), "it waits for nothing").toBeUndefined();
  expect(readyTimes(undefined, [a], 3).get("a"), "without a graph nobody knows").toBeUndefined();
});

test("a run waits from when it was made until it starts", () => {
  const run = { status: "running", attempt: 2, created_at: when(10), started_at: when(30), completed_at: null } as Execution;
  expect(spans(runBars(run, 99))).toEqual([["queued", 10, 30, 2], ["running", 30, 99, 2]]);
  expect(spans(runBars({ ...run, started_at: null, status: "queued" }, 99))).toEqual([["queued", 10, 99, 2]]);
});

test.each([1, 7, 999, 1000, 12_345, 59_999, 61_000, 3_600_000, 5e6, 9e7, 1e9, 3e11])("an axis of %i ms has a few round ticks within it", (length) => {
  const places = ticks(length, 6);
  expect(places[0]).toBe(0);
  expect(places.length).toBeLessThanOrEqual(6);
  expect(places.at(-1)!).toBeLessThanOrEqual(length);
  if (length > 1) expect(places.length).toBeGreaterThanOrEqual(2);
  for (const [i, place] of places.entries()) expect(place).toBe(i * places[1]! || 0);
});

test("a tick tells no part that is 0", () => {
  expect([0, 500, 2500, 90_000, 7_200_000, 90_000_000].map(tickText)).toEqual(["0", "500 ms", "2 s 500 ms", "1 min 30 s", "2 h", "1 d 1 h"]);
});
