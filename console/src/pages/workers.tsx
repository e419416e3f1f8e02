import { call, get, query } from "../data/api.ts";
import type { Execution, Executions, Worker } from "../data/types.ts";
import { executionPath, runAddress, runsAddress } from "../addresses.ts";
import { bytes, duration, time, title } from "../format.ts";
import { LIST_MS, SETTLED_MS, useFollowed, useLoaded, useNow, useTitle } from "../hooks.ts";
import { Act, Ask, Notice } from "../parts.tsx";
import { Table } from "../table.tsx";
import type { Column } from "../table.tsx";

const QUEUE_SHOWN = 20;

function columnsOf(again: () => void): Column<Worker>[] {
  const path = (worker: Worker): string => `/api/v1/workers/${encodeURIComponent(worker.worker_id)}`;
  return [
    {
      name: "Worker",
      wide: true,
      cell: (worker) => (
        <>
          {worker.hostname}
          <div class="dim">{worker.worker_id}</div>
        </>
      ),
    },
    {
      name: "Jobs",
      cell: (worker) => (
        <span class="progress">
          <progress max={Math.max(1, worker.slots)} value={worker.jobs} aria-label="Jobs that it has" />
          <span class="dim">
            {worker.jobs} of {worker.slots}
          </span>
        </span>
      ),
    },
    { name: "State", cell: (worker) => (worker.draining ? "takes no more jobs" : worker.slots_free > 0 ? "has room" : "is full") },
    { name: "Offers", cell: (worker) => [...worker.executors, ...worker.labels].join(", ") },
    { name: "Runtimes", wide: true, cell: (worker) => <span class="dim">{worker.runtimes.join(", ")}</span> },
    { name: "CPUs", number: true, cell: (worker) => worker.cpus_milli / 1000 },
    { name: "Memory", number: true, cell: (worker) => bytes(worker.memory_bytes) },
    { name: "Heard", cell: (worker) => time(worker.heard_at) },
    {
      name: "",
      plain: true,
      cell: (worker) =>
        worker.draining ? (
          <Act label="Resume" act={() => call("POST", `${path(worker)}/resume`)} done={again} />
        ) : (
          <Ask
            label="Drain"
            question={`Let ${worker.hostname} take no more jobs? What it runs goes on.`}
            act={() => call("POST", `${path(worker)}/drain`)}
            done={again}
          />
        ),
    },
  ];
}

/** Why a job waits; the list itself does not say. */
function Why({ run, version }: { run: Execution; version: string }) {
  const path = executionPath(run.execution_id);
  const value = useFollowed(path, version, (signal) => get<Execution>(path, signal));
  return <span class="dim">{value?.waiting?.detail}</span>;
}

function Since({ at }: { at: string | null }) {
  const now = useNow();
  return <>{at && duration(Math.max(0, Math.floor((now - Date.parse(at)) / 1000) * 1000))}</>;
}

const queueOf = (version: string): Column<Execution>[] => [
  { name: "Job", wide: true, cell: (run) => <a href={runAddress(run.execution_id)}>{title(run)}</a> },
  { name: "Why it waits", wide: true, cell: (run) => <Why run={run} version={version} /> },
  { name: "Priority", number: true, cell: (run) => run.priority ?? "" },
  { name: "Waits", number: true, cell: (run) => <Since at={run.created_at} /> },
];

/** Another one when jobs may wait for something else: the queue has changed, or the workers have; and seldom without that. */
function waitsVersion(queued: Execution[] | undefined, workers: string): string {
  return JSON.stringify([queued?.map((run) => run.execution_id), workers, Math.floor(Date.now() / SETTLED_MS)]);
}

function Queue({ workers }: { workers: string }) {
  const path = `/api/v1/executions${query({ status: "queued", limit: QUEUE_SHOWN })}`;
  const { value, error } = useLoaded(path, (signal) => get<Executions>(path, signal), LIST_MS);
  return (
    <section aria-label="Queue">
      <h2>The newest that are queued</h2>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <Table label="Queue" columns={queueOf(waitsVersion(value?.executions, workers))} items={value?.executions} id={(run) => run.execution_id} empty="Nothing waits." />
      {value?.next_cursor && <a href={runsAddress({ status: "queued" })}>All that are queued</a>}
    </section>
  );
}

export function Workers() {
  const path = "/api/v1/workers";
  const { value, error, again } = useLoaded(path, (signal) => get<{ workers: Worker[] }>(path, signal), LIST_MS);
  useTitle("Workers");
  return (
    <main>
      <div class="head">
        <h1>Workers</h1>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <Table
        label="Workers"
        columns={columnsOf(again)}
        items={value?.workers}
        id={(worker) => worker.worker_id}
        empty={
          <>
            None is connected, so jobs wait. <code>runnel worker</code> starts one; <code>runnel serve --jobs 4</code> has one.
          </>
        }
      />
      <Queue workers={JSON.stringify(value?.workers.map(({ worker_id, jobs, slots_free, labels }) => [worker_id, jobs, slots_free, labels]))} />
    </main>
  );
}
