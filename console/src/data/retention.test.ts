import { expect, test } from "vitest";

import { AGE, partsOf, problemOf, textOf } from "./retention.ts";

test("a text is read part by part, and written as it was", () => {
  const text = "30d, failed=90d, executions=10000, bytes=100G, log_records=1000000";
  expect(partsOf(text)).toEqual({ [AGE]: "30d", failed: "90d", executions: "10000", bytes: "100G", log_records: "1000000" });
  expect(textOf(partsOf(text))).toBe(text);
  expect(textOf({ [AGE]: "", failed: "0", bytes: "" })).toBe("failed=0");
  expect([partsOf(null), partsOf("")]).toEqual([{}, {}]);
});

test.each([
  [AGE, "30d", true],
  [AGE, "0", true],
  [AGE, "30", false],
  [AGE, "a month", false],
  ["failed", "90m", true],
  ["executions", "10000", true],
  ["executions", "10k", false],
  ["bytes", "100g", true],
  ["bytes", "100X", false],
  ["log_records", "999", false],
  ["log_records", "1000", true],
  ["log_records", "0", true],
  ["log_bytes", "63K", false],
  ["log_bytes", "64K", true],
  ["log_bytes", "", true],
])("%s may be %s: %s", (part, text, good) => {
  expect(problemOf(part, text) === undefined).toBe(good);
});
