// What is kept of a workflow's runs, where it says something else than its account.
import { call, get } from "../data/api.ts";
import { AGE } from "../data/retention.ts";
import type { RetentionRules, Workflow } from "../data/types.ts";
import { useLoaded } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { RetentionForm } from "./retention_form.tsx";

const PARTS = [AGE, "log_records", "log_bytes"];
const PATH = "/api/v1/retention";

export default function WorkflowRetention({ path, workflow, again }: { path: string; workflow: Workflow; again: () => void }) {
  const { value, error } = useLoaded(PATH, (signal) => get<RetentionRules>(PATH, signal));
  if (error) return <Notice>{error}</Notice>;
  if (!value) return null;
  return (
    <>
      <p>It holds for the runs that are made from now on.</p>
      <RetentionForm
        parts={PARTS}
        own={workflow.retention}
        rules={value.rules}
        whose="the workflow"
        save={(retention) => call("PATCH", path, { retention }).then(again)}
      />
    </>
  );
}
