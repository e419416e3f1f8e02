// What a run asks of a person, and the form to answer it.
import { useState } from "preact/hooks";

import { call, get } from "../data/api.ts";
import { time } from "../format.ts";
import { reason, useLoaded } from "../hooks.ts";
import { Notice } from "../parts.tsx";

/** A field of a form, as this page understands it; what it does not know is a text. */
interface Field {
  name: string;
  label?: string;
  type?: string;
  options?: string[];
  required?: boolean;
}

interface Waiting {
  waiting: {
    waiting_id?: string;
    form?: { title?: unknown; description?: unknown; fields?: unknown };
    assignees?: string[];
    until?: string;
  } | null;
  may_answer: boolean;
}

function fieldsOf(form: { fields?: unknown } | undefined): Field[] {
  const fields = Array.isArray(form?.fields) ? form.fields : [];
  return fields.filter((field) => typeof field?.name === "string") as Field[];
}

function Input({ field }: { field: Field }) {
  const label = field.label ?? field.name;
  if (field.type === "boolean")
    return (
      <label class="row">
        <input type="checkbox" name={field.name} /> {label}
      </label>
    );
  return (
    <label>
      {label}
      {Array.isArray(field.options) ? (
        <select name={field.name} required={field.required === true}>
          {field.options.map((option) => (
            <option key={String(option)}>{String(option)}</option>
          ))}
        </select>
      ) : (
        <input name={field.name} {...(field.type === "number" ? { type: "number", step: "any" } : { type: "text" })} required={field.required === true} />
      )}
    </label>
  );
}

function answerOf(fields: Field[], values: FormData): Record<string, unknown> {
  if (fields.length === 0) {
    const text = String(values.get("answer")).trim();
    const data: unknown = JSON.parse(text || "{}");
    if (typeof data !== "object" || data === null || Array.isArray(data)) throw new SyntaxError();
    return data as Record<string, unknown>;
  }
  return Object.fromEntries(
    fields.map(({ name, type }) => {
      const value = values.get(name);
      if (type === "boolean") return [name, value !== null];
      return [name, type === "number" && value !== "" ? Number(value) : value];
    }),
  );
}

export function WaitingForm({ id }: { id: string }) {
  const path = `/api/v1/executions/${encodeURIComponent(id)}`;
  const { value } = useLoaded(`${path}/waiting`, (signal) => get<Waiting>(`${path}/waiting`, signal), 2000);
  const [error, setError] = useState<string>();
  if (!value?.waiting) return null;
  const { form, until, assignees, waiting_id } = value.waiting;
  const fields = fieldsOf(form);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      const data = answerOf(fields, new FormData(event.target as HTMLFormElement));
      await call("POST", `${path}/answer`, { data, ...(waiting_id ? { waiting_id } : {}) });
      setError(undefined);
    } catch (failed) {
      setError(failed instanceof SyntaxError ? 'the answer must be a JSON object, such as {"go": true}' : reason(failed));
    }
  };
  return (
    <form class="waiting" aria-label="Answer" onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
      <h2>{String(form?.title ?? "It waits for an answer")}</h2>
      {form?.description !== undefined && <p>{String(form.description)}</p>}
      <p class="dim">
        {until && `until ${time(until)}; `}
        {assignees ? `asked of ${assignees.join(", ")}` : "asked of its owner"}
      </p>
      {fields.map((field) => (
        <Input key={field.name} field={field} />
      ))}
      {fields.length === 0 && (
        <label>
          Answer, a JSON object
          <textarea name="answer" rows={2} placeholder='{"go": true}' />
        </label>
      )}
      <button type="submit" disabled={!value.may_answer}>
        {value.may_answer ? "Answer" : "You may not answer"}
      </button>
      {error && <Notice>{error}</Notice>}
    </form>
  );
}
