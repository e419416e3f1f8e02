import type { Execution } from "../data/types.ts";
import { batchAddress, runAddress, runsAddress, workflowAddress } from "../addresses.ts";
import { time, title, took, whole } from "../format.ts";
import { useNow } from "../hooks.ts";
import { Badge } from "../parts.tsx";
import { Table } from "../table.tsx";
import type { Column } from "../table.tsx";
import { Problems, Progress, progressOf, useSummary } from "./run_counts.tsx";

const METADATA_SHOWN = 4;

/** Simple members of what was said about a run; each leads to the runs that have the same. */
function Metadata({ run }: { run: Execution }) {
  const simple = Object.entries(run.metadata ?? {}).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return (
    <>
      {simple.slice(0, METADATA_SHOWN).map(([key, value]) => (
        <a key={key} class="chip" href={runsAddress({ [`metadata.${key}`]: String(value) })}>
          {key}={String(value)}
        </a>
      ))}
      {simple.length > METADATA_SHOWN && <span class="dim">and {simple.length - METADATA_SHOWN} more</span>}
    </>
  );
}

function Name({ run }: { run: Execution }) {
  return (
    <>
      <a href={runAddress(run.execution_id)}>{title(run)}</a>
      <div class="under">
        {title(run) !== run.execution_id && <span class="dim">{run.execution_id}</span>}
        {run.workflow_id && (
          <a class="chip" href={workflowAddress(run.workflow_id)} title={run.workflow_id}>
            its workflow
          </a>
        )}
        {run.batch_id && (
          <a class="chip" href={batchAddress(run.batch_id)} title={run.batch_id}>
            its batch
          </a>
        )}
        {(run.attempt ?? 1) > 1 && <span class="chip">attempt {run.attempt}</span>}
        <Metadata run={run} />
      </div>
      {run.reason && <div class="dim">{run.reason}</div>}
    </>
  );
}

function Counted({ run }: { run: Execution }) {
  const { row, summary } = useSummary(run);
  const progress = summary && progressOf(summary);
  return (
    <span ref={row} class="counted">
      {summary && <Problems levels={summary.log_levels} />}
      {progress && <Progress {...progress} />}
    </span>
  );
}

export function RunsTable({ runs, empty }: { runs: Execution[] | undefined; empty?: preact.ComponentChildren }) {
  const now = useNow(runs?.some((run) => run.started_at && run.duration_ms === null) ?? false);
  const columns: Column<Execution>[] = [
    { name: "State", plain: true, cell: (run) => <Badge status={run.status} /> },
    { name: "Run", wide: true, cell: (run) => <Name run={run} /> },
    { name: "Problems", plain: true, cell: (run) => <Counted run={run} /> },
    { name: "Owner", cell: (run) => run.user_id ?? "" },
    { name: "Made", cell: (run) => time(run.created_at) },
    { name: "Took", number: true, cell: (run) => took(run, now) },
    { name: "Exit", number: true, cell: (run) => run.exit_code ?? "" },
    { name: "Records", number: true, cell: (run) => whole(run.last_index) },
    { name: "Cost", number: true, cell: (run) => run.cost_display ?? "" },
  ];
  return <Table label="Runs" columns={columns} items={runs} id={(run) => run.execution_id} empty={empty} />;
}
