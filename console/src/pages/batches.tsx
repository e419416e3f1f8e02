import { get, query } from "../data/api.ts";
import type { Batch, Batches as Page } from "../data/types.ts";
import { duration, time, whole } from "../format.ts";
import { useLoaded } from "../hooks.ts";
import { Badge, Notice } from "../parts.tsx";

const AGAIN_MS = 2000;

/** The parts of a batch by what became of them, as a bar. */
export function Bar({ batch }: { batch: Batch }) {
  const done = batch.completed_count + batch.failed_count + batch.skipped_count;
  const parts: [string, number][] = [
    ["completed", batch.completed_count],
    ["failed", batch.failed_count],
    ["skipped", batch.skipped_count],
    ["running", batch.running_count],
  ];
  return (
    <svg class="bar-of" viewBox={`0 0 ${Math.max(1, batch.total_count)} 1`} preserveAspectRatio="none" role="progressbar"
      aria-label="Progress" aria-valuemin={0} aria-valuemax={batch.total_count} aria-valuenow={done}>
      {parts.map(([name, count], i) => (
        <rect key={name} class={name} x={parts.slice(0, i).reduce((sum, part) => sum + part[1], 0)} width={count} height="1" />
      ))}
    </svg>
  );
}

export function Batches({ address }: { address: URL }) {
  const cursor = address.searchParams.get("cursor") ?? "";
  const path = `/api/v1/batches${query({ cursor })}`;
  const { value, error } = useLoaded(path, (signal) => get<Page>(path, signal), AGAIN_MS);
  return (
    <main>
      <div class="head">
        <h1>Batches</h1>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <table>
        <thead>
          <tr>
            <th>State</th>
            <th>Batch</th>
            <th>Progress</th>
            <th class="number">Jobs</th>
            <th class="number">Failed</th>
            <th>Made</th>
            <th class="number">Took</th>
            <th class="number">Cost</th>
          </tr>
        </thead>
        <tbody>
          {value?.batches.map((batch) => (
            <tr key={batch.batch_id}>
              <td>
                <Badge status={batch.status} />
              </td>
              <td class="wide">
                <a href={`/ui/batches/${encodeURIComponent(batch.batch_id)}`}>{batch.name ?? batch.batch_id}</a>
                {batch.name && <div class="dim">{batch.batch_id}</div>}
              </td>
              <td>
                <Bar batch={batch} />
              </td>
              <td class="number">{whole(batch.total_count)}</td>
              <td class="number">{batch.failed_count > 0 ? whole(batch.failed_count) : ""}</td>
              <td>{time(batch.created_at)}</td>
              <td class="number">{batch.duration_seconds !== null ? duration(batch.duration_seconds * 1000) : ""}</td>
              <td class="number">{batch.cost_display}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {value?.batches.length === 0 && (
        <p class="dim">
          There is none yet. Try <code>runnel run --batch 'data/*.csv' -- process {"{}"}</code>
        </p>
      )}
      {value?.next_cursor && <a href={`/ui/batches${query({ cursor: value.next_cursor })}`}>Older ones</a>}
    </main>
  );
}
