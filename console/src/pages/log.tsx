// The log of a run: the pane, what is above it, and the address that says what is shown.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { get } from "../data/api.ts";
import { FILTERS, isFiltered } from "../data/filters.ts";
import { LogSource } from "../data/log_source.ts";
import { ANY, findLine } from "../data/search.ts";
import type { Execution } from "../data/types.ts";
import { whole } from "../format.ts";
import { Pane } from "../pane/pane.ts";
import type { PaneState } from "../pane/pane.ts";
import { fragment } from "../pane/permalink.ts";
import { readAddress, rewrite } from "./log_address.ts";
import { Search } from "./log_search.ts";
import type { SearchState } from "./log_search.ts";
import { DownloadMenu, FilterMenu, SearchBox, Toggle, ViewMenu } from "./log_tools.tsx";
import "./log.css";

const SUMMARY_MS = 5000;
/** How often what is told around the pane changes at most. */
const STATE_MS = 100;

interface SourceState {
  ready: boolean;
  counting: boolean;
  ended: boolean;
  first: number;
  oldest: number;
  restored: boolean;
  count: number;
  away: string | undefined;
  failure: string | undefined;
}

function stateOf({ ready, counting, ended, first, oldest, restored, count, away, failure }: LogSource): SourceState {
  return { ready, counting, ended, first, oldest, restored, count, away, failure };
}

/** From which line on the log may have been another before the store was restored; null if it was not. */
function useRestoredFrom(path: string, restored: boolean): number | null {
  const [from, set] = useState<number | null>(null);
  useEffect(() => {
    const aborter = new AbortController();
    get<Execution>(path, aborter.signal).then(
      (execution) => set(execution.restored_from ?? null),
      () => {},
    );
    return () => aborter.abort();
  }, [path, restored]);
  return from;
}

/** Tells now and then how many lines have come: a person who hears the page is not read each of them. */
function useSummary(count: number, live: boolean): [string, (text: string) => void] {
  const [text, set] = useState("");
  const counts = useRef({ now: count, told: count });
  counts.current.now = count;
  useEffect(() => {
    if (!live) return;
    counts.current.told = counts.current.now;
    const timer = setInterval(() => {
      const { now, told } = counts.current;
      if (now > told) set(`${now - told} new lines`);
      counts.current.told = now;
    }, SUMMARY_MS);
    return () => clearInterval(timer);
  }, [live]);
  return [text, set];
}

