// What the tests of the log pane share.
import net from "node:net";

import { eventually } from "./support.mjs";

/** Lines as they are seen: number, text, and the pixel of the upper edge; in the order of their places. */
export function seen(page) {
  return page.evaluate(() => {
    const frame = document.querySelector(".pane .scroller")?.getBoundingClientRect();
    if (!frame) return [];
    return [...document.querySelectorAll(".pane .line")]
      .map((row) => ({
        number: Number(row.querySelector(".number").textContent),
        text: row.querySelector(".text").textContent,
        at: row.getBoundingClientRect().top - frame.top,
        end: row.getBoundingClientRect().bottom - frame.top,
        height: frame.height,
      }))
      .filter(({ at, end, height }) => end > 0 && at < height)
      .sort((a, b) => a.at - b.at);
  });
}

/** Waits until what is seen is as `wanted` says, and returns it. */
export function sees(page, wanted, what) {
  return eventually(async () => {
    const lines = await seen(page);
    return lines.length > 0 && wanted(lines) ? lines : undefined;
  }, what);
}

/** The same, and that it rests: all lines are loaded, and no turn of the wheel is animated any longer. */
export function rests(page, wanted, what) {
  let before;
  return eventually(async () => {
    const lines = await seen(page);
    const now = JSON.stringify(lines);
    const same = now === before && lines.length > 0 && lines.every(({ number }) => number > 0);
    before = now;
    return same && wanted(lines) ? lines : undefined;
  }, what);
}

export const starts = (number) => (lines) => lines[0].number === number;
export const holds = (number) => (lines) => lines.some((line) => line.number === number);
export const ends = (number) => (lines) => lines.at(-1).number === number && lines.at(-1).end <= lines[0].height + 0.5;

export async function open(page, server, id, rest = "") {
  await page.goto(`${server.url}/ui/runs/${id}${rest}`);
  await page.locator(".pane .line").first().waitFor();
}

/** A way to the server that can be cut and closed, and that lets not everything through. */
export class Way {
  sockets = new Set();
  closed = false;
  /** Requests whose answer is kept back, as a proxy does that waits for its end. */
  holds;
  /** Requests that end the connection. */
  refuses;

  async start(url) {
    const { port, hostname } = new URL(url);
    this.listener = net.createServer((near) => {
      if (this.closed) return near.destroy();
      const far = net.connect(port, hostname);
      near.on("data", (bytes) => {
        const request = bytes.toString("latin1").split("\r\n", 1)[0];
        if (this.holds?.test(request)) far.unpipe(near).pause();
        if (this.refuses?.test(request)) near.destroy();
      });
      for (const [one, other] of [[near, far], [far, near]]) {
        this.sockets.add(one);
        one.pipe(other);
        one.on("error", () => {});
        one.on("close", () => {
          this.sockets.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.listener.address().port}`;
    return this;
  }

  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  stop() {
    this.closed = true;
    this.cut();
    this.listener.close();
  }
}
