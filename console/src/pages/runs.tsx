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

export function Runs({ address }: { address: URL }) {
  const status = address.searchParams.get("status") ?? "";
  const after = address.searchParams.get("cursor") ?? "";
  const batch_id = address.searchParams.get("batch_id") ?? "";
  const path = `/api/v1/executions${query({ status, batch_id, cursor: after, limit: PAGE })}`;
  const { value, error } = useLoaded(path, (signal) => get<Executions>(path, signal), AGAIN_MS);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const filter = (chosen: string): void => go(`/${query({ status: chosen, batch_id })}`);
  return (
    <main>
      <div class="head">
        <h1>Runs</h1>
        {batch_id && <a href={`/ui/batches/${encodeURIComponent(batch_id)}`}>of {batch_id}</a>}
        <label>
          State{" "}
          <select value={status} onChange={(event) => filter(event.currentTarget.value)}>
            <option value="">all</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {state.replace("_", " ")}
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
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
        <tbody>
          {value?.executions.map((run) => <Row key={run.execution_id} run={run} now={now} />)}
        </tbody>
      </table>
      {value?.executions.length === 0 && (
        <p class="dim">
          {status ? "None is in this state." : "There is none yet. Try "}
          {!status && <code>runnel run -- echo hello</code>}
        </p>
      )}
      {value?.next_cursor && <a href={`/${query({ status, batch_id, cursor: value.next_cursor })}`}>Older ones</a>}
    </main>
  );
}
