import { expect, test } from "vitest";

import { parseEvent } from "./events.ts";

test("an event has its id, name and all lines of its data", () => {
  expect(parseEvent("id: 7\nevent: batch\ndata: a\ndata:b\ndata:  c")).toEqual({ id: "7", event: "batch", data: "a\nb\n c" });
  expect(parseEvent("data: {}")).toEqual({ id: "", event: "message", data: "{}" });
});

test("a comment, or an event without data, is none", () => {
  expect(parseEvent(": keep-alive")).toBeUndefined();
  expect(parseEvent("event: ready")).toBeUndefined();
  expect(parseEvent("")).toBeUndefined();
});
