import { expect, test } from "vitest";

import { HEIGHT, WIDTH, fittingZoom, named, place } from "./nodes_layout.ts";

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
  for (const placed of [place(all, []), place(all, edges), place(all, [], true), place(all, edges, true)])
    expect(placed.filter((one, i) => placed.slice(i + 1).some((other) => overlap(one, other)))).toEqual([]);
  const x = new Map(place(all, edges).map((one) => [one.id, one.x]));
  for (const [from, to] of edges) expect(x.get(from!)!).toBeLessThan(x.get(to!)!);
  const y = new Map(place(all, edges, true).map((one) => [one.id, one.y]));
  for (const [from, to] of edges) expect(y.get(from!)!, "downwards").toBeLessThan(y.get(to!)!);
});

test("a graph that does not fit is as small as it must be, and none is enlarged", () => {
  const at = (x: number, y: number) => ({ id: `${x} ${y}`, name: "", x, y });
  expect(fittingZoom([at(5, 5)], 2000, 2000)).toBe(1);
  expect(fittingZoom([at(0, 0), at(WIDTH, 0)], WIDTH, HEIGHT)).toBe(0.5);
  expect(fittingZoom([at(0, -HEIGHT), at(0, 2 * HEIGHT)], WIDTH, HEIGHT)).toBe(0.25);
});

test("a circle, an edge to itself and an edge to what there is not do no harm", () => {
  const all = [{ id: "a", name: "a" }, { id: "b", name: "b" }];
  const edges = [["a", "b"], ["b", "a"], ["a", "a"], ["a", "nobody"]];
  expect(place(all, edges)).toHaveLength(2);
  const many = [...all, ...Array.from({ length: 300 }, (_, i) => ({ id: `n${i}`, name: `n${i}` }))];
  expect(place(many, edges)).toHaveLength(302);
});
