// What is counted of a run's log, in few words: errors and warnings, how far its nodes are.
import { useEffect, useRef, useState } from "preact/hooks";

import { isFresh, knownSummary, summaryOf } from "../data/summaries.ts";
import type { Counts, Execution, Node, Summary } from "../data/types.ts";
import { counted, whole } from "../format.ts";

export function errorsOf(levels: Counts): number {
  return (levels.error ?? 0) + (levels.critical ?? 0);
}

export function warningsOf(levels: Counts): number {
  return levels.warning ?? 0;
}

export function Problems({ levels }: { levels: Counts }) {
  const errors = errorsOf(levels);
  const warnings = warningsOf(levels);
  return (
    <span class="problems">
      {errors > 0 && (
        <span class="errors" title={counted(errors, "error")}>
          <span aria-hidden="true">✕ </span>
          {whole(errors)}
          <span class="told"> errors</span>
        </span>
      )}
      {warnings > 0 && (
        <span class="warnings" title={counted(warnings, "warning")}>
          <span aria-hidden="true">▲ </span>
          {whole(warnings)}
          <span class="told"> warnings</span>
        </span>
      )}
    </span>
  );
}

const OVER: readonly Node["state"][] = ["completed", "failed", "skipped", "cancelled"];

/** How many nodes are over, of those that are known; undefined of a run without nodes. */
export function progressOf(summary: Summary): { done: number; all: number } | undefined {
  const nodes = Object.values(summary.nodes);
  if (nodes.length === 0) return undefined;
  return { done: nodes.filter((node) => OVER.includes(node.status)).length, all: nodes.length };
}

export function Progress({ done, all, label = "Nodes" }: { done: number; all: number; label?: string }) {
  return (
    <span class="progress">
      <progress max={all} value={done} aria-label={label} />
      <span class="dim">
        {whole(done)} / {whole(all)}
      </span>
    </span>
  );
}

/** What is counted of a run's log, once its row has been seen. */
export function useSummary(run: Execution) {
  const row = useRef<HTMLSpanElement>(null);
  const [, again] = useState(0);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setSeen(entries.at(-1)!.isIntersecting));
    observer.observe(row.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (!seen || run.last_index === 0 || isFresh(run)) return;
    const aborter = new AbortController();
    summaryOf(run, aborter.signal).then(
      () => again((count) => count + 1),
      () => {}, // the list itself tells what is wrong
    );
    return () => aborter.abort();
  });
  return { row, summary: knownSummary(run.execution_id) };
}
