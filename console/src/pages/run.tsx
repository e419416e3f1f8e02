import { useState } from "preact/hooks";

import { call, get } from "../data/api.ts";
import { download } from "../data/download.ts";
import type { Artifacts, Execution } from "../data/types.ts";
import { bytes, time, title, took } from "../format.ts";
import { reason, useLoaded } from "../hooks.ts";
import { Ask, Badge, Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { Log } from "./log.tsx";
import { RunNodes } from "./run_nodes.tsx";
import { WaitingForm } from "./waiting.tsx";

const AGAIN_MS = 1000;
const SETTLED_AGAIN_MS = 10_000;

function Files({ path, count }: { path: string; count: number }) {
  const { value, error } = useLoaded(`${path}/artifacts#${count}`, (signal) => get<Artifacts>(`${path}/artifacts`, signal));
  const [failed, setFailed] = useState<string>();
  const fetchIt = (name: string): void => {
    const address = `${path}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
    download(address, name.split("/").pop() ?? name).catch((why: unknown) => setFailed(reason(why)));
  };
  return (
    <details>
      <summary>Files ({count})</summary>
      <div class="menu left">
        {value?.artifacts.map((file) => (
          <button type="button" key={file.name} onClick={() => fetchIt(file.name)}>
            {file.name} <span class="dim">{bytes(file.size)}</span>
          </button>
        ))}
        {(error ?? failed) && <span class="dim">{error ?? failed}</span>}
      </div>
    </details>
  );
}

function Head({ run, path }: { run: Execution; path: string }) {
  return (
    <div class="head">
      <Badge status={run.status} />
      <h1>{title(run)}</h1>
      <span class="dim">{time(run.started_at)}</span>
      <span class="dim">{took(run, Date.now())}</span>
      {run.exit_code !== null && <span>exit {run.exit_code}</span>}
      {run.worker_hostname && <span class="dim">on {run.worker_hostname}</span>}
      {run.cost_display && <span class="dim">{run.cost_display}</span>}
      {run.reason && <span>{run.reason}</span>}
      {run.retry_of && <a href={`/ui/runs/${encodeURIComponent(run.retry_of)}`}>the attempt before</a>}
      {run.retried_as && <a href={`/ui/runs/${encodeURIComponent(run.retried_as)}`}>the next attempt</a>}
      {run.artifacts_count > 0 && <Files path={path} count={run.artifacts_count} />}
      {!run.sealed && (
        <Ask
          label="Cancel the run"
          question="Is it to be cancelled? What it has written so far is kept."
          act={() => call("DELETE", path)}
        />
      )}
    </div>
  );
}

/** The same view with the log of that node alone; undefined: of all nodes. */
function withNode(address: URL, node: string | undefined): string {
  const next = new URL(address);
  if (node === undefined) next.searchParams.delete("node");
  else next.searchParams.set("node", node);
  next.hash = ""; // a line of what was shown
  return next.href;
}

export function Run({ id, address }: { id: string; address: URL }) {
  const path = `/api/v1/executions/${encodeURIComponent(id)}`;
  const [sealed, setSealed] = useState(false);
  const load = async (signal: AbortSignal): Promise<Execution> => {
    const run = await get<Execution>(path, signal);
    setSealed(run.sealed && run.settled);
    return run;
  };
  const { value, error } = useLoaded(path, load, sealed ? SETTLED_AGAIN_MS : AGAIN_MS);
  return (
    <main class="run">
      {error && <Notice>{error}</Notice>}
      {value && <Head run={value} path={path} />}
      {value?.status === "waiting" && <WaitingForm id={id} />}
      {value && (
        <RunNodes
          id={id}
          ofWorkflow={value.workflow_id !== null}
          sealed={value.sealed}
          selected={address.searchParams.get("node") ?? undefined}
          onSelect={(node) => go(withNode(address, node))}
        />
      )}
      {value && <Log path={path} id={id} address={address} began={value.started_at} />}
    </main>
  );
}
