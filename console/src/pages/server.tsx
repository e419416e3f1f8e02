// The state of the server itself, by its metrics: now, and since this page was opened.
import { Suspense, lazy } from "preact/compat";
import { useRef } from "preact/hooks";

import { send } from "../data/api.ts";
import { mean, parseMetrics, rate } from "../data/metrics.ts";
import type { Sample } from "../data/metrics.ts";
import { bytes, duration, whole } from "../format.ts";
import { LIST_MS, useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";

const Plot = lazy(() => import("./plot.tsx"));
const KEPT = 900; // half an hour

type Reading = (before: Sample | undefined, now: Sample) => number | null;

const gauge = (name: string): Reading => (_, now) => now.metrics.get(name) ?? null;
const perSecond = (name: string): Reading => (before, now) => rate(before, now, name);
const meanMs = (name: string): Reading => (before, now) => {
  const seconds = mean(before, now, name);
  return seconds === null ? null : seconds * 1000;
};

const rounded = (value: number): string => whole(Math.round(value));
const each = (value: number): string => `${rounded(value)} / s`;
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

export interface Line {
  name: string;
  reading: Reading;
}

interface Chart {
  name: string;
  lines: Line[];
  shown: (value: number) => string;
}

const CHARTS: Chart[] = [
  {
    name: "Lines each second",
    shown: each,
    lines: [
      { name: "stored", reading: perSecond("runnel_records_ingested_total") },
      { name: "delivered", reading: perSecond("runnel_records_delivered_total") },
    ],
  },
  {
    name: "Connections",
    shown: rounded,
    lines: [
      { name: "followers", reading: gauge("runnel_followers") },
      { name: "runners", reading: gauge("runnel_runners") },
      { name: "all", reading: gauge("runnel_connections") },
    ],
  },
  {
    name: "Lag",
    shown: ms,
    lines: [
      { name: "commit", reading: meanMs("runnel_commit_seconds") },
      { name: "until handed over", reading: meanMs("runnel_ingest_to_delivery_seconds") },
    ],
  },
  {
    name: "Waiting to be stored",
    shown: rounded,
    lines: [
      { name: "records of runners", reading: gauge("runnel_ack_lag_records") },
      { name: "operations", reading: gauge("runnel_store_queue") },
    ],
  },
  {
    name: "Memory",
    shown: bytes,
    lines: [
      { name: "process", reading: gauge("process_resident_memory_bytes") },
      { name: "log cache", reading: gauge("runnel_cache_bytes") },
    ],
  },
  { name: "Store", shown: bytes, lines: [{ name: "files", reading: gauge("runnel_store_bytes") }] },
];

const TOTALS: [string, string, (value: number) => string][] = [
  ["Records stored", "runnel_records_ingested_total", rounded],
  ["Text stored", "runnel_record_bytes_ingested_total", bytes],
  ["Logs sealed", "runnel_sealed_total", rounded],
  ["Purged by retention", "runnel_retention_purged_total", rounded],
  ["Records cut by retention", "runnel_retention_records_cut_total", rounded],
  ["Files removed", "runnel_blobs_removed_total", rounded],
  ["Requests refused", "runnel_refusals_total", rounded],
  ["Workers", "runnel_workers", rounded],
  ["Searches under way", "runnel_searches", rounded],
  ["CPU time", "process_cpu_seconds_total", (value) => duration(value * 1000)],
];

function Now({ chart, samples }: { chart: Chart; samples: Sample[] }) {
  const now = samples.at(-1);
  return (
    <span class="now">
      {chart.lines.map((line, i) => {
        const value = now ? line.reading(samples.at(-2), now) : null;
        return (
          <span key={line.name}>
            <i class={`key line-${i}`} />
            {line.name} <b>{value === null ? "–" : chart.shown(value)}</b>
          </span>
        );
      })}
    </span>
  );
}

export function ServerState() {
  const samples = useRef<Sample[]>([]);
  const { value, error } = useLoaded(
    "/metrics",
    async (signal) => {
      const text = await (await send("/metrics", { signal })).text();
      samples.current = [...samples.current, { at: Date.now() / 1000, metrics: parseMetrics(text) }].slice(-KEPT);
      return samples.current;
    },
    LIST_MS,
  );
  useTitle("Server");
  const now = value?.at(-1);
  return (
    // Nothing in it takes the focus, and the keyboard scrolls what has it.
    <main tabIndex={0}>
      <div class="head">
        <h1>Server</h1>
        <span class="dim">asked each 2 s while this page is seen</span>
        <span class="spring" />
        <a href="/ui/retention">Retention</a>
      </div>
      {error && <Notice>{error}; it is asked again.</Notice>}
      {value && (
        <div class="charts">
          {CHARTS.map((chart) => (
            <figure key={chart.name} aria-label={chart.name}>
              <figcaption>
                <b>{chart.name}</b> <Now chart={chart} samples={value} />
              </figcaption>
              <Suspense fallback={<div class="plot" />}>
                <Plot samples={value} lines={chart.lines} shown={chart.shown} />
              </Suspense>
            </figure>
          ))}
        </div>
      )}
      {now && (
        <>
          <h2>Since it was started</h2>
          <dl class="facts">
            {TOTALS.filter(([, name]) => now.metrics.has(name)).map(([name, metric, shown]) => (
              <div key={metric}>
                <dt>{name}</dt>
                <dd>{shown(now.metrics.get(metric)!)}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </main>
  );
}
