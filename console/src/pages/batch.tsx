import { useEffect, useState } from "preact/hooks";

import { call, get, query } from "../data/api.ts";
import { follow } from "../data/events.ts";
import type { Batch as BatchState, Execution, Executions } from "../data/types.ts";
import { runAddress, runsAddress } from "../addresses.ts";
import { duration, whole } from "../format.ts";
import { reason, useTitle } from "../hooks.ts";
import { Ask, Badge, Notice } from "../parts.tsx";
import { Bar } from "./batch_bar.tsx";
import { Cells } from "./batch_cells.tsx";
import { Digest } from "./batch_digest.tsx";

const PAGE = 1000;
const CELLS_MAX = 20_000;
const CELLS_AGAIN_MS = 3000;

/** The status as the stream tells it, until the batch is over. */
function useBatch(id: string): { batch: BatchState | undefined; error: string | undefined; away: boolean; again: () => void } {
  const [batch, setBatch] = useState<BatchState>();
  const [error, setError] = useState<string>();
  const [away, setAway] = useState(false);
  const [round, next] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    const path = `/api/v1/batches/${encodeURIComponent(id)}`;
    const take = (event: { event: string; data: string }): boolean => {
      setBatch(JSON.parse(event.data).batch as BatchState);
      return event.event === "complete";
    };
    follow(`${path}/stream`, take, aborter.signal, setAway).catch((failed) => setError(reason(failed)));
    return () => aborter.abort();
  }, [id, round]);
  return { batch, error, away, again: () => next((count) => count + 1) };
}

/** All its jobs, each by its last attempt, in the order in which they were made; again while the batch goes on. */
function useJobs(id: string, over: boolean): Execution[] {
  const [jobs, set] = useState<Execution[]>([]);
  useEffect(() => {
    const aborter = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let first = true;
    const load = async (): Promise<void> => {
      const began = performance.now();
      const all: Execution[] = [];
      let cursor: string | null = "";
      try {
        while (cursor !== null && all.length < CELLS_MAX) {
          const path = `/api/v1/batches/${encodeURIComponent(id)}/executions${query({ limit: PAGE, cursor })}`;
          const page: Executions = await get<Executions>(path, aborter.signal);
          all.push(...page.executions.filter((one) => one.retried_as === null));
          cursor = page.next_cursor;
          // The first time each page is shown at once; later all of them together, as the cells would move.
          if (first) set([...all].reverse());
        }
        first = false;
        set(all.reverse());
      } catch {
        if (aborter.signal.aborted) return; // the stream tells what is wrong
      }
      // A large batch is not asked for all the time.
      if (!over) timer = setTimeout(() => void load(), Math.max(CELLS_AGAIN_MS, 5 * (performance.now() - began)));
    };
    void load();
    return () => (aborter.abort(), clearTimeout(timer));
  }, [id, over]);
  return jobs;
}

export function Batch({ id }: { id: string }) {
  const { batch, error, away, again } = useBatch(id);
  const over = batch?.status === "completed" || batch?.status === "cancelled";
  const jobs = useJobs(id, over);
  const path = `/api/v1/batches/${encodeURIComponent(id)}`;
  useTitle(batch?.name ?? id);
  if (!batch) return <main>{error && <Notice>{error}</Notice>}</main>;
  return (
    <main>
      <div class="head">
        <Badge status={batch.status} />
        <h1>{batch.name ?? batch.batch_id}</h1>
        {batch.duration_seconds !== null && <span>{duration(batch.duration_seconds * 1000)}</span>}
        {batch.eta_seconds !== null && !over && <span>about {duration(batch.eta_seconds * 1000)} left</span>}
        <span class="dim">{batch.cost_display}</span>
        {batch.stopped && <span>stopped: more failed than it allows</span>}
        {!over && (
          <Ask label="Cancel" question="End all jobs of this batch that are not over?" act={() => call("POST", `${path}/cancel`)} />
        )}
        {batch.failed_count > 0 && (
          <Ask
            label="Retry failed"
            question={`Queue the ${whole(batch.failed_count)} failed jobs once more?`}
            act={() => call("POST", `${path}/retry`)}
            done={again}
          />
        )}
      </div>
      {away && <Notice>The connection is lost; what is shown may be old. It is tried again.</Notice>}
      <Bar batch={batch} />
      <p class="counts">
        {whole(batch.completed_count)} completed, {whole(batch.failed_count)} failed, {whole(batch.running_count)} running,{" "}
        {whole(batch.queued_count)} queued, {whole(batch.skipped_count)} skipped of {whole(batch.total_count)}
      </p>
      <Cells jobs={jobs} />
      {batch.failed_count > 0 && <Digest jobs={jobs} />}
      {(batch.failures?.length ?? 0) > 0 && (
        <section aria-label="Latest failures">
          <h2>Latest failures</h2>
          <ul class="plain">
            {batch.failures!.map((one) => (
              <li key={one.execution_id}>
                <Badge status={one.status} /> <a href={runAddress(one.execution_id)}>{one.title ?? one.execution_id}</a>{" "}
                {one.exit_code !== null && `exit ${one.exit_code}`} <span class="dim">{one.reason}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <p>
        <a href={runsAddress({ batch_id: id })}>All its runs</a>
      </p>
    </main>
  );
}
