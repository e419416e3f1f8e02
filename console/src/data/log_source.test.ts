// The source against a log that is made up here: what a server does is tests/log*.test.mjs.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Change } from "../pane/source.ts";
import { LogSource } from "./log_source.ts";
import { delayOf } from "./patience.ts";
import { SparseSegments } from "./segments.ts";
import { LineSplitter } from "./ways.ts";

const record = (at: number) => ({
  execution_id: "x",
  sequence_number: at,
  timestamp: "2026-01-01T00:00:00.000Z",
  stream: at % 3 === 0 ? "stderr" : "stdout",
  message: `line ${at} "sequence_number":5`,
});

/** A server with a log of `count` records; streams send what `feed` gives them. */
class Fake {
  count = 0;
  first = 0;
  sealed = true;
  incarnation = "one";
  readonly asked: URL[] = [];
  streams: ReadableStreamDefaultController<Uint8Array>[] = [];

  readonly fetch = (path: string, init: RequestInit): Promise<Response> => {
    const url = new URL(path, "http://x");
    this.asked.push(url);
    const parameters = url.searchParams;
    const keep = (at: number): boolean => !parameters.get("stream") || record(at).stream === parameters.get("stream");
    if (url.pathname.endsWith("/search")) {
      const counts = new Array<number>(10).fill(0);
      const from = Number(parameters.get("from") ?? 0);
      const width = Math.ceil((this.count - from) / 10);
      for (let at = from; at < this.count; at++) if (keep(at)) counts[Math.floor((at - from) / width)]!++;
      const density = { from, width, counts };
      return this.json({ complete: true, next_cursor: null, count: 0, first_hit: null, last_hit: null, hits: [], density, first_sequence: 0, last_index: this.count });
    }
    if (parameters.get("follow") || url.pathname.endsWith("/logs/stream")) return this.stream(init.signal!);
    if (url.pathname.endsWith("/tickets")) return this.json({ ticket: "rnt_x" });
    const at = Math.max(this.first, parameters.get("tail") ? this.count - 1 : Number(parameters.get("cursor") ?? parameters.get("from") ?? 0));
    const logs = [];
    let next = Math.max(0, at);
    for (; next < this.count && logs.length < Number(parameters.get("limit") ?? 1); next++) if (keep(next)) logs.push(record(next));
    if (parameters.get("format")) {
      const from = Number(parameters.get("from"));
      const rest = Array.from({ length: this.count - from }, (_, i) => `${JSON.stringify(record(from + i))}\n`);
      return Promise.resolve(new Response(rest.join("")));
    }
    return this.json({ logs, first_sequence: this.first, next_cursor: next < this.count ? String(next) : null, last_index: this.count, sealed: this.sealed });
  };

  feed(...numbers: number[]): void {
    const text = numbers.map((at) => `${JSON.stringify(record(at))}\n`).join("");
    this.streams.at(-1)!.enqueue(new TextEncoder().encode(text));
  }

  private json(value: unknown): Promise<Response> {
    return Promise.resolve(new Response(JSON.stringify(value), { headers: { "X-Runnel-Incarnation": this.incarnation } }));
  }

  private stream(signal: AbortSignal): Promise<Response> {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.streams.push(controller);
        signal.addEventListener("abort", () => {
          try {
            controller.error(new DOMException("aborted", "AbortError"));
          } catch {
            // it has ended
          }
        });
      },
    });
    return Promise.resolve(new Response(body));
  }
}

let server: Fake;
let source: LogSource;
const LIMITS = { page: 50, lines: 400, characters: 1_000_000 };

beforeEach(() => {
  server = new Fake();
  vi.stubGlobal("fetch", server.fetch);
  vi.stubGlobal("sessionStorage", { getItem: () => "key", removeItem: () => {} });
});
afterEach(() => {
  source.close();
  vi.unstubAllGlobals();
});

async function opened(count: number, filters = {}): Promise<LogSource> {
  server.count = count;
  source = new LogSource("/x", filters, LIMITS);
  await source.open();
  return source;
}

