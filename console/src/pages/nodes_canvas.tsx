// The nodes of a run on a canvas that can be moved and zoomed. Loaded when a run has nodes: React Flow and dagre are large.
import { Background, Controls, Handle, MarkerType, Position, ReactFlow } from "@xyflow/react";
import { useMemo, useState } from "preact/hooks";

import type { Graph, Node } from "../data/types.ts";
import { counted, duration, whole } from "../format.ts";
import { useNarrow } from "../hooks.ts";
import { Problems } from "./run_counts.tsx";
import { HEIGHT, type Placed, WIDTH, fittingZoom, named, place } from "./nodes_layout.ts";

interface Data extends Record<string, unknown> {
  name: string;
  node: Node | undefined;
  down: boolean; // edges lead downwards
}

/** How far it is, in words; empty where nothing is known, or all is done. */
function progressWords(node: Node): string {
  if (node.state === "completed" || node.progress_percentage === null) return "";
  return `${node.progress_percentage} %`;
}

function stepWords(node: Node): string {
  if (node.step_number === null) return "";
  return `step ${whole(node.step_number)}${node.total_steps === null ? "" : ` / ${whole(node.total_steps)}`}`;
}

function Progress({ node }: { node: Node }) {
  const words = progressWords(node);
  if (words === "") return <span>{counted(node.records, "record")}</span>;
  return (
    <>
      <progress max={100} value={node.progress_percentage!} aria-label="Progress" />
      <span>{words}</span>
    </>
  );
}

function Box({ data, selected }: { data: Data; selected?: boolean }) {
  const { name, node, down } = data;
  const state = node?.state ?? "pending";
  const words = [
    state.replace("_", " "),
    node && node.attempts > 1 && `attempt ${node.attempts}`,
    node && stepWords(node),
    node?.duration_ms != null && duration(node.duration_ms),
  ];
  return (
    <div class={`node ${state} ${selected ? "selected" : ""}`}>
      <Handle type="target" position={down ? Position.Top : Position.Left} isConnectable={false} />
      <div class="name">{name}</div>
      <div class="dim">{words.filter(Boolean).join(" · ")}</div>
      {node && (
        <div class="line2">
          <Progress node={node} />
          <Problems levels={node.levels} />
        </div>
      )}
      <Handle type="source" position={down ? Position.Bottom : Position.Right} isConnectable={false} />
    </div>
  );
}

const TYPES = { box: Box };

/** So many are seen from afar: their colour tells their state. */
const MANY = 100;

/** Smaller than that a node's text cannot be read on a telephone; then it opens at the node that matters most, to be moved from there. */
const READABLE = 0.85;
const MATTERS: readonly Node["state"][] = ["failed", "awaiting_input", "running"];

/** What is seen at first: all of it, or where that is too small to be read on a narrow screen, the node that matters most. */
function firstView(placed: Placed[], nodes: Node[], selected: string | undefined, narrow: boolean, frame: Element) {
  const all = { maxZoom: 1 };
  if (!narrow || fittingZoom(placed, frame.clientWidth, frame.clientHeight) >= READABLE) return all;
  const known = new Set(placed.map(({ id }) => id));
  const ids = [selected, ...MATTERS.map((state) => nodes.find((node) => node.state === state)?.node_id), placed[0]?.id];
  const id = ids.find((one) => one !== undefined && known.has(one));
  return id === undefined ? all : { nodes: [{ id }], minZoom: READABLE, maxZoom: READABLE };
}

function labelOf(name: string, node: Node | undefined): string {
  return [`${name}: ${node?.state ?? "pending"}`, node && stepWords(node), node && progressWords(node)].filter(Boolean).join(", ");
}

export default function NodesCanvas(props: {
  graph: Graph | undefined;
  nodes: Node[];
  selected: string | undefined;
  onSelect: (node: string | undefined) => void;
}) {
  const { graph, nodes, selected } = props;
  const narrow = useNarrow();
  const all = named(graph, nodes);
  const shape = JSON.stringify([all, graph?.edges]);
  const placed = useMemo(() => place(all, graph?.edges ?? [], narrow), [shape, narrow]);
  const states = new Map(nodes.map((node) => [node.node_id, node]));
  const boxes = placed.map(({ id, name, x, y }) => ({
    id,
    type: "box",
    position: { x, y },
    width: WIDTH,
    height: HEIGHT,
    data: { name, node: states.get(id), down: narrow },
    selected: id === selected,
    draggable: false,
    ariaLabel: labelOf(name, states.get(id)),
  }));
  const edges = (graph?.edges ?? []).map(([from, to], i) => ({
    id: `${i}`,
    source: from!,
    target: to!,
    markerEnd: { type: MarkerType.ArrowClosed },
    animated: states.get(to!)?.state === "running",
  }));
  const [frame, setFrame] = useState<HTMLDivElement | null>(null);
  const [near, setNear] = useState<{ id: string; x: number; y: number }>();
  const line = near && states.get(near.id)?.last_line;
  /** The last line of the node under the pointer, or with the focus, right beneath it. */
  const enter = (event: Event): void => {
    const box = (event.target as Element).closest<HTMLElement>(".react-flow__node");
    if (!box || !frame) return setNear(undefined);
    const outer = frame.getBoundingClientRect();
    const inner = box.getBoundingClientRect();
    setNear({ id: box.dataset.id!, x: Math.max(0, inner.left - outer.left), y: inner.bottom - outer.top + 4 });
  };
  return (
    <div class={boxes.length > MANY ? "fill many" : "fill"} ref={setFrame} onMouseOver={enter} onMouseLeave={() => setNear(undefined)} onFocusIn={enter} onFocusOut={() => setNear(undefined)}>
      {near && line && (
        <div class="tip" role="tooltip" ref={(tip) => void (tip && (tip.style.translate = `${near.x}px ${near.y}px`))}>
          {line}
        </div>
      )}
      {frame && (
        <ReactFlow
          key={String(narrow)}
          nodes={boxes}
          edges={edges}
          nodeTypes={TYPES as never}
          onNodeClick={(_: unknown, node: { id: string }) => props.onSelect(node.id === selected ? undefined : node.id)}
          onlyRenderVisibleElements={boxes.length > 2000}
          nodesConnectable={false}
          minZoom={0.01}
          fitView
          fitViewOptions={firstView(placed, nodes, selected, narrow, frame)}
          colorMode="system"
          proOptions={{ hideAttribution: true }}
        >
          <Background />
          <Controls showInteractive={false} />
        </ReactFlow>
      )}
    </div>
  );
}
