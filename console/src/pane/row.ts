// One row of the pane: an element that shows one line after the other, as the pane is scrolled.
import { parseAnsi } from "./ansi.ts";
import type { Style } from "./ansi.ts";
import { heading, isEndOfGroup } from "./folds.ts";
import type { Heading } from "./folds.ts";
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

function set(node: Text, text: string): void {
  if (node.data !== text) node.data = text;
}

function button(name: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.className = name;
  made.type = "button";
  made.tabIndex = -1;
  return made;
}

/** What kind of record it is, in a word, where it is not just output. */
function kindOf(line: Line): string {
  if (line.level && line.level !== "INFO") return line.level.toLowerCase();
  if (line.eventType) return line.eventType;
  if (line.stream === "stderr") return "stderr";
  return line.level ? "info" : "";
}

/** Characters that the column of kinds has room for. */
const KIND = 8;
/** Characters of the column of times, in each mode. */
export const TIME: Record<Times, number> = { off: 0, absolute: 12, relative: 10, start: 13 };

/**
 * Parts of a row are inline, in columns by spaces, and what has not changed is not set again: a layout of boxes beside each
 * other takes twice as long, and the rows of a log that streams are filled anew in each frame.
 */
export class Row {
  readonly element = document.createElement("div");
  position = -1;
  line: Line | undefined;
  /** Holds the text alone. */
  readonly text = document.createElement("span");
  private readonly link = document.createElement("a");
  private readonly number = document.createTextNode("");
  private readonly timePart = document.createElement("span");
  private readonly time = document.createTextNode("");
  private readonly kind = document.createTextNode("");
  private fold: HTMLButtonElement | undefined;
  private more: HTMLButtonElement | undefined;
  private plainNode: Text | undefined;
  private classes = "";

  constructor() {
    this.link.className = "number";
    this.link.tabIndex = -1;
    this.timePart.className = "time";
    const kind = document.createElement("span");
    kind.className = "kind";
    this.text.className = "text";
    this.text.dir = "auto";
    this.link.append(this.number);
    this.timePart.append(this.time);
    kind.append(this.kind);
    this.element.append(this.link, this.timePart, kind, this.text);
  }

  /** `digits` is the width of the column of numbers; `folded` is asked for headings alone. */
  show(position: number, line: Line | undefined, view: View, digits: number, whole: boolean, folded: () => boolean): void {
    this.position = position;
    this.line = line;
    if (!line) {
      this.plainText("");
      set(this.time, "".padStart(TIME[view.times]));
      set(this.kind, "".padEnd(KIND));
      set(this.number, "".padStart(digits));
      this.setFold(undefined, false);
      this.setMore(0);
      this.classes = "line waiting";
      return;
    }
    let classes = "line";
    set(this.number, String(line.sequence + 1).padStart(digits));
    set(this.time, timeText(line, view, Date.now()).padStart(TIME[view.times]));
    const kind = kindOf(line);
    set(this.kind, kind.length > KIND ? `${kind.slice(0, KIND - 1)}…` : kind.padEnd(KIND));
    if (line.stream === "stderr") classes += " stderr";
    if (line.stream === "event") classes += " event";
    if (line.level) classes += ` level-${line.level.toLowerCase()}`;
    if (line.eventType === "gap" || line.eventType === "capture_interrupted") classes += " gap";
    this.setText(line, whole);
    const group = heading(line.text);
    this.setFold(group, group !== undefined && folded());
    if (group) classes += " heading";
    else if (isEndOfGroup(line.text)) classes += " endgroup";
    this.classes = classes;
  }

  mark(marked: boolean, current: boolean): void {
    const classes = this.classes + (marked ? " marked" : "") + (current ? " current" : "");
    if (this.element.className !== classes) this.element.className = classes;
  }

  /** Somebody points at it: what only they need. */
  point(view: View): void {
    const { line, link, timePart } = this;
    if (!line) return;
    link.href = `#L${line.sequence + 1}`;
    timePart.title = view.times === "off" ? "" : `${day(line.time)} ${clock(line.time)}`;
    this.kind.parentElement!.title = kindOf(line);
  }

  /** Ages go on while the row stands. */
  tick(view: View): void {
    if (this.line) set(this.time, timeText(this.line, view, Date.now()).padStart(TIME[view.times]));
  }

  private setFold(group: Heading | undefined, closed: boolean): void {
    if (!group) {
      this.fold?.remove();
      this.fold = undefined;
      return;
    }
    this.fold ??= button("fold");
    this.fold.textContent = closed ? "▸" : "▾";
    this.fold.setAttribute("aria-expanded", String(!closed));
    this.fold.setAttribute("aria-label", `${closed ? "Unfold" : "Fold"} ${group.title.slice(0, 80)}`);
    if (!this.fold.isConnected) this.element.insertBefore(this.fold, this.text);
  }

  private setMore(hidden: number): void {
    if (hidden <= 0) {
      this.more?.remove();
      this.more = undefined;
      return;
    }
    this.more ??= button("more");
    this.more.textContent = `… ${hidden.toLocaleString("en")} characters more`;
    if (!this.more.isConnected) this.element.append(this.more);
  }

  private plainText(text: string): void {
    if (this.plainNode) return set(this.plainNode, text);
    this.plainNode = document.createTextNode(text);
    this.text.replaceChildren(this.plainNode);
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
    this.setMore(hidden);
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
