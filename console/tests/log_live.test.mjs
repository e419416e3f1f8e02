// A log that goes on: ways to the server, credentials that end, what is missing, what is told.
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

import { ends, open, seen, sees, starts, Way } from "./log_support.mjs";
import { eventually, house, Server } from "./support.mjs";

const folder = mkdtempSync(join(tmpdir(), "runnel-issuer-"));
const SECRET = "a secret of thirty-two characters";
writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
writeFileSync(
  join(folder, "issuers.conf"),
  `issuer "test" { iss = "test" audience = "runnel" account = "default" role = "viewer" leeway_seconds = 0 secret_file = "${folder}/secret" }\n`,
);
const it = house("--jwt-issuers", join(folder, "issuers.conf"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function token(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: "test", aud: "runnel", sub: "somebody", exp })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
const records = (from, to) => lines(from, to).map((message) => ({ message }));
const texts = (rows) => rows.map(({ text }) => text);

/** Answers that are kept back, requests that do not come through, and what the page asks for then. */
const WAYS = [
  ["a WebSocket", /follow=true/, undefined, /\/ws\/executions\//],
  ["server-sent events", /follow=true/, /\/ws\//, /\/logs\/stream/],
  ["asking again and again", /follow=true|\/logs\/stream/, /\/ws\//, /\/logs\?from=\d+&format=ndjson$/],
];

test.each(WAYS)("where a stream is kept back, the log comes by %s, with no line twice or missing", async (_, holds, refuses, asked) => {
  const way = await new Way().start(it.server.url);
  try {
    Object.assign(way, { holds, refuses });
    const page = await it.page();
    await page.clock.install();
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    page.on("websocket", (socket) => requests.push(socket.url()));
    const id = await it.server.log(lines(1, 3), { open: true });
    await open(page, way, id);
    await sees(page, ends(3), "what there is");
    await it.server.append(id, records(4, 6));
    await eventually(async () => {
      await page.clock.fastForward(5000); // as a person would wait
      return requests.some((url) => asked.test(url));
    }, "the way that is left");
    await sees(page, ends(6), "what came while it was looked for");
    await it.server.append(id, records(7, 9));
    await eventually(async () => {
      await page.clock.fastForward(1000);
      return ends(9)(await seen(page));
    }, "what comes then");
    expect(texts(await seen(page))).toEqual(lines(1, 9));
    expect(requests.join()).not.toMatch(/token|ticket=|rnt_/);
  } finally {
    way.stop();
  }
});

test("a token that expires while a log is followed is asked for anew, and nothing is missing", async () => {
  const page = await it.page({ signedIn: false });
  const id = await it.server.log(lines(1, 2), { open: true });
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.fill("#token", token(6));
  await page.click("main button");
  await page.getByRole("dialog", { name: "Sign in again" }).waitFor();
  await it.server.append(id, records(3, 4));
  await page.fill("#token", token(3600));
  await page.getByRole("dialog").getByRole("button").click();
  expect(texts(await sees(page, ends(4), "what came since"))).toEqual(lines(1, 4));
  await it.server.append(id, records(5, 5));
  expect(texts(await sees(page, ends(5), "what comes then"))).toEqual(lines(1, 5));
});

test("a reload while the run goes on shows all of it from the start", async () => {
  const page = await it.page();
  const id = await it.server.log(lines(1, 700), { open: true });
  await open(page, it.server, id);
  await sees(page, ends(700), "the end");
  await it.server.append(id, records(701, 710));
  await page.reload();
  await sees(page, ends(710), "the end after a reload");
  await it.server.append(id, records(711, 711));
  await sees(page, ends(711), "what comes then");
  await page.keyboard.press("Home");
  const rows = await sees(page, starts(1), "the beginning");
  expect(texts(rows)).toEqual(lines(1, rows.length));
  await page.keyboard.press("End");
  expect(texts(await sees(page, ends(711), "the end again")).at(-1)).toBe("line 711");
});

test("what was lost and what was interrupted stands out from output", async () => {
  const page = await it.page();
  const id = await it.server.log(lines(1, 1), { open: true });
  const told = [
    { event_type: "gap", message: "3 records are missing" },
    { event_type: "capture_interrupted", message: "the runner died" },
  ];
  await it.server.append(id, [...told, { message: "line 4" }]);
  await open(page, it.server, id);
  await sees(page, ends(4), "the lines");
  expect(await page.locator(".line.gap .text").allTextContents()).toEqual(told.map(({ message }) => message));
  await page.locator(".line.gap .kind").nth(1).hover();
  await page.locator('.line.gap .kind[title="capture_interrupted"]').waitFor();
});

test("lines that retention has removed are told, whatever is filtered, and a link to one shows what is left", async () => {
  const page = await it.page();
  const padded = lines(1, 3000).map((line) => line.padEnd(190));
  const id = await it.server.log(padded, { retention: "log_records=1000" });
  await eventually(async () => (await it.server.ask("GET", `/api/v1/executions/${id}`)).first_sequence === 2000, "the cut");
  await open(page, it.server, id, "#L5");
  await page.getByText("Lines 1 to 2 000 have been removed by retention.").waitFor();
  const rows = await sees(page, starts(2001), "the first line that is left");
  expect(rows[0].text.trim()).toBe("line 2001");
  await page.keyboard.press("End");
  await sees(page, ends(3000), "the end");
  await page.goto(`${it.server.url}/ui/runs/${id}?stream=stdout`);
  await page.getByText("Lines 1 to 2 000 have been removed by retention.").waitFor();
  await sees(page, starts(2001), "the first line that passes");
});

test("a store that is restored while a log is followed is shown as what it is then", async () => {
  const server = await new Server().start();
  try {
    const page = await it.page({ signedIn: false });
    await page.addInitScript((key) => sessionStorage.setItem("runnel.token", key), server.key);
    const id = await server.log(lines(1, 20), { open: true });
    const file = server.cli("backup").trim();
    await server.append(id, Array.from({ length: 10 }, (_, i) => ({ message: `lost ${i}` })));
    await open(page, server, id);
    await sees(page, ends(30), "the log before");
    await server.again(() => server.cli("restore", file));
    await server.append(id, records(21, 22));
    const rows = await sees(page, ends(22), "the log of the backup, and what came since");
    expect(texts(rows).filter((text) => !/^line \d+$/.test(text))).toEqual([]);
    await page.getByText("from line 21 on there may have been others before").waitFor();
  } finally {
    await server.stop();
  }
});

test("who hears the page is told how many lines came, and not each of them", async () => {
  const page = await it.page();
  await page.clock.install();
  const id = await it.server.log(lines(1, 5), { open: true });
  await open(page, it.server, id);
  await sees(page, ends(5), "the log");
  const pane = page.getByRole("log");
  expect(await pane.getAttribute("aria-live")).toBe("off");
  await it.server.append(id, records(6, 45));
  await sees(page, ends(45), "what came");
  await eventually(async () => {
    await page.clock.fastForward(1000);
    return (await page.locator(".told[role=status]").textContent()) === "40 new lines";
  }, "the summary");
});
