// A cell a job, on one canvas: ten thousand elements would be slow.
import { useEffect, useRef, useState } from "preact/hooks";

import { get, query } from "../data/api.ts";
import { pause } from "../data/patience.ts";
import type { BatchCells, Execution, Status } from "../data/types.ts";
import { executionPath, runAddress } from "../addresses.ts";
import { title, whole } from "../format.ts";
import { useFollowed } from "../hooks.ts";
import { go } from "../router.ts";
import { why } from "./run_head.tsx";

const CELL = 12; // pixels, with the gap
const GAP = 2;
/** A pointer that moves on is not told of each cell that it passes. */
const REST_MS = 60;
/** A queued job waits for something else in the end, without a word of the batch. */
const WAITS_AGAIN_MS = 2000;

const STATES: Record<string, Status> = {
  q: "queued",
  r: "running",
  w: "waiting",
  p: "paused",
  c: "completed",
  f: "failed",
  x: "cancelled",
  t: "timed_out",
  s: "skipped",
  l: "lost",
};

function columnsOf(canvas: HTMLCanvasElement): number {
  return Math.max(1, Math.floor((canvas.clientWidth + GAP) / CELL));
}

/** What the style says, as a canvas takes it: variables and light-dark() are resolved. */
function colourOf(canvas: HTMLCanvasElement, status: Status): string {
  canvas.style.color = `var(--${status})`;
  return getComputedStyle(canvas).color;
}

async function idOf(path: string, job: number, signal?: AbortSignal): Promise<string | null | undefined> {
  const one = await get<BatchCells>(`${path}/cells${query({ from: job, limit: 1, ids: true })}`, signal);
  return one.ids?.[0];
}

/** The job of one cell, asked for again when its state changes, and while it waits. */
function useJob(path: string, job: number | undefined, state: string | undefined): Execution | undefined {
  const [found, set] = useState<{ job: number; run: Execution }>();
  useEffect(() => {
    if (job === undefined) return;
    const aborter = new AbortController();
    const { signal } = aborter;
    const look = async (): Promise<void> => {
      await pause(REST_MS, signal);
      while (!signal.aborted) {
        const id = await idOf(path, job, signal);
        const run = id ? await get<Execution>(executionPath(id), signal) : undefined;
        if (run && !signal.aborted) set({ job, run });
        if (run?.status !== "queued") return;
        await pause(WAITS_AGAIN_MS, signal);
      }
    };
    look().catch(() => {}); // the stream tells what is wrong
    return () => aborter.abort();
  }, [path, job, state]);
  return found?.job === job ? found?.run : undefined;
}

/** In words; what is known of the job itself may come a little later. */
function sayJob(job: number, state: string, run: Execution | undefined): string {
  if (!run) return `job ${job + 1}: ${STATES[state]?.replace("_", " ") ?? "purged"}`;
  const code = run.exit_code !== null ? `, exit ${run.exit_code}` : "";
  const reason = run.status === "queued" || run.status === "skipped" ? why(run) : undefined;
  return `${title(run)}: ${run.status.replace("_", " ")}${code}${reason ? `; ${reason}` : ""}`;
}

/** What failed of them is told in words beneath. */
export function Cells({ path, version, total }: { path: string; version: string; total: number }) {
  const cells = useFollowed(path, version, (signal) => get<BatchCells>(`${path}/cells`, signal));
  const states = cells?.states ?? "";
  const ref = useRef<HTMLCanvasElement>(null);
  const [near, setNear] = useState<number>();
  useEffect(() => {
    const canvas = ref.current!;
    const draw = (): void => {
      const columns = columnsOf(canvas);
      const ratio = devicePixelRatio;
      const height = Math.ceil(states.length / columns) * CELL;
      canvas.style.height = `${height}px`;
      canvas.width = canvas.clientWidth * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d")!;
      pen.scale(ratio, ratio);
      const colours = new Map<string, string>();
      for (let i = 0; i < states.length; i++) {
        const status = STATES[states[i]!];
        if (!status) continue; // a purged one leaves a hole
        if (!colours.has(status)) colours.set(status, colourOf(canvas, status));
        pen.fillStyle = colours.get(status)!;
        pen.fillRect((i % columns) * CELL, Math.floor(i / columns) * CELL, CELL - GAP, CELL - GAP);
      }
      canvas.dataset.drawn = String(states.length);
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(canvas.parentElement!);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => (observer.disconnect(), scheme.removeEventListener("change", draw));
  }, [states]);
  const at = (event: MouseEvent): number | undefined => {
    const canvas = ref.current!;
    const column = Math.floor(event.offsetX / CELL);
    const columns = columnsOf(canvas);
    const index = Math.floor(event.offsetY / CELL) * columns + column;
    return column < columns && index < states.length ? index : undefined;
  };
  const open = (index: number | undefined): void => {
    if (index === undefined) return;
    idOf(path, index).then(
      (id) => id && go(runAddress(id)),
      () => {}, // the stream tells what is wrong
    );
  };
  /** The arrows move over the cells, Enter opens one. */
  const key = (event: KeyboardEvent): void => {
    const columns = columnsOf(ref.current!);
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const step = steps[event.key];
    if (event.key === "Enter") open(near);
    else if (step !== undefined) setNear(near === undefined ? 0 : Math.min(states.length - 1, Math.max(0, near + step)));
    else return;
    event.preventDefault();
  };
  const state = near === undefined ? undefined : states[near];
  const run = useJob(path, near, state);
  return (
    <div class="cells">
      <canvas
        ref={ref}
        role="img"
        tabIndex={0}
        aria-label={`${states.length} jobs by state`}
        onKeyDown={key}
        onMouseMove={(event) => setNear(at(event))}
        onMouseLeave={() => setNear(undefined)}
        onClick={(event) => open(at(event))}
      />
      <p class="dim" aria-live="polite">
        {near !== undefined && state ? sayJob(near, state, run) : "\u00a0"}
      </p>
      {cells?.next_from != null && (
        <p class="dim">
          These are the first {whole(states.length)} of {whole(total)}.
        </p>
      )}
    </div>
  );
}
