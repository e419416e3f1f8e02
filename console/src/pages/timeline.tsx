// A run in time: its attempts, and its nodes; when each waited and ran, beside an axis.
import { useEffect, useState } from "preact/hooks";

import { executionPath, runAddress } from "../addresses.ts";
import { get } from "../data/api.ts";
import type { Execution, Graph, Node } from "../data/types.ts";
import { duration, time } from "../format.ts";
import { useLoaded } from "../hooks.ts";
import { type Row, nodeBars, readyTimes, runBars, tickText, ticks } from "./timeline_bars.ts";

const WIDE = 1000; // units of a row's picture
const TICKS = 6;
const LEAST = 2; // of a bar that took no time
const LATE = 0.85; // of the axis; from there on a tick's text stands before it

/** So many attempts before and after this one are looked for. */
const ATTEMPTS = 20;

function took(row: Row): number {
  return row.bars.reduce((sum, bar) => sum + (bar.state === "queued" ? 0 : bar.to - bar.from), 0);
}

function described(row: Row): string {
  const waited = row.bars.reduce((sum, bar) => sum + (bar.state === "queued" ? bar.to - bar.from : 0), 0);
  const percent = row.percent === undefined ? "" : `, ${row.percent} %`;
  return `${row.name}: ${row.state.replace("_", " ")}, waited ${duration(waited)}, took ${duration(took(row))}${percent}, attempt ${Math.max(1, row.attempts)}`;
}

function Bars({ row, begin, length, places }: { row: Row; begin: number; length: number; places: number[] }) {
  const unit = WIDE / length;
  return (
    <svg viewBox={`0 0 ${WIDE} 10`} preserveAspectRatio="none" role="img" aria-label={described(row)}>
      {places.map((place) => (
        <line key={place} class="tick" x1={place * unit} x2={place * unit} y2="10" vector-effect="non-scaling-stroke" />
      ))}
      {row.bars.map((bar, i) => {
        const waits = bar.state === "queued";
        const words = `${waits ? "waited for attempt" : "attempt"} ${bar.attempt}${waits ? "" : `: ${bar.state.replace("_", " ")}`}, ${duration(bar.to - bar.from)}`;
        return (
          <rect key={i} class={bar.state} x={(bar.from - begin) * unit} y={waits ? 3 : 0} height={waits ? 4 : 10}
            width={waits ? (bar.to - bar.from) * unit : Math.max(LEAST, (bar.to - bar.from) * unit)}>
            <title>{words}</title>
          </rect>
        );
      })}
    </svg>
  );
}

/** Rows with one axis. `link` makes a row's name something to click. */
function Waterfall({ label, rows, selected, link }: { label: string; rows: Row[]; selected?: string | undefined; link: (row: Row) => preact.ComponentChildren }) {
  const bars = rows.flatMap((row) => row.bars);
  const begin = Math.min(...bars.map((bar) => bar.from));
  const length = Math.max(1, Math.max(...bars.map((bar) => bar.to)) - begin);
  const places = bars.length > 0 ? ticks(length, TICKS) : [];
  return (
    <table class="timeline" aria-label={label}>
      <thead>
        <tr>
          <th>{label}</th>
          <th class="number">Took</th>
          <td class="wide" title={bars.length > 0 ? `from ${time(new Date(begin).toISOString())}` : undefined}>
            <div class="ticks">
              {places.map((place) => (
                <span key={place} class={place / length > LATE ? "late" : ""} style={{ left: `${(place / length) * 100}%` }}>
                  {tickText(place)}
                </span>
              ))}
            </div>
          </td>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id} aria-selected={row.id === selected}>
            <th scope="row">{link(row)}</th>
            <td class="number">
              {row.bars.some((bar) => bar.state !== "queued") ? duration(took(row)) : row.state.replace("_", " ")}
              {row.percent !== undefined && row.state !== "completed" && <span class="dim"> {row.percent} %</span>}
            </td>
            <td class="wide">{row.bars.length > 0 && <Bars row={row} begin={begin} length={length} places={places} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The run with its attempts before and after it, in order. */
async function attemptsOf(run: Execution, signal: AbortSignal): Promise<Execution[]> {
  const all = [run];
  for (let i = 0, next = run.retry_of; next && i < ATTEMPTS; i++) {
    const before: Execution = await get<Execution>(executionPath(next), signal);
    all.unshift(before);
    next = before.retry_of;
  }
  for (let i = 0, next = run.retried_as; next && i < ATTEMPTS; i++) {
    const after: Execution = await get<Execution>(executionPath(next), signal);
    all.push(after);
    next = after.retried_as;
  }
  return all;
}

const runRow = (run: Execution, name: string, now: number): Row => ({
  id: run.execution_id, name, state: run.status, attempts: run.attempt ?? 1, bars: runBars(run, now),
});

/** Nothing of a run that was tried once. */
function Attempts({ run, now }: { run: Execution; now: number }) {
  const retried = run.retry_of !== null || run.retried_as !== null;
  const key = `attempts ${run.execution_id} ${run.retried_as} ${run.status}`;
  const { value } = useLoaded(key, async (signal) => (retried ? attemptsOf(run, signal) : [run]));
  if (!value || value.length < 2) return null;
  const rows = value.map((one) => runRow(one, `Attempt ${one.attempt ?? 1}`, now));
  return <Waterfall label="Attempts" rows={rows} selected={run.execution_id} link={(row) => <a href={runAddress(row.id)}>{row.name}</a>} />;
}

export function Timeline(props: {
  run: Execution;
  graph: Graph | undefined;
  nodes: Node[];
  selected: string | undefined;
  onSelect: (node: string | undefined) => void;
}) {
  const { run, graph, nodes, selected } = props;
  const [clock, setClock] = useState(Date.now());
  useEffect(() => {
    if (run.sealed) return;
    const timer = setInterval(() => setClock(Date.now()), 500);
    return () => clearInterval(timer);
  }, [run.sealed]);
  const now = run.completed_at ? Date.parse(run.completed_at) : clock;
  const ready = readyTimes(graph, nodes, run.started_at ? Date.parse(run.started_at) : undefined);
  const rows = nodes.map((node) => ({
    id: node.node_id,
    name: node.name,
    state: node.state,
    attempts: node.attempts,
    percent: node.progress_percentage ?? undefined,
    bars: nodeBars(node, ready.get(node.node_id), now),
  }));
  return (
    <div class="timelines">
      <Attempts run={run} now={clock} />
      <Waterfall
        label="Nodes"
        rows={[runRow(run, "The run", now), ...rows]}
        selected={selected ?? ""}
        link={(row) =>
          row.id === run.execution_id ? row.name : (
            <button type="button" class="link" onClick={() => props.onSelect(row.id === selected ? undefined : row.id)}>
              {row.name}
            </button>
          )
        }
      />
    </div>
  );
}
