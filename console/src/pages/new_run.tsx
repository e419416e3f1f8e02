import { useState } from "preact/hooks";

import { call, get } from "../data/api.ts";
import type { Execution } from "../data/types.ts";
import { runAddress } from "../addresses.ts";
import { reason, useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { words } from "../shell_words.ts";
import { StartForm } from "./workflow.tsx";
import type { Outlines } from "./workflows.tsx";

const WORKFLOWS_SHOWN = 1000;
const KINDS = ["command", "script", "workflow"] as const;
type Kind = (typeof KINDS)[number];

function variables(text: string): Record<string, string> | undefined {
  const env: Record<string, string> = {};
  for (const line of text.split("\n").filter((one) => one.trim())) {
    const [name, ...rest] = line.split("=");
    if (!name || rest.length === 0) throw new Error(`"${line}" is not NAME=VALUE`);
    env[name.trim()] = rest.join("=");
  }
  return Object.keys(env).length > 0 ? env : undefined;
}

function orderOf(kind: Kind, values: FormData): Record<string, unknown> {
  const text = (name: string): string => String(values.get(name) ?? "").trim();
  const order: Record<string, unknown> = {};
  const script = String(values.get("script") ?? "");
  if (kind === "script") {
    if (!script.trim()) throw new Error("the script is empty");
    order.script = script;
    order.script_filename = text("filename") || "script";
    if (text("args")) order.args = words(text("args"));
    if (text("runtime")) order.runtime = text("runtime");
  } else {
    order.command = words(text("command"));
    if ((order.command as string[]).length === 0) throw new Error("the command is empty");
  }
  if (text("name")) order.name = text("name");
  if (text("image")) order.image = text("image");
  if (text("timeout")) order.timeout_seconds = Number(text("timeout"));
  if (text("retries")) order.retries = Number(text("retries"));
  const env = variables(text("env"));
  if (env) order.env = env;
  return { ...order, queue: true };
}

function Kinds({ kind, set }: { kind: Kind; set: (kind: Kind) => void }) {
  return (
    <fieldset class="row">
      <legend class="dim">What</legend>
      {KINDS.map((one) => (
        <label key={one}>
          <input type="radio" name="kind" value={one} checked={kind === one} onChange={() => set(one)} /> a {one}
        </label>
      ))}
    </fieldset>
  );
}

function OfWorkflow() {
  const path = `/api/v1/workflows?limit=${WORKFLOWS_SHOWN}`;
  const { value, error } = useLoaded(path, (signal) => get<Outlines>(path, signal));
  const [chosen, setChosen] = useState<string>();
  const id = chosen ?? value?.workflows[0]?.workflow_id;
  if (error) return <Notice>{error}</Notice>;
  if (!value) return null;
  if (!id) return <p class="dim">There is no workflow yet.</p>;
  return (
    <>
      <label class="field">
        Workflow
        <select value={id} onChange={(event) => setChosen(event.currentTarget.value)}>
          {value.workflows.map((one) => (
            <option key={one.workflow_id} value={one.workflow_id}>
              {one.name ?? one.workflow_id}
            </option>
          ))}
        </select>
      </label>
      <StartForm key={id} id={id} />
    </>
  );
}

export function NewRun() {
  const [kind, setKind] = useState<Kind>("command");
  const [error, setError] = useState<string>();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      const order = orderOf(kind, new FormData(event.target as HTMLFormElement));
      const made = await call<Execution>("POST", "/api/v1/executions", order);
      go(runAddress(made.execution_id));
    } catch (failed) {
      setError(failed instanceof Error && failed.constructor === Error ? failed.message : reason(failed));
    }
  };
  useTitle("Start a run");
  return (
    <main class="narrow">
      <h1>Start a run</h1>
      <Kinds kind={kind} set={setKind} />
      {kind === "workflow" ? <OfWorkflow /> : <form onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
        {kind === "command" ? (
          <label>
            Command
            <input name="command" placeholder="sh -c 'echo hello'" required autofocus />
          </label>
        ) : (
          <>
            <label>
              Script
              <textarea name="script" rows={10} required />
            </label>
            <label>
              File name
              <input name="filename" placeholder="report.py: the ending tells the interpreter" />
            </label>
            <label>
              Arguments
              <input name="args" />
            </label>
            <label>
              Runtime
              <input name="runtime" placeholder="such as python:3.11" />
            </label>
          </>
        )}
        <details>
          <summary>More</summary>
          <label>
            Name
            <input name="name" />
          </label>
          <label>
            Image of a container
            <input name="image" placeholder="such as debian:12" />
          </label>
          <label>
            Environment, NAME=VALUE on each line
            <textarea name="env" rows={3} />
          </label>
          <label>
            Seconds until it is ended
            <input name="timeout" type="number" min="1" />
          </label>
          <label>
            Retries
            <input name="retries" type="number" min="0" max="100" />
          </label>
        </details>
        <button type="submit">Start</button>
      </form>}
      {error && <Notice>{error}</Notice>}
    </main>
  );
}
