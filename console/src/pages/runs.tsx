import { useEffect, useState } from "preact/hooks";

import { get, query } from "../data/api.ts";
import type { Execution, Executions } from "../data/types.ts";
import { time, title, took, whole } from "../format.ts";
import { useLoaded } from "../hooks.ts";
import { Badge, Notice } from "../parts.tsx";
import { go } from "../router.ts";

const PAGE = 100;
const AGAIN_MS = 2000;
const STATES = ["queued", "running", "waiting", "completed", "failed", "cancelled", "timed_out", "skipped", "lost"];

function Row({ run, now }: { run: Execution; now: number }) {
  return (
    <tr>
      <td>
        <Badge status={run.status} />
      </td>
      <td class="wide">
        <a href={`/ui/runs/${encodeURIComponent(run.execution_id)}`}>{title(run)}</a>
        <div class="dim">{run.execution_id}</div>
      </td>
      <td>{time(run.created_at)}</td>
      <td class="number">{took(run, now)}</td>
      <td class="number">{run.exit_code ?? ""}</td>
      <td class="number">{whole(run.last_index)}</td>
      <td class="number">{run.cost_display ?? ""}</td>
    </tr>
  );
}

export function RunsTable({ runs }: { runs: Execution[] | undefined }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <table>
      <thead>
        <tr>
          <th>State</th>
          <th>Run</th>
          <th>Made</th>
          <th class="number">Took</th>
          <th class="number">Exit</th>
          <th class="number">Records</th>
          <th class="number">Cost</th>
        </tr>
      </thead>
      <tbody>{runs?.map((run) => <Row key={run.execution_id} run={run} now={now} />)}</tbody>
    </table>
  );
}

/** What of the address narrows the list; the same words as of the interface. */
const FILTERS = ["status", "batch_id", "workflow_id", "id_prefix"];

export function Runs({ address }: { address: URL }) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, address.searchParams.get(name) ?? ""]));
  const cursor = address.searchParams.get("cursor") ?? "";
  const path = `/api/v1/executions${query({ ...filters, cursor, limit: PAGE })}`;
  const { value, error } = useLoaded(path, (signal) => get<Executions>(path, signal), AGAIN_MS);
  const { status, batch_id, workflow_id } = filters;
  const narrow = (name: string, chosen: string): void => go(`/${query({ ...filters, [name]: chosen })}`);
  return (
    <main>
      <div class="head">
        <h1>Runs</h1>
        {batch_id && <a href={`/ui/batches/${encodeURIComponent(batch_id)}`}>of {batch_id}</a>}
        {workflow_id && <a href={`/ui/workflows/${encodeURIComponent(workflow_id)}`}>of {workflow_id}</a>}
        <label>
          State{" "}
          <select value={status!} onChange={(event) => narrow("status", event.currentTarget.value)}>
            <option value="">all</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {state.replace("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <label>
          Identifier begins with{" "}
          <input value={filters.id_prefix!} onChange={(event) => narrow("id_prefix", event.currentTarget.value.trim())} />
        </label>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <RunsTable runs={value?.executions} />
      {value?.executions.length === 0 && (
        <p class="dim">
          {Object.values(filters).some(Boolean) ? "None is like that." : "There is none yet. Try "}
          {!Object.values(filters).some(Boolean) && <code>runnel run -- echo hello</code>}
        </p>
      )}
      {value?.next_cursor && <a href={`/${query({ ...filters, cursor: value.next_cursor })}`}>Older ones</a>}
    </main>
  );
}
