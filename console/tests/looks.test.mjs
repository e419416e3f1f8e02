// What the pages look like, beside pictures that a person has looked at (tests/references). Made anew by
// RUNNEL_REFERENCES=new; look at each before it is kept.
//
// A browser's or a font's update moves and thins letters everywhere, so pixels say nothing. Both pictures are cut into cells, and of each
// the mean is compared: how colourful it is, narrowly, as states are told by colour and text has none; how light it is,
// widely. A cell may also be like one of its neighbours, as what is beside a text moves with it. The tests at the end hold that another font
// passes, and that a state in the wrong colour does not.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { DEADLINE, eventually, house } from "./support.mjs";

const it = house("--jobs", "2");
const FOLDER = join(import.meta.dirname, "references");
const CELL = 12; // pixels
const COLOUR = 30; // of 255, between the channels of a cell
const LIGHT = 70;
const FEW = { colour: 0.0006, light: 0.01 }; // of the cells may differ

/** Which shares of cells differ in colour, and in light, in a page of the browser, which decodes pictures. */
function difference(one, other) {
  return it.judge.evaluate(
    async ([a, b, cell, colour, light]) => {
      const cellsOf = async (base64) => {
        const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
        const canvas = new OffscreenCanvas(picture.width, picture.height);
        const pen = canvas.getContext("2d");
        pen.drawImage(picture, 0, 0);
        const columns = Math.floor(picture.width / cell);
        const rows = Math.floor(picture.height / cell);
        const means = [];
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            const { data } = pen.getImageData(column * cell, row * cell, cell, cell);
            const sum = [0, 0, 0];
            for (let i = 0; i < data.length; i++) if (i % 4 < 3) sum[i % 4] += data[i];
            means.push(sum.map((value) => value / (cell * cell)));
          }
        return { columns, rows, at: (column, row) => means[row * columns + column] };
      };
      const [left, right] = [await cellsOf(a), await cellsOf(b)];
      if (Math.abs(left.columns - right.columns) > 2 || Math.abs(left.rows - right.rows) > 2) return { colour: 1, light: 1 };
      const asColourful = ([r, g, b], [s, h, c]) => Math.abs(r - g - (s - h)) <= colour && Math.abs(g - b - (h - c)) <= colour;
      const asLight = ([r, g, b], [s, h, c]) => Math.abs(r + g + b - s - h - c) <= 3 * light;
      const columns = Math.min(left.columns, right.columns);
      const rows = Math.min(left.rows, right.rows);
      const missed = (from, to, alike) => {
        let count = 0;
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            let found = false;
            for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1) && !found; y++)
              for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1) && !found; x++)
                found = alike(from.at(column, row), to.at(x, y));
            if (!found) count++;
          }
        return count;
      };
      const share = (alike) => Math.max(missed(left, right, alike), missed(right, left, alike)) / (columns * rows);
      return { colour: share(asColourful), light: share(asLight) };
    },
    [one.toString("base64"), other.toString("base64"), CELL, COLOUR, LIGHT],
  );
}

/** What differs by more than it may; null if they look alike. */
function differs(shares) {
  return shares.colour > FEW.colour || shares.light > FEW.light ? shares : null;
}

const ESCAPE = "\u001b";

const PARTS = {
  nodes: {
    path: () => `/ui/runs/${it.flow}`,
    part: ".nodes .canvas",
    ready: (page) => page.getByLabel("Report: pending").waitFor(),
  },
  cells: {
    path: () => `/ui/batches/${it.batch}`,
    part: ".cells canvas",
    ready: (page) => page.locator('.cells canvas[data-drawn="120"]').waitFor(),
  },
  log: {
    path: () => `/ui/runs/${it.log}#L12`,
    part: ".pane",
    ready: (page) => page.locator(".pane .line.marked").waitFor(),
  },
};

