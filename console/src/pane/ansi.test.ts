import { describe, expect, test } from "vitest";

import { lastWritten, paletteColour, parseAnsi, plain } from "./ansi.ts";

describe("colours", () => {
  test.each([
    ["\x1b[31mred\x1b[0m!", [{ text: "red", style: { fore: 1 } }, { text: "!", style: {} }]],
    ["\x1b[91;44mx", [{ text: "x", style: { fore: 9, back: 4 } }]],
    ["\x1b[38;5;208mx", [{ text: "x", style: { fore: "#ff8700" } }]],
    ["\x1b[38;5;3mx", [{ text: "x", style: { fore: 3 } }]],
    ["\x1b[38;2;10;200;250mx", [{ text: "x", style: { fore: "#0ac8fa" } }]],
    ["\x1b[38:2::1:2:3mx", [{ text: "x", style: { fore: "#010203" } }]],
    ["\x1b[48;2;1;2;3;1mx", [{ text: "x", style: { back: "#010203", bold: true } }]],
    ["\x1b[mx", [{ text: "x", style: {} }]],
  ])("%j", (text, pieces) => expect(parseAnsi(text)).toEqual(pieces));

  test("the cube and the greys of 256", () => {
    expect(paletteColour(16)).toBe("#000000");
    expect(paletteColour(231)).toBe("#ffffff");
    expect(paletteColour(232)).toBe("#080808");
    expect(paletteColour(255)).toBe("#eeeeee");
  });
});

describe("what is no colour is inert", () => {
  test.each([
    ["\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\ after", "click after"],
    ["\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07", "click"],
    ["\x1b]0;title\x07text", "text"],
    ["a\x1b]never ended", "a"],
    ["\x1b[2J\x1b[1;1Hhome\x1b[K", "home"],
    ["\x1b[?25lx\x1b[?25h", "x"],
    ["\x1bPdevice\x1b\\x", "x"],
    ["\x1b(Bx", "x"],
    ["bell\x07\x08\x7f", "bell"],
    ["tab\tstays", "tab\tstays"],
    ["\x9b31mx", "x"],
    ["end\x1b[", "end"],
    ["end\x1b", "end"],
  ])("%j", (text, shown) => {
    expect(plain(text)).toBe(shown);
    expect(parseAnsi(text).map((piece) => piece.text).join("")).toBe(shown);
  });

  test("no control is left of any text", () => {
    const parts = ["\x1b", "[", "]", "m", "8;;", "\x07", "\\", "a", ";", "31", "\x9b", "\x1b[", "?", "\r", "é", "\u202e"];
    let state = 7;
    for (let i = 0; i < 3000; i++) {
      let text = "";
      for (let j = 0; j < 12; j++) text += parts[(state = (Math.imul(state, 1103515245) + 12345) >>> 0) % parts.length];
      const pieces = parseAnsi(text).map((piece) => piece.text).join("");
      expect(pieces).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
      expect(pieces).toBe(plain(text));
    }
  });
});

test("of a line that writes over itself the last is shown", () => {
  expect(lastWritten("1 %\r50 %\r100 %")).toBe("100 %");
  expect(lastWritten("done\r")).toBe("done");
  expect(lastWritten("\r\r")).toBe("");
  expect(parseAnsi("\x1b[31m1 %\r\x1b[32m100 %")).toEqual([{ text: "100 %", style: { fore: 2 } }]);
});
