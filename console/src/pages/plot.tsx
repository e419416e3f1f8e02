// Lines over time, by uPlot: a chunk of its own.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import type { Sample } from "../data/metrics.ts";
import type { Line } from "./server.tsx";

const HEIGHT = 140;
const CLOCK_HEIGHT = 24;
const AXIS_WIDTH = 70;
/** What the scale goes to where nothing is. */
const QUIET = 4;
const COLOURS = ["--link", "--good", "--warn"];

function dataOf(samples: Sample[], lines: Line[]): uPlot.AlignedData {
  const times = samples.map((sample) => sample.at);
  const values = lines.map((line) => samples.map((sample, i) => line.reading(samples[i - 1], sample)));
  return [times, ...values];
}

/** What the style says, as a canvas takes it. */
function colour(host: HTMLElement, name: string): string {
  host.style.color = `var(${name})`;
  const found = getComputedStyle(host).color;
  host.style.color = "";
  return found;
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

function made(host: HTMLElement, lines: Line[], shown: (value: number) => string, data: uPlot.AlignedData): uPlot {
  const dim = colour(host, "--dim");
  const grid = { stroke: colour(host, "--line"), width: 1 };
  const axis = { stroke: dim, grid, ticks: grid, font: "11px sans-serif" };
  return new uPlot(
    {
      width: host.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : QUIET] } },
      axes: [{ ...axis, size: CLOCK_HEIGHT, space: 80, values: (_, times) => times.map(clock) }, { ...axis, size: AXIS_WIDTH, space: 36, values: (_, ticks) => ticks.map(shown) }],
      series: [{}, ...lines.map((line, i) => ({ label: line.name, stroke: colour(host, COLOURS[i]!), width: 1.5, points: { show: false } }))],
    },
    data,
    host,
  );
}

export default function Plot({ samples, lines, shown }: { samples: Sample[]; lines: Line[]; shown: (value: number) => string }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const data = dataOf(samples, lines);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = made(host.current!, lines, shown, latest.current);
    };
    draw();
    const observer = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) plot.current?.setSize({ width: entry.contentRect.width, height: HEIGHT });
    });
    observer.observe(host.current!);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [samples]);
  return <div class="plot" ref={host} />;
}
