// The nodes of a run: how far each is, when each waited and ran, and on a telephone.
import { expect, test } from "vitest";

import { DEADLINE, eventually, house } from "./support.mjs";

const it = house("--jobs", "1");

const GRAPH = {
  nodes: [{ id: "fetch", name: "Fetch" }, { id: "clean", name: "Clean" }, { id: "load", name: "Load" }],
  edges: [["fetch", "clean"], ["clean", "load"]],
};

async function runOf(graph, workflow = {}) {
  const { workflow_id } = await it.server.ask("POST", "/api/v1/workflows", { name: "nightly", graph, ...workflow });
  const { execution_id: id } = await it.server.ask("POST", `/api/v1/workflows/${workflow_id}/run`, {});
  return { id, path: `/api/v1/executions/${id}` };
}

async function started(graph) {
  const run = await runOf(graph);
  const { created_at: created } = await it.server.ask("PATCH", run.path, { status: "running" });
  return { ...run, began: Date.parse(created) };
}

const event = (event_type, node_id, at, fields = {}) => ({ event_type, node_id, timestamp: new Date(at).toISOString(), ...fields });

test("a node shows how far it is, live, on the canvas and in time", async () => {
  const { id, path, began } = await started(GRAPH);
  const tell = (fields) => it.server.ask("POST", `${path}/logs`, [event("node_progress", "fetch", began, fields)]);
  await tell({ step_number: 2, total_steps: 7 });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  const node = page.getByLabel("Fetch: running, step 2 / 7");
  await node.waitFor();
  expect(await node.getByRole("progressbar").count()).toBe(0);
  await tell({ step_number: 3, progress_percentage: 41.75 });
  await page.getByLabel("Fetch: running, step 3 / 7, 41.75 %").waitFor();
  const bar = page.getByLabel("Fetch: running").getByRole("progressbar");
  expect(await bar.evaluate(({ value, max }) => value / max)).toBe(0.4175);
  await page.getByRole("button", { name: "Timeline" }).click();
  const row = page.getByRole("row", { name: "Fetch" });
  await row.getByText("41.75 %", { exact: true }).waitFor();
  await row.getByRole("img", { name: /took .*, 41\.75 %, attempt 1$/ }).waitFor();
  await it.server.ask("POST", `${path}/logs`, [event("node_completed", "fetch", began)]);
  await page.getByRole("button", { name: "Graph" }).click();
  const done = page.getByLabel("Fetch: completed");
  await done.getByText("3 records").waitFor();
  expect(await done.getByRole("progressbar").count()).toBe(0);
  expect(page.complaints).toEqual([]);
});

test("the timeline shows waits and attempts of each node beside an axis", async () => {
  const { id, path, began } = await started(GRAPH);
  const at = (seconds) => began + seconds * 1000;
  await it.server.ask("POST", `${path}/logs`, [
    event("node_queued", "fetch", at(0)), event("node_started", "fetch", at(2)), event("node_failed", "fetch", at(3)),
    event("node_started", "fetch", at(4)), event("node_completed", "fetch", at(6)),
    event("node_started", "clean", at(9)), event("node_completed", "clean", at(10)), // nobody said when it was queued
  ]);
  await it.server.ask("PATCH", path, { status: "completed" });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByRole("button", { name: "Timeline" }).click();
  const fetched = page.getByRole("img", { name: "Fetch: completed, waited 3.0 s, took 3.0 s, attempt 2" });
  await fetched.waitFor();
  const told = await fetched.locator("title").allTextContents();
  expect(told).toEqual(["waited for attempt 1, 2.0 s", "attempt 1: failed, 1.0 s", "waited for attempt 2, 1.0 s", "attempt 2: completed, 2.0 s"]);
  await page.getByRole("img", { name: "Clean: completed, waited 3.0 s, took 1.0 s, attempt 1" }).waitFor();
  await page.getByRole("img", { name: /^The run: completed, waited / }).waitFor();
  expect(await page.locator(".ticks span").allTextContents()).toEqual(["0", "2 s", "4 s", "6 s", "8 s", "10 s"]);
  const left = (locator) => locator.evaluate((element) => element.getBoundingClientRect().left);
  expect(Math.abs((await left(fetched.locator("rect.failed"))) - (await left(page.getByText("2 s", { exact: true }))))).toBeLessThan(2);
  expect(page.complaints).toEqual([]);
});

