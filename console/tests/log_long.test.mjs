// A log higher than a browser lays out, at either ratio of pixels.
import { afterAll, beforeAll, expect, test } from "vitest";

import { ends, holds, open, seen, sees, starts } from "./log_support.mjs";
import { browse, house } from "./support.mjs";

const it = house();
const COUNT = 1_700_000; // at 20 pixels each: 34 M, where a browser ends at 33.5 M, and at a ratio of 2 at 16.7 M
const id = "long";
const browsers = new Map();

beforeAll(async () => {
  it.server.cli("wrap", "-q", "--id", id, "--", "seq", String(COUNT));
  for (const ratio of [1, 2]) browsers.set(ratio, await browse(`--force-device-scale-factor=${ratio}`));
});
afterAll(async () => {
  for (const browser of browsers.values()) await browser.close();
});

test.each([1, 2])("any line of millions is a key, a link or a place on the bar away at a ratio of %i", async (ratio) => {
  const page = await it.page({ browser: browsers.get(ratio), deviceScaleFactor: ratio });
  await open(page, it.server, id);
  expect(await page.evaluate(() => devicePixelRatio)).toBe(ratio);
  await sees(page, starts(1), "the beginning");
  await page.keyboard.press("End");
  const last = (await sees(page, ends(COUNT), "the end")).at(-1);
  expect(last.text).toBe(String(COUNT));
  await page.evaluate(() => (location.hash = "#L1345678"));
  const [row] = (await sees(page, holds(1_345_678), "the line of the link")).filter(({ number }) => number === 1_345_678);
  expect(row.text).toBe("1345678");

  const thumb = await page.locator(".thumb").boundingBox();
  const track = await page.locator(".scrollbar").boundingBox();
  const free = track.height - thumb.height;
  const x = thumb.x + thumb.width / 2;
  const grip = 5;
  await page.mouse.move(x, thumb.y + grip);
  await page.mouse.down();
  for (const p of [0.25, 0.5, 0.75]) {
    const y = Math.round(free * p);
    await page.mouse.move(x, track.y + grip + y, { steps: 3 });
    const wanted = 1 + (y / free) * (COUNT - Math.floor(last.height / 20));
    const pixel = COUNT / free; // so many lines one pixel of the bar stands for
    const [first] = await sees(page, (lines) => Math.abs(lines[0].number - wanted) <= pixel / 2 + 1, `the line at ${100 * p} %`);
    expect(first.at).toBe(0);
  }
  await page.mouse.up();

  await page.mouse.move(500, 500);
  const place = (lines) => lines[0].number * 20 - lines[0].at;
  let at = place(await seen(page));
  for (const by of [333, -4000, 1717, 9001]) {
    await page.mouse.wheel(0, by);
    at += by;
    await sees(page, (lines) => Math.abs(place(lines) - at) < 0.01, `${by} pixels further`);
  }
  await page.keyboard.press("Home");
  expect((await sees(page, starts(1), "the beginning again"))[0].at).toBe(0);
  expect(await page.locator(".pane .line").count()).toBeLessThanOrEqual(300);
  expect(page.complaints).toEqual([]);
});
