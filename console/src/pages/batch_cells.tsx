// A cell a job, on one canvas: ten thousand elements would be slow.
import { useEffect, useRef, useState } from "preact/hooks";

import type { Execution, Status } from "../data/types.ts";
import { runAddress } from "../addresses.ts";
import { title } from "../format.ts";
import { go } from "../router.ts";

const CELL = 12; // pixels, with the gap
const GAP = 2;

function columnsOf(canvas: HTMLCanvasElement): number {
  return Math.max(1, Math.floor((canvas.clientWidth + GAP) / CELL));
}

/** What the style says, as a canvas takes it: variables and light-dark() are resolved. */
function colourOf(canvas: HTMLCanvasElement, status: Status): string {
  canvas.style.color = `var(--${status})`;
  return getComputedStyle(canvas).color;
}

/** What failed of them is told in words beneath. */
export function Cells({ jobs }: { jobs: Execution[] }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const [near, setNear] = useState<number>();
  useEffect(() => {
    const canvas = ref.current!;
    const draw = (): void => {
      const columns = columnsOf(canvas);
      const ratio = devicePixelRatio;
      const height = Math.ceil(jobs.length / columns) * CELL;
      canvas.style.height = `${height}px`;
      canvas.width = canvas.clientWidth * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d")!;
      pen.scale(ratio, ratio);
      const colours = new Map<Status, string>();
      jobs.forEach((job, i) => {
        if (!colours.has(job.status)) colours.set(job.status, colourOf(canvas, job.status));
        pen.fillStyle = colours.get(job.status)!;
        pen.fillRect((i % columns) * CELL, Math.floor(i / columns) * CELL, CELL - GAP, CELL - GAP);
      });
      canvas.dataset.drawn = String(jobs.length);
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(canvas.parentElement!);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => (observer.disconnect(), scheme.removeEventListener("change", draw));
  }, [jobs]);
  const at = (event: MouseEvent): number | undefined => {
    const canvas = ref.current!;
    const column = Math.floor(event.offsetX / CELL);
    const columns = columnsOf(canvas);
    const index = Math.floor(event.offsetY / CELL) * columns + column;
    return column < columns && index < jobs.length ? index : undefined;
  };
  const open = (index: number | undefined): void => {
    if (index !== undefined && jobs[index]) go(runAddress(jobs[index].execution_id));
  };
  /** The arrows move over the cells, Enter opens one. */
  const key = (event: KeyboardEvent): void => {
    const columns = columnsOf(ref.current!);
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const step = steps[event.key];
    if (event.key === "Enter") open(near);
    else if (step !== undefined) setNear(near === undefined ? 0 : Math.min(jobs.length - 1, Math.max(0, near + step)));
    else return;
    event.preventDefault();
  };
  const job = near === undefined ? undefined : jobs[near];
  return (
    <div class="cells">
      <canvas
        ref={ref}
        role="img"
        tabIndex={0}
        aria-label={`${jobs.length} jobs by state`}
        onKeyDown={key}
        onMouseMove={(event) => setNear(at(event))}
        onMouseLeave={() => setNear(undefined)}
        onClick={(event) => open(at(event))}
      />
      <p class="dim" aria-live="polite">
        {job ? `${title(job)}: ${job.status}${job.exit_code !== null ? `, exit ${job.exit_code}` : ""}` : "\u00a0"}
      </p>
    </div>
  );
}
