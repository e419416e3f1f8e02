// Searching, filtering, downloading a log; what the page of a run has around it.
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";

import { holds, open, sees } from "./log_support.mjs";
import { eventually, house } from "./support.mjs";

const it = house("--jobs", "1");
const COUNT = 12_000;
let id;

/** Each 1000th line is a needle; the others are hay. */
beforeAll(async () => {
  id = await it.server.log(
    Array.from({ length: COUNT }, (_, i) => (i % 1000 === 700 ? `a needle ${i + 1}` : i === 5000 ? "A NEEDLE" : `hay ${i + 1}`)),
  );
});

const count = (page) => page.locator("output.count");
const says = (page, text) => count(page).filter({ hasText: text }).waitFor();

test("a search counts all of the log, shows the first hit, and goes through hits that are not loaded", async () => {
  const page = await it.page();
  await open(page, it.server, id);
  await page.keyboard.press("/");
  await page.keyboard.type("needle");
  await says(page, /^1 \/ 13$/);
  await sees(page, holds(701), "the first hit");
  expect(new URL(page.url()).searchParams.get("q")).toBe("needle");
  await page.keyboard.press("Enter");
  await says(page, /^2 \/ 13$/);
  await sees(page, holds(1701), "the second");
  await page.keyboard.press("Escape");
  for (const ordinal of [3, 4, 5, 6]) {
    await page.keyboard.press("n");
    await says(page, new RegExp(`^${ordinal} / 13$`));
  }
  await sees(page, (lines) => lines.some(({ text }) => text === "A NEEDLE"), "the sixth");
  await page.keyboard.press("N");
  await says(page, /^5 \/ 13$/);
  await page.getByRole("button", { name: "Match case" }).click();
  await says(page, /^1 \/ 12$/);
  await page.keyboard.press("N"); // from the first to the last
  await says(page, /^12 \/ 12$/);
  await sees(page, holds(11_701), "the last hit");
  await page.reload();
  await says(page, /^12 \/ 12$/);
  await sees(page, holds(11_701), "the same after a reload");
  expect(await page.locator("#log-search").inputValue()).toBe("needle");
  expect(page.complaints).toEqual([]);
});

test("patterns are the server's, and a wrong one is told", async () => {
  const page = await it.page();
  await open(page, it.server, id, "?q=needle+%5B39%5D701%24&regex=true");
  await says(page, /^1 \/ 2$/);
  await sees(page, holds(3701), "the first hit");
  page.complaints.length = 0;
  await page.fill("#log-search", "(");
  await eventually(async () => /not a regular expression/.test(await count(page).textContent()), "what is wrong");
  await page.fill("#log-search", "(a+)+$");
  await says(page, /hit/);
  await page.fill("#log-search", "not there at all");
  await says(page, /^no hit$/);
});

test("ctrl-f is the search of the whole log", async () => {
  const page = await it.page();
  await open(page, it.server, id);
  await page.keyboard.press("Control+f");
  expect(await page.evaluate(() => document.activeElement.id)).toBe("log-search");
});

test("a search goes on while the log grows", async () => {
  const page = await it.page();
  const live = await it.server.log(["needle"], { open: true });
  await open(page, it.server, live, "?q=needle");
  await says(page, /^1 \/ 1$/);
  await it.server.ask("POST", `/api/v1/executions/${live}/logs`, [{ message: "hay" }, { message: "needle" }]);
  await says(page, /^1 \/ 2$/);
});

