// The log pane: scrolling, following, what lines look like.
import { beforeAll, expect, test } from "vitest";

import { ends, holds, open, rests, seen, sees, starts, Way } from "./log_support.mjs";
import { DEADLINE, eventually, house } from "./support.mjs";

const it = house();
const COUNT = 20_000;
let long;

beforeAll(async () => {
  long = await it.server.log(Array.from({ length: COUNT }, (_, i) => `line ${i + 1}`));
});

const rows = (page) => page.locator(".pane .line").count();

test("first line, last line and any line are a key or a link away", async () => {
  const page = await it.page();
  await open(page, it.server, long);
  await sees(page, starts(1), "the beginning");
  await page.keyboard.press("End");
  const last = await sees(page, ends(COUNT), "the end");
  expect(last.at(-1).text).toBe(`line ${COUNT}`);
  await page.keyboard.press("Home");
  expect((await sees(page, starts(1), "the beginning again"))[0].at).toBe(0);
  await page.evaluate(() => (location.hash = "#L12345"));
  const lines = await sees(page, holds(12_345), "the line of the link");
  expect(lines.find(({ number }) => number === 12_345).text).toBe("line 12345");
  await page.locator(".line.marked", { hasText: "line 12345" }).waitFor();
  expect(await rows(page)).toBeLessThanOrEqual(300);
  expect(page.complaints).toEqual([]);
});

