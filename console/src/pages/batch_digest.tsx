// What failed of a batch, and how: by state, exit code and last line, as `runnel run --batch` tells it at the end.
import { get } from "../data/api.ts";
import type { BatchDigest } from "../data/types.ts";
import { runAddress } from "../addresses.ts";
import { whole } from "../format.ts";
import { useFollowed } from "../hooks.ts";
import { Badge } from "../parts.tsx";

const GROUPS_SHOWN = 10;

export function Digest({ path, version }: { path: string; version: string }) {
  const digest = useFollowed(path, version, (signal) => get<BatchDigest>(`${path}/digest`, signal));
  if (!digest || digest.groups.length === 0) return null;
  const { groups, looked_at: looked, failed_count: failed } = digest;
  return (
    <section aria-label="Digest">
      <h2>What failed, and how</h2>
      <ul class="plain digest">
        {groups.slice(0, GROUPS_SHOWN).map(({ count, status, exit_code, line, execution_id, title }) => (
          <li key={execution_id}>
            <span class="number">{whole(count)} ×</span> <Badge status={status} /> {exit_code !== null && `exit ${exit_code}`}{" "}
            {line !== null && <code>{line}</code>}{" "}
            <span class="dim">
              such as <a href={runAddress(execution_id)}>{title ?? execution_id}</a>
            </span>
          </li>
        ))}
      </ul>
      {groups.length > GROUPS_SHOWN && <p class="dim">And {whole(groups.length - GROUPS_SHOWN)} other kinds.</p>}
      {failed > looked && <p class="dim">Of the newest {whole(looked)}.</p>}
    </section>
  );
}
