import { get } from "../data/api.ts";
import type { Execution } from "../data/types.ts";
import { time, title } from "../format.ts";
import { useLoaded } from "../hooks.ts";
import { Badge, Notice } from "../parts.tsx";

const AGAIN_MS = 1000;

export function Run({ id }: { id: string }) {
  const path = `/api/v1/executions/${encodeURIComponent(id)}`;
  const { value, error } = useLoaded(path, (signal) => get<Execution>(path, signal), AGAIN_MS);
  return (
    <main class="run">
      {error && <Notice>{error}</Notice>}
      {value && (
        <div class="head">
          <Badge status={value.status} />
          <h1>{title(value)}</h1>
          <span class="dim">{time(value.started_at)}</span>
          {value.exit_code !== null && <span>exit {value.exit_code}</span>}
          {value.reason && <span>{value.reason}</span>}
        </div>
      )}
    </main>
  );
}
