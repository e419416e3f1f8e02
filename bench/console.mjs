// What a browser has to do for the console's log pane: console.mjs JSON, with {url, key, ratio} and either {id, lines},
// a log that is closed, or {live}, one that grows. Prints JSON.
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { join } from "node:path";

const { chromium } = createRequire(join(import.meta.dirname, "../console/package.json"))("playwright-core");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const { url, key, id, lines, live, ratio } = JSON.parse(process.argv[2]);
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
      new Promise((resolve) => {
        const began = performance.now();
        const look = () => {
          const there = [...document.querySelectorAll(".line .number")].some((each) => each.textContent === String(wanted));
          requestAnimationFrame(() => (there ? resolve(performance.now() - began) : look()));
        };
        if (what === "link") location.hash = `#L${wanted}`;
        else document.querySelector(".scroller").dispatchEvent(new KeyboardEvent("keydown", { key: what, bubbles: true, cancelable: true }));
        look();
      }),
    [number, act],
  );
}

/** Main-thread work of each frame in milliseconds, and the share of frames that were dropped. */
async function frames(work) {
  await browser.startTracing(page, { categories: TRACED });
  await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const animated = traceEvents.find(({ name }) => name === "FireAnimationFrame" || name === "AnimationFrame");
  const mine = traceEvents.filter(({ pid, tid }) => pid === animated?.pid && tid === animated?.tid);
  const begun = mine.filter(({ name }) => name === "BeginMainThreadFrame").map(({ ts }) => ts).sort((a, b) => a - b);
  const tasks = mine.filter(({ name, dur }) => /^(ThreadControllerImpl::)?RunTask$/.test(name) && dur > 0);
  const kind = tasks.some(({ name }) => name === "RunTask") ? "RunTask" : "ThreadControllerImpl::RunTask";
  const spent = begun.map(() => 0);
  for (const task of tasks) {
    if (task.name !== kind) continue;
    const frame = begun.findLastIndex((ts) => ts <= task.ts);
    if (frame >= 0) spent[frame] += (task.tdur ?? task.dur) / 1000;
  }
  const dropped = traceEvents.filter(({ name, pid }) => name === "DroppedFrame" && pid === animated?.pid).length;
  return { count: begun.length, p95: part(spent, 0.95), dropped: dropped / Math.max(1, dropped + begun.length) };
}

async function heap() {
  return page.evaluate(() => (gc(), performance.memory.usedJSHeapSize / 1e6));
}

const result = {};

async function closed() {
  await page.goto(`${url}/ui/runs/${id}`);
  await page.locator(".line .number").first().waitFor();
  result.paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);

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

await (live ? growing() : closed());
console.log(JSON.stringify(result));
await browser.close();