/** Waits for an event, however slow the machine is. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 5 });
const loaded = (position: number) => soon(() => expect(source.line(position)).toBeDefined());

describe("pages by number", () => {
  test("what is wanted comes, nearest first, and what was used longest ago goes", async () => {
    await opened(10_000);
    expect(source.count).toBe(10_000);
    source.want([{ from: 4990, to: 5010 }]);
    await loaded(5000);
    expect(source.line(5000)!.text).toContain("line 5000");
    for (let at = 0; at < 10_000; at += 100) {
      source.want([{ from: at, to: at + 10 }]);
      await loaded(at);
      expect(source.kept.lines).toBeLessThanOrEqual(LIMITS.lines);
    }
    expect(source.line(5000)).toBeUndefined();
  });

  test("where a line stands is not said before it is known how many there are", async () => {
    server.count = 1000;
    source = new LogSource("/x", {}, LIMITS);
    const asked = source.positionOf(700); // a search may find it sooner
    await source.open();
    expect(await asked).toBe(700);
  });

  test("a log whose front was removed begins where it says", async () => {
    server.first = 120;
    await opened(1000);
    expect(source.first).toBe(120);
    source.want([{ from: 100, to: 130 }]);
    await loaded(120);
    expect(source.line(120)!.sequence).toBe(120);
    expect(source.line(149)!.sequence).toBe(149);
  });

  test("a failure is made good by asking again", async () => {
    await opened(1000);
    let failures = 2;
    vi.stubGlobal("fetch", (path: string, init: RequestInit) =>
      failures-- > 0 ? Promise.reject(new TypeError("failed")) : server.fetch(path, init),
    );
    source.want([{ from: 0, to: 10 }]);
    await loaded(0);
    expect(source.away).toBeUndefined();
  });
});

describe("under a filter", () => {
  test("positions are those of the lines that pass", async () => {
    await opened(9000, { stream: "stderr" });
    expect(source.count).toBe(3000);
    source.want([{ from: 1500, to: 1510 }]);
    await loaded(1500);
    expect(source.line(1500)!.sequence).toBe(4500);
    expect(await source.positionOf(4500)).toBe(1500);
    expect(await source.positionOf(8998)).toBe(2999);
    expect(await source.positionOf(0)).toBe(0);
    const read: number[] = [];
    for await (const line of source.read(299, 303, new AbortController().signal)) read.push(line.sequence);
    expect(read).toEqual([897, 900, 903, 906]);
  });
});

describe("live", () => {
  test("nothing twice and nothing missing over any cuts", async () => {
    server.sealed = false;
    await opened(10);
    const changes: Change[] = [];
    source.subscribe((change) => changes.push(change));
    await soon(() => expect(server.streams).toHaveLength(1));
    server.feed(10, 11);
    await soon(() => expect(source.count).toBe(12));
    server.streams[0]!.error(new TypeError("cut"));
    await soon(() => expect(server.streams).toHaveLength(2));
    expect(server.asked.at(-1)!.searchParams.get("from")).toBe("12");
    server.feed(11, 12, 13); // a server that repeats itself
    await soon(() => expect(source.count).toBe(14));
    server.count = 14;
    source.want([{ from: 0, to: 14 }]);
    await loaded(0);
    await loaded(13);
    for (let at = 0; at < 14; at++) expect(source.line(at)!.sequence).toBe(at);
    server.streams[1]!.enqueue(new TextEncoder().encode('{"type":"complete","final_sequence":13}\n'));
    await soon(() => expect(source.ended).toBe(true));
    expect(changes.filter((change) => change.kind === "lines" && change.from >= 10).length).toBeGreaterThan(1);
  });

  test("what streams in is kept only within the limit", async () => {
    server.sealed = false;
    await opened(0);
    await soon(() => expect(server.streams).toHaveLength(1));
    for (let at = 0; at < 5000; at += 500) server.feed(...Array.from({ length: 500 }, (_, i) => at + i));
    await soon(() => expect(source.count).toBe(5000));
    expect(source.kept.lines).toBeLessThanOrEqual(LIMITS.lines + LIMITS.page);
    expect(source.line(4999)!.text).toContain("line 4999");
    expect(source.line(0)).toBeUndefined();
  });

  test("filtered lines that come are behind those that were counted", async () => {
    server.sealed = false;
    await opened(90, { stream: "stderr" });
    await soon(() => expect(server.streams).toHaveLength(1));
    const more = Array.from({ length: 120 }, (_, i) => 90 + 3 * i);
    server.feed(...more);
    server.count = 90 + 360;
    await soon(() => expect(source.count).toBe(150));
    source.want([{ from: 0, to: 150 }]);
    await loaded(0);
    await loaded(149);
    for (let at = 0; at < 150; at++) {
      source.want([{ from: at, to: at + 1 }]);
      await loaded(at);
      expect(source.line(at)!.sequence).toBe(3 * at);
    }
  });
});

test("where the store becomes another one, all is read anew", async () => {
  server.sealed = false;
  await opened(100);
  source.want([{ from: 90, to: 100 }]);
  await loaded(95);
  await soon(() => expect(server.streams).toHaveLength(1));
  const changes: Change[] = [];
  source.subscribe((change) => changes.push(change));
  server.incarnation = "two";
  server.count = 40;
  source.want([{ from: 0, to: 10 }]);
  await soon(() => expect(source.restored && source.ready).toBe(true));
  expect(source.count).toBe(40);
  expect(changes.filter(({ kind }) => kind === "reset")).toHaveLength(1);
  await soon(() => expect(server.streams).toHaveLength(2));
  expect(server.asked.at(-1)!.searchParams.get("from")).toBe("40");
});

/** One that nothing comes through: it ends before it is open. */
class NoWebSocket {
  static addresses: string[] = [];
  onclose: (event: { code: number }) => void = () => {};

