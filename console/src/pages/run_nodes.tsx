// The part of a run's page that shows its nodes: as a canvas or in time. Nothing for a run without any.
import { Suspense, lazy } from "preact/compat";
import { useState } from "preact/hooks";

import { ApiError, get } from "../data/api.ts";
import type { Execution, Graph, Node } from "../data/types.ts";
import { executionPath } from "../addresses.ts";
import { LIVE_MS, useLoaded } from "../hooks.ts";
import { NodePanes } from "./node_panes.tsx";
import { Timeline } from "./timeline.tsx";

const NodesCanvas = lazy(() => import("./nodes_canvas.tsx"));

const VIEWS = { graph: "Graph", time: "Timeline", panes: "Panes", none: "Hide" };
type View = keyof typeof VIEWS;

async function graphOf(path: string, signal: AbortSignal): Promise<Graph | null> {
  try {
    return await get<Graph>(`${path}/graph`, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null; // it has none
    throw error;
  }
}

export function RunNodes(props: {
  run: Execution;
  selected: string | undefined;
  onSelect: (node: string | undefined) => void;
}) {
  const { run } = props;
  const path = executionPath(run.execution_id);
  const ofWorkflow = run.workflow_id !== null; // only then there may be a graph
  const [view, setView] = useState<View>("graph");
  const graphKey = `${path}/graph ${ofWorkflow}`;
  const graph = useLoaded(graphKey, async (signal) => (ofWorkflow ? graphOf(path, signal) : null)).value ?? undefined;
  const loaded = useLoaded(
    `${path}/nodes ${run.sealed}`,
    (signal) => get<{ nodes: Node[] }>(`${path}/nodes`, signal),
    run.sealed ? undefined : LIVE_MS,
  );
  const names = new Map(graph?.nodes.map((node) => [node.id, node.name]));
  const nodes = (loaded.value?.nodes ?? []).map((node) => ({ ...node, name: names.get(node.node_id) ?? node.name }));
  if (nodes.length === 0 && !graph?.nodes.length) return null;
  return (
    <section class="nodes" aria-label="Nodes">
      <div class="row">
        {(Object.keys(VIEWS) as View[]).map((one) => (
          <button key={one} type="button" aria-pressed={view === one} onClick={() => setView(one)}>
            {VIEWS[one]}
          </button>
        ))}
        {props.selected && (
          <button type="button" onClick={() => props.onSelect(undefined)}>
            All nodes
          </button>
        )}
      </div>
      {view === "graph" && (
        <div class="canvas">
          <Suspense fallback={null}>
            <NodesCanvas graph={graph} nodes={nodes} selected={props.selected} onSelect={props.onSelect} />
          </Suspense>
        </div>
      )}
      {view === "time" && <Timeline run={run} graph={graph} nodes={nodes} selected={props.selected} onSelect={props.onSelect} />}
      {view === "panes" && <NodePanes path={path} nodes={nodes} />}
    </section>
  );
}
