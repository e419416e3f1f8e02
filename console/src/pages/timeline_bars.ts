// What a timeline is made of: bars of nodes and runs, and the ticks of its axis. Pure; times are in milliseconds.
import type { Execution, Graph, Node } from "../data/types.ts";

export interface Bar {
  state: Node["state"] | Execution["status"]; // "queued": it waits for what comes next
  from: number;
  to: number;
  /** Which attempt, from 1. */
  attempt: number;
}

export interface Row {
  id: string;
  name: string;
  state: Bar["state"];
  attempts: number;
  percent?: number | undefined;
  bars: Bar[];
}

const at = (text: string | null): number | undefined => (text ? Date.parse(text) : undefined);

/** A wait, unless there was none. */
function wait(from: number | undefined, to: number, attempt: number): Bar[] {
  return from !== undefined && from < to ? [{ state: "queued", from, to, attempt }] : [];
}

/**
 * Each attempt with its wait. One waits from its `node_queued` on; without that, from the end of the attempt before, and the first one from
 * `ready` on, when all that lead to the node were done.
 */
export function nodeBars(node: Node, ready: number | undefined, now: number): Bar[] {
  const bars: Bar[] = [];
  let free = ready;
  const first = node.attempts - node.earlier_attempts.length + (node.state === "pending" && node.attempts > 0 ? 1 : 0);
  const tried = (state: Bar["state"], queued: string | null, begun: string | null, end: number, attempt: number): void => {
    const from = at(begun);
    if (from === undefined) return;
    bars.push(...wait(at(queued) ?? free, from, attempt), { state, from, to: Math.max(from, end), attempt });
    free = Math.max(from, end);
  };
  node.earlier_attempts.forEach((one, i) =>
    tried(one.state, one.queued_at, one.started_at, at(one.ended_at) ?? at(one.started_at) ?? 0, first + i),
  );
  if (node.state === "pending") bars.push(...wait(at(node.queued_at) ?? free, now, node.attempts + 1));
  else tried(node.state, node.queued_at, node.started_at, at(node.ended_at) ?? now, node.attempts);
  return bars;
}

export function runBars(run: Execution, now: number): Bar[] {
  const attempt = run.attempt ?? 1;
  const made = at(run.created_at);
  const from = at(run.started_at);
  const end = at(run.completed_at) ?? now;
  if (from === undefined) return wait(made, end, attempt);
  return [...wait(made, from, attempt), { state: run.status, from, to: Math.max(from, end), attempt }];
}

const DONE: readonly Node["state"][] = ["completed", "skipped"];

/** When all that lead to a node were done; those that nothing leads to are ready with the run. Undefined: not yet, or not known. */
export function readyTimes(graph: Graph | undefined, nodes: Node[], begun: number | undefined): Map<string, number | undefined> {
  const ends = new Map(nodes.map((node) => [node.node_id, DONE.includes(node.state) ? at(node.ended_at) : undefined]));
  const ready = new Map<string, number | undefined>(graph?.nodes.map(({ id }) => [id, begun]));
  const led = new Set<string>();
  for (const [from, to] of graph?.edges ?? []) {
    if (from === to) continue;
    const end = ends.get(from!);
    const before = led.has(to!) ? ready.get(to!) : end;
    ready.set(to!, end === undefined || before === undefined ? undefined : Math.max(before, end));
    led.add(to!);
  }
  return ready;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND), ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE), ...[1, 2, 3, 6, 12].map((count) => count * HOUR)];

/** At most `most` places of an axis of this length, each a whole number of one step; the first is 0. */
export function ticks(length: number, most: number): number[] {
  const fits = (step: number): boolean => length / step < most;
  let step = STEPS.find(fits) ?? DAY;
  while (!fits(step)) step *= 2;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, i) => i * step);
}

/** A tick's text: no part that is 0. */
export function tickText(ms: number): string {
  const parts: [number, string][] = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [SECOND, "s"], [1, "ms"]];
  const words: string[] = [];
  let rest = ms;
  for (const [size, unit] of parts) {
    const count = Math.floor(rest / size);
    if (count > 0) words.push(`${count} ${unit}`);
    rest -= count * size;
  }
  return words.join(" ") || "0";
}
