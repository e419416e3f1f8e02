import { expect, test } from "vitest";

import { DEADLINE, house } from "./support.mjs";

const it = house();

const GRAPH = {
  nodes: [{ id: "fetch", name: "Fetch" }, { id: "clean", name: "Clean" }, { id: "load", name: "Load" }],
  edges: [["fetch", "clean"], ["clean", "load"]],
};

async function runOf(graph, body = {}) {
  const { workflow_id: workflow } = await it.server.ask("POST", "/api/v1/workflows", { name: "nightly", graph });
  const { execution_id: id } = await it.server.ask("POST", `/api/v1/workflows/${workflow}/run`, body);
  return { workflow, id, path: `/api/v1/executions/${id}` };
}

test("the nodes of a run are shown with their states, and a click narrows the view to one", async () => {
  const { id, path } = await runOf(GRAPH);
  await it.server.ask("PATCH", path, { status: "running" });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByLabel("Fetch: pending").waitFor();
  await it.server.ask("POST", `${path}/logs`, [
    { event_type: "node_started", node_id: "fetch", message: "begins" },
    { event_type: "node_completed", node_id: "fetch", message: "done" },
    { event_type: "node_started", node_id: "clean", message: "begins" },
    { event_type: "node_failed", node_id: "clean", message: "no such column" },
    { event_type: "node_started", node_id: "clean", message: "once more" },
  ]);
  await page.getByLabel("Fetch: completed").waitFor();
  const clean = page.getByLabel("Clean: running");
  await clean.getByText("attempt 2").waitFor();
  await clean.getByTitle("1 error").waitFor();
  await clean.hover();
  await page.getByRole("tooltip").getByText("once more", { exact: true }).waitFor();
  await clean.click();
  await expect.poll(() => new URL(page.url()).searchParams.get("node"), { timeout: DEADLINE }).toBe("clean");
  await page.getByRole("button", { name: "Timeline" }).click();
  await page.getByRole("img", { name: /^Clean: running, waited .*, attempt 2$/ }).waitFor();
  await page.getByRole("button", { name: "All nodes" }).click();
  await expect.poll(() => new URL(page.url()).searchParams.get("node"), { timeout: DEADLINE }).toBeNull();
  expect(page.complaints).toEqual([]);
});

test("a run that waits shows its form, and the answer lets it go on", async () => {
  const { id, path } = await runOf(GRAPH);
  await it.server.ask("PATCH", path, { status: "running" });
  const fields = [
    { name: "go", label: "Go ahead?", type: "boolean" },
    { name: "count", type: "number" },
    { name: "where", options: ["north", "south"] },
  ];
  await it.server.ask("PUT", `${path}/waiting`, { form: { title: "Deploy <b>now</b>?", fields } });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByRole("heading", { name: "Deploy <b>now</b>?" }).waitFor();
  await page.getByLabel("Go ahead?").check();
  await page.getByLabel("count").fill("3");
  await page.getByLabel("where").selectOption("south");
  await page.getByRole("button", { name: "Answer" }).click();
  await page.locator(".badge.running").first().waitFor();
  const { logs } = await it.server.ask("GET", `${path}/logs?event_type=human_interaction`);
  expect(logs.at(-1).data).toEqual({ go: true, count: 3, where: "south" });
  await expect.poll(() => page.getByRole("form", { name: "Answer" }).count(), { timeout: DEADLINE }).toBe(0);
});

test("a workflow is run with inputs, and its page counts its runs", async () => {
  const { workflow, path } = await runOf(GRAPH);
  await it.server.ask("POST", `${path}/logs`, [{ event_type: "node_failed", node_id: "fetch", message: "it failed" }]);
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/workflows`);
  await page.locator(`a[href="/ui/workflows/${workflow}"]`).click();
  await page.getByLabel("Inputs").fill("{");
  await page.getByRole("button", { name: "Run it" }).click();
  await page.getByRole("alert").getByText("must be a JSON object").waitFor();
  await page.getByLabel("Inputs").fill('{"day": "monday"}');
  await page.getByRole("button", { name: "Run it" }).click();
  await page.waitForURL("**/ui/runs/*");
  const id = new URL(page.url()).pathname.split("/").pop();
  expect((await it.server.ask("GET", `/api/v1/executions/${id}/run`)).inputs).toEqual({ day: "monday" });
  await page.goto(`${it.server.url}/ui/workflows/${workflow}`);
  const analytics = page.getByRole("region", { name: "Analytics" });
  await analytics.getByText("Its newest 2 runs").waitFor();
  await analytics.getByRole("img", { name: "Records over time, by level" }).locator("rect.error").waitFor({ state: "attached" });
  await analytics.getByRole("img", { name: "fetch over time" }).locator("rect").waitFor({ state: "attached" });
  expect(page.complaints).toEqual([]);
});

test("a run without nodes has no canvas, and does not load it", async () => {
  const id = await it.server.log(["a line"]);
  const page = await it.page();
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url()));
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.locator(".badge.completed").waitFor();
  await page.waitForLoadState("networkidle");
  expect(loaded.filter((url) => url.includes("nodes_canvas"))).toEqual([]);
});

test("a thousand nodes are drawn", async () => {
  const nodes = Array.from({ length: 1000 }, (_, i) => ({ id: `n${i}`, name: `Node ${i}` }));
  const edges = nodes.slice(1).map((node, i) => [`n${Math.floor(i / 3)}`, node.id]);
  const { id } = await runOf({ nodes, edges });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  // Each has a place of its own, and is seen.
  const boxes = page.locator(".react-flow__node");
  const places = () => boxes.evaluateAll((all) => new Set(all.filter((box) => getComputedStyle(box).visibility === "visible").map((box) => box.style.transform)).size);
  await expect.poll(places, { timeout: DEADLINE }).toBe(1000);
  await page.getByLabel("Node 999: pending").waitFor();
  expect(page.complaints).toEqual([]);
});
