// One row of the pane: an element that shows one line after the other, as the pane is scrolled.
import { parseAnsi } from "./ansi.ts";
import type { Style } from "./ansi.ts";
import { heading, isEndOfGroup } from "./folds.ts";
import type { Line } from "./source.ts";

export type Times = "off" | "absolute" | "relative" | "start";

export interface View {
  wrap: boolean;
  numbers: boolean;
  times: Times;
  /** When the run began: for times since the start. */
  began: number | undefined;
}

/** Characters of a line that a row shows; the rest on demand. */
export const SHOWN = 8192;

const LINK = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/g;

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}

function clock(ms: number): string {
  const at = new Date(ms);
  return `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}:${pad(at.getSeconds(), 2)}.${pad(at.getMilliseconds(), 3)}`;
}

function day(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1, 2)}-${pad(at.getDate(), 2)}`;
}

export function elapsed(ms: number): string {
  const sign = ms < 0 ? "-" : "+";
  const all = Math.abs(ms);
  const hours = Math.floor(all / 3_600_000);
  const rest = `${pad(Math.floor(all / 60_000) % 60, 2)}:${pad(Math.floor(all / 1000) % 60, 2)}.${pad(Math.floor(all) % 1000, 3)}`;
  return `${sign}${hours > 0 ? `${hours}:` : ""}${rest}`;
}

export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function timeText(line: Line, view: View, now: number): string {
  if (view.times === "absolute") return clock(line.time);
  if (view.times === "relative") return age(now - line.time);
  if (view.times === "start") return elapsed(line.time - (view.began ?? line.time));
  return "";
}

function paint(element: HTMLElement, style: Style): void {
  const fore = style.inverse ? style.back : style.fore;
  const back = style.inverse ? style.fore : style.back;
  const classes: string[] = [];
  if (typeof fore === "number") classes.push(`f${fore}`);
  else if (fore) element.style.color = fore;
  if (typeof back === "number") classes.push(`b${back}`);
  else if (back) element.style.backgroundColor = back;
  if (style.inverse && back === undefined) classes.push("inverse");
  for (const name of ["bold", "dim", "italic", "underline", "strike"] as const)
    if (style[name]) classes.push(`s-${name}`);
  element.className = classes.join(" ");
}

/** Text whose addresses are links; they lead elsewhere, and tell nobody where from. */
function linked(text: string): (Node | string)[] {
  if (!text.includes("://")) return [text];
  const parts: (Node | string)[] = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    parts.push(text.slice(end, found.index));
    const link = document.createElement("a");
    link.href = found[0];
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.textContent = found[0];
    parts.push(link);
    end = found.index + found[0].length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

/** What kind of record it is, in a word, where it is not just output. */
function kindOf(line: Line): string {
  if (line.level && line.level !== "INFO") return line.level.toLowerCase();
  if (line.eventType) return line.eventType;
  if (line.stream === "stderr") return "stderr";
  return line.level ? "info" : "";
}

export class Row {
  readonly element = document.createElement("div");
  position = -1;
  line: Line | undefined;
  /** Holds the text alone. */
  readonly text = document.createElement("span");
  private readonly number = document.createElement("a");
  private readonly time = document.createElement("span");
  private readonly kind = document.createElement("span");
  private readonly fold = document.createElement("button");
  private readonly more = document.createElement("button");
  private plainNode: Text | undefined;
  private shownTime = "";

  constructor() {
    this.element.className = "line";
    this.number.className = "number";
    this.time.className = "time";
    this.kind.className = "kind";
    this.text.className = "text";
    this.text.dir = "auto";
    this.fold.className = "fold";
    this.fold.type = this.more.type = "button";
    this.more.className = "more";
    this.fold.tabIndex = this.more.tabIndex = this.number.tabIndex = -1;
    this.element.append(this.number, this.time, this.kind, this.text);
  }

  /** `folded` is asked for headings alone. */
  show(position: number, line: Line | undefined, view: View, whole: boolean, folded: () => boolean): void {
    this.position = position;
    this.line = line;
    const classes = ["line"];
    if (!line) {
      this.plainText("");
      this.setTime("");
      this.kind.textContent = "";
      this.number.textContent = "";
      this.number.removeAttribute("href");
      this.fold.remove();
      this.more.remove();
      this.element.className = "line waiting";
      return;
    }
    this.number.textContent = String(line.sequence + 1);
    this.number.href = `#L${line.sequence + 1}`;
    this.setTime(timeText(line, view, Date.now()));
    this.time.title = view.times === "off" ? "" : `${day(line.time)} ${clock(line.time)}`;
    const kind = kindOf(line);
    this.kind.textContent = kind;
    if (line.stream === "stderr") classes.push("stderr");
    if (line.stream === "event") classes.push("event");
    if (line.level) classes.push(`level-${line.level.toLowerCase()}`);
    if (line.eventType === "gap" || line.eventType === "capture_interrupted") classes.push("gap");
    this.setText(line, whole);
    const group = heading(line.text);
    if (group) {
      const closed = folded();
      classes.push("heading");
      this.fold.textContent = closed ? "▸" : "▾";
      this.fold.setAttribute("aria-expanded", String(!closed));
      this.fold.setAttribute("aria-label", `${closed ? "Unfold" : "Fold"} ${group.title.slice(0, 80)}`);
      this.element.insertBefore(this.fold, this.text);
    } else {
      this.fold.remove();
      if (isEndOfGroup(line.text)) classes.push("endgroup");
    }
    this.element.className = classes.join(" ");
  }

  mark(marked: boolean, current: boolean): void {
    this.element.classList.toggle("marked", marked);
    this.element.classList.toggle("current", current);
  }

  /** Ages go on while the row stands. */
  tick(view: View): void {
    if (this.line) this.setTime(timeText(this.line, view, Date.now()));
  }

  private setTime(text: string): void {
    if (text === this.shownTime) return;
    this.shownTime = text;
    this.time.textContent = text;
  }

  private plainText(text: string): void {
    if (!this.plainNode) {
      this.plainNode = document.createTextNode(text);
      this.text.replaceChildren(this.plainNode);
    } else this.plainNode.data = text;
  }

  private setText(line: Line, whole: boolean): void {
    const cut = !whole && line.text.length > SHOWN;
    const pieces = parseAnsi(cut ? line.text.slice(0, SHOWN) : line.text);
    const hidden = (cut ? line.text.length - SHOWN : 0) + line.more;
    if (pieces.length === 1 && pieces[0]!.style.fore === undefined && Object.keys(pieces[0]!.style).length === 0 && !pieces[0]!.text.includes("://")) {
      this.plainText(pieces[0]!.text);
    } else {
      this.plainNode = undefined;
      this.text.replaceChildren(
        ...pieces.flatMap(({ text, style }) => {
          if (Object.keys(style).length === 0) return linked(text);
          const span = document.createElement("span");
          paint(span, style);
          span.append(...linked(text));
          return [span];
        }),
      );
    }
    if (hidden > 0) {
      this.more.textContent = `… ${hidden.toLocaleString("en")} characters more`;
      this.element.append(this.more);
    } else this.more.remove();
  }
}

/** The text node and the offset in it of a character of a row's text. */
export function nodeAt(text: HTMLElement, offset: number): { node: Node; offset: number } {
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  let left = offset;
  let last: Text | undefined;
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    if (left <= node.length) return { node, offset: left };
    left -= node.length;
    last = node;
  }
  return last ? { node: last, offset: last.length } : { node: text, offset: 0 };
}

/** Which character of a row's text a point in it is. */
export function offsetOf(text: HTMLElement, node: Node, offset: number): number {
  const range = document.createRange();
  range.setStart(text, 0);
  try {
    range.setEnd(node, offset);
  } catch {
    return 0;
  }
  return range.toString().length;
}