test("the timeline of a run that was tried again shows its attempts, with links", async () => {
  const { id, path } = await runOf(GRAPH, { job: { command: ["false"] } });
  await eventually(async () => (await it.server.ask("GET", path)).settled, "its end");
  const { execution_id: next } = await it.server.ask("POST", `${path}/retry`);
  await eventually(async () => (await it.server.ask("GET", `/api/v1/executions/${next}`)).settled, "the end of the next attempt");
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${next}`);
  await page.getByRole("button", { name: "Timeline" }).click();
  const attempts = page.getByRole("table", { name: "Attempts" });
  await attempts.getByRole("img", { name: /^Attempt 1: failed, waited .*, attempt 1$/ }).waitFor();
  await attempts.getByRole("img", { name: /^Attempt 2: failed, waited .*, attempt 2$/ }).waitFor();
  await attempts.getByRole("link", { name: "Attempt 1" }).click();
  await page.waitForURL(`**/ui/runs/${id}*`);
  expect(page.complaints).toEqual([]);
});

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Draws a finger over the page. */
async function swipe(page, from, to) {
  const session = await page.context().newCDPSession(page);
  const touch = (type, points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
  await touch("touchStart", [from]);
  for (let part = 1; part <= 4; part++)
    await touch("touchMove", [[from[0] + ((to[0] - from[0]) * part) / 4, from[1] + ((to[1] - from[1]) * part) / 4]]);
  await touch("touchEnd", []);
}

test("on a telephone a graph opens at the failed node, large enough to be read, and is moved by a finger", async () => {
  const nodes = Array.from({ length: 30 }, (_, i) => ({ id: `n${i}`, name: `Node ${i}` }));
  const { id, path, began } = await started({ nodes, edges: nodes.slice(1).map((node, i) => [`n${Math.floor(i / 2)}`, node.id]) });
  await it.server.ask("POST", `${path}/logs`, [event("node_failed", "n20", began, { message: "no such column" })]);
  const page = await it.page(PHONE);
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  const failed = page.getByLabel("Node 20: failed");
  await failed.waitFor();
  const inside = (box, frame) => box.x >= frame.x && box.x + box.width <= frame.x + frame.width && box.y >= frame.y && box.y + box.height <= frame.y + frame.height;
  const canvas = page.locator(".canvas");
  await expect.poll(async () => inside(await failed.boundingBox(), await canvas.boundingBox()), { timeout: DEADLINE }).toBe(true);
  const before = await failed.boundingBox();
  expect(before.width).toBeGreaterThan(150);
  const frame = await canvas.boundingBox();
  const middle = [frame.x + frame.width / 2, frame.y + frame.height * 0.8];
  await swipe(page, middle, [middle[0], middle[1] - 150]);
  await expect.poll(async () => before.y - (await failed.boundingBox()).y, { timeout: DEADLINE }).toBeGreaterThan(100);
  // What leads to it stands above it: edges go down.
  const parent = await page.getByLabel("Node 9: pending").boundingBox();
  expect(parent.y + parent.height).toBeLessThanOrEqual((await failed.boundingBox()).y);
  await page.getByRole("button", { name: "Timeline" }).click();
  await page.getByRole("img", { name: /^Node 20: failed/ }).waitFor();
  const areas = () => page.evaluate(() => [document.documentElement, document.querySelector("main")].every((area) => area.scrollWidth <= area.clientWidth));
  expect(await areas()).toBe(true);
  expect(page.complaints).toEqual([]);
});
