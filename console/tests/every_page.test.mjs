// What holds for every page: no serious fault of accessibility, in dark and light; a phone's width; safe headers.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { beforeAll, expect, test } from "vitest";

import { house } from "./support.mjs";

const it = house("--jobs", "1");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };

/** Each page: its path, and what is there when it is drawn. */
const PAGES = {
  "sign in": { path: () => "/", ready: (page) => page.getByRole("heading", { name: "Sign in", exact: true }), signedIn: false },
  runs: { path: () => "/", ready: (page) => page.getByRole("row", { name: it.run }) },
  "a run": { path: () => `/ui/runs/${it.run}?panel=details`, ready: (page) => page.locator(".pane .line").first() },
  "a run with nodes": { path: () => `/ui/runs/${it.flow}?panel=summary`, ready: (page) => page.locator(".react-flow__node").first() },
  "a run that waits": { path: () => `/ui/runs/${it.asks}`, ready: (page) => page.getByRole("heading", { name: "Deploy?" }) },
  batches: { path: () => "/ui/batches", ready: (page) => page.getByRole("link", { name: "a batch" }) },
  "a batch": { path: () => `/ui/batches/${it.batch}`, ready: (page) => page.getByRole("region", { name: "Latest failures" }) },
  workflows: { path: () => "/ui/workflows", ready: (page) => page.getByRole("link", { name: "nightly" }) },
  "a workflow": { path: () => `/ui/workflows/${it.workflow}`, ready: (page) => page.getByRole("region", { name: "Analytics" }) },
  workers: { path: () => "/ui/workers", ready: (page) => page.getByText("has room") },
  server: { path: () => "/ui/server", ready: (page) => page.locator(".plot canvas").nth(5) },
  keys: { path: () => "/ui/keys", ready: (page) => page.getByRole("row", { name: "admin.key" }) },
  retention: { path: () => "/ui/retention", ready: (page) => page.getByLabel("How long") },
  search: { path: () => "/ui/search?q=line", ready: (page) => page.locator("mark").first() },
  "a new run": { path: () => "/ui/new", ready: (page) => page.getByRole("textbox", { name: "Command" }) },
};

beforeAll(async () => {
  const { server } = it;
  it.run = await server.log(["a line that is longer than a telephone is wide, ".repeat(5), "\u001b[31mred\u001b[0m and \u001b[32mgreen\u001b[0m"]);
  const nodes = ["fetch", "clean", "load"].map((id) => ({ id, name: id }));
  it.workflow = (await server.ask("POST", "/api/v1/workflows", { name: "nightly", graph: { nodes, edges: [["fetch", "clean"]] } })).workflow_id;
  it.flow = (await server.ask("POST", `/api/v1/workflows/${it.workflow}/run`, {})).execution_id;
  await server.ask("PATCH", `/api/v1/executions/${it.flow}`, { status: "running" });
  await server.ask("POST", `/api/v1/executions/${it.flow}/logs`, [
    { event_type: "node_failed", node_id: "fetch", message: "it failed" },
    { message: "odd", level: "WARNING", node_id: "clean" },
    { event_type: "milestone", message: "half of it", is_milestone: true },
  ]);
  it.asks = (await server.ask("POST", `/api/v1/workflows/${it.workflow}/run`, {})).execution_id;
  await server.ask("PATCH", `/api/v1/executions/${it.asks}`, { status: "running" });
  const fields = [{ name: "go", label: "Go ahead?", type: "boolean" }, { name: "where", options: ["north"] }];
  await server.ask("PUT", `/api/v1/executions/${it.asks}/waiting`, { form: { title: "Deploy?", fields } });
  const jobs = [{ name: "good", command: ["true"] }, { name: "bad", command: ["false"] }];
  it.batch = (await server.ask("POST", "/api/v1/batches", { name: "a batch", jobs })).batch_id;
});

async function seriousFaults(page) {
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 200))]);
}

/** What scrolls sideways: the page itself, or the part of it that holds everything. */
function wider(page) {
  return page.evaluate(() => {
    const areas = [document.documentElement, ...document.querySelectorAll("main")];
    return areas.filter((area) => area.scrollWidth > area.clientWidth).map((area) => `${area.localName}: ${area.scrollWidth}`);
  });
}

test.each(Object.keys(PAGES))("%s has no serious fault, in light and dark, and is no wider than a telephone", async (name) => {
  const { path, ready, signedIn = true } = PAGES[name];
  const page = await it.page({ signedIn, colorScheme: "light" });
  await page.goto(it.server.url + path());
  await ready(page).waitFor();
  await page.evaluate(AXE);
  expect(await seriousFaults(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: "dark" });
  expect(await seriousFaults(page)).toEqual([]);
  await page.setViewportSize(PHONE);
  expect(await wider(page)).toEqual([]);
  expect(await seriousFaults(page)).toEqual([]);
  await page.context().close();
});

test("every file of the page comes with the same strict headers, and sets no cookie", async () => {
  const answer = await fetch(it.server.url);
  const names = (await answer.text()).match(/\/assets\/[\w.-]+/g);
  expect(names.length).toBeGreaterThanOrEqual(3);
  for (const path of ["/", "/ui/batches", ...names]) {
    const { headers } = await fetch(it.server.url + path);
    const policy = Object.fromEntries(headers.get("content-security-policy").split("; ").map((one) => [one.split(" ")[0], one.split(" ").slice(1).join(" ")]));
    expect(policy).toMatchObject({
      "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
    });
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("set-cookie")).toBeNull();
  }
});
