// The server's metrics, as /metrics tells them: the text format of Prometheus.

export type Metrics = Map<string, number>;

/** By name; what differs in labels alone is summed. A histogram's buckets are left out. */
export function parseMetrics(text: string): Metrics {
  const metrics: Metrics = new Map();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
    if (!name || name.endsWith("_bucket")) continue;
    const number = Number(value);
    if (Number.isFinite(number)) metrics.set(name, (metrics.get(name) ?? 0) + number);
  }
  return metrics;
}

export interface Sample {
  /** Seconds since 1970. */
  at: number;
  metrics: Metrics;
}

/** How much a counter has grown each second between two samples; null where the server began anew. */
export function rate(before: Sample | undefined, now: Sample, name: string): number | null {
  const from = before?.metrics.get(name);
  const to = now.metrics.get(name);
  if (!before || from === undefined || to === undefined || to < from || now.at <= before.at) return null;
  return (to - from) / (now.at - before.at);
}

/** The mean of what a histogram was told between two samples; null if that is nothing. */
export function mean(before: Sample | undefined, now: Sample, name: string): number | null {
  const count = rate(before, now, `${name}_count`);
  const sum = rate(before, now, `${name}_sum`);
  return count && sum !== null ? sum / count : null;
}
