// How times, durations and sizes are written.
import type { Execution } from "./data/types.ts";

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function whole(count: number): string {
  return count.toLocaleString("en").replaceAll(",", "\u202f");
}

export function counted(count: number, word: string): string {
  return `${whole(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** Today the time alone. */
export function time(text: string | null): string {
  if (!text) return "";
  const at = new Date(text);
  const clock = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? clock : `${at.toLocaleDateString("sv")} ${clock}`;
}

/** What people know it by. */
export function title(execution: Execution): string {
  if (execution.name) return execution.name;
  if (execution.script_filename) return [execution.script_filename, ...(execution.args ?? [])].join(" ");
  return execution.command?.join(" ") ?? execution.execution_id;
}

/** How long it took, or has taken until now. */
export function took(execution: Execution, now: number): string {
  if (execution.duration_ms !== null) return duration(execution.duration_ms);
  return execution.started_at ? duration(now - Date.parse(execution.started_at)) : "";
}
