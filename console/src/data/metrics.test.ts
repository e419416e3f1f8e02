import { expect, test } from "vitest";

import { mean, parseMetrics, rate } from "./metrics.ts";

const text = (lines: number, sum: number, count: number): string => `# HELP runnel_followers open followers
# TYPE runnel_followers gauge
runnel_followers{transport="ws"} 2
runnel_followers{transport="sse"} 3
runnel_records_ingested_total ${lines}
runnel_commit_seconds_bucket{le="0.1"} 9
runnel_commit_seconds_sum ${sum}
runnel_commit_seconds_count ${count}
`;

test("what differs in labels alone is summed, and buckets are left out", () => {
  const metrics = parseMetrics(text(5, 1, 2));
  expect(metrics.get("runnel_followers")).toBe(5);
  expect(metrics.has("runnel_commit_seconds_bucket")).toBe(false);
});

test("rates and means are of what came between two samples", () => {
  const before = { at: 100, metrics: parseMetrics(text(1000, 1, 10)) };
  const now = { at: 102, metrics: parseMetrics(text(5000, 1.5, 20)) };
  expect(rate(before, now, "runnel_records_ingested_total")).toBe(2000);
  expect(mean(before, now, "runnel_commit_seconds")).toBeCloseTo(0.05);
  expect(rate(undefined, now, "runnel_records_ingested_total")).toBeNull();
  expect(rate(now, before, "runnel_records_ingested_total")).toBeNull(); // the server began anew
  expect(mean(now, { ...now, at: 103 }, "runnel_commit_seconds")).toBeNull(); // nothing came
});
