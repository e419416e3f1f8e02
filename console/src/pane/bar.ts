// The pane's own scroll bar: it stands for line numbers, not for pixels.
import { lineAt, thumb } from "./treadmill.ts";
import type { Extent } from "./treadmill.ts";

export class Bar {
  readonly element = document.createElement("div");
  private readonly thumb = document.createElement("div");
  private readonly marks = document.createElement("div");
  private extent: Extent = { first: 0, count: 0 };
  private visible = 1;
  private shown: { length: number; start: number } | undefined;
  /** Pixels between the thumb's top and the pointer, while it is dragged. */
  private held: number | undefined;

  constructor(private readonly chosen: (line: number, p: number) => void) {
    this.element.className = "scrollbar";
    this.thumb.className = "thumb";
    this.marks.className = "marks";
    this.marks.hidden = true;
    this.element.append(this.marks, this.thumb);
    this.element.addEventListener("pointerdown", (event) => this.grab(event));
    this.element.addEventListener("pointermove", (event) => this.held !== undefined && this.drag(event));
    for (const kind of ["pointerup", "pointercancel"])
      this.element.addEventListener(kind, () => {
        this.held = undefined;
        this.element.classList.remove("dragged");
      });
  }

  get dragged(): boolean {
    return this.held !== undefined;
  }

  update(line: number, extent: Extent, visible: number, track: number): void {
    this.extent = extent;
    this.visible = visible;
    const next = thumb(line, extent, visible, track);
    this.element.hidden = next === undefined;
    if (!next) return;
    // While it is dragged it stays under the pointer.
    if (this.held === undefined || !this.shown) this.move(next);
  }

  /** A marked line (a hit) on the track, or none. */
  mark(position: number | undefined): void {
    this.marks.hidden = position === undefined;
    if (position === undefined) return;
    const all = Math.max(1, this.extent.count - this.extent.first);
    this.marks.style.top = `${(100 * (position - this.extent.first)) / all}%`;
  }

  private move(next: { length: number; start: number }): void {
    if (this.shown?.length !== next.length) this.thumb.style.height = `${next.length}px`;
    if (this.shown?.start !== next.start) this.thumb.style.transform = `translateY(${next.start}px)`;
    this.shown = next;
  }

  private grab(event: PointerEvent): void {
    if (event.button !== 0 || !this.shown) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    this.element.classList.add("dragged");
    const at = event.clientY - this.element.getBoundingClientRect().top;
    const inside = at >= this.shown.start && at < this.shown.start + this.shown.length;
    this.held = inside ? at - this.shown.start : this.shown.length / 2;
    if (!inside) this.drag(event);
  }

  private drag(event: PointerEvent): void {
    const { top, height } = this.element.getBoundingClientRect();
    const free = height - this.shown!.length;
    const start = Math.max(0, Math.min(free, event.clientY - top - this.held!));
    this.move({ length: this.shown!.length, start });
    const p = free > 0 ? start / free : 0;
    this.chosen(lineAt(p, this.extent, this.visible), p);
  }
}