export function Log({ path, id, address, began }: { path: string; id: string; address: URL; began: string | null }) {
  const view = readAddress(address);
  const { range, query } = view;
  const host = useRef<HTMLDivElement>(null);
  const pane = useRef<Pane | undefined>(undefined);
  const source = useRef<LogSource | undefined>(undefined);
  const search = useRef<Search | undefined>(undefined);
  const [paneState, setPaneState] = useState<PaneState>({ following: false, fresh: 0 });
  const [sourceState, setSourceState] = useState<SourceState>();
  const [searchState, setSearchState] = useState<SearchState>();
  const [live, setLive] = useState(true);
  const [told, tell] = useSummary(sourceState?.count ?? 0, sourceState !== undefined && !sourceState.ended);
  const filtersKey = JSON.stringify(view.filters);
  const rangeKey = range ? fragment(range) : "";
  const paneView = useMemo(
    () => ({ wrap: view.wrap, numbers: view.numbers, times: view.times, began: began ? Date.parse(began) : undefined }),
    [view.wrap, view.numbers, view.times, began],
  );

  useEffect(() => {
    const made = new Pane(paneView, {
      state: setPaneState,
      chosen: (chosen) => rewrite({}, fragment(chosen)),
      told: tell,
    });
    pane.current = made;
    host.current!.append(made.element);
    made.focus();
    return () => made.close();
  }, []);

  useEffect(() => pane.current?.setView(paneView), [paneView]);

  useEffect(() => {
    const made = new LogSource(path, view.filters);
    source.current = made;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let placed = false;
    const changed = (): void => {
      // A running log is shown at its end, unless a line is named or sought.
      if (made.ready && !placed) {
        placed = true;
        if (range) void pane.current!.go(range.from);
        else if (!made.ended && !query) pane.current!.end();
      }
      search.current?.grown();
      timer ??= setTimeout(() => {
        timer = undefined;
        setSourceState(stateOf(made));
      }, STATE_MS);
    };
    made.subscribe((change) => change.kind !== "lines" && changed());
    pane.current!.setSource(made);
    setLive(true);
    void made.open();
    return () => {
      made.close();
      clearTimeout(timer);
    };
  }, [path, filtersKey]);

  useEffect(() => {
    pane.current!.mark(range);
    // What this page has chosen itself stays where it is.
    if (range && source.current?.ready && pane.current!.shown(range.from) === undefined) void pane.current!.go(range.from);
  }, [rangeKey]);

  useEffect(() => {
    pane.current!.setQuery(query);
    setSearchState(undefined);
    if (!query) return;
    const made = new Search(path, query, view.filters, setSearchState, (sequence) => {
      void pane.current!.go(sequence, { current: true });
      rewrite({}, fragment({ from: sequence, to: sequence }));
    });
    search.current = made;
    made.begin(range);
    return () => {
      search.current = undefined;
      made.close();
    };
  }, [path, filtersKey, query?.text, query?.regex, query?.matchCase]);

  const firstError = async (): Promise<void> => {
    const filters = { ...view.filters, min_level: "ERROR" };
    const { signal } = new AbortController();
    const found = await findLine(path, ANY, filters, -1, 1, signal).catch(() => undefined);
    if (found === undefined) return tell("There is no error.");
    void pane.current!.go(found, { current: true });
    rewrite({}, fragment({ from: found, to: found }));
  };

  /** The line that is marked, or the uppermost one, among all lines: what was filtered out stands around it. */
  const around = (): void => {
    const line = range?.from ?? pane.current!.top;
    if (line < 0 || !isFiltered(view.filters)) return;
    const none = Object.fromEntries(FILTERS.map((name) => [name, undefined]));
    rewrite(none, fragment(range ?? { from: line, to: line }));
  };

  const follow = (on: boolean): void => {
    setLive(on);
    if (on) source.current!.resume();
    else source.current!.stop();
  };

  const autoscroll = (on: boolean): void => {
    if (on) pane.current!.end();
    else pane.current!.pause();
  };

  const actions = useRef<Record<string, () => void>>({});
  actions.current = {
    n: () => search.current?.next(1),
    N: () => search.current?.next(-1),
    a: around,
    e: () => void firstError(),
    f: () => autoscroll(!paneState.following),
    w: () => rewrite({ wrap: view.wrap ? undefined : "true" }),
  };
  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      const field = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
      const box = document.getElementById("log-search") as HTMLInputElement | null;
      if ((event.ctrlKey || event.metaKey) && event.key === "f" && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        box?.focus();
        box?.select();
      } else if (event.key === "Escape" && event.target === box) {
        pane.current?.focus();
      } else if (!field && !event.ctrlKey && !event.metaKey && !event.altKey) {
        if (event.key === "/") box?.focus();
        else if (actions.current[event.key]) actions.current[event.key]!();
        else return;
        event.preventDefault();
      }
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  }, []);

  const ended = sourceState?.ended ?? false;
  const missing = sourceState && sourceState.oldest > 0;
  const restoredFrom = useRestoredFrom(path, sourceState?.restored ?? false);
  return (
    <section class="log" aria-label="Log">
      <div class="tools">
        <SearchBox view={view} state={searchState} next={(direction) => search.current?.next(direction)} />
        <FilterMenu view={view} />
        {isFiltered(view.filters) && (
          <button type="button" title="a" onClick={around}>
            Lines around
          </button>
        )}
        <button type="button" title="e" onClick={() => void firstError()}>
          First error
        </button>
        <span class="dim spring">{sourceState?.ready ? `${whole(sourceState.count - sourceState.first)}${sourceState.counting ? "…" : ""} lines` : ""}</span>
        {!ended && <Toggle name="Follow live logs" pressed={live} set={follow} />}
        {!ended && <Toggle name="Pause autoscroll" title="f" pressed={!paneState.following} set={(on) => autoscroll(!on)} />}
        <ViewMenu view={view} />
        <DownloadMenu path={path} id={id} view={view} />
      </div>
      {sourceState?.failure && (
        <p class="strip" role="alert">
          {sourceState.failure}
        </p>
      )}
      {sourceState?.away && (
        <p class="strip" role="status">
          Away: {sourceState.away}. What comes meanwhile is shown as soon as it is back.
        </p>
      )}
      {missing && (
        <p class="strip">Lines 1 to {whole(sourceState.oldest)} have been removed by retention.</p>
      )}
      {restoredFrom !== null && (
        <p class="strip">The server’s store was restored: from line {whole(restoredFrom + 1)} on there may have been others before, or more.</p>
      )}
      {sourceState?.ready && !sourceState.counting && sourceState.count === sourceState.first && (
        <p class="strip">{ended ? "No line is shown." : "No line yet."}</p>
      )}
      <div class="pane-host" ref={host} />
      {paneState.fresh > 0 && (
        <button type="button" class="fresh" onClick={() => autoscroll(true)}>
          ↓ {whole(paneState.fresh)} new {paneState.fresh === 1 ? "line" : "lines"}
        </button>
      )}
      <div class="told" role="status">
        {told}
      </div>
    </section>
  );
}
