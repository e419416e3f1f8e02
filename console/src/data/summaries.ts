// What is counted of logs, for lists that show it for many: a few at a time, and never twice for the same log.
import { get } from "./api.ts";
import type { Execution, Summary } from "./types.ts";

const AT_ONCE = 4;
const KEPT = 2000;
/** A log that grows is counted again at most so often. */
const AGAIN_MS = 5000;

const known = new Map<string, { lastIndex: number; status: string; at: number; summary: Summary }>();
const waiting: (() => void)[] = [];
let busy = 0;

async function turn<T>(act: () => Promise<T>): Promise<T> {
  if (busy >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else busy++;
  try {
    return await act();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else busy--;
  }
}

/** What is known already, perhaps of a shorter log. */
export function knownSummary(id: string): Summary | undefined {
  return known.get(id)?.summary;
}

export function isFresh(run: Execution): boolean {
  const one = known.get(run.execution_id);
  if (!one) return false;
  return (one.lastIndex === run.last_index && one.status === run.status) || (!run.sealed && Date.now() - one.at < AGAIN_MS);
}

export async function summaryOf(run: Execution, signal: AbortSignal): Promise<Summary> {
  const id = run.execution_id;
  return turn(async () => {
    signal.throwIfAborted();
    const summary = await get<Summary>(`/api/v1/executions/${encodeURIComponent(id)}/logs/summary`, signal);
    known.delete(id);
    known.set(id, { lastIndex: run.last_index, status: run.status, at: Date.now(), summary });
    if (known.size > KEPT) known.delete(known.keys().next().value!);
    return summary;
  });
}
