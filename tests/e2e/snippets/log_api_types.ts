interface LogsResponse {
  execution_id: string;
  logs: LogEntry[];
  total_count: number;
  pagination: PaginationInfo;
}

interface LogEntry {
  id: string;                    // Unique log entry ID
  timestamp: string;             // ISO 8601 timestamp
  node_name?: string;            // Node name if applicable
  event_type: string;            // workflow_started, step_completed, etc.
  message: string;               // User-friendly message or technical message
  level: string;                 // debug, info, warning, error, critical
  data: Record<string, any>;     // Additional structured data

  // Optional fields
  node_id?: string;
  node_type?: string;
  step_number?: number;
  total_steps?: number;
  display_priority?: number;
  is_milestone?: boolean;
}

interface PaginationInfo {
  limit: number;        // Requested page size
  offset: number;       // Current offset
  has_more: boolean;    // Whether more logs exist
}

interface SSEEvent {
  event: string;           // "message" for standard SSE
  data: EventData;         // JSON payload
  id?: string;             // Optional event ID
  retry?: number;          // Optional reconnection time
}

interface EventData {
  event_type: "LOG" | "COMPLETE" | "ERROR";
  session_id: string;      // execution_id
  is_final: boolean;       // Whether this is the last event
  data: LogData | CompletionData | ErrorData;
  timestamp: string;       // ISO 8601 timestamp
}

interface LogData {
  id: string;
  timestamp: string;
  node_name?: string;
  event_type: string;
  message: string;
  level: string;
  data: Record<string, any>;
  is_realtime?: boolean;   // True if from real-time poll
}

interface CompletionData {
  execution_id: string;
  status: string;
  message: string;
  total_logs: number;
}

interface ErrorData {
  execution_id: string;
  error: string;
  error_type: string;
}

interface RecentLogsResponse {
  workflow_id: string;
  latest_execution: {
    execution_id: string;
    status: string;
    start_time: string;
    end_time?: string;
    duration?: string;
    error_message?: string;
  };
  logs: LogEntry[];
  summary: {
    total_logs: number;
    error_count: number;
    warning_count: number;
    milestone_count: number;
  };
  other_executions?: ExecutionSummary[];  // If include_all_executions=true
  total_executions?: number;
}

interface LogsSummaryResponse {
  execution_id: string;
  total_logs: number;
  log_levels: Record<string, number>;      // { "info": 45, "error": 2 }
  event_types: Record<string, number>;     // { "step_completed": 10, "step_started": 10 }
  milestones: Milestone[];
  nodes: Record<string, NodeSummary>;
  timeline: {
    first_log: string;
    last_log: string;
    duration_estimate?: number;
  };
}

interface Milestone {
  timestamp: string;
  message: string;
  event_type: string;
}

interface NodeSummary {
  node_name: string;
  logs_count: number;
  step_number: number;
  status: "running" | "completed" | "failed";
}
