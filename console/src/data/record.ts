// A record of the interface as a line of the pane.
import type { Line } from "../pane/source.ts";

/** What is used of a record; docs/openapi.yaml has the whole. */
export interface LogRecord {
  sequence_number: number;
  timestamp: string;
  stream: string;
  message?: string;
  user_friendly_message?: string;
  level?: string;
  node_id?: string;
  node_name?: string;
  event_type?: string;
  partial?: boolean;
}

/** So many characters of a line are kept in memory. */
export const KEPT = 16_384;

export function textOf(record: LogRecord): string {
  return record.user_friendly_message || record.message || record.event_type || "";
}

export function lineOf(record: LogRecord, kept = KEPT): Line {
  const text = textOf(record);
  const line: Line = {
    sequence: record.sequence_number,
    text: text.length > kept ? text.slice(0, kept) : text,
    more: Math.max(0, text.length - kept),
    time: Date.parse(record.timestamp),
    stream: record.stream,
  };
  if (record.level) line.level = record.level;
  const node = record.node_name ?? record.node_id;
  if (node) line.node = node;
  if (record.event_type) line.eventType = record.event_type;
  if (record.partial) line.partial = true;
  return line;
}
