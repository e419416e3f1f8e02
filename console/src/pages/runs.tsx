import { get, query } from "../data/api.ts";
import type { Executions } from "../data/types.ts";
import { batchAddress, runsAddress, workflowAddress } from "../addresses.ts";
import { LIST_MS, useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { Older } from "../table.tsx";
import { RunsTable } from "./runs_table.tsx";

const PAGE = 100;
const STATES = ["queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "timed_out", "skipped", "lost"];
const SINCE: [string, string][] = [
  ["", "any time"],
  ["1h", "the last hour"],
  ["24h", "the last day"],
  ["7d", "the last 7 days"],
];

/** What of the address narrows the list; the same words as of the interface. */
const FILTERS = ["status", "batch_id", "workflow_id", "id_prefix", "since"];
const METADATA = "metadata.";

type Filters = Record<string, string | undefined>;

function filtersOf(address: URL): Filters {
  const filters: Filters = {};
  for (const [name, value] of address.searchParams)
    if (value && (FILTERS.includes(name) || name.startsWith(METADATA))) filters[name] = value;
  return filters;
}

/** KEY=VALUE of metadata: another condition of the list. */
function MetadataField({ add }: { add: (name: string, value: string) => void }) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const [key, ...rest] = String(new FormData(form).get("metadata")).split("=");
    if (!key?.trim() || rest.length === 0) return;
    add(METADATA + key.trim(), rest.join("=").trim());
    form.reset();
  };
  return (
    <form onSubmit={(event) => submit(event as unknown as SubmitEvent)}>
      <label>
        Metadata <input name="metadata" placeholder="key=value" pattern="[^=]+=.*" size={14} />
      </label>
    </form>
  );
}

function SearchField() {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const q = String(new FormData(event.target as HTMLFormElement).get("q")).trim();
    if (q) go(`/ui/search${query({ q })}`);
  };
  return (
    <form role="search" onSubmit={(event) => submit(event as unknown as SubmitEvent)}>
      <input id="page-search" name="q" type="search" aria-label="Search all logs" placeholder="Search all logs (/)" maxLength={1000} />
    </form>
  );
}

export function Runs({ address }: { address: URL }) {
  const filters = filtersOf(address);
  const cursor = address.searchParams.get("cursor") ?? "";
  const path = `/api/v1/executions${query({ ...filters, cursor, limit: PAGE })}`;
  const { value, error } = useLoaded(path, (signal) => get<Executions>(path, signal), LIST_MS);
  const { status, batch_id, workflow_id, id_prefix, since } = filters;
  const narrow = (name: string, chosen: string | undefined): void => go(runsAddress({ ...filters, [name]: chosen }));
  const narrowed = Object.keys(filters).length > 0;
  useTitle("Runs");
  return (
    <main>
      <div class="head">
        <h1>Runs</h1>
        {batch_id && <a href={batchAddress(batch_id)}>of {batch_id}</a>}
        {workflow_id && <a href={workflowAddress(workflow_id)}>of {workflow_id}</a>}
        <span class="spring" />
        <SearchField />
      </div>
      <div class="filters">
        <label>
          State{" "}
          <select value={status ?? ""} onChange={(event) => narrow("status", event.currentTarget.value)}>
            <option value="">all</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {state.replace("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <label>
          Made in{" "}
          <select value={since ?? ""} onChange={(event) => narrow("since", event.currentTarget.value)}>
            {SINCE.map(([word, shown]) => (
              <option key={word} value={word}>
                {shown}
              </option>
            ))}
          </select>
        </label>
        <label>
          Identifier begins with{" "}
          <input value={id_prefix ?? ""} size={14} onChange={(event) => narrow("id_prefix", event.currentTarget.value.trim())} />
        </label>
        <MetadataField add={narrow} />
        {Object.entries(filters)
          .filter(([name]) => name.startsWith(METADATA))
          .map(([name, value]) => (
            <button key={name} type="button" class="chip" onClick={() => narrow(name, undefined)}>
              {name.slice(METADATA.length)}={value} <span aria-label="remove">✕</span>
            </button>
          ))}
        {narrowed && <a href="/">All runs</a>}
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      <RunsTable
        runs={value?.executions}
        empty={
          narrowed ? (
            "None is like that."
          ) : (
            <>
              There is none yet. Try <code>runnel run -- echo hello</code>
            </>
          )
        }
      />
      <Older address={value?.next_cursor ? runsAddress({ ...filters, cursor: value.next_cursor }) : undefined} />
    </main>
  );
}
