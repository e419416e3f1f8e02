// What the pages use of the interface's answers; docs/openapi.yaml has the whole.

export type Status =
  | "queued" | "running" | "waiting" | "paused" | "completed" | "failed" | "cancelled" | "timed_out" | "skipped" | "lost";

export interface Execution {
  execution_id: string;
  name: string | null;
  status: Status;
  script_filename: string | null;
  command: string[] | null;
  args: string[] | null;
  runtime: string | null;
  image: string | null;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  duration_ms: number | null;
  worker_id: string | null;
  worker_hostname: string | null;
  exit_code: number | null;
  cost_display: string | null;
  artifacts_count: number;
  artifacts_bytes: number;
  sealed: boolean;
  settled: boolean;
  last_index: number;
  first_sequence: number;
  metadata: Record<string, unknown> | null;
  expires_at: string | null;
  workflow_id: string | null;
  batch_id: string | null;
  attempt: number;
  retry_of: string | null;
  retried_as: string | null;
  reason: string | null;
}

export interface Executions {
  executions: Execution[];
  next_cursor: string | null;
}
