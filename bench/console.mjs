// What a browser has to do for the console's log pane: console.mjs JSON, with {url, key, ratio} and either {id, lines},
// a log that is closed, or {live}, one that grows, or {rival}, so many lines in a common virtual list, or {pages}, each a path with what is
// to be drawn there. Prints JSON.
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(import.meta.dirname, "../console/package.json"));
const { chromium } = require("playwright-core");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const { url, key, id, lines, live, rival, pages, ratio } = JSON.parse(process.argv[2]);
const TRACED = ["toplevel", "devtools.timeline", "devtools.timeline.frame", "disabled-by-default-devtools.timeline.frame"];

const browser = await chromium.launch({
  executablePath: BROWSERS.find((path) => existsSync(path)),
  args: ["--no-sandbox", "--js-flags=--expose-gc", "--enable-precise-memory-info", `--force-device-scale-factor=${ratio}`],
});
const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, deviceScaleFactor: ratio });
const page = await context.newPage();
page.setDefaultTimeout(60_000);
await page.addInitScript((value) => sessionStorage.setItem("runnel.token", value), key);

const part = (values, p) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))];

/** Milliseconds from `act` until a line has a row and a frame was made of it. */
function until(number, act) {
  return page.evaluate(
    ([wanted, what]) =>
      new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error(`line ${wanted} is not shown`)), 30_000);
        const began = performance.now();
        const look = () => {
          const there = [...document.querySelectorAll(".line .number")].some((each) => Number(each.textContent) === wanted);
          requestAnimationFrame(() => (there ? resolve(performance.now() - began) : look()));
        };
        if (what === "link") location.hash = `#L${wanted}`;
        else document.querySelector(".scroller").dispatchEvent(new KeyboardEvent("keydown", { key: what, bubbles: true, cancelable: true }));
        look();
      }),
    [number, act],
  );
}

const FRAME = 1e6 / 60;

/**
 * The main thread's work, in milliseconds of its processor time, in each sixtieth of a second in which a frame begins or
 * anything is done; and the shares of frames that were dropped: all, and those before which the main thread was busy for half of
 * the time. The others were dropped for painting, which a browser without a graphics card does on the same processors: its compositor copies
 * each tile of each frame, 12 ms for a static page of plain text at a ratio of 2 (docs/internals/console.md, Frames).
 */
async function frames(work) {
  await browser.startTracing(page, { categories: TRACED });
  await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const animated = traceEvents.find(({ name }) => name === "FireAnimationFrame" || name === "AnimationFrame" || name === "BeginMainThreadFrame");
  const mine = traceEvents.filter(({ pid, tid }) => pid === animated?.pid && tid === animated?.tid);
  const begun = mine.filter(({ name }) => name === "BeginMainThreadFrame").map(({ ts }) => ts).sort((a, b) => a - b);
  const tasks = mine.filter(({ name, dur }) => /^(ThreadControllerImpl::)?RunTask$/.test(name) && dur > 0);
  const kind = tasks.some(({ name }) => name === "RunTask") ? "RunTask" : "ThreadControllerImpl::RunTask";
  const ran = tasks.filter(({ name }) => name === kind).map(({ ts, dur, tdur }) => ({ ts, work: (tdur ?? dur) / 1000 }));
  const slots = new Map(begun.map((_, frame) => [`${frame} 0`, 0]));
  for (const { ts, work: spent } of ran) {
    const frame = begun.findLastIndex((at) => at <= ts);
    if (frame < 0) continue;
    const slot = `${frame} ${Math.floor((ts - begun[frame]) / FRAME)}`;
    slots.set(slot, (slots.get(slot) ?? 0) + spent);
  }
  const spent = [...slots].filter(([slot, ms]) => slot.endsWith(" 0") || ms > 0.1).map(([, ms]) => ms);
  const lost = traceEvents.filter(({ name, pid }) => name === "DroppedFrame" && pid === animated?.pid).map(({ ts }) => ts);
  const busy = (at) => ran.reduce((sum, { ts, work: ms }) => sum + (ts <= at && ts > at - 2 * FRAME ? ms : 0), 0);
  const own = lost.filter((at) => busy(at) > FRAME / 1000);
  const all = Math.max(1, lost.length + begun.length);
  return { count: begun.length, p50: part(spent, 0.5), p95: part(spent, 0.95), dropped: lost.length / all, own: own.length / all };
}

/** Milliseconds from a search until its first hit is shown, or that there is none. */
function found(text) {
  return page.evaluate(
    (wanted) =>
      new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error(`no answer for ${wanted}`)), 30_000);
        const box = document.getElementById("log-search");
        box.value = wanted;
        const began = performance.now();
        const look = () => {
          const there = document.querySelector(".line.current") ?? document.querySelector("output.count")?.textContent === "no hit";
          requestAnimationFrame(() => (there ? resolve(performance.now() - began) : look()));
        };
        box.form.requestSubmit();
        look();
      }),
    text,
  );
}

async function heap() {
  return page.evaluate(() => (gc(), performance.memory.usedJSHeapSize / 1e6));
}

const result = {};