beforeAll(async () => {
  const { server } = it;
  it.judge = await (await it.browser.newContext()).newPage();
  const names = ["Fetch", "Clean", "Split", "Train", "Score", "Ask", "Report"];
  const nodes = names.map((name) => ({ id: name.toLowerCase(), name }));
  const edges = [["fetch", "clean"], ["clean", "split"], ["split", "train"], ["split", "score"], ["split", "ask"], ["train", "report"]];
  const { workflow_id: workflow } = await server.ask("POST", "/api/v1/workflows", { name: "looks", graph: { nodes, edges } });
  it.flow = (await server.ask("POST", `/api/v1/workflows/${workflow}/run`, {})).execution_id;
  await server.ask("PATCH", `/api/v1/executions/${it.flow}`, { status: "running" });
  const event = (event_type, node_id) => ({ event_type, node_id, message: event_type, timestamp: "2026-01-02T03:04:05Z" });
  await server.ask("POST", `/api/v1/executions/${it.flow}/logs`, [
    event("node_completed", "fetch"), event("node_skipped", "clean"), event("node_completed", "split"),
    event("node_failed", "train"), event("node_started", "score"), event("node_awaiting_input", "ask"),
  ]);
  const jobs = Array.from({ length: 120 }, (_, i) => ({ name: `job ${i}`, command: [i % 17 === 4 ? "false" : "true"], ...(i > 90 ? { labels: ["nowhere"] } : {}) }));
  it.batch = (await server.ask("POST", "/api/v1/batches", { name: "looks", jobs })).batch_id;
  const over = async () => (await server.ask("GET", `/api/v1/batches/${it.batch}`)).running_count === 0;
  await eventually(async () => (await over()) && (await server.ask("GET", `/api/v1/batches/${it.batch}`)).queued_count === 29, "the jobs' ends");
  const lines = Array.from({ length: 40 }, (_, i) => ({ message: `${ESCAPE}[${31 + (i % 6)}mcolour ${i % 6}${ESCAPE}[0m of line ${i + 1}` }));
  lines[6] = { message: "an error", level: "ERROR", stream: "stderr" };
  lines[8] = { message: `${ESCAPE}[41mon red${ESCAPE}[0m`, stream: "stderr" };
  const { execution_id: log } = await server.ask("POST", "/api/v1/executions", {});
  it.log = log;
  await server.ask("POST", `/api/v1/executions/${log}/logs`, lines);
  await server.ask("PATCH", `/api/v1/executions/${log}`, { status: "running" });
  await server.ask("PATCH", `/api/v1/executions/${log}`, { status: "completed" });
});

afterAll(() => it.judge?.close());

/** A picture of the part, in `style` if there is one. */
async function pictureOf(name, colorScheme, style) {
  const { path, part, ready } = PARTS[name];
  const page = await it.page({ colorScheme, reducedMotion: "reduce" });
  await page.goto(it.server.url + path());
  await ready(page);
  if (style) await page.evaluate((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    document.adoptedStyleSheets.push(sheet);
  }, style);
  // Two pictures that are the same: nothing moves any more.
  let picture;
  await expect.poll(async () => {
    const before = picture;
    picture = await page.locator(part).first().screenshot({ animations: "disabled", caret: "hide" });
    return before !== undefined && before.equals(picture);
  }, { timeout: DEADLINE }).toBe(true);
  await page.context().close();
  return picture;
}

const reference = (name, scheme) => join(FOLDER, `${name}-${scheme}.png`);

for (const name of Object.keys(PARTS))
  test.each(["light", "dark"])(`${name} look as they did, in %s`, async (scheme) => {
    const picture = await pictureOf(name, scheme);
    if (process.env.RUNNEL_REFERENCES === "new") writeFileSync(reference(name, scheme), picture);
    expect(existsSync(reference(name, scheme))).toBe(true);
    expect(differs(await difference(picture, readFileSync(reference(name, scheme))))).toBeNull();
  });

test("another font looks the same, a state in the wrong colour does not", async () => {
  const kept = readFileSync(reference("nodes", "light"));
  const serif = await pictureOf("nodes", "light", `.node { font-family: "DejaVu Serif", serif !important; letter-spacing: 0.3px; }`);
  expect(differs(await difference(serif, kept))).toBeNull();
  const wrong = await pictureOf("nodes", "light", ".node.failed { border-left-color: var(--completed) !important; }");
  expect(differs(await difference(wrong, kept))).not.toBeNull();
});
