import { useEffect, useState } from "preact/hooks";

import { call } from "../data/api.ts";
import { follow } from "../data/events.ts";
import type { Batch as BatchState } from "../data/types.ts";
import { runAddress, runsAddress } from "../addresses.ts";
import { duration, whole } from "../format.ts";
import { reason, useTitle } from "../hooks.ts";
import { Ask, Badge, Notice } from "../parts.tsx";
import { Bar } from "./batch_bar.tsx";
import { Cells } from "./batch_cells.tsx";
import { Digest } from "./batch_digest.tsx";

interface News {
  batch: BatchState;
  version: string; // another one when the state of a job has changed
}

/** The status as the stream tells it, until the batch is over. */
function useBatch(id: string): { news: News | undefined; error: string | undefined; away: boolean; again: () => void } {
  const [news, setNews] = useState<News>();
  const [error, setError] = useState<string>();
  const [away, setAway] = useState(false);
  const [round, next] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    const path = `/api/v1/batches/${encodeURIComponent(id)}`;
    const take = (event: { id: string; event: string; data: string }): boolean => {
      setNews({ batch: JSON.parse(event.data).batch as BatchState, version: event.id });
      return event.event === "complete";
    };
    follow(`${path}/stream`, take, aborter.signal, setAway).catch((failed) => setError(reason(failed)));
    return () => aborter.abort();
  }, [id, round]);
  return { news, error, away, again: () => next((count) => count + 1) };
}

/** Another one when the digest is another one. */
function failuresVersion({ counts, failures }: BatchState): string {
  return JSON.stringify([counts.failed, counts.timed_out, counts.lost, counts.cancelled, failures?.map((one) => one.execution_id)]);
}

export function Batch({ id }: { id: string }) {
  const { news, error, away, again } = useBatch(id);
  const batch = news?.batch;
  const over = batch?.status === "completed" || batch?.status === "cancelled";
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
      <Cells path={path} version={news.version} total={batch.total_count} />
      {batch.failed_count > 0 && <Digest path={path} version={failuresVersion(batch)} />}
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
