import { useEffect, useState } from "preact/hooks";

import { ApiError, get } from "../data/api.ts";
import { ANY, findLine } from "../data/search.ts";
import type { Execution, Node, Summary as Counted } from "../data/types.ts";
import { executionPath } from "../addresses.ts";
import { title } from "../format.ts";
import { LIVE_MS, SETTLED_MS, useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";
import { errorsOf } from "./run_counts.tsx";
import { Log } from "./log.tsx";
import { Files } from "./run_files.tsx";
import { Details, Head } from "./run_head.tsx";
import { RunLinks } from "./run_links.tsx";
import { RunNodes } from "./run_nodes.tsx";
import { Summary } from "./run_summary.tsx";
import { WaitingForm } from "./waiting.tsx";

/** The same view with the log of that node alone; undefined: of all nodes. */
function withNode(address: URL, node: string | undefined): string {
  const next = new URL(address);
  if (node === undefined) next.searchParams.delete("node");
  else next.searchParams.set("node", node);
  next.hash = ""; // a line of what was shown
  return next.href;
}

/** What went wrong first: in the first node that failed, or else anywhere. */
async function firstFault(path: string, signal: AbortSignal): Promise<number | undefined> {
  const { nodes } = await get<{ nodes: Node[] }>(`${path}/nodes`, signal);
  const failed = nodes.filter((node) => node.state === "failed" && errorsOf(node.levels) > 0);
  for (const node of failed) {
    const error = await findLine(path, ANY, { node: node.node_id, min_level: "ERROR" }, -1, 1, signal);
    if (error !== undefined) return error;
  }
  return (await get<Counted>(`${path}/logs/summary`, signal)).first_error ?? undefined;
}

/** A failed run opens there, unless the address says what is to be shown. False until that is decided. */
function useFirstFault(path: string, run: Execution | undefined): boolean {
  const [decided, setDecided] = useState(false);
  const known = run !== undefined;
  useEffect(() => {
    if (!known || decided) return;
    const { hash, search } = location;
    const named = hash !== "" || /[?&](q|node|level|min_level|stream|event_type)=/.test(search);
    if (run.status !== "failed" || !run.sealed || run.last_index === 0 || named) return setDecided(true);
    const aborter = new AbortController();
    firstFault(path, aborter.signal)
      .catch(() => undefined) // then it opens as any other
      .then((line) => {
        if (aborter.signal.aborted) return;
        if (line !== undefined) go(`${location.pathname}${location.search}#L${line + 1}`, { replace: true });
        setDecided(true);
      });
    return () => aborter.abort();
  }, [path, known]);
  return decided;
}

const PANELS = ["summary", "files", "details"] as const;
type Panel = (typeof PANELS)[number];

function Panels({ run, path, address }: { run: Execution; path: string; address: URL }) {
  const open = address.searchParams.get("panel");
  const names: Record<Panel, string> = { summary: "Summary", files: `Files (${run.artifacts_count})`, details: "Details" };
  const toggle = (panel: Panel): void => {
    const next = new URL(location.href);
    if (open === panel) next.searchParams.delete("panel");
    else next.searchParams.set("panel", panel);
    go(next.href, { replace: true });
  };
  return (
    <>
      <div class="tabs">
        {PANELS.filter((panel) => panel !== "files" || run.artifacts_count > 0).map((panel) => (
          <button key={panel} type="button" aria-expanded={open === panel} onClick={() => toggle(panel)}>
            {names[panel]}
          </button>
        ))}
      </div>
      {open === "summary" && (
        <section class="panel" tabIndex={0} aria-label="Summary">
          <Summary run={run} path={path} />
        </section>
      )}
      {open === "files" && (
        <section class="panel" tabIndex={0} aria-label="Files">
          <Files path={path} count={run.artifacts_count} />
        </section>
      )}
      {open === "details" && (
        <section class="panel" tabIndex={0} aria-label="Details">
          <Details run={run} />
        </section>
      )}
    </>
  );
}

/** What is left of a run whose records are gone. */
function Gone({ text }: { text: string }) {
  return (
    <main>
      <div class="head">
        <h1>It is gone</h1>
      </div>
      <p>{text}</p>
      <p>
        <a href="/">All runs</a>
      </p>
    </main>
  );
}

export function Run({ id, address }: { id: string; address: URL }) {
  const path = executionPath(id);
  const [settled, setSettled] = useState(false);
  const [gone, setGone] = useState<string>();
  const load = async (signal: AbortSignal): Promise<Execution> => {
    try {
      const run = await get<Execution>(path, signal);
      setSettled(run.sealed && run.settled);
      return run;
    } catch (error) {
      if (error instanceof ApiError && error.status === 410) setGone(error.message);
      throw error;
    }
  };
  const { value, error, again } = useLoaded(path, load, settled ? SETTLED_MS : LIVE_MS);
  const decided = useFirstFault(path, value);
  useTitle(value ? `${title(value)}: ${value.status.replace("_", " ")}` : id);
  if (gone) return <Gone text={gone} />;
  return (
    <main class="run">
      {error && <Notice>{error}</Notice>}
      {value && <Head run={value} path={path} again={again} />}
      {value?.status === "waiting" && <WaitingForm id={id} />}
      {value && <RunLinks run={value} path={path} />}
      {value && <Panels run={value} path={path} address={address} />}
      {value && (
        <RunNodes
          run={value}
          selected={address.searchParams.get("node") ?? undefined}
          onSelect={(node) => go(withNode(address, node))}
        />
      )}
      {value && decided && <Log path={path} id={id} address={address} began={value.started_at} />}
    </main>
  );
}
