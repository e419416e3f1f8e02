import { get, query } from "../data/api.ts";
import type { Page, Workflow } from "../data/types.ts";
import { time } from "../format.ts";
import { useLoaded } from "../hooks.ts";
import { Notice } from "../parts.tsx";

type Outline = Omit<Workflow, "graph" | "job">;

export function Workflows({ address }: { address: URL }) {
  const cursor = address.searchParams.get("cursor") ?? "";
  const path = `/api/v1/workflows${query({ cursor })}`;
  const { value, error } = useLoaded(path, (signal) => get<Page & { workflows: Outline[] }>(path, signal));
  return (
    <main>
      <div class="head">
        <h1>Workflows</h1>
      </div>
      {error && <Notice>{error}</Notice>}
      <table>
        <thead>
          <tr>
            <th>Workflow</th>
            <th>Owner</th>
            <th>Kept for</th>
            <th>Made</th>
          </tr>
        </thead>
        <tbody>
          {value?.workflows.map((one) => (
            <tr key={one.workflow_id}>
              <td class="wide">
                <a href={`/ui/workflows/${encodeURIComponent(one.workflow_id)}`}>{one.name ?? one.workflow_id}</a>
                <div class="dim">{one.description ?? one.workflow_id}</div>
              </td>
              <td>{one.user_id ?? ""}</td>
              <td>{one.retention ?? ""}</td>
              <td>{time(one.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {value?.workflows.length === 0 && (
        <p class="dim">
          There is none yet. <code>POST /api/v1/workflows</code> makes one.
        </p>
      )}
      {value?.next_cursor && <a href={`/ui/workflows${query({ cursor: value.next_cursor })}`}>Older ones</a>}
    </main>
  );
}