  constructor(address: URL) {
    NoWebSocket.addresses.push(String(address));
    queueMicrotask(() => this.onclose({ code: 1006 }));
  }

  close(): void {}
}

test("where one way keeps everything back the next one is taken, and at last it is asked again and again", async () => {
  vi.stubGlobal("WebSocket", NoWebSocket);
  vi.stubGlobal("location", { href: "http://x/ui/runs/x" });
  server.sealed = false;
  await opened(3);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const polled = (): boolean => server.asked.some((url) => url.searchParams.get("format") && !url.searchParams.get("follow"));
    source.stop();
    source.resume(); // with the clock that is turned on here
    for (let turn = 0; turn < 1000 && !polled(); turn++) await vi.advanceTimersByTimeAsync(500);
    const ways = server.asked.map(({ pathname }) => pathname).filter((path) => /tickets|stream/.test(path));
    expect(ways).toEqual(["/api/v1/tickets", "/x/logs/stream"]);
    expect(NoWebSocket.addresses).toEqual(["ws://x/x/logs?from=3&batch=true"]);
    expect(server.streams.length).toBeLessThanOrEqual(3);
    server.count = 5;
    for (let turn = 0; turn < 1000 && source.count < 5; turn++) await vi.advanceTimersByTimeAsync(500);
    expect(source.count).toBe(5);
    expect(source.ended).toBe(false);
    server.sealed = true;
    server.count = 6;
    for (let turn = 0; turn < 1000 && !source.ended; turn++) await vi.advanceTimersByTimeAsync(500);
    expect(source.count).toBe(6);
    expect(source.ended).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

test("a stream of text is cut into its lines wherever its pieces end", () => {
  const splitter = new LineSplitter();
  expect([..."ab\ncd\n\nef\ngh"].flatMap((letter) => splitter.push(letter))).toEqual(["ab", "cd", "ef"]);
  expect(splitter.push("\n")).toEqual(["gh"]);
});

test("a lost connection is taken up at once, then with patience, at most after 5 s", () => {
  expect(delayOf(1)).toBe(0);
  for (let failures = 2; failures < 50; failures++) {
    expect(delayOf(failures)).toBeGreaterThan(0);
    expect(delayOf(failures)).toBeLessThanOrEqual(5000);
  }
});

test("segments of a filtered log are found by position and by number", () => {
  const segments = new SparseSegments();
  segments.push(100, 10);
  segments.push(200, 0);
  segments.push(300, 5);
  segments.push(400, 7);
  expect(segments.count).toBe(22);
  expect([0, 9, 10, 14, 15, 21].map((at) => segments.start(segments.at(at)))).toEqual([0, 0, 10, 10, 15, 15]);
  expect(segments.resize(segments.at(0), 12)).toBe(2);
  expect(segments.start(segments.at(12))).toBe(12);
  expect(segments.count).toBe(24);
});
