import { useEffect, useRef, useState } from "preact/hooks";

import { query as queryOf } from "../data/api.ts";
import { download } from "../data/download.ts";
import { isFiltered } from "../data/filters.ts";
import { whole } from "../format.ts";
import { reason } from "../hooks.ts";
import { rewrite } from "./log_address.ts";
import type { LogAddress } from "./log_address.ts";
import type { SearchState } from "./log_search.ts";

const TYPING_MS = 250;

interface ToggleProps {
  name: string;
  pressed: boolean;
  set: (on: boolean) => void;
  /** What it is called where its name is a sign. */
  label?: string;
  title?: string;
}

export function Toggle({ name, pressed, set, label, title }: ToggleProps) {
  return (
    <button type="button" aria-pressed={pressed} aria-label={label} title={title ?? label} onClick={() => set(!pressed)}>
      {name}
    </button>
  );
}

function found(state: SearchState): string {
  if (state.error) return state.error;
  if (state.count === undefined) return "…";
  const all = `${whole(state.count)}${state.complete ? "" : "…"}`;
  if (state.count === 0) return state.complete ? "no hit" : "…";
  return state.ordinal === undefined ? `${all} hits` : `${whole(state.ordinal)} / ${all}`;
}

export function SearchBox({ view, state, next }: { view: LogAddress; state: SearchState | undefined; next: (direction: 1 | -1) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const { query } = view;
  const text = query?.text ?? "";
  useEffect(() => {
    if (input.current && input.current !== document.activeElement) input.current.value = text;
  }, [text]);
  const set = (value: string): void => {
    clearTimeout(timer.current);
    if (value !== text) rewrite({ q: value }, "");
  };
  return (
    <form
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const value = input.current!.value;
        if (value !== text) set(value);
        else next(1);
      }}
    >
      <input
        ref={input}
        id="log-search"
        type="search"
        aria-label="Search the whole log"
        placeholder="Search (/)"
        autocomplete="off"
        maxLength={1000}
        onInput={(event) => {
          const { value } = event.currentTarget;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => set(value), TYPING_MS);
        }}
      />
      <Toggle name="Aa" label="Match case" pressed={query?.matchCase ?? false} set={(on) => rewrite({ case: on ? "true" : undefined }, "")} />
      <Toggle name=".*" label="Regular expression" pressed={query?.regex ?? false} set={(on) => rewrite({ regex: on ? "true" : undefined }, "")} />
      <button type="button" aria-label="Previous hit" title="N" disabled={!query} onClick={() => next(-1)}>
        ↑
      </button>
      <button type="button" aria-label="Next hit" title="n" disabled={!query} onClick={() => next(1)}>
        ↓
      </button>
      <output class="count">{query && state ? found(state) : ""}</output>
    </form>
  );
}

function Choice({ name, value, values, set }: { name: string; value: string; values: [string, string][]; set: (value: string) => void }) {
  return (
    <label>
      {name}
      <select value={value} onChange={(event) => set(event.currentTarget.value)}>
        {values.map(([word, shown]) => (
          <option key={word} value={word}>
            {shown}
          </option>
        ))}
      </select>
    </label>
  );
}

function Words({ name, value, set }: { name: string; value: string; set: (value: string) => void }) {
  return (
    <label>
      {name}
      <input type="text" value={value} maxLength={1000} onChange={(event) => set(event.currentTarget.value.trim())} />
    </label>
  );
}

const LEVELS: [string, string][] = [
  ["", "all"],
  ["INFO", "INFO and above"],
  ["WARNING", "WARNING and above"],
  ["ERROR", "ERROR and above"],
  ["CRITICAL", "CRITICAL"],
];
const STREAMS: [string, string][] = [
  ["", "all"],
  ["stdout", "stdout"],
  ["stderr", "stderr"],
  ["event", "events"],
  ["stdout,stderr", "output"],
];

export function FilterMenu({ view }: { view: LogAddress }) {
  const { filters } = view;
  const active = Object.keys(filters).length;
  return (
    <details>
      <summary>Filter{active > 0 ? ` (${active})` : ""}</summary>
      <div class="menu left">
        <Choice name="Stream" value={filters.stream ?? ""} values={STREAMS} set={(stream) => rewrite({ stream })} />
        <Choice name="Level" value={filters.min_level ?? ""} values={LEVELS} set={(min_level) => rewrite({ min_level })} />
        <Words name="Node" value={filters.node ?? ""} set={(node) => rewrite({ node })} />
        <Words name="Event type" value={filters.event_type ?? ""} set={(event_type) => rewrite({ event_type })} />
        <label>
          Milestones only
          <input
            type="checkbox"
            checked={filters.milestone === "true"}
            onChange={(event) => rewrite({ milestone: event.currentTarget.checked ? "true" : undefined })}
          />
        </label>
        <Words name="Not before" value={filters.start_time ?? ""} set={(start_time) => rewrite({ start_time })} />
        <Words name="Not after" value={filters.end_time ?? ""} set={(end_time) => rewrite({ end_time })} />
        <button type="button" disabled={active === 0} onClick={() => rewrite(Object.fromEntries(Object.keys(filters).map((name) => [name, undefined])))}>
          Clear
        </button>
      </div>
    </details>
  );
}

export function ViewMenu({ view }: { view: LogAddress }) {
  return (
    <>
      <Toggle name="Wrap" title="w" pressed={view.wrap} set={(on) => rewrite({ wrap: on ? "true" : undefined })} />
      <details>
        <summary>View</summary>
        <div class="menu">
          <Choice
            name="Times"
            value={view.times}
            values={[
              ["off", "off"],
              ["absolute", "absolute"],
              ["relative", "relative"],
              ["start", "since start"],
            ]}
            set={(times) => rewrite({ times: times === "off" ? undefined : times })}
          />
          <label>
            Line numbers
            <input
              type="checkbox"
              checked={view.numbers}
              onChange={(event) => rewrite({ numbers: event.currentTarget.checked ? undefined : "false" })}
            />
          </label>
        </div>
      </details>
    </>
  );
}

export function DownloadMenu({ path, id, view }: { path: string; id: string; view: LogAddress }) {
  const [state, set] = useState("");
  const fetchIt = async (format: string, ending: string, filtered: boolean): Promise<void> => {
    set("being fetched …");
    try {
      await download(`${path}/logs${queryOf({ ...(filtered ? view.filters : {}), format })}`, `${id}.${ending}`);
      set("");
    } catch (error) {
      set(reason(error));
    }
  };
  const item = (name: string, format: string, ending: string, filtered: boolean) => (
    <button type="button" onClick={() => void fetchIt(format, ending, filtered)}>
      {name}
    </button>
  );
  return (
    <details>
      <summary>Download</summary>
      <div class="menu">
        {item("Whole log, as text", "raw", "log", false)}
        {item("Whole log, as NDJSON", "ndjson", "ndjson", false)}
        {isFiltered(view.filters) && item("As filtered, as text", "text", "filtered.log", true)}
        {isFiltered(view.filters) && item("As filtered, as NDJSON", "ndjson", "filtered.ndjson", true)}
        {state && <span class="dim">{state}</span>}
      </div>
    </details>
  );
}
