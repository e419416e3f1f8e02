import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { open, sees } from "./log_support.mjs";
import { DEADLINE, eventually, house } from "./support.mjs";

const it = house("--jobs", "1");

/** Leaves a file at an execution. */
async function leave(id, name, content) {
  const { server } = it;
  const body = Buffer.from(content);
  const sha256 = createHash("sha256").update(body).digest("hex");
  const sent = await fetch(`${server.url}/api/v1/blobs/${sha256}`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${server.key}`, "Content-Type": "application/octet-stream" },
    body,
  });
  expect(sent.ok).toBe(true);
  await server.ask("PUT", `/api/v1/executions/${id}/artifacts/${name}`, { sha256, size: body.length });
}

const HOSTILE_SVG = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="80" height="40"
  onload="parent.owned = 1"><script>parent.owned = 1; top.location = "/owned"</script>
  <image xlink:href="/owned.png" width="9" height="9"/><rect width="80" height="40" fill="teal"/></svg>`;
const HOSTILE_HTML = `<script>window.owned = 1</script><img src=x onerror="window.owned = 1"><base href="/owned">`;

test("files are shown: text, JSON and pictures, and hostile ones do nothing", async () => {
  const id = await it.server.log(["a line"], { open: true });
  await leave(id, "chart.svg", HOSTILE_SVG);
  await leave(id, "page.html", HOSTILE_HTML);
  await leave(id, "report.json", '{"rows":[1,2]}');
  await leave(id, "core.bin", Buffer.from([0, 1, 2, 3, 255]));
  const page = await it.page();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByRole("button", { name: "Files (4)" }).click();
  const picture = page.getByRole("img", { name: "chart.svg" });
  await page.getByRole("button", { name: "chart.svg", exact: true }).click();
  await eventually(() => picture.evaluate((image) => image.naturalWidth === 80), "the picture");
  await page.getByRole("button", { name: "page.html", exact: true }).click();
  await page.locator("pre.preview").getByText("<script>window.owned = 1</script>").waitFor();
  await page.getByRole("button", { name: "report.json", exact: true }).click();
  await expect.poll(() => page.locator("pre.preview").textContent(), { timeout: DEADLINE }).toBe('{\n  "rows": [\n    1,\n    2\n  ]\n}');
  await page.getByRole("button", { name: "core.bin", exact: true }).click();
  await page.getByText("neither a text nor a picture").waitFor();
  expect(await page.evaluate(() => window.owned)).toBeUndefined();
  expect(asked.filter((url) => url.includes("owned") || !url.startsWith(it.server.url)).filter((url) => !url.startsWith("blob:"))).toEqual([]);
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download report.json" }).click(),
  ]);
  expect(readFileSync(await saved.path(), "utf8")).toBe('{"rows":[1,2]}');
});

