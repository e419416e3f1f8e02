// Where the nodes of a graph stand: layers from left to right, by dagre. Pure.
import dagre from "@dagrejs/dagre";

import type { Graph, Node } from "../data/types.ts";

export const WIDTH = 190;
export const HEIGHT = 58;

export interface Placed {
  id: string;
  name: string;
  x: number;
  y: number;
}

/** The graph's nodes, then those that only the records name. */
export function named(graph: Graph | undefined, nodes: Node[]): { id: string; name: string }[] {
  const all = new Map<string, string>();
  for (const node of graph?.nodes ?? []) all.set(node.id, node.name ?? node.id);
  for (const node of nodes) if (!all.has(node.node_id)) all.set(node.node_id, node.name);
  return [...all].map(([id, name]) => ({ id, name }));
}

/** Without edges the nodes stand in rows, in their order. */
export function place(all: { id: string; name: string }[], edges: string[][]): Placed[] {
  if (edges.length === 0) {
    const columns = Math.max(1, Math.ceil(Math.sqrt(all.length * 0.5)));
    return all.map((node, i) => ({
      ...node,
      x: (i % columns) * (WIDTH + 40),
      y: Math.floor(i / columns) * (HEIGHT + 30),
    }));
  }
  const layout = new dagre.graphlib.Graph();
  layout.setGraph({ rankdir: "LR", nodesep: 24, ranksep: 60 });
  layout.setDefaultEdgeLabel(() => ({}));
  for (const { id } of all) layout.setNode(id, { width: WIDTH, height: HEIGHT });
  for (const [from, to] of edges) if (layout.hasNode(from!) && layout.hasNode(to!)) layout.setEdge(from!, to!);
  dagre.layout(layout);
  return all.map((node) => {
    const { x, y } = layout.node(node.id) as { x: number; y: number };
    return { ...node, x: x - WIDTH / 2, y: y - HEIGHT / 2 };
  });
}
