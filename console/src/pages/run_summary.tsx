// What is counted of a run's log, with links to the lines that matter.
import { get } from "../data/api.ts";
import type { Counts, Execution, Summary as Counted } from "../data/types.ts";
import { duration, time, whole } from "../format.ts";
import { LIST_MS, useLoaded } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { Progress, progressOf } from "./run_counts.tsx";

const EVENTS_SHOWN = 12;

/** The same view, filtered or at a line. */
function filtered(name: string, value: string): string {
  const next = new URL(location.href);
  next.searchParams.set(name, value);
  next.hash = "";
  return next.href;
}

function Chips({ name, counts, filter }: { name: string; counts: Counts; filter: string }) {
  const rows = Object.entries(counts)
    .filter(([word, count]) => count > 0 && !(filter === "event_type" && word === "log"))
    .sort((a, b) => b[1] - a[1]);
  if (rows.length === 0) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd class="row">
        {rows.slice(0, EVENTS_SHOWN).map(([word, count]) => (
          <a key={word} class={`chip ${word}`} href={filtered(filter, word)}>
            {word} {whole(count)}
          </a>
        ))}
      </dd>
    </div>
  );
}

export function Summary({ run, path }: { run: Execution; path: string }) {
  const { value, error } = useLoaded(
    `${path}/logs/summary ${run.sealed}`,
    (signal) => get<Counted>(`${path}/logs/summary`, signal),
    run.sealed ? undefined : LIST_MS,
  );
  if (!value) return error ? <Notice>{error}</Notice> : null;
  const progress = progressOf(value);
  return (
    <dl class="facts">
      <div>
        <dt>Records</dt>
        <dd>
          {whole(value.total_logs)}
          {value.timeline.duration_estimate > 0 && ` in ${duration(value.timeline.duration_estimate * 1000)}`}
        </dd>
      </div>
      {value.first_error !== null && (
        <div>
          <dt>First error</dt>
          <dd>
            <button type="button" class="link" onClick={() => go(`#L${value.first_error! + 1}`)}>
              line {whole(value.first_error + 1)}
            </button>
          </dd>
        </div>
      )}
      {progress && (
        <div>
          <dt>Nodes</dt>
          <dd>
            <Progress {...progress} />
          </dd>
        </div>
      )}
      <Chips name="Levels" counts={value.log_levels} filter="level" />
      <Chips name="Streams" counts={value.streams as Counts} filter="stream" />
      <Chips name="Events" counts={value.event_types} filter="event_type" />
      {value.milestones.length > 0 && (
        <div class="long">
          <dt>Milestones</dt>
          <dd>
            <ol class="plain">
              {value.milestones.slice(0, 100).map((one) => (
                <li key={one.sequence_number}>
                  <span class="dim">{time(one.timestamp)}</span>{" "}
                  <button type="button" class="link" onClick={() => go(`#L${one.sequence_number + 1}`)}>
                    {one.message}
                  </button>
                </li>
              ))}
            </ol>
          </dd>
        </div>
      )}
    </dl>
  );
}
