// Where the nodes of a graph stand: layers from left to right, or downwards on a narrow screen, by dagre. Pure.
import dagre from "@dagrejs/dagre";

import type { Graph, Node } from "../data/types.ts";

export const WIDTH = 190;
export const HEIGHT = 62;

/** dagre takes a second for a thousand nodes. */
const SMALL = 200;
const ACROSS = WIDTH + 60;
const DOWN = HEIGHT + 24;

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

/** How many edges lie before each node, at most; a circle ends where it was entered. */
function depthsOf(all: { id: string }[], edges: string[][]): Map<string, number> {
  const depths = new Map(all.map(({ id }) => [id, 0]));
  const before = new Map(all.map(({ id }) => [id, 0]));
  const after = new Map<string, string[]>(all.map(({ id }) => [id, []]));
  for (const [from, to] of edges) {
    if (from === to || !before.has(from!) || !before.has(to!)) continue;
    before.set(to!, before.get(to!)! + 1);
    after.get(from!)!.push(to!);
  }
  const ready = all.map(({ id }) => id).filter((id) => before.get(id) === 0);
  for (let i = 0; i < ready.length; i++) {
    for (const next of after.get(ready[i]!)!) {
      depths.set(next, Math.max(depths.get(next)!, depths.get(ready[i]!)! + 1));
      before.set(next, before.get(next)! - 1);
      if (before.get(next) === 0) ready.push(next);
    }
  }
  return depths;
}

/**
 * Layers by depth, each of as many columns as keep the whole about as high as the canvas is; within a layer a node stands near the middle of
 * those that lead to it. Downwards columns are rows. Sorting takes longest.
 */
function placeMany(all: { id: string; name: string }[], edges: string[][], down: boolean): Placed[] {
  const depths = depthsOf(all, edges);
  const parents = new Map<string, string[]>(all.map(({ id }) => [id, []]));
  for (const [from, to] of edges) if (depths.has(from!)) parents.get(to!)?.push(from!);
  const layers: { id: string; name: string }[][] = [];
  for (const node of all) (layers[depths.get(node.id)!] ??= []).push(node);
  const rows = new Map<string, number>();
  const most = Math.max(down ? 4 : 10, Math.ceil(Math.sqrt(all.length * (down ? 0.2 : 0.6))));
  let column = 0;
  return layers.flatMap((layer) => {
    const first = column;
    const height = Math.ceil(layer.length / Math.ceil(layer.length / most));
    column += Math.ceil(layer.length / height);
    const wishes = new Map(layer.map(({ id }, i) => {
      const known = parents.get(id)!.map((parent) => rows.get(parent)).filter((row) => row !== undefined);
      return [id, known.length > 0 ? known.reduce((sum, row) => sum + row, 0) / known.length : i - layer.length / 2];
    }));
    return [...layer]
      .sort((one, other) => wishes.get(one.id)! - wishes.get(other.id)!)
      .map((node, i) => {
        const row = (i % height) - height / 2;
        rows.set(node.id, i - layer.length / 2);
        const line = first + Math.floor(i / height);
        return { ...node, x: (down ? row : line) * ACROSS, y: (down ? line : row) * DOWN };
      });
  });
}

/** Without edges the nodes stand in rows, in their order. */
export function place(all: { id: string; name: string }[], edges: string[][], down = false): Placed[] {
  if (edges.length === 0) {
    const columns = Math.max(1, Math.ceil(Math.sqrt(all.length * (down ? 0.05 : 0.5))));
    return all.map((node, i) => ({
      ...node,
      x: (i % columns) * (WIDTH + 40),
      y: Math.floor(i / columns) * (HEIGHT + 30),
    }));
  }
  if (all.length > SMALL) return placeMany(all, edges, down);
  const layout = new dagre.graphlib.Graph();
  layout.setGraph({ rankdir: down ? "TB" : "LR", nodesep: 24, ranksep: down ? 36 : 60 });
  layout.setDefaultEdgeLabel(() => ({}));
  for (const { id } of all) layout.setNode(id, { width: WIDTH, height: HEIGHT });
  for (const [from, to] of edges) if (layout.hasNode(from!) && layout.hasNode(to!)) layout.setEdge(from!, to!);
  dagre.layout(layout);
  return all.map((node) => {
    const { x, y } = layout.node(node.id) as { x: number; y: number };
    return { ...node, x: x - WIDTH / 2, y: y - HEIGHT / 2 };
  });
}

/** How large all of it would be in a window of this size, at most as large as it is. */
export function fittingZoom(placed: Placed[], width: number, height: number): number {
  const xs = placed.map(({ x }) => x);
  const ys = placed.map(({ y }) => y);
  const across = Math.max(...xs) - Math.min(...xs) + WIDTH;
  const down = Math.max(...ys) - Math.min(...ys) + HEIGHT;
  return Math.min(1, width / across, height / down);
}
