import { expect, test } from "vitest";

import { words } from "./shell_words.ts";

test("a command is split as a shell does it", () => {
  expect(words("sh -c 'echo hello'")).toEqual(["sh", "-c", "echo hello"]);
  expect(words(' a "b c" d\\ e ')).toEqual(["a", "b c", "d e"]);
  expect(words(`x"y"'z' "" "a\\"b" "c\\n"`)).toEqual(["xyz", "", 'a"b', "c\\n"]);
  expect(words("")).toEqual([]);
});

test("what is not whole is refused", () => {
  for (const text of ["'open", '"open', "a \\"]) expect(() => words(text)).toThrow("a quote is open");
});