test("filters have the words of the interface, are in the address, and live lines pass them", async () => {
  const page = await it.page();
  const live = await it.server.log(["zero"], { open: true });
  const append = (...records) => it.server.ask("POST", `/api/v1/executions/${live}/logs`, records);
  const mixed = Array.from({ length: 900 }, (_, i) => ({
    message: `record ${i + 2}`,
    stream: i % 3 === 0 ? "stderr" : "stdout",
    level: i === 400 ? "ERROR" : i % 2 === 0 ? "WARNING" : "INFO",
  }));
  await append(...mixed);
  await append({ event_type: "node_started", node_id: "n1", message: "begins", is_milestone: true });
  await open(page, it.server, live, "?stream=stderr");
  await sees(page, (lines) => lines.at(-1).text === "record 899", "the last of stderr");
  await page.getByText("300 lines").waitFor();
  await append({ message: "out" }, { message: "err", stream: "stderr" });
  await sees(page, (lines) => lines.at(-1).text === "err" && lines.at(-1).number === 904, "what came on stderr");
  await page.getByText("Filter (1)").click();
  await page.getByLabel("Level").selectOption("ERROR");
  expect(new URL(page.url()).search).toBe("?stream=stderr&min_level=ERROR");
  await page.getByText("No line yet.").waitFor();
  await page.getByLabel("Stream").selectOption("");
  await sees(page, (lines) => lines.length === 1 && lines[0].text === "record 402", "the error");
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByLabel("Milestones only").check();
  await sees(page, (lines) => lines.length === 1 && lines[0].text === "begins", "the milestone");
  await page.goto(`${it.server.url}/ui/runs/${live}?node=n1&event_type=node_started`);
  await sees(page, (lines) => lines.length === 1 && lines[0].text === "begins", "the record of the node");
  await page.goto(`${it.server.url}/ui/runs/${live}`);
  await page.getByRole("button", { name: "First error" }).click();
  await page.locator(".line.current", { hasText: "record 402" }).waitFor();
  expect(new URL(page.url()).hash).toBe("#L402");
});

test("of a long filtered log the first lines are shown, the rest is counted, and a link leads into it", async () => {
  const page = await it.page();
  await open(page, it.server, id, "?min_level=INFO&stream=stdout#L9500");
  await sees(page, holds(9500), "the line of the link");
  await page.getByText(/^12\s000 lines$/).waitFor();
  expect(await page.getByRole("button", { name: /new line/ }).count()).toBe(0);
});

test("that there is no hit is said before the count is through", async () => {
  const page = await it.page();
  await open(page, it.server, id);
  let held = 0;
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  // The count is slow; the look for the first hit is not.
  await page.route(/\/logs\/search\?.*limit=0/, async (route) => {
    held++;
    await gate;
    await route.continue();
  });
  await page.keyboard.press("/");
  await page.keyboard.type("pitchfork");
  await says(page, /^no hit$/);
  await eventually(() => held > 0, "the count is under way");
  await says(page, /^no hit$/);
  release();
  await page.unrouteAll({ behavior: "wait" });
  await says(page, /^no hit$/);
  expect(page.complaints).toEqual([]);
});

test("what was filtered out is shown around a hit", async () => {
  const page = await it.page();
  const mixed = Array.from({ length: 900 }, (_, i) => ({ message: `record ${i + 1}`, stream: i % 100 === 99 ? "stderr" : "stdout" }));
  const other = await it.server.log([], { open: true });
  await it.server.append(other, mixed);
  await open(page, it.server, other, "?stream=stderr&q=record");
  await says(page, /^1 \/ 9$/);
  await page.keyboard.press("Escape");
  for (const ordinal of [2, 3, 4, 5]) {
    await page.keyboard.press("n");
    await says(page, new RegExp(`^${ordinal} / 9$`));
  }
  await page.getByRole("button", { name: "Lines around" }).click();
  const lines = await sees(page, (rows) => [499, 500, 501].every((number) => holds(number)(rows)), "the lines around");
  expect(lines.find(({ number }) => number === 499).text).toBe("record 499");
  expect(new URL(page.url()).search).toBe("?q=record");
  expect(new URL(page.url()).hash).toBe("#L500");
  await page.locator(".line.marked", { hasText: "record 500" }).waitFor();
});

test("a log is downloaded whole, and as it is filtered", async () => {
  const page = await it.page();
  await open(page, it.server, id, "?start_time=2000-01-01T00:00:00Z&stream=stdout");
  await page.getByText("Download", { exact: true }).click();
  for (const [name, lines] of [["Whole log, as text", COUNT], ["As filtered, as NDJSON", COUNT]]) {
    const coming = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    const file = readFileSync(await (await coming).path(), "utf8").split("\n");
    expect(file.length).toBe(lines + 1);
    expect(name.includes("NDJSON") ? JSON.parse(file[700]).message : file[700]).toBe("a needle 701");
  }
});

test("the log's page needs at most 60 KB of script", async () => {
  const text = await (await fetch(it.server.url)).text();
  const scripts = text.match(/\/assets\/[\w-]+\.js/g);
  let size = 0;
  for (const path of scripts) size += Number((await fetch(it.server.url + path, { method: "HEAD" })).headers.get("content-length"));
  expect(size).toBeGreaterThan(0);
  expect(size).toBeLessThanOrEqual(60_000);
});
