// What is known of a run, in the head of its page, and what may be done to it.
import { call } from "../data/api.ts";
import type { Execution } from "../data/types.ts";
import { batchAddress, runAddress, workflowAddress } from "../addresses.ts";
import { bytes, duration, time, title, took, whole } from "../format.ts";
import { useNow } from "../hooks.ts";
import { Act, Ask, Badge } from "../parts.tsx";
import { go } from "../router.ts";

/** Words that are identifiers of executions or batches become links to them. */
function linked(text: string): preact.ComponentChildren[] {
  return text.split(/((?:exec|batch)_[A-Za-z0-9._:-]*[A-Za-z0-9])/).map((part, i) => {
    if (i % 2 === 0) return part;
    return (
      <a key={i} href={part.startsWith("batch_") ? batchAddress(part) : runAddress(part)}>
        {part}
      </a>
    );
  });
}

const ENDS: Partial<Record<Execution["status"], string>> = {
  timed_out: "it took longer than it may",
  lost: "its runner fell silent",
  skipped: "what it depends on did not end as it should",
};

/** Why it is as it is; undefined where the state says it all. */
export function why(run: Execution): string | undefined {
  if (run.waiting) return run.waiting.detail;
  if (run.reason) return run.reason;
  if (run.status === "failed") {
    if (run.exit_code === null) return "it failed without an exit code";
    const signal = run.exit_code > 128 ? ` (signal ${run.exit_code - 128})` : "";
    return run.exit_code === 0 ? undefined : `it ended with exit code ${run.exit_code}${signal}`;
  }
  return ENDS[run.status];
}

function Actions({ run, path, again }: { run: Execution; path: string; again: () => void }) {
  const retriable = run.attempt !== null && run.settled && run.retried_as === null;
  return (
    <>
      {!run.sealed && (
        <Ask
          label="Cancel the run"
          question="Is it to be cancelled? What it has written so far is kept."
          act={() => call("DELETE", path)}
          done={again}
        />
      )}
      {retriable && (
        <Act
          label="Retry"
          act={async () => go(runAddress((await call<Execution>("POST", `${path}/retry`)).execution_id))}
        />
      )}
      <Act
        label={run.pinned ? "Unpin" : "Pin"}
        title={run.pinned ? "It goes when its time has come" : "Keep it whatever its age"}
        act={() => call("PATCH", path, { pin: !run.pinned })}
        done={again}
      />
      {run.sealed && run.artifacts_count > 0 && (
        <Ask
          label="Purge files"
          question={`Remove its ${whole(run.artifacts_count)} files (${bytes(run.artifacts_bytes)}) for good, and keep its log?`}
          act={() => call("DELETE", `${path}/artifacts`)}
          done={again}
        />
      )}
      {run.sealed && (
        <Ask
          label="Purge"
          question={
            `Remove its ${whole(run.last_index)} records` +
            (run.artifacts_count > 0 ? ` and its ${whole(run.artifacts_count)} files` : "") +
            " for good? Nobody can bring them back."
          }
          act={() => call("DELETE", `${path}?purge=true`)}
          done={again}
        />
      )}
    </>
  );
}

export function Head({ run, path, again }: { run: Execution; path: string; again: () => void }) {
  const now = useNow(run.duration_ms === null && run.started_at !== null);
  const reason = why(run);
  return (
    <>
      <div class="head">
        <Badge status={run.status} />
        <h1>{title(run)}</h1>
        {run.exit_code !== null && <span>exit {run.exit_code}</span>}
        {run.started_at && <span class="dim">{took(run, now)}</span>}
        {run.worker_hostname && <span class="dim">on {run.worker_hostname}</span>}
        {run.cost_display && <span class="dim">{run.cost_display}</span>}
        {run.pinned && <span class="chip">pinned</span>}
        {run.retry_of && <a href={runAddress(run.retry_of)}>the attempt before</a>}
        {run.retried_as && <a href={runAddress(run.retried_as)}>the next attempt</a>}
        {run.workflow_id && <a href={workflowAddress(run.workflow_id)}>its workflow</a>}
        {run.batch_id && <a href={batchAddress(run.batch_id)}>its batch</a>}
        <span class="spring" />
        <div class="row acts">
          <Actions run={run} path={path} again={again} />
        </div>
      </div>
      {reason && <p class={`why ${run.status}`}>{linked(reason)}</p>}
    </>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return children === undefined || children === null || children === "" ? null : (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** All else that is known of it. */
export function Details({ run }: { run: Execution }) {
  const told = run.execution_metadata;
  const command = [...(run.command ?? []), ...(run.script_filename ? [run.script_filename, ...(run.args ?? [])] : [])].join(" ");
  const queued = run.started_at && run.created_at ? Date.parse(run.started_at) - Date.parse(run.created_at) : undefined;
  return (
    <dl class="facts">
      <Fact name="Identifier">{run.execution_id}</Fact>
      <Fact name="Command">{command && <code>{command}</code>}</Fact>
      <Fact name="Owner">{run.user_id}</Fact>
      <Fact name="Made">{time(run.created_at)}</Fact>
      <Fact name="Started">{time(run.started_at)}</Fact>
      <Fact name="Ended">{time(run.completed_at)}</Fact>
      <Fact name="Waited">{queued !== undefined && queued >= 0 ? duration(queued) : undefined}</Fact>
      <Fact name="Attempt">{run.attempt !== null && `${run.attempt}, ${run.retries} more retries`}</Fact>
      <Fact name="Worker">{run.worker_id && `${run.worker_hostname ?? ""} ${run.worker_id}`}</Fact>
      <Fact name="Runtime">{told?.runtime_version ?? run.runtime}</Fact>
      <Fact name="Image">{run.image}</Fact>
      <Fact name="Memory">{told?.peak_memory_bytes !== undefined && `${bytes(told.peak_memory_bytes)} at most`}</Fact>
      <Fact name="CPU time">{told?.cpu_time_ms !== undefined && duration(told.cpu_time_ms)}</Fact>
      <Fact name="Kept until">{run.pinned ? "it is unpinned" : run.expires_at ? time(run.expires_at) : run.sealed && "it is purged"}</Fact>
      <Fact name="Secrets">{run.secrets?.join(", ")}</Fact>
      {Object.entries(run.metadata ?? {}).map(([key, value]) => (
        <Fact key={key} name={key}>
          {typeof value === "object" ? JSON.stringify(value) : String(value)}
        </Fact>
      ))}
      <Fact name="Result">{run.result != null && <code>{JSON.stringify(run.result)}</code>}</Fact>
    </dl>
  );
}
