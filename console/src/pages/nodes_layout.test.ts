import { expect, test } from "vitest";

import { HEIGHT, WIDTH, named, place } from "./nodes_layout.ts";

const overlap = (a: { x: number; y: number }, b: { x: number; y: number }): boolean =>
  Math.abs(a.x - b.x) < WIDTH && Math.abs(a.y - b.y) < HEIGHT;

test("the graph's nodes come first, then those of the records, each once", () => {
  const graph = { nodes: [{ id: "a", name: "A" }, { id: "b" }] };
  const records = [{ node_id: "b", name: "B" }, { node_id: "c", name: "C" }] as never[];
  expect(named(graph, records)).toEqual([{ id: "a", name: "A" }, { id: "b", name: "b" }, { id: "c", name: "C" }]);
  expect(named(undefined, records).map((one) => one.id)).toEqual(["b", "c"]);
});

test.each([40, 400])("of %i nodes no two overlap, with edges and without; an edge leads to the right", (length) => {
  const all = Array.from({ length }, (_, i) => ({ id: `n${i}`, name: `n${i}` }));
  const edges = all.slice(1).map((node, i) => [`n${Math.floor(i / 3)}`, node.id]);
  for (const placed of [place(all, []), place(all, edges)])
    for (const [i, one] of placed.entries())
      expect(placed.slice(i + 1).filter((other) => overlap(one, other)), one.id).toEqual([]);
  const x = new Map(place(all, edges).map((one) => [one.id, one.x]));
  for (const [from, to] of edges) expect(x.get(from!)!).toBeLessThan(x.get(to!)!);
});

test("a circle, an edge to itself and an edge to what there is not do no harm", () => {
  const all = [{ id: "a", name: "a" }, { id: "b", name: "b" }];
  const edges = [["a", "b"], ["b", "a"], ["a", "a"], ["a", "nobody"]];
  expect(place(all, edges)).toHaveLength(2);
  const many = [...all, ...Array.from({ length: 300 }, (_, i) => ({ id: `n${i}`, name: `n${i}` }))];
  expect(place(many, edges)).toHaveLength(302);
});