async function closed() {
  await page.goto(`${url}/ui/runs/${id}`);
  await page.locator(".line .number").first().waitFor();
  result.paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  result.bytes = await page.evaluate(() =>
    performance.getEntriesByType("resource").reduce((sum, { name, encodedBodySize }) => sum + (name.endsWith(".js") ? encodedBodySize : 0), 0),
  );

  const somewhere = Array.from({ length: 60 }, (_, i) => 1 + Math.floor(((i * 0.6180339887) % 1) * lines));
  const jumps = [];
  for (const number of somewhere) jumps.push(await until(number, "link"));
  jumps.push(await until(lines, "End"), await until(1, "Home"));
  result.jump = { p50: part(jumps, 0.5), max: Math.max(...jumps) };

  await until(Math.floor(lines / 2), "link");
  await page.mouse.move(500, 500);
  result.wheel = await frames(async () => {
    for (let i = 0; i < 200; i++) await page.mouse.wheel(0, 100 + (i % 5) * 40);
  });
  const track = await page.locator(".scrollbar").boundingBox();
  result.drag = await frames(async () => {
    await page.mouse.move(track.x + 6, track.y + 50);
    await page.mouse.down();
    for (let i = 0; i < 200; i++) await page.mouse.move(track.x + 6, track.y + 20 + ((i * 37) % (track.height - 40)));
    await page.mouse.up();
  });
  for (let i = 0; i < 300; i++) await until(1 + Math.floor(((i * 0.7548776662) % 1) * lines), "link");
  result.heap = await heap();
  result.rows = await page.locator(".pane .line").count();

  const text = async (from) => {
    const asked = await fetch(`${url}/api/v1/executions/${id}/logs?from=${from}&limit=100`, { headers: { Authorization: `Bearer ${key}` } });
    const { logs } = await asked.json();
    return logs.map(({ message }) => message.trim()).find((message) => /^[\x20-\x7e]{12,200}$/.test(message)) ?? "error";
  };
  const hits = [];
  for (const wanted of [await text(0), await text(Math.floor(lines * 0.9)), await text(lines - 100), "zqxj that is nowhere"]) {
    await page.goto(`${url}/ui/runs/${id}`);
    await page.locator(".line .number").first().waitFor();
    hits.push(await found(wanted));
  }
  result.hit = { max: Math.max(...hits), none: hits.at(-1) };
}

async function growing() {
  await page.goto(`${url}/ui/runs/${live}`);
  await page.locator(".line .number").first().waitFor();
  const newest = () => page.evaluate(() => Math.max(...[...document.querySelectorAll(".line .number")].map((each) => Number(each.textContent))));
  const before = { line: await newest(), at: Date.now() };
  result.stream = await frames(() => page.waitForTimeout(5000));
  result.stream.rate = ((await newest()) - before.line) / ((Date.now() - before.at) / 1000);
  await page.mouse.move(500, 500);
  await page.mouse.wheel(0, -2000);
  await page.getByRole("button", { name: "Pause autoscroll", pressed: true }).waitFor();
  result.paused = await frames(() => page.waitForTimeout(5000));
  result.heap = await heap();
}

/** What a list that is as high as all lines can show of them. */
async function listed() {
  const { build } = require("esbuild");
  const nodePaths = [join(import.meta.dirname, "../console/node_modules")];
  const entry = join(import.meta.dirname, "console_rival.mjs");
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, minify: true, write: false, nodePaths, format: "iife" });
  await page.goto("about:blank");
  await page.addScriptTag({ content: outputFiles[0].text });
  await page.evaluate((count) => window.list(count), rival);
  const rest = () => page.waitForTimeout(500);
  const shown = () => page.evaluate(() => window.seen());
  await page.evaluate(() => (document.getElementById("scroller").scrollTop = 1e12));
  await rest();
  result.last = (await shown())[1];
  const middle = Math.floor(rival * 0.7345678);
  await page.evaluate((line) => window.go(line), middle);
  await rest();
  result.missed = middle - (await shown())[0];
  await page.evaluate((line) => window.go(line), 100_000);
  await rest();
  await page.mouse.move(500, 300);
  result.wheel = await frames(async () => {
    for (let i = 0; i < 200; i++) await page.mouse.wheel(0, 100 + (i % 5) * 40);
  });
  result.heap = await heap();
}

/**
 * Milliseconds from the navigation until so many parts of a page are there and seen, and a frame was made of them. The page is one that is
 * signed in, and has been there before.
 */
async function drawn(path, { nodes, cells }) {
  await page.goto(url);
  await page.locator("main").waitFor();
  await page.goto(url + path);
  return page.evaluate(
    ([boxes, jobs]) =>
      new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error(`not drawn: ${boxes ?? jobs}`)), 30_000);
        const seen = (box) => getComputedStyle(box).visibility === "visible";
        const there = () => {
          if (jobs !== undefined) return document.querySelector(".cells canvas")?.dataset.drawn === String(jobs);
          const all = document.querySelectorAll(".react-flow__node");
          return all.length === boxes && [...all].every(seen);
        };
        const look = () => (there() ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))) : requestAnimationFrame(look));
        look();
      }),
    [nodes, cells],
  );
}

const TIMES = 5;

async function drawnPages() {
  for (const { name, path, ...what } of pages) {
    await drawn(path, what); // its scripts are in the cache then
    const all = [];
    for (let i = 0; i < TIMES; i++) all.push(await drawn(path, what));
    result[name] = { p50: part(all, 0.5), max: Math.max(...all) };
  }
}

await (pages ? drawnPages() : rival ? listed() : live ? growing() : closed());
console.log(JSON.stringify(result));
await browser.close();
