import { expect, test } from "vitest";

import { DEADLINE, house } from "./support.mjs";

const it = house("--jobs", "1");

test("the list counts errors and warnings, shows progress and metadata, and is narrowed by them", async () => {
  const { server } = it;
  const { execution_id: id } = await server.ask("POST", "/api/v1/executions", { name: "counted", metadata: { team: "sales" } });
  const path = `/api/v1/executions/${id}`;
  await server.ask("POST", `${path}/logs`, [
    { message: "bad", level: "ERROR" },
    { message: "worse", level: "CRITICAL" },
    { message: "odd", level: "WARNING" },
    { event_type: "node_completed", node_id: "one", message: "done" },
    { event_type: "node_started", node_id: "two", message: "begins" },
  ]);
  await server.ask("PATCH", path, { status: "running" });
  await server.ask("POST", "/api/v1/executions", { name: "another" });
  const page = await it.page();
  await page.goto(server.url);
  const row = page.getByRole("row", { name: id });
  await row.getByTitle("2 errors").waitFor();
  await row.getByTitle("1 warning").waitFor();
  await row.getByText("1 / 2").waitFor();
  await page.getByRole("row", { name: "another" }).waitFor();
  await row.getByRole("link", { name: "team=sales" }).click();
  await expect.poll(() => page.getByRole("row", { name: "another" }).count(), { timeout: DEADLINE }).toBe(0);
  await row.waitFor();
  await page.getByRole("button", { name: "team=sales" }).click();
  await page.getByRole("row", { name: "another" }).waitFor();
  await page.getByLabel("Metadata").fill("team=other");
  await page.getByLabel("Metadata").press("Enter");
  await page.getByText("None is like that.").waitFor();
  expect(new URL(page.url()).search).toBe("?metadata.team=other");
  await page.getByLabel("Made in").selectOption("1h");
  await expect.poll(() => new URL(page.url()).searchParams.get("since"), { timeout: DEADLINE }).toBe("1h");
  expect(page.complaints).toEqual([]);
});

test("whose a run is stands in the list", async () => {
  const { key } = await it.server.ask("POST", "/api/v1/keys", { name: "dana", role: "user" });
  const made = await fetch(`${it.server.url}/api/v1/executions`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "hers" }),
  }).then((answer) => answer.json());
  expect(made.user_id).toBeTruthy();
  const page = await it.page();
  await page.goto(it.server.url);
  await page.getByRole("row", { name: "hers" }).getByText(made.user_id).waitFor();
});

test("all logs are searched, and a hit leads to its line", async () => {
  const id = await it.server.log(["nothing", "the <b>needle</b> is here", "nothing"]);
  const page = await it.page();
  await page.goto(it.server.url);
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("needle");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: id }).waitFor();
  await page.locator("mark").getByText("needle", { exact: true }).waitFor();
  await page.getByText("<b>").waitFor();
  await page.getByRole("link", { name: "2", exact: true }).click();
  await page.locator(".pane .line.marked").getByText("needle").waitFor();
  expect(new URL(page.url()).hash).toBe("#L2");
});

// A log whose store or cold objects are away: the real answer, with what a server says then.
test("a search tells which logs could not be looked at, and keeps the hits of others", async () => {
  const id = await it.server.log(["a splinter here"]);
  const page = await it.page();
  await page.route(/\/api\/v1\/search\?/, async (route) => {
    const answer = await route.fetch();
    const json = { ...(await answer.json()), unread: [{ execution_id: "exec_cold", code: "cold_unavailable" }] };
    await route.fulfill({ response: answer, json });
  });
  await page.goto(`${it.server.url}/ui/search?q=splinter`);
  await page.getByText("Not all could be looked at").waitFor();
  await page.getByText("(cold_unavailable)").waitFor();
  expect(await page.getByRole("link", { name: "exec_cold" }).getAttribute("href")).toMatch(/\/ui\/runs\/exec_cold$/);
  await page.getByRole("heading", { name: id }).waitFor();
  await page.unroute(/\/api\/v1\/search\?/);
  await page.reload();
  await page.getByRole("heading", { name: id }).waitFor();
  expect(await page.getByText("Not all could be looked at").count()).toBe(0);
});

test("the keyboard goes everywhere, and lists its keys", async () => {
  const id = await it.server.log(["a line"]);
  const page = await it.page();
  await page.goto(`${it.server.url}/?id_prefix=${id}`);
  await page.getByRole("row", { name: id }).waitFor();
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keys of the keyboard" });
  await keys.getByText("this list").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => keys.count(), { timeout: DEADLINE }).toBe(0);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/ui/runs/${id}`);
  for (const [key, name] of [["b", "Batches"], ["f", "Workflows"], ["w", "Workers"], ["s", "Server"], ["k", "Keys"], ["l", "Search all logs"], ["r", "Runs"]]) {
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.getByRole("heading", { name, exact: true }).waitFor();
  }
  await page.keyboard.press("c");
  await page.getByRole("heading", { name: "Start a run" }).waitFor();
  expect(page.complaints).toEqual([]);
});

test("a workflow is started from the form, with inputs", async () => {
  await it.server.ask("POST", "/api/v1/workflows", { workflow_id: "from-form", name: "From the form" });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/new`);
  await page.getByLabel("a workflow").check();
  await page.getByRole("combobox", { name: /^Workflow/ }).selectOption("from-form");
  await page.getByLabel("Inputs").fill('{"day": "monday"}');
  await page.getByRole("button", { name: "Run it" }).click();
  await page.waitForURL("**/ui/runs/*");
  const id = new URL(page.url()).pathname.split("/").pop();
  expect((await it.server.ask("GET", `/api/v1/executions/${id}/run`)).inputs).toEqual({ day: "monday" });
});

test("the server's own state is shown, with plots", async () => {
  await it.server.log(["one", "two", "three"]);
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/server`);
  for (const name of ["Lines each second", "Connections", "Lag", "Waiting to be stored", "Memory", "Store"])
    await page.getByRole("figure", { name, exact: true }).locator("canvas").waitFor();
  await page.getByRole("figure", { name: "Store", exact: true }).getByText(/\d [KM]iB/).first().waitFor();
  await page.getByText("Records stored").waitFor();
  // A line is drawn: what is not the grid's colour.
  await expect.poll(() => page.getByRole("figure", { name: "Memory" }).locator("canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let blue = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && data[i + 2] - data[i] > 60) blue++;
    return blue > 20;
  }), { timeout: DEADLINE }).toBe(true);
  expect(page.complaints).toEqual([]);
});
