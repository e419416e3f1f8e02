import type { Batch } from "../data/types.ts";

/** The parts of a batch by what became of them, as a bar. */
export function Bar({ batch }: { batch: Batch }) {
  const done = batch.completed_count + batch.failed_count + batch.skipped_count;
  const parts: [string, number][] = [
    ["completed", batch.completed_count],
    ["failed", batch.failed_count],
    ["skipped", batch.skipped_count],
    ["running", batch.running_count],
  ];
  return (
    <svg class="bar-of" viewBox={`0 0 ${Math.max(1, batch.total_count)} 1`} preserveAspectRatio="none" role="progressbar"
      aria-label="Progress" aria-valuemin={0} aria-valuemax={batch.total_count} aria-valuenow={done}>
      {parts.map(([name, count], i) => (
        <rect key={name} class={name} x={parts.slice(0, i).reduce((sum, part) => sum + part[1], 0)} width={count} height="1" />
      ))}
    </svg>
  );
}
