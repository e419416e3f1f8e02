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

export interface Failure {
  execution_id: string;
  title: string | null;
  status: Status;
  exit_code: number | null;
  reason: string | null;
  completed_at: string | null;
}

export interface Batch {
  batch_id: string;
  name: string | null;
  status: "queued" | "running" | "completed" | "cancelled";
  total_count: number;
  completed_count: number;
  failed_count: number;
  running_count: number;
  queued_count: number;
  skipped_count: number;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  duration_seconds: number | null;
  eta_seconds: number | null;
  cost_display: string;
  open: boolean;
  stopped: boolean;
  failures?: Failure[];
}

export interface Batches {
  batches: Batch[];
  next_cursor: string | null;
}

export interface Worker {
  worker_id: string;
  hostname: string;
  version: string;
  slots: number;
  slots_free: number;
  jobs: number;
  draining: boolean;
  connected_at: string;
  heard_at: string;
  cpus_milli: number;
  memory_bytes: number;
  labels: string[];
  executors: string[];
  runtimes: string[];
}

export type Role = "viewer" | "user" | "service" | "admin" | "operator";

export interface Key {
  key_id: string;
  name: string;
  role: Role;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface Artifacts {
  artifacts: { name: string; size: number }[];
}
