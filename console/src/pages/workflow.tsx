import { useState } from "preact/hooks";

import { call, get, query } from "../data/api.ts";
import type { Counts, Execution, Executions, RunCounts, Workflow as Known } from "../data/types.ts";
import { counted, whole } from "../format.ts";
import { reason, useLoaded } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { RunsTable } from "./runs.tsx";

const AGAIN_MS = 2000;
const BUCKETS = 60;

type Statistics = RunCounts & { more_executions: boolean; buckets: (RunCounts & { start: string })[] };

function StartForm({ id }: { id: string }) {
  const [error, setError] = useState<string>();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const text = String(new FormData(event.target as HTMLFormElement).get("inputs")).trim();
    try {
      const inputs: unknown = JSON.parse(text || "{}");
      const run = await call<Execution>("POST", `/api/v1/workflows/${encodeURIComponent(id)}/run`, { inputs });
      go(`/ui/runs/${encodeURIComponent(run.execution_id)}`);
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

/** Runs over time, by how they ended. */
function Bars({ buckets }: { buckets: Statistics["buckets"] }) {
  const most = Math.max(1, ...buckets.map((one) => one.executions));
  return (
    <svg class="bars" viewBox={`0 0 ${Math.max(1, buckets.length)} ${most}`} preserveAspectRatio="none" role="img" aria-label="Runs over time, by state">
      {buckets.map((bucket, i) => {
        let top = most;
        return Object.entries(bucket.statuses).map(([status, count]) => {
          top -= count;
          return <rect key={`${i} ${status}`} class={status} x={i + 0.1} width="0.8" y={top} height={count} />;
        });
      })}
    </svg>
  );
}

function Analytics({ id }: { id: string }) {
  const path = `/api/v1/workflows/${encodeURIComponent(id)}/statistics${query({ buckets: BUCKETS })}`;
  const { value, error } = useLoaded(path, (signal) => get<Statistics>(path, signal), 10_000);
  if (!value) return error ? <Notice>{error}</Notice> : null;
  return (
    <section aria-label="Analytics">
      <h2>
        Its newest {counted(value.executions, "run")}
        {value.more_executions && ", of more"}
      </h2>
      <Bars buckets={value.buckets} />
      <div class="row top">
        <CountTable name="State" counts={value.statuses} />
        <CountTable name="Level" counts={value.levels} />
        <CountTable name="Event" counts={value.event_types} />
        <CountTable name="Node" counts={value.nodes} />
      </div>
    </section>
  );
}

export function Workflow({ id }: { id: string }) {
  const path = `/api/v1/workflows/${encodeURIComponent(id)}`;
  const known = useLoaded(path, (signal) => get<Known>(path, signal));
  const runsPath = `${path}/executions`;
  const runs = useLoaded(runsPath, (signal) => get<Executions>(runsPath, signal), AGAIN_MS);
  return (
    <main>
      {known.error && <Notice>{known.error}</Notice>}
      <div class="head">
        <h1>{known.value?.name ?? id}</h1>
        <span class="dim">{known.value?.description}</span>
      </div>
      {known.value && <StartForm id={id} />}
      <h2>Runs</h2>
      {runs.error && <Notice>{runs.error}; it is asked again.</Notice>}
      <RunsTable runs={runs.value?.executions} />
      <p>
        <a href={`/${query({ workflow_id: id })}`}>All its runs</a>
      </p>
      <Analytics id={id} />
    </main>
  );
}
