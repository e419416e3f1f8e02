// Text with escapes of terminals, cut into pieces of one style each. Colours and the like are taken over; every other
// escape is passed over, whatever it asks for: it never reaches the page.

export interface Style {
  /** 0 … 15: a colour of the theme; #rrggbb otherwise. */
  fore?: number | string | undefined;
  back?: number | string | undefined;
  bold?: boolean | undefined;
  dim?: boolean | undefined;
  italic?: boolean | undefined;
  underline?: boolean | undefined;
  strike?: boolean | undefined;
  inverse?: boolean | undefined;
}

export interface Piece {
  text: string;
  style: Style;
}

// CSI; OSC, DCS, SOS, PM, APC with what they hold, up to their end or that of the line; other escapes; controls but tab.
const ESCAPE =
  // eslint-disable-next-line no-control-regex
  /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~]?)|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;
// eslint-disable-next-line no-control-regex
const SPECIAL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/;
const PLAIN: Style = {};

function hex(red: number, green: number, blue: number): string {
  const byte = (value: number): string => Math.max(0, Math.min(255, value)).toString(16).padStart(2, "0");
  return `#${byte(red)}${byte(green)}${byte(blue)}`;
}

/** A colour of the table of 256. */
export function paletteColour(index: number): number | string {
  if (index < 16) return index;
  if (index >= 232) return hex(8 + (index - 232) * 10, 8 + (index - 232) * 10, 8 + (index - 232) * 10);
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const rest = index - 16;
  return hex(level(Math.floor(rest / 36)), level(Math.floor(rest / 6) % 6), level(rest % 6));
}

const SWITCHES: Record<number, Style> = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  22: { bold: undefined, dim: undefined },
  23: { italic: undefined },
  24: { underline: undefined },
  27: { inverse: undefined },
  29: { strike: undefined },
  39: { fore: undefined },
  49: { back: undefined },
};

/** A colour behind 38 or 48, and how many numbers it took. */
function extended(codes: number[], at: number): { colour: number | string | undefined; used: number } {
  if (codes[at] === 5) {
    const index = codes[at + 1];
    return { colour: index !== undefined && index <= 255 ? paletteColour(index) : undefined, used: 2 };
  }
  if (codes[at] === 2)
    return { colour: hex(codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0), used: 4 };
  return { colour: undefined, used: 1 };
}

function restyle(style: Style, parameters: string): Style {
  // 38:2::R:G:B has an empty number for the colour space.
  const codes = parameters
    .replace(/([34]8):2:\d*:(\d+:\d+:\d+)/g, "$1:2:$2")
    .split(/[;:]/)
    .map((code) => (code === "" ? 0 : Number(code)));
  let next = style;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code === 0) next = PLAIN;
    else if (SWITCHES[code]) next = { ...next, ...SWITCHES[code] };
    else if (code >= 30 && code <= 37) next = { ...next, fore: code - 30 };
    else if (code >= 40 && code <= 47) next = { ...next, back: code - 40 };
    else if (code >= 90 && code <= 97) next = { ...next, fore: code - 82 };
    else if (code >= 100 && code <= 107) next = { ...next, back: code - 92 };
    else if (code === 38 || code === 48) {
      const { colour, used } = extended(codes, i + 1);
      next = { ...next, [code === 38 ? "fore" : "back"]: colour };
      i += used;
    }
  }
  return next;
}

/** Of a line that wrote over itself (progress), what stood there last. */
export function lastWritten(text: string): string {
  if (!text.includes("\r")) return text;
  const parts = text.split("\r");
  while (parts.length > 1 && parts[parts.length - 1] === "") parts.pop();
  return parts[parts.length - 1]!;
}

export function parseAnsi(whole: string): Piece[] {
  const text = lastWritten(whole);
  if (!SPECIAL.test(text)) return [{ text, style: PLAIN }];
  const pieces: Piece[] = [];
  let style = PLAIN;
  let end = 0;
  const add = (part: string): void => {
    if (part === "") return;
    const last = pieces[pieces.length - 1];
    if (last && last.style === style) last.text += part;
    else pieces.push({ text: part, style });
  };
  for (const found of text.matchAll(ESCAPE)) {
    add(text.slice(end, found.index));
    end = found.index + found[0].length;
    if (found[2] === "m" && !/[<-?]/.test(found[1]!)) style = restyle(style, found[1]!);
  }
  add(text.slice(end));
  return pieces.length ? pieces : [{ text: "", style: PLAIN }];
}

/** The text as it is shown: without escapes. */
export function plain(text: string): string {
  const last = lastWritten(text);
  return SPECIAL.test(last) ? last.replace(ESCAPE, "") : last;
}
