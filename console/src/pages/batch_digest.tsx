// What failed of a batch, and how: by state, exit code and last line, as `runnel run --batch` tells it at the end.
import { useEffect, useState } from "preact/hooks";

import { get } from "../data/api.ts";
import type { Execution } from "../data/types.ts";
import { executionPath, runAddress } from "../addresses.ts";
import { title, whole } from "../format.ts";
import { Badge } from "../parts.tsx";

const LOOKED_AT = 50;
const GROUPS_SHOWN = 10;
const FAILED: readonly Execution["status"][] = ["failed", "timed_out", "lost", "cancelled"];

interface Group {
  example: Execution;
  line: string;
  count: number;
}

async function lastLine(run: Execution, signal: AbortSignal): Promise<string> {
  if (run.last_index === 0) return "";
  const path = `${executionPath(run.execution_id)}/logs?tail=1&stream=stderr`;
  return (await get<{ logs: { message: string }[] }>(path, signal)).logs[0]?.message.slice(0, 200) ?? "";
}

async function groupsOf(failed: Execution[], signal: AbortSignal): Promise<Group[]> {
  const groups = new Map<string, Group>();
  for (const example of failed.slice(0, LOOKED_AT)) {
    const line = await lastLine(example, signal).catch(() => "");
    const key = JSON.stringify([example.status, example.exit_code, line]);
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { example, line, count: 1 });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

export function Digest({ jobs }: { jobs: Execution[] }) {
  const failed = jobs.filter((job) => FAILED.includes(job.status)).reverse();
  const key = failed
    .slice(0, LOOKED_AT)
    .map((job) => job.execution_id)
    .join();
  const [groups, set] = useState<Group[]>([]);
  useEffect(() => {
    const aborter = new AbortController();
    void groupsOf(failed, aborter.signal).then((found) => aborter.signal.aborted || set(found));
    return () => aborter.abort();
  }, [key]);
  if (groups.length === 0) return null;
  return (
    <section aria-label="Digest">
      <h2>What failed, and how</h2>
      <ul class="plain digest">
        {groups.slice(0, GROUPS_SHOWN).map(({ example, line, count }) => (
          <li key={example.execution_id}>
            <span class="number">{whole(count)} ×</span> <Badge status={example.status} />{" "}
            {example.exit_code !== null && `exit ${example.exit_code}`} <code>{line}</code>{" "}
            <span class="dim">
              such as <a href={runAddress(example.execution_id)}>{title(example)}</a>
            </span>
          </li>
        ))}
      </ul>
      {failed.length > LOOKED_AT && <p class="dim">Of the newest {whole(LOOKED_AT)}.</p>}
    </section>
  );
}