// A scroller that is not opaque is blended with what lies beneath it in each frame, or painted with the page.
test.each(["light", "dark"])("what scrolls is opaque, in %s", async (colorScheme) => {
  const page = await it.page({ colorScheme });
  await open(page, it.server, long);
  const colour = await page.locator(".pane .scroller").evaluate((element) => getComputedStyle(element).backgroundColor);
  expect(colour).toMatch(/^rgb\(/);
  await page.context().close();
});

test("a link to lines shows and marks them after a reload, too", async () => {
  const page = await it.page();
  await open(page, it.server, long, "#L9001-L9003");
  for (let round = 0; round < 2; round++) {
    await expect.poll(() => page.locator(".line.marked .text").allTextContents(), { timeout: DEADLINE }).toEqual(["line 9001", "line 9002", "line 9003"]);
    await page.reload();
  }
  await sees(page, holds(9001), "the lines");
  await page.locator(".line", { hasText: "line 9005" }).locator(".number").click();
  await expect.poll(() => new URL(page.url()).hash, { timeout: DEADLINE }).toBe("#L9005");
  await page.locator(".line", { hasText: "line 9008" }).locator(".number").click({ modifiers: ["Shift"] });
  await expect.poll(() => new URL(page.url()).hash, { timeout: DEADLINE }).toBe("#L9005-L9008");
  await expect.poll(() => page.locator(".line.marked").count(), { timeout: DEADLINE }).toBe(4);
});

test.each([1, 2])("the wheel is exact to the pixel at a ratio of %i, far from both ends", async (deviceScaleFactor) => {
  const page = await it.page({ deviceScaleFactor });
  await open(page, it.server, long, "#L10000");
  const before = await sees(page, holds(10_000), "the line");
  const place = (lines) => lines[0].number * 20 - lines[0].at;
  await page.mouse.move(500, 500);
  let wanted = place(before);
  for (const by of [137, -61, 503, -1, 1000, -1579]) {
    await page.mouse.wheel(0, by);
    wanted += by;
    await sees(page, (lines) => Math.abs(place(lines) - wanted) < 0.01, `${by} pixels further`);
  }
});

test("turning the wheel reaches the first line and stops there", async () => {
  const page = await it.page();
  await open(page, it.server, long, "#L200");
  await sees(page, holds(200), "the line");
  await page.mouse.move(500, 500);
  for (let i = 0; i < 12; i++) await page.mouse.wheel(0, -500);
  expect((await sees(page, starts(1), "the first line"))[0].at).toBe(0);
});

test("the bar dragged to a part of its way shows the line at that part", async () => {
  const page = await it.page();
  await open(page, it.server, long);
  await sees(page, starts(1), "the beginning");
  const thumb = await page.locator(".thumb").boundingBox();
  const track = await page.locator(".scrollbar").boundingBox();
  const x = thumb.x + thumb.width / 2;
  const free = track.height - thumb.height;
  await page.mouse.move(x, thumb.y + 5);
  await page.mouse.down();
  for (const p of [0.25, 0.5, 0.75]) {
    const y = Math.round(free * p);
    await page.mouse.move(x, track.y + 5 + y, { steps: 5 });
    const height = (await seen(page))[0].height;
    const wanted = 1 + Math.round((y / free) * (COUNT - Math.floor(height / 20)));
    const [first] = await sees(page, (lines) => Math.abs(lines[0].number - wanted) <= 1 + COUNT / free / 2, `line ${wanted}`);
    expect(first.at).toBe(0);
  }
  await page.mouse.move(x, track.y + track.height + 100, { steps: 3 });
  await sees(page, ends(COUNT), "the end");
  await page.mouse.up();
});

test("at the end it follows; scrolled up the same line stays on its pixel, and a button tells what is new", async () => {
  const page = await it.page();
  const id = await it.server.log(Array.from({ length: 500 }, (_, i) => `old ${i + 1}`), { open: true });
  const append = (from, count) =>
    it.server.ask("POST", `/api/v1/executions/${id}/logs`, Array.from({ length: count }, (_, i) => ({ message: `new ${from + i}` })));
  await open(page, it.server, id);
  await sees(page, ends(500), "the end of what there is");
  await append(501, 40);
  const place = (lines) => lines[0].number * 20 - lines[0].at;
  const end = place(await sees(page, ends(540), "what came"));
  await page.mouse.move(500, 500);
  await page.mouse.wheel(0, -333);
  await page.getByRole("button", { name: "Pause autoscroll", pressed: true }).waitFor();
  // How far it goes is for other tests: here a line that came may have moved the end on, or the pane's height changed.
  const still = await rests(page, (lines) => place(lines) < end - 100, "further up");
  await append(541, 1000);
  await page.getByRole("button", { name: /1\s000 new lines/ }).waitFor();
  expect(await seen(page)).toEqual(still);
  await page.getByRole("button", { name: /new lines/ }).click();
  await sees(page, ends(1540), "the end again");
  await append(1541, 3);
  await sees(page, ends(1543), "what comes then");
  await page.getByRole("button", { name: "Pause autoscroll" }).click();
  await append(1544, 1);
  await page.getByRole("button", { name: /\b1 new line$/ }).waitFor();
  await page.getByRole("button", { name: "Follow live logs" }).click();
  await append(1545, 1);
  await page.getByRole("button", { name: "Follow live logs" }).click();
  await page.getByRole("button", { name: /\b2 new lines$/ }).waitFor();
  await it.server.ask("PATCH", `/api/v1/executions/${id}`, { status: "completed" });
  await page.getByText("completed").waitFor();
  await page.getByRole("button", { name: "Follow live logs" }).waitFor({ state: "detached" });
});

test("a connection that is cut is told, and taken up again without a gap or a repetition", async () => {
  const way = await new Way().start(it.server.url);
  try {
    const page = await it.page();
    const id = await it.server.log(["line 1"], { open: true });
    let count = 1;
    const append = async (more) => {
      const lines = Array.from({ length: more }, () => ({ message: `line ${++count}` }));
      await it.server.ask("POST", `/api/v1/executions/${id}/logs`, lines);
    };
    await open(page, way, id);
    for (let round = 0; round < 3; round++) {
      await append(7);
      await sees(page, ends(count), "what came");
      way.closed = true;
      way.cut();
      await page.getByText("Away: the connection is lost").waitFor();
      await append(5);
      way.closed = false;
      await sees(page, ends(count), "what came while it was away");
      await page.getByText("Away:").waitFor({ state: "detached" });
    }
    const lines = await seen(page);
    const first = lines[0].number;
    expect(lines.map(({ text }) => text)).toEqual(lines.map((_, i) => `line ${first + i}`));
  } finally {
    way.stop();
  }
});

test("a key that is revoked is asked for anew, and the log goes on where it was", async () => {
  const page = await it.page({ signedIn: false });
  const { key, key_id: keyId } = await it.server.ask("POST", "/api/v1/keys", { role: "viewer", name: "short" });
  const id = await it.server.log(["line 1", "line 2"], { open: true });
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  await page.fill("#token", key);
  await page.click("main button");
  await sees(page, ends(2), "the log");
  await it.server.ask("DELETE", `/api/v1/keys/${keyId}`);
  await page.getByRole("dialog", { name: "Sign in again" }).waitFor();
  await it.server.ask("POST", `/api/v1/executions/${id}/logs`, [{ message: "line 3" }]);
  await page.fill("#token", it.server.key);
  await page.getByRole("dialog").getByRole("button").click();
  const lines = await sees(page, ends(3), "what came since");
  expect(lines.map(({ text }) => text)).toEqual(["line 1", "line 2", "line 3"]);
});

test("colours are shown, and whatever else is in a line is harmless", async () => {
  const page = await it.page();
  const id = await it.server.log([
    "\x1b[31mred\x1b[0m \x1b[38;5;208morange\x1b[0m \x1b[48;2;1;2;3mback\x1b[0m",
    "\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\ here",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "see https://example.org/a?b=c, javascript:alert(2) and ftp://x",
    "1 %\r50 %\r100 %",
    "\u202eRTL שלום",
    "y".repeat(10_000),
  ]);
  page.on("dialog", (dialog) => {
    page.complaints.push("dialog");
    void dialog.dismiss();
  });
  await open(page, it.server, id);
  const lines = await sees(page, holds(7), "the lines");
  expect(lines.slice(0, 6).map(({ text }) => text)).toEqual([
    "red orange back",
    "click here",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "see https://example.org/a?b=c, javascript:alert(2) and ftp://x",
    "100 %",
    "\u202eRTL שלום",
  ]);
  const styles = await page.evaluate(() =>
    [...document.querySelectorAll(".line .text span")].map((span) => [span.className, span.style.color, span.style.backgroundColor]),
  );
  expect(styles).toEqual([
    ["f1", "", ""],
    ["", "rgb(255, 135, 0)", ""],
    ["", "", "rgb(1, 2, 3)"],
  ]);
  const links = await page.locator(".line .text a").evaluateAll((found) => found.map((link) => [link.getAttribute("href"), link.rel]));
  expect(links).toEqual([["https://example.org/a?b=c", "noopener noreferrer nofollow"]]);
  const more = page.locator("button.more");
  await more.click();
  await more.waitFor({ state: "detached" });
  const whole = await seen(page);
  expect(whole.find(({ number }) => number === 7).text.length).toBe(10_000);
  expect(await page.locator(".line script, .line img").count()).toBe(0);
  expect(page.complaints).toEqual([]);
});

test("groups fold and unfold, also where their end is far", async () => {
  const page = await it.page();
  const inner = Array.from({ length: 3000 }, (_, i) => `step ${i + 1}`);
  const id = await it.server.log(["before", "::group::Build", ...inner, "::endgroup::", "behind", "+++ one", "a", "+++ two", "b"]);
  await open(page, it.server, id);
  await sees(page, holds(2), "the group");
  await page.getByRole("button", { name: "Fold Build" }).click();
  const texts = (lines) => lines.map(({ text }) => text);
  const folded = await sees(page, (lines) => texts(lines).includes("behind"), "what is behind the group");
  expect(texts(folded)).toEqual(["before", "::group::Build", "behind", "+++ one", "a", "+++ two", "b"]);
  await page.getByRole("button", { name: "Fold +++ one" }).click();
  await sees(page, (lines) => texts(lines).join().endsWith("+++ one,+++ two,b"), "the section folded");
  await page.evaluate(() => (location.hash = "#L1500"));
  await sees(page, (lines) => texts(lines).includes("step 1498"), "a line that is sought opens its group");
});

test("wrapped lines, times and numbers are in the address, and the line that is seen stays", async () => {
  const page = await it.page();
  const id = await it.server.log(Array.from({ length: 3000 }, (_, i) => `${i + 1} ${"word ".repeat((i * 7) % 90)}`));
  await open(page, it.server, id, "#L1500");
  const at = async (wanted) => (await seen(page)).find(({ number }) => number === wanted)?.at;
  await sees(page, holds(1500), "the line");
  await page.getByRole("button", { name: "Wrap" }).click();
  await sees(page, (lines) => lines.some(({ at: top, end }) => end - top > 20), "wrapped lines");
  await sees(page, holds(1500), "the line, wrapped");
  await page.reload();
  await sees(page, holds(1500), "the same after a reload");
  expect(await page.getByRole("button", { name: "Wrap" }).getAttribute("aria-pressed")).toBe("true");
  // The wheel is exact there, too.
  const lines = await rests(page, holds(1500), "all lines, wrapped");
  const middle = lines[Math.floor(lines.length / 2)];
  await page.mouse.move(500, 500);
  await page.mouse.wheel(0, 90);
  await eventually(async () => Math.abs((await at(middle.number)) - (middle.at - 90)) < 0.01, "90 pixels further");
  await page.goto(`${it.server.url}/ui/runs/${id}?times=absolute&numbers=false`);
  await page.locator(".line .time", { hasText: /^\d\d:\d\d:\d\d\.\d{3}$/ }).first().waitFor();
  expect(await page.locator(".line .number").first().isVisible()).toBe(false);
});

test("times are off, those of the day, ages, or since the start", async () => {
  const page = await it.page();
  const id = await it.server.log(["one"], { open: true });
  const begun = Date.parse((await it.server.ask("GET", `/api/v1/executions/${id}`)).started_at);
  await it.server.append(id, [{ message: "two", timestamp: new Date(begun + 3_725_250).toISOString() }]);
  await open(page, it.server, id);
  await sees(page, holds(2), "the lines");
  const time = page.locator(".line .time").nth(1);
  expect(await time.isVisible()).toBe(false);
  for (const [mode, shown] of [
    ["absolute", /^\d\d:\d\d:\d\d\.\d{3}$/],
    ["relative", /^ *\d+ (s|min) ago$/],
    ["start", /^ *\+1:02:05\.250$/],
  ]) {
    await page.getByText("View", { exact: true }).click();
    await page.getByLabel("Times").selectOption(mode);
    await expect.poll(() => time.textContent(), { timeout: DEADLINE }).toMatch(shown);
    expect(new URL(page.url()).searchParams.get("times")).toBe(mode);
    await page.getByText("View", { exact: true }).click();
  }
});

test("a line of a megabyte is shown in parts, and copied as it is", async () => {
  const page = await it.page({ permissions: ["clipboard-read", "clipboard-write"] });
  const whole = Array.from({ length: 100_000 }, (_, i) => String(i).padStart(10, "x")).join("");
  const id = await it.server.log([whole, "behind"]);
  for (const wrap of ["", "?wrap=true"]) {
    await open(page, it.server, id, wrap);
    await page.keyboard.press("End");
    await sees(page, (lines) => lines.at(-1).text === "behind", "what is behind it");
    expect(await page.locator(".pane .text").evaluateAll((all) => Math.max(...all.map((each) => each.textContent.length)))).toBeLessThanOrEqual(8192);
  }
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Control+c");
  await page.getByText(/^Copied/).waitFor();
  expect((await page.evaluate(() => navigator.clipboard.readText())) === `${whole}\nbehind`).toBe(true);
});

test("five thousand lines are copied, though few of them have a row", async () => {
  const page = await it.page({ permissions: ["clipboard-read", "clipboard-write"] });
  await open(page, it.server, long, "#L3000");
  await sees(page, holds(3000), "where it begins");
  const text = (number) => page.locator(".line .text", { hasText: new RegExp(`^line ${number}$`) });
  const from = await text(3000).boundingBox();
  await page.mouse.click(from.x + 1, from.y + 10);
  await page.evaluate(() => (location.hash = "#L8000"));
  await sees(page, holds(8000), "where it ends");
  const to = await text(7999).boundingBox();
  await page.keyboard.down("Shift");
  await page.mouse.click(to.x + to.width - 1, to.y + 10);
  await page.keyboard.up("Shift");
  await page.keyboard.press("Control+c");
  const wanted = Array.from({ length: 5000 }, (_, i) => `line ${3000 + i}`).join("\n");
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText()), { timeout: DEADLINE }).toBe(wanted);
});

// The browser tells a page of a selection later than it makes it.
test("what is selected just before rows are drawn anew stays selected", async () => {
  const page = await it.page();
  await open(page, it.server, long, "#L3000");
  await sees(page, holds(3000), "where it begins");
  await page.locator(".line .text", { hasText: /^line 3000$/ }).click({ position: { x: 1, y: 10 } });
  const selected = () => page.evaluate(() => getSelection().toString().match(/line \d+/g));
  await page.evaluate(async () => {
    const scroller = document.querySelector(".pane .scroller");
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    scroller.scrollTop += 1; // in the next frame that is told, and drawn after the selection is made
    await frame();
    const row = [...document.querySelectorAll(".line .text")].find(({ textContent }) => textContent === "line 3002");
    getSelection().extend(row.firstChild, "line 3002".length);
  });
  const wanted = ["line 3000", "line 3001", "line 3002"];
  await expect.poll(selected, { timeout: DEADLINE }).toEqual(wanted);
  const top = (await seen(page))[0].at;
  await page.mouse.move(500, 500);
  await page.mouse.wheel(0, 1);
  await sees(page, ([{ at }]) => at !== top, "rows that are drawn again");
  expect(await selected()).toEqual(wanted);
});
