// The nodes of a run on a canvas that can be moved and zoomed. Loaded when a run has nodes: React Flow and dagre are large.
import { Background, Controls, Handle, MarkerType, Position, ReactFlow } from "@xyflow/react";
import { useMemo } from "preact/hooks";

import type { Graph, Node } from "../data/types.ts";
import { counted, duration } from "../format.ts";
import { HEIGHT, WIDTH, named, place } from "./nodes_layout.ts";

interface Data extends Record<string, unknown> {
  name: string;
  node: Node | undefined;
}

function problems(node: Node): string {
  const { levels } = node;
  const errors = (levels.error ?? 0) + (levels.critical ?? 0);
  const warnings = levels.warning ?? 0;
  return [errors && counted(errors, "error"), warnings && counted(warnings, "warning")].filter(Boolean).join(", ");
}

function Box({ data, selected }: { data: Data; selected?: boolean }) {
  const { name, node } = data;
  const state = node?.state ?? "pending";
  const words = [state.replace("_", " "), node && node.attempts > 1 && `attempt ${node.attempts}`, node?.duration_ms != null && duration(node.duration_ms)];
  return (
    <div class={`node ${state} ${selected ? "selected" : ""}`} title={node?.last_line ?? ""}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <div class="name">{name}</div>
      <div class="dim">{words.filter(Boolean).join(" · ")}</div>
      {node && <div class="dim">{problems(node)}</div>}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
}

const TYPES = { box: Box };

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
  return (
    <ReactFlow
      nodes={boxes}
      edges={edges}
      nodeTypes={TYPES as never}
      onNodeClick={(_: unknown, node: { id: string }) => props.onSelect(node.id === selected ? undefined : node.id)}
      onlyRenderVisibleElements={boxes.length > 200}
      nodesConnectable={false}
      minZoom={0.05}
      fitView
      fitViewOptions={{ maxZoom: 1 }}
      colorMode="system"
      proOptions={{ hideAttribution: true }}
    >
      <Background />
      <Controls showInteractive={false} />
    </ReactFlow>
  );
}
