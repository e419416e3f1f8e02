// The nodes of a run on a canvas that can be moved and zoomed. Loaded when a run has nodes: React Flow and dagre are large.
import { Background, Controls, Handle, MarkerType, Position, ReactFlow } from "@xyflow/react";
import { useMemo, useRef, useState } from "preact/hooks";

import type { Graph, Node } from "../data/types.ts";
import { counted, duration } from "../format.ts";
import { Problems } from "./run_counts.tsx";
import { HEIGHT, WIDTH, named, place } from "./nodes_layout.ts";

interface Data extends Record<string, unknown> {
  name: string;
  node: Node | undefined;
}

function Box({ data, selected }: { data: Data; selected?: boolean }) {
  const { name, node } = data;
  const state = node?.state ?? "pending";
  const words = [state.replace("_", " "), node && node.attempts > 1 && `attempt ${node.attempts}`, node?.duration_ms != null && duration(node.duration_ms)];
  return (
    <div class={`node ${state} ${selected ? "selected" : ""}`}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <div class="name">{name}</div>
      <div class="dim">{words.filter(Boolean).join(" · ")}</div>
      {node && (
        <div class="line2">
          <span>{counted(node.records, "record")}</span>
          <Problems levels={node.levels} />
        </div>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
}

const TYPES = { box: Box };

/** So many are seen from afar: their colour tells their state. */
const MANY = 100;

export default function NodesCanvas(props: {
  graph: Graph | undefined;
  nodes: Node[];
  selected: string | undefined;
  onSelect: (node: string | undefined) => void;
}) {
  const { graph, nodes, selected } = props;
  const all = named(graph, nodes);
  const shape = JSON.stringify([all, graph?.edges]);
  const placed = useMemo(() => place(all, graph?.edges ?? []), [shape]);
  const states = new Map(nodes.map((node) => [node.node_id, node]));
  const boxes = placed.map(({ id, name, x, y }) => ({
    id,
    type: "box",
    position: { x, y },
    width: WIDTH,
    height: HEIGHT,
    data: { name, node: states.get(id) },
    selected: id === selected,
    draggable: false,
    ariaLabel: `${name}: ${states.get(id)?.state ?? "pending"}`,
  }));
  const edges = (graph?.edges ?? []).map(([from, to], i) => ({
    id: `${i}`,
    source: from!,
    target: to!,
    markerEnd: { type: MarkerType.ArrowClosed },
    animated: states.get(to!)?.state === "running",
  }));
  const frame = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState<{ id: string; x: number; y: number }>();
  const line = near && states.get(near.id)?.last_line;
  /** The last line of the node under the pointer, or with the focus, right beneath it. */
  const enter = (event: Event): void => {
    const box = (event.target as Element).closest<HTMLElement>(".react-flow__node");
    if (!box || !frame.current) return setNear(undefined);
    const outer = frame.current.getBoundingClientRect();
    const inner = box.getBoundingClientRect();
    setNear({ id: box.dataset.id!, x: Math.max(0, inner.left - outer.left), y: inner.bottom - outer.top + 4 });
  };
  return (
    <div class={boxes.length > MANY ? "fill many" : "fill"} ref={frame} onMouseOver={enter} onMouseLeave={() => setNear(undefined)} onFocusIn={enter} onFocusOut={() => setNear(undefined)}>
      {near && line && (
        <div class="tip" role="tooltip" ref={(tip) => void (tip && (tip.style.translate = `${near.x}px ${near.y}px`))}>
          {line}
        </div>
      )}
      <ReactFlow
      nodes={boxes}
      edges={edges}
      nodeTypes={TYPES as never}
      onNodeClick={(_: unknown, node: { id: string }) => props.onSelect(node.id === selected ? undefined : node.id)}
      onlyRenderVisibleElements={boxes.length > 2000}
      nodesConnectable={false}
      minZoom={0.01}
      fitView
      fitViewOptions={{ maxZoom: 1 }}
      colorMode="system"
      proOptions={{ hideAttribution: true }}
    >
      <Background />
      <Controls showInteractive={false} />
    </ReactFlow>
    </div>
  );
}
