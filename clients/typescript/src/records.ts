/** Records as they are sent: the fields of the execution contract, as JSON. */
import type { components } from "./api.js";

/** As the server takes them: in any case, and with these two other names. */
export type Level = Lowercase<components["schemas"]["Level"]> | components["schemas"]["Level"] | "warn" | "fatal";

/** One record. `message` may be left out beside an `event_type`. What is undefined or null is not sent. */
export type RecordInput = Omit<components["schemas"]["NewRecord"], "level" | "sequence_number"> & { level?: Level };

/** Records that stay together: all but the first continue the one before. */
export interface Group {
  readonly records: number;
  readonly json: string; // with commas between them
}

const TEXT_MAX = 128 * 1024; // UTF-16 units of one message
export const TRACE_MAX = 16 * 1024; // of a stack trace

/** What JSON has no form for must not end the program that logs it. */
function writable(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function toJson(record: RecordInput): string {
  try {
    return JSON.stringify(record, writable);
  } catch (error) {
    const { data: _data, technical_details: _details, performance_metrics: _metrics, ...rest } = record;
    return JSON.stringify({ ...rest, technical_details: `data is left out: ${(error as Error).message}` }, writable);
  }
}

export function toGroup(records: readonly RecordInput[]): Group {
  const texts = records.map((record, i) => {
    const made: RecordInput = { timestamp: new Date().toISOString(), ...record };
    if (made.message != null) made.message = String(made.message).slice(0, TEXT_MAX);
    if (i > 0) made.continues = true;
    return toJson(made);
  });
  return { records: records.length, json: texts.join(",") };
}

export interface Problem {
  message: string;
  stack?: string;
  code?: string;
  type?: string;
}

/** Whatever was thrown. */
export function toProblem(thrown: unknown): Problem {
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const code = (thrown as NodeJS.ErrnoException).code;
  return {
    message: thrown.message,
    type: thrown.name,
    ...(thrown.stack === undefined ? {} : { stack: thrown.stack }),
    ...(code === undefined ? {} : { code: String(code) }),
  };
}