test("a run is cancelled after a question, and its files are there", async () => {
  const page = await it.page();
  const job = it.server.cli("run", "-d", "--", "sh", "-c", "mkdir $RUNNEL_OUTPUTS/out; echo content >\"$RUNNEL_OUTPUTS/out/a b.txt\"; echo ready; sleep 600 & trap 'kill %1; exit 0' TERM; wait").trim();
  await open(page, it.server, job);
  await sees(page, (lines) => lines.some(({ text }) => text === "ready"), "the job's line");
  const cancel = page.getByRole("button", { name: "Cancel the run" });
  await cancel.click();
  await page.getByRole("dialog").getByRole("button", { name: "No" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await cancel.click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await page.locator(".badge", { hasText: "cancelled" }).waitFor();
  await page.getByText("Files (1)").click();
  const coming = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download out/a b.txt" }).click();
  const file = await coming;
  expect(file.suggestedFilename()).toBe("a b.txt");
  expect(readFileSync(await file.path(), "utf8")).toBe("content\n");
});

test("a run is pinned, unpinned, and purged after a question", async () => {
  const id = await it.server.log(["a line", "another"]);
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByRole("button", { name: "Pin", exact: true }).click();
  await page.getByText("pinned", { exact: true }).waitFor();
  expect((await it.server.ask("GET", `/api/v1/executions/${id}`)).pinned).toBe(true);
  await page.getByRole("button", { name: "Unpin" }).click();
  await page.getByRole("button", { name: "Pin", exact: true }).waitFor();
  await page.getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByRole("dialog").getByText("Remove its 2 records for good?").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "No" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" }); // it has a button of the same name
  expect((await it.server.ask("GET", `/api/v1/executions/${id}`)).last_index).toBe(2);
  await page.getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByRole("heading", { name: "It is gone" }).waitFor();
  await expect(it.server.ask("GET", `/api/v1/executions/${id}`)).rejects.toThrow("410");
});

test("the files of a run are purged after a question, and its log stays", async () => {
  const id = await it.server.log(["a line"], { open: true });
  await leave(id, "one.txt", "1");
  await leave(id, "two.txt", "22");
  await it.server.ask("PATCH", `/api/v1/executions/${id}`, { status: "completed" });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByRole("button", { name: "Files (2)" }).waitFor();
  await page.getByRole("button", { name: "Purge files" }).click();
  await page.getByRole("dialog").getByText("Remove its 2 files (3 B) for good, and keep its log?").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Purge files" }).click();
  await page.getByRole("button", { name: /^Files/ }).waitFor({ state: "detached" });
  await page.locator(".pane .line").getByText("a line").waitFor();
  const { artifacts_count: count, last_index: lines } = await it.server.ask("GET", `/api/v1/executions/${id}`);
  expect([count, lines]).toEqual([0, 1]);
  expect(page.complaints).toEqual([]);
});

test("who may not purge is told so, and nothing goes", async () => {
  const id = await it.server.log(["a line"]);
  const { key } = await it.server.ask("POST", "/api/v1/keys", { name: "service", role: "service" });
  const page = await it.page({ signedIn: false });
  await page.addInitScript((value) => sessionStorage.setItem("runnel.token", value), key);
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  expect((await it.server.ask("GET", `/api/v1/executions/${id}`)).last_index).toBe(1);
});

test("a job that waits says why, and what it depends on is a link", async () => {
  const first = await it.server.ask("POST", "/api/v1/executions", { name: "the parent", command: ["true"], labels: ["nowhere"], queue: true });
  const after = [{ id: first.execution_id }];
  const child = await it.server.ask("POST", "/api/v1/executions", { name: "the child", command: ["true"], after, queue: true });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/workers`);
  const queue = page.getByRole("region", { name: "Queue" });
  await queue.getByRole("row", { name: "the parent" }).getByText("has the label nowhere").waitFor();
  await queue.getByRole("link", { name: "the child" }).click();
  await page.getByText("waits for").getByRole("link", { name: first.execution_id }).click();
  await page.getByRole("heading", { name: "the parent" }).waitFor();
  await it.server.ask("DELETE", `/api/v1/executions/${first.execution_id}`);
  await page.locator(".badge.cancelled").first().waitFor();
  expect((await it.server.ask("GET", `/api/v1/executions/${child.execution_id}`)).execution_id).toBe(child.execution_id);
});

test("what a run depends on and what depends on it stays on its page when nothing waits any more", async () => {
  const { server } = it;
  const job = (fields) => server.ask("POST", "/api/v1/executions", { command: ["true"], queue: true, ...fields });
  const ended = (id) => eventually(async () => (await server.ask("GET", `/api/v1/executions/${id}`)).settled, `the end of ${id}`);
  const first = (await job({ name: "first" })).execution_id;
  await ended(first);
  const second = (await job({ name: "second", after: [{ id: first }] })).execution_id;
  await ended(second);
  const third = (await job({ name: "third", labels: ["nowhere"], after: [{ id: second, on: "any" }] })).execution_id;
  const page = await it.page();
  await page.goto(`${server.url}/ui/runs/${second}`);
  const above = page.getByRole("region", { name: "Depends on" });
  const below = page.getByRole("region", { name: "What depends on it" });
  await above.getByRole("link", { name: first }).waitFor();
  await above.getByText("completed").waitFor();
  await below.getByText("however it ends").waitFor();
  await below.getByText("queued").waitFor();
  await server.ask("DELETE", `/api/v1/executions/${third}`);
  await below.getByText("cancelled").waitFor();
  await below.getByRole("link", { name: third }).click();
  await page.getByRole("heading", { name: "third" }).waitFor();
  await above.getByRole("link", { name: second }).click();
  await page.getByRole("heading", { name: "second" }).waitFor();
  expect(page.complaints).toEqual([]);
});

test("a failed job says why, its head tells where it ran and what it cost, and it is tried again", async () => {
  const { execution_id: id } = await it.server.ask("POST", "/api/v1/executions", {
    name: "the one that fails",
    command: ["sh", "-c", "echo oops >&2; exit 7"],
    metadata: { team: "sales" },
    queue: true,
  });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.getByText("it ended with exit code 7").waitFor();
  const { worker_hostname: host, cost_display: cost } = await it.server.ask("GET", `/api/v1/executions/${id}`);
  const head = page.locator(".head");
  await head.getByText(`on ${host}`).waitFor();
  await head.getByText(cost, { exact: true }).waitFor();
  await page.getByRole("button", { name: "Details" }).click();
  await page.getByRole("region", { name: "Details" }).getByText("sales").waitFor();
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  await page.getByRole("link", { name: "the attempt before" }).click();
  await page.getByRole("link", { name: "the next attempt" }).waitFor();
  expect(page.complaints).toEqual([]);
});

test("a failed run opens at the failed node's first error, and each node's log opens in a pane of its own", async () => {
  const { server } = it;
  const id = await server.log([], { open: true });
  const path = `/api/v1/executions/${id}`;
  const lines = (node_id, count) => Array.from({ length: count }, (_, i) => ({ message: `${node_id} ${i}`, node_id }));
  await server.ask("POST", `${path}/logs`, [
    { event_type: "node_started", node_id: "ok", message: "begins" },
    { message: "an error that did no harm", node_id: "ok", level: "ERROR" },
    ...lines("ok", 400),
    { event_type: "node_completed", node_id: "ok", message: "done" },
    { event_type: "node_started", node_id: "bad", message: "begins" },
    ...lines("bad", 400),
    { message: "no such column", node_id: "bad", level: "ERROR" },
    { event_type: "node_failed", node_id: "bad", message: "gives up" },
  ]);
  await server.ask("PATCH", path, { status: "failed" });
  const page = await it.page();
  await page.goto(`${server.url}/ui/runs/${id}`);
  await page.locator(".pane .line.marked").getByText("no such column").waitFor();
  expect(new URL(page.url()).hash).toBe("#L805");
  await page.getByRole("button", { name: "Summary" }).click();
  await page.getByRole("region", { name: "Summary" }).getByRole("button", { name: "line 2" }).click();
  await page.locator(".pane .line.marked").getByText("an error that did no harm").waitFor();
  await page.getByRole("button", { name: "Panes" }).click();
  expect(await page.locator(".node-log").count()).toBe(0);
  const pane = page.locator(".node-pane").filter({ hasText: "bad" });
  await pane.locator("summary").click();
  await pane.locator(".pane .line").getByText("bad 0", { exact: true }).waitFor();
  expect(await pane.locator(".pane .line").getByText("ok 0", { exact: true }).count()).toBe(0);
  await pane.locator("summary").click();
  await expect.poll(() => page.locator(".node-log").count(), { timeout: DEADLINE }).toBe(0);
  expect(page.complaints).toEqual([]);
});
