import { useState } from "preact/hooks";

import { call } from "../data/api.ts";
import type { Execution } from "../data/types.ts";
import { reason } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { words } from "../shell_words.ts";

function variables(text: string): Record<string, string> | undefined {
  const env: Record<string, string> = {};
  for (const line of text.split("\n").filter((one) => one.trim())) {
    const [name, ...rest] = line.split("=");
    if (!name || rest.length === 0) throw new Error(`"${line}" is not NAME=VALUE`);
    env[name.trim()] = rest.join("=");
  }
  return Object.keys(env).length > 0 ? env : undefined;
}

function orderOf(values: FormData): Record<string, unknown> {
  const text = (name: string): string => String(values.get(name) ?? "").trim();
  const order: Record<string, unknown> = {};
  const script = String(values.get("script") ?? "");
  if (values.get("kind") === "script") {
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

export function NewRun() {
  const [kind, setKind] = useState("command");
  const [error, setError] = useState<string>();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      const order = orderOf(new FormData(event.target as HTMLFormElement));
      const made = await call<Execution>("POST", "/api/v1/executions", order);
      go(`/ui/runs/${encodeURIComponent(made.execution_id)}`);
    } catch (failed) {
      setError(failed instanceof Error && failed.constructor === Error ? failed.message : reason(failed));
    }
  };
  return (
    <main class="narrow">
      <h1>Start a run</h1>
      <form onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
        <fieldset class="row">
          <legend class="dim">What</legend>
          {["command", "script"].map((one) => (
            <label key={one}>
              <input type="radio" name="kind" value={one} checked={kind === one} onChange={() => setKind(one)} /> a {one}
            </label>
          ))}
        </fieldset>
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
      </form>
      {error && <Notice>{error}</Notice>}
    </main>
  );
}
