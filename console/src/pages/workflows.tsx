import { get, query } from "../data/api.ts";
import type { Page, Workflow } from "../data/types.ts";
import { workflowAddress } from "../addresses.ts";
import { time } from "../format.ts";
import { useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { Older, Table } from "../table.tsx";
import type { Column } from "../table.tsx";

type Outline = Omit<Workflow, "graph" | "job">;

export interface Outlines extends Page {
  workflows: Outline[];
}

const COLUMNS: Column<Outline>[] = [
  {
    name: "Workflow",
    wide: true,
    cell: (one) => (
      <>
        <a href={workflowAddress(one.workflow_id)}>{one.name ?? one.workflow_id}</a>
        <div class="dim">{one.description ?? one.workflow_id}</div>
      </>
    ),
  },
  { name: "Owner", cell: (one) => one.user_id ?? "" },
  { name: "Kept for", cell: (one) => one.retention ?? "" },
  { name: "Made", cell: (one) => time(one.created_at) },
];

export function Workflows({ address }: { address: URL }) {
  const cursor = address.searchParams.get("cursor") ?? "";
  const path = `/api/v1/workflows${query({ cursor })}`;
  const { value, error } = useLoaded(path, (signal) => get<Outlines>(path, signal));
  useTitle("Workflows");
  return (
    <main>
      <div class="head">
        <h1>Workflows</h1>
      </div>
      {error && <Notice>{error}</Notice>}
      <Table
        label="Workflows"
        columns={COLUMNS}
        items={value?.workflows}
        id={(one) => one.workflow_id}
        empty={
          <>
            There is none yet. <code>POST /api/v1/workflows</code> makes one.
          </>
        }
      />
      <Older address={value?.next_cursor ? `/ui/workflows${query({ cursor: value.next_cursor })}` : undefined} />
    </main>
  );
}
