import { Suspense, lazy } from "preact/compat";
import { useState } from "preact/hooks";

import { call, get, query } from "../data/api.ts";
import type { Counts, Execution, Executions, RunCounts, Workflow as Known } from "../data/types.ts";
import { runAddress, runsAddress } from "../addresses.ts";
import { counted, time, whole } from "../format.ts";
import { LIST_MS, SETTLED_MS, reason, useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { RunsTable } from "./runs_table.tsx";

const Retention = lazy(() => import("./workflow_retention.tsx"));
const BUCKETS = 60;
const ROWS_OVER_TIME = 12;

type Statistics = RunCounts & { more_executions: boolean; buckets: (RunCounts & { start: string })[] };

/** A run of a workflow, with what it is given. */
export function StartForm({ id }: { id: string }) {
  const [error, setError] = useState<string>();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const text = String(new FormData(event.target as HTMLFormElement).get("inputs")).trim();
    try {
      const inputs: unknown = JSON.parse(text || "{}");
      const run = await call<Execution>("POST", `/api/v1/workflows/${encodeURIComponent(id)}/run`, { inputs });
      go(runAddress(run.execution_id));
    } catch (failed) {
      setError(failed instanceof SyntaxError ? 'the inputs must be a JSON object, such as {"day": "monday"}' : reason(failed));
    }
  };
  return (
    <form onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
      <label>
        Inputs, a JSON object
        <textarea name="inputs" rows={3} placeholder="{}" />
      </label>
      <button type="submit">Run it</button>
      {error && <Notice>{error}</Notice>}
    </form>
  );
}

function CountTable({ name, counts }: { name: string; counts: Counts }) {
  const rows = Object.entries(counts).filter(([, count]) => count > 0);
  if (rows.length === 0) return null;
  return (
    <table class="counts">
      <thead>
        <tr>
          <th>{name}</th>
          <th class="number">Count</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([word, count]) => (
          <tr key={word}>
            <td>{word}</td>
            <td class="number">{whole(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const STATES = ["completed", "failed", "timed_out", "lost", "running", "waiting", "paused", "queued", "skipped", "cancelled"];
const LEVELS = ["debug", "info", "warning", "error", "critical"];

/** Counts over time, stacked in this order from below. */
function Bars({ buckets, of, label, order }: { buckets: Statistics["buckets"]; of: (one: RunCounts) => Counts; label: string; order: string[] }) {
  const sums = buckets.map((one) => order.reduce((sum, word) => sum + (of(one)[word] ?? 0), 0));
  const most = Math.max(1, ...sums);
  return (
    <figure>
      <figcaption class="dim">
        {label}, at most {whole(most)}
      </figcaption>
      <svg class="bars" viewBox={`0 0 ${Math.max(1, buckets.length)} ${most}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {buckets.map((bucket, i) => {
          let top = most;
          return order.map((word) => {
            const count = of(bucket)[word] ?? 0;
            top -= count;
            return count > 0 && <rect key={`${i} ${word}`} class={word} x={i + 0.1} width="0.8" y={top} height={count} />;
          });
        })}
      </svg>
    </figure>
  );
}

/** What is counted most, over time: a row of bars each. */
function RowsOverTime({ buckets, of, all, label }: { buckets: Statistics["buckets"]; of: (one: RunCounts) => Counts; all: Counts; label: string }) {
  const words = Object.entries(all)
    .sort((a, b) => b[1] - a[1])
    .slice(0, ROWS_OVER_TIME);
  if (words.length === 0) return null;
  return (
    <table class="over-time" aria-label={`${label} over time`}>
      <thead>
        <tr>
          <th scope="col">{label}</th>
          <th scope="col" class="number">
            Count
          </th>
          <th scope="col">Over time</th>
        </tr>
      </thead>
      <tbody>
        {words.map(([word, count]) => {
          const most = Math.max(1, ...buckets.map((one) => of(one)[word] ?? 0));
          return (
            <tr key={word}>
              <td>{word}</td>
              <td class="number">{whole(count)}</td>
              <td class="wide">
                <svg class="bars low" viewBox={`0 0 ${Math.max(1, buckets.length)} ${most}`} preserveAspectRatio="none" role="img" aria-label={`${word} over time`}>
                  {buckets.map((one, i) => {
                    const height = of(one)[word] ?? 0;
                    return height > 0 && <rect key={i} class="running" x={i + 0.1} width="0.8" y={most - height} height={height} />;
                  })}
                </svg>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Analytics({ id }: { id: string }) {
  const path = `/api/v1/workflows/${encodeURIComponent(id)}/statistics${query({ buckets: BUCKETS })}`;
  const { value, error } = useLoaded(path, (signal) => get<Statistics>(path, signal), SETTLED_MS);
  if (!value) return error ? <Notice>{error}</Notice> : null;
  return (
    <section aria-label="Analytics">
      <h2>
        Its newest {counted(value.executions, "run")}
        {value.more_executions && ", of more"}
      </h2>
      {value.buckets.length > 0 && (
        <p class="dim">
          From {time(value.buckets[0]!.start)} until now
        </p>
      )}
      <Bars buckets={value.buckets} of={(one) => one.statuses} label="Runs over time, by state" order={STATES} />
      <Bars buckets={value.buckets} of={(one) => one.levels} label="Records over time, by level" order={LEVELS} />
      <div class="row top">
        <CountTable name="State" counts={value.statuses} />
        <CountTable name="Level" counts={value.levels} />
        <RowsOverTime label="Event" buckets={value.buckets} of={(one) => one.event_types} all={value.event_types} />
        <RowsOverTime label="Node" buckets={value.buckets} of={(one) => one.nodes} all={value.nodes} />
      </div>
    </section>
  );
}

export function Workflow({ id }: { id: string }) {
  const path = `/api/v1/workflows/${encodeURIComponent(id)}`;
  const known = useLoaded(path, (signal) => get<Known>(path, signal));
  const runsPath = `${path}/executions`;
  const runs = useLoaded(runsPath, (signal) => get<Executions>(runsPath, signal), LIST_MS);
  useTitle(known.value?.name ?? id);
  return (
    <main>
      {known.error && <Notice>{known.error}</Notice>}
      <div class="head">
        <h1>{known.value?.name ?? id}</h1>
        <span class="dim">{known.value?.description}</span>
        {known.value?.user_id && <span class="dim">of {known.value.user_id}</span>}
      </div>
      {known.value && <StartForm id={id} />}
      <h2>Runs</h2>
      {runs.error && <Notice>{runs.error}; it is asked again.</Notice>}
      <RunsTable runs={runs.value?.executions} />
      <p>
        <a href={runsAddress({ workflow_id: id })}>All its runs</a>
      </p>
      <Analytics id={id} />
      {known.value && (
        <details>
          <summary>Retention</summary>
          <Suspense fallback={null}>
            <Retention path={path} workflow={known.value} again={known.again} />
          </Suspense>
        </details>
      )}
    </main>
  );
}
