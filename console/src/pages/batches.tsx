import { get, query } from "../data/api.ts";
import type { Batch, Batches as Page } from "../data/types.ts";
import { batchAddress } from "../addresses.ts";
import { duration, time, whole } from "../format.ts";
import { LIST_MS, useLoaded, useTitle } from "../hooks.ts";
import { Badge, Notice } from "../parts.tsx";
import { Older, Table } from "../table.tsx";
import type { Column } from "../table.tsx";
import { Bar } from "./batch_bar.tsx";

const COLUMNS: Column<Batch>[] = [
  { name: "State", plain: true, cell: (batch) => <Badge status={batch.status} /> },
  {
    name: "Batch",
    wide: true,
    cell: (batch) => (
      <>
        <a href={batchAddress(batch.batch_id)}>{batch.name ?? batch.batch_id}</a>
        {batch.name && <div class="dim">{batch.batch_id}</div>}
      </>
    ),
  },
  { name: "Progress", plain: true, cell: (batch) => <Bar batch={batch} /> },
  { name: "Jobs", number: true, cell: (batch) => whole(batch.total_count) },
  { name: "Failed", number: true, cell: (batch) => batch.failed_count > 0 && <span class="bad">{whole(batch.failed_count)}</span> },
  { name: "Made", cell: (batch) => time(batch.created_at) },
  { name: "Took", number: true, cell: (batch) => batch.duration_seconds !== null && duration(batch.duration_seconds * 1000) },
  { name: "Cost", number: true, cell: (batch) => batch.cost_display },
];

export function Batches({ address }: { address: URL }) {
  const cursor = address.searchParams.get("cursor") ?? "";
  const path = `/api/v1/batches${query({ cursor })}`;
  const { value, error } = useLoaded(path, (signal) => get<Page>(path, signal), LIST_MS);
  useTitle("Batches");
  return (
    <main>
      <div class="head">
        <h1>Batches</h1>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <Table
        label="Batches"
        columns={COLUMNS}
        items={value?.batches}
        id={(batch) => batch.batch_id}
        empty={
          <>
            There is none yet. Try <code>runnel run --batch 'data/*.csv' -- process {"{}"}</code>
          </>
        }
      />
      <Older address={value?.next_cursor ? `/ui/batches${query({ cursor: value.next_cursor })}` : undefined} />
    </main>
  );
}
