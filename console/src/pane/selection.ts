// A selection over lines, of which only some have a row. The truth is (line, character); the browser's selection is the part
// of it that is rendered, and is set anew when rows come and go.
import { nodeAt, offsetOf } from "./row.ts";
import type { Row } from "./row.ts";

export interface Point {
  position: number;
  /** Character of the line as it is shown. */
  offset: number;
}

interface Place {
  node: Node;
  offset: number;
  clipped: boolean;
}

export interface Selected {
  from: Point;
  to: Point;
}

export class RowSelection {
  private anchor: Point | undefined;
  private focus: Point | undefined;
  /** What the browser has, as far as it is known. */
  private set: { anchor: Place; focus: Place } | undefined;
  private readonly listener = (): void => this.take();

  constructor(
    private readonly block: HTMLElement,
    /** What is rendered, in order. */
    private readonly rows: () => Row[],
  ) {
    document.addEventListener("selectionchange", this.listener);
  }

  close(): void {
    document.removeEventListener("selectionchange", this.listener);
  }

  /** What is selected, in order; undefined if that is nothing. */
  get selected(): Selected | undefined {
    const { anchor, focus } = this;
    if (!anchor || !focus) return undefined;
    if (anchor.position === focus.position && anchor.offset === focus.offset) return undefined;
    const forward = anchor.position < focus.position || (anchor.position === focus.position && anchor.offset < focus.offset);
    return forward ? { from: anchor, to: focus } : { from: focus, to: anchor };
  }

  select(from: Point, to: Point): void {
    this.anchor = from;
    this.focus = to;
    this.set = undefined;
    this.restore();
  }

  clear(): void {
    this.anchor = this.focus = undefined;
    this.know();
  }

  /** Lines behind a position stand elsewhere. */
  moved(from: number, by: number): void {
    this.take();
    for (const point of [this.anchor, this.focus]) if (point && point.position > from) point.position += by;
  }

  /** Rows have changed: the browser's selection is set to what of it is rendered. */
  restore(): void {
    if (!this.anchor || !this.focus) return this.know();
    const anchor = this.place(this.anchor);
    const focus = this.place(this.focus);
    const now = getSelection();
    if (!anchor || !focus || !now) return;
    this.set = { anchor, focus };
    if (this.isSet(now)) return;
    now.setBaseAndExtent(anchor.node, anchor.offset, focus.node, focus.offset);
  }

  /** What the browser has now is nobody's new choice. */
  private know(): void {
    const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection() ?? {};
    if (!anchorNode || !focusNode) this.set = undefined;
    else
      this.set = {
        anchor: { node: anchorNode, offset: anchorOffset!, clipped: false },
        focus: { node: focusNode, offset: focusOffset!, clipped: false },
      };
  }

  private isSet(now: Selection): boolean {
    const { set } = this;
    return (
      set !== undefined &&
      now.anchorNode === set.anchor.node &&
      now.anchorOffset === set.anchor.offset &&
      now.focusNode === set.focus.node &&
      now.focusOffset === set.focus.offset
    );
  }

  /**
   * Takes over what somebody has selected. The browser tells of that later than it does it: it is asked before rows change, as
   * `restore` would undo what is not known yet, and before what is selected is used.
   */
  take(): void {
    const now = getSelection();
    if (!now || now.rangeCount === 0 || this.isSet(now)) return;
    const anchor = this.locate(now.anchorNode, now.anchorOffset);
    const focus = this.locate(now.focusNode, now.focusOffset);
    if (!anchor || !focus) {
      if (!anchor && !focus) this.clear();
      return;
    }
    const { set } = this;
    const same = (place: Place | undefined, node: Node | null, offset: number): boolean =>
      place?.clipped === true && place.node === node && place.offset === offset;
    // An end that stands at the rendered edge only because its line has no row is where it was.
    const heldAnchor = same(set?.anchor, now.anchorNode, now.anchorOffset);
    const heldFocus = same(set?.focus, now.focusNode, now.focusOffset);
    if (!heldAnchor) this.anchor = anchor;
    if (!heldFocus) this.focus = focus;
    // Known until the rows change: one turn of the mouse may tell its change more than once.
    this.set = {
      anchor: { node: now.anchorNode!, offset: now.anchorOffset, clipped: heldAnchor },
      focus: { node: now.focusNode!, offset: now.focusOffset, clipped: heldFocus },
    };
  }

  private place({ position, offset }: Point): Place | undefined {
    const rows = this.rows();
    const first = rows[0];
    const last = rows[rows.length - 1];
    if (!first || !last) return undefined;
    if (position < first.position) return { ...nodeAt(first.text, 0), clipped: true };
    if (position > last.position) return { ...nodeAt(last.text, Infinity), clipped: true };
    return { ...nodeAt(rows[position - first.position]!.text, offset), clipped: false };
  }

  private locate(node: Node | null, offset: number): Point | undefined {
    if (!node || !this.block.contains(node)) return undefined;
    const rows = this.rows();
    if (node === this.block) {
      const row = rows[Math.min(offset, rows.length - 1)];
      return row && { position: row.position, offset: offset < rows.length ? 0 : row.text.textContent!.length };
    }
    const row = rows.find((each) => each.element.contains(node));
    if (!row) return undefined;
    if (row.text.contains(node)) return { position: row.position, offset: offsetOf(row.text, node, offset) };
    const behind = row.element.compareDocumentPosition(row.text) && (node === row.element ? offset > 3 : false);
    return { position: row.position, offset: behind ? row.text.textContent!.length : 0 };
  }
}
