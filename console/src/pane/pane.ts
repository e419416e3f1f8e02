// The log pane: pooled rows on a treadmill (treadmill.ts), a scroll bar of its own, follow and pause, marks, copying.
// It is no component: it changes what a scroll changes, and nothing else.
import { Bar } from "./bar.ts";
import { MOST_COPIED, textInMemory, textOf } from "./copy.ts";
import { FoldedSource, heading } from "./folds.ts";
import { Hits } from "./hits.ts";
import type { Range } from "./permalink.ts";
import { Row, TIME } from "./row.ts";
import type { View } from "./row.ts";
import { RowSelection } from "./selection.ts";
import type { Change, Line, LineSource, Query } from "./source.ts";
import { Treadmill } from "./treadmill.ts";
import type { Anchor } from "./treadmill.ts";
import "./pane.css";

/** Height of one line of text, also in pane.css. */
export const LINE = 20;
/** Pixels that are rendered beyond each edge. */
const MARGIN = 30 * LINE;
/** The same while one place after the other is shown: all rows are filled anew then, in each frame. */
const HURRIED = 4 * LINE;
const HURRY_MS = 150;
/** Lines that are asked for beyond what is rendered. */
const AHEAD = 200;
const MOST_WHOLE = 20;

export interface PaneState {
  /** New lines are shown as they come. */
  following: boolean;
  /** Lines that have come since they are not. */
  fresh: number;
}

export interface PaneEvents {
  state(state: PaneState): void;
  /** Somebody has chosen lines, by their numbers. */
  chosen(range: Range): void;
  /** Something to be told in words. */
  told(text: string): void;
}

export class Pane {
  readonly element = document.createElement("div");
  private readonly scroller = document.createElement("div");
  private readonly spacer = document.createElement("div");
  private readonly block = document.createElement("div");
  private readonly bar: Bar;
  private readonly treadmill = new Treadmill();
  private readonly selection: RowSelection;
  private readonly hits = new Hits();
  private readonly resizes: ResizeObserver;
  private readonly aborter = new AbortController();
  private readonly clock: ReturnType<typeof setInterval>;
  private source: FoldedSource | undefined;
  private endSource = (): void => {};
  private rows: Row[] = [];
  private pool: Row[] = [];
  private viewport = 0;
  private width = 0;
  private frame = 0;
  private pending: Anchor | undefined;
  /** The position of the line that was asked for: it keeps its pixel until somebody scrolls. */
  private held: number | undefined;
  private following = false;
  /** Lines that had arrived when the view began to stand still. */
  private arrived = 0;
  private told: PaneState | undefined;
  private marked: Range | undefined;
  private current: number | undefined;
  private restyle = false;
  private margin = MARGIN;
  private hurry: ReturnType<typeof setTimeout> | undefined;
  /** Width of the column of numbers. */
  private digits = 0;
  private seek = 0;
  private ours = 0;
  /** Lines that are shown whole although they are very long, by number. */
  private readonly whole = new Map<number, Line>();

  constructor(
    private view: View,
    private readonly events: PaneEvents,
  ) {
    this.element.className = "pane";
    this.scroller.className = "scroller";
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("role", "log");
    this.scroller.setAttribute("aria-live", "off"); // summaries are told elsewhere
    this.scroller.setAttribute("aria-label", "Log");
    this.spacer.className = "spacer";
    this.block.className = "block";
    this.scroller.append(this.spacer, this.block);
    this.bar = new Bar((line, p) => this.barMoved(line, p));
    this.element.append(this.scroller, this.bar.element);
    this.selection = new RowSelection(this.block, () => this.rows);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.scroller.addEventListener("wheel", (event) => event.deltaY !== 0 && this.wish(event.deltaY > 0), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.block.addEventListener("click", (event) => this.click(event));
    this.block.addEventListener("pointerover", (event) => this.rowOf(event)?.point(this.view), { passive: true });
    document.addEventListener("copy", (event) => this.copy(event), { signal: this.aborter.signal });
    this.resizes = new ResizeObserver(() => this.resized());
    this.resizes.observe(this.scroller);
    this.clock = setInterval(() => this.tick(), 1000);
    this.applyView();
  }

  close(): void {
    this.aborter.abort();
    this.resizes.disconnect();
    this.selection.close();
    this.hits.close();
    this.endSource();
    clearInterval(this.clock);
    clearTimeout(this.hurry);
    cancelAnimationFrame(this.frame);
    this.element.remove();
  }

  focus(): void {
    this.scroller.focus({ preventScroll: true });
  }

  setSource(base: LineSource): void {
    this.endSource();
    const source = new FoldedSource(base);
    const end = source.subscribe((change) => this.changed(change));
    this.endSource = () => {
      end();
      source.close();
    };
    this.source = source;
    this.selection.clear();
    this.whole.clear();
    this.seek++;
    this.pending = { line: source.first, pixel: 0 };
    this.arrived = source.arrived;
    this.schedule();
  }

  setView(view: View): void {
    if (this.treadmill.heights.length && this.pending === undefined) this.pending = this.anchor();
    this.view = view;
    this.applyView();
    this.restyle = true;
    this.schedule();
  }

  /** What is sought: its places in the rows are shown. */
  setQuery(query: Query | undefined): void {
    this.hits.setQuery(query);
    this.schedule();
  }

  /** Marks lines by their numbers, without going there. */
  mark(range: Range | undefined): void {
    this.marked = range;
    this.schedule();
  }

  /** Shows a line by its number, a third from above, and holds it. */
  async go(sequence: number, { current = false } = {}): Promise<void> {
    if (!this.source) return;
    const seek = ++this.seek;
    if (current) this.current = sequence;
    this.setFollowing(false);
    const position = await this.source.positionOf(sequence);
    if (seek !== this.seek) return;
    this.bar.mark(current ? position : undefined);
    this.place({ line: position, pixel: Math.floor(this.viewport / 3 / LINE) * LINE });
    this.held = position;
  }

  /** Shows the end; of a log that goes on, from now on whatever comes. */
  end(): void {
    this.seek++;
    this.pending = undefined;
    this.setFollowing(true);
    this.schedule();
  }

  pause(): void {
    this.setFollowing(false);
    this.schedule();
  }

  begin(): void {
    this.seek++;
    this.setFollowing(false);
    this.place({ line: this.source?.first ?? 0, pixel: 0 });
  }

  /** The number of the uppermost line that is seen whole; −1 without lines. */
  get top(): number {
    if (!this.rows.length) return -1;
    const { line, pixel } = this.treadmill.anchor();
    const row = this.rows[Math.min(this.rows.length - 1, line - this.treadmill.from + (pixel < 0 ? 1 : 0))];
    return row?.line?.sequence ?? -1;
  }

  /** The row's place from above, in pixels, of a line that is seen now. */
  shown(sequence: number): number | undefined {
    const at = this.rows.findIndex((row) => row.line?.sequence === sequence);
    if (at < 0) return undefined;
    const pixel = this.treadmill.top + this.treadmill.offset(this.treadmill.from + at) - this.treadmill.scroll;
    return pixel >= 0 && pixel < this.viewport ? pixel : undefined;
  }

  /** What keeps its pixel: the line that was asked for, or else the uppermost one. */
  private anchor(): Anchor {
    const { treadmill, held } = this;
    if (held === undefined || held < treadmill.from || held >= treadmill.to) return treadmill.anchor();
    return { line: held, pixel: treadmill.top + treadmill.offset(held) - treadmill.scroll };
  }

  private place(anchor: Anchor): void {
    this.held = undefined;
    this.pending = anchor;
    this.schedule();
  }

  private get extent(): { first: number; count: number } {
    return { first: this.source?.first ?? 0, count: this.source?.count ?? 0 };
  }

  private setFollowing(following: boolean): void {
    if (this.following && !following) this.arrived = this.source?.arrived ?? 0;
    if (following) this.held = undefined;
    this.following = following;
  }

  private applyView(): void {
    const { classList } = this.element;
    classList.toggle("wrap", this.view.wrap);
    classList.toggle("no-numbers", !this.view.numbers);
    classList.toggle("no-times", this.view.times === "off");
    this.element.style.setProperty("--time", String(this.view.times === "off" ? 0 : TIME[this.view.times] + 1));
    this.block.style.minWidth = "";
  }

  private changed(change: Change): void {
    if (change.kind === "moved") {
      const anchor = this.pending ?? this.anchor();
      if (anchor.line > change.from) this.pending = { line: Math.max(change.from, anchor.line + change.by), pixel: anchor.pixel };
      if (this.held !== undefined && this.held > change.from) this.held += change.by;
      this.selection.moved(change.from, change.by);
      this.restyle = true;
    }
    if (change.kind === "reset") {
      this.pending = this.treadmill.anchor();
      this.selection.clear();
    }
    this.schedule();
  }

  private schedule(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  private scrolled(): void {
    const now = this.scroller.scrollTop;
    if (Math.abs(now - this.ours) < 0.5) return this.sideways();
    const before = this.treadmill.scroll;
    this.treadmill.scroll = now;
    this.calm();
    this.ours = now;
    this.pending = undefined;
    this.held = undefined;
    this.seek++;
    // What the browser does when the pane becomes higher at the end is nobody's wish to leave it.
    if (now > before && this.atEnd) this.setFollowing(true);
    else if (now < before && !this.atEnd) this.setFollowing(false);
    this.schedule();
  }

  /** Marks of rows are as wide as what can be seen to the right, once somebody has gone there. */
  private sideways(): void {
    if (this.scroller.scrollLeft > 0) this.block.style.minWidth = `${this.scroller.scrollWidth}px`;
  }

  /** The end of the last line is in sight. */
  private get atEnd(): boolean {
    const { treadmill } = this;
    return treadmill.to >= this.extent.count && treadmill.scroll + this.scroller.clientHeight >= treadmill.length - 1;
  }

  /** Somebody wants to go up or down: told at once, as the first step may be less than a pixel. */
  private wish(down: boolean): void {
    if (!down && this.treadmill.scroll > 0) this.setFollowing(false);
    else if (down && this.atEnd) this.setFollowing(true);
    else return;
    this.schedule();
  }

  private resized(): void {
    const { clientHeight, clientWidth } = this.scroller;
    const anchor = this.treadmill.heights.length ? this.anchor() : undefined;
    if (clientWidth !== this.width && this.view.wrap) this.pending ??= anchor;
    this.viewport = clientHeight;
    this.width = clientWidth;
    this.schedule();
  }

  private barMoved(line: number, p: number): void {
    this.seek++;
    if (p >= 1) return this.end();
    this.setFollowing(false);
    this.place({ line, pixel: 0 });
  }

  private key(event: KeyboardEvent): void {
    if (event.altKey || event.metaKey || event.target !== this.scroller) return;
    if (event.key === "Home") this.begin();
    else if (event.key === "End") this.end();
    else if (event.key === "a" && event.ctrlKey) this.selectAll();
    else {
      if (event.key === "ArrowUp" || event.key === "PageUp") this.wish(false);
      return;
    }
    event.preventDefault();
  }

  private selectAll(): void {
    const { first, count } = this.extent;
    if (count > first) this.selection.select({ position: first, offset: 0 }, { position: count - 1, offset: Infinity });
  }

  private rowOf(event: Event): Row | undefined {
    return this.rows.find((each) => each.element.contains(event.target as Element));
  }

  private click(event: MouseEvent): void {
    const target = event.target as Element;
    const row = this.rowOf(event);
    if (!row?.line || !this.source) return;
    const { sequence, text } = row.line;
    if (target.matches(".number")) {
      event.preventDefault();
      const from = event.shiftKey && this.marked ? this.marked.from : sequence;
      this.events.chosen({ from: Math.min(from, sequence), to: Math.max(from, sequence) });
    } else if (target.matches(".fold")) {
      const group = heading(text);
      if (!group) return;
      this.setFollowing(false);
      this.source
        .toggle(row.position, group.until, this.aborter.signal)
        .catch(() => this.events.told("The end of the group could not be found."));
    } else if (target.matches(".more")) void this.showWhole(row.position, row.line);
  }

  private async showWhole(position: number, line: Line): Promise<void> {
    let whole = line;
    try {
      if (line.more > 0)
        for await (const read of this.source!.read(position, position + 1, this.aborter.signal)) whole = read;
    } catch {
      this.events.told("The rest of the line could not be read.");
      return;
    }
    if (this.whole.size >= MOST_WHOLE) this.whole.delete(this.whole.keys().next().value!);
    this.whole.set(line.sequence, whole);
    this.pending ??= this.anchor();
    this.restyle = true;
    this.schedule();
  }

  private copy(event: ClipboardEvent): void {
    this.selection.take();
    const { selected } = this.selection;
    const active = document.activeElement;
    const elsewhere = active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement;
    if (!selected || !this.source || elsewhere) return;
    event.preventDefault();
    const lines = selected.to.position - selected.from.position + 1;
    if (lines > MOST_COPIED) return this.events.told("That is too much to be copied: download it.");
    const text = textInMemory(this.source, selected);
    if (text !== undefined) {
      event.clipboardData?.setData("text/plain", text);
      this.events.told(`Copied ${lines} lines`);
      return;
    }
    if (!navigator.clipboard) return this.events.told("Without TLS only lines that are loaded can be copied: download them.");
    const reading = textOf(this.source, selected, this.aborter.signal);
    const item = new ClipboardItem({ "text/plain": reading.then((all) => new Blob([all], { type: "text/plain" })) });
    navigator.clipboard.write([item]).then(
      () => this.events.told(`Copied ${lines} lines`),
      () => this.events.told("The lines could not be copied."),
    );
  }

  private tick(): void {
    if (this.view.times === "relative") for (const row of this.rows) row.tick(this.view);
  }

  private fill(row: Row, position: number): void {
    const source = this.source!;
    const line = source.line(position);
    const whole = line && this.whole.get(line.sequence);
    row.show(position, whole ?? line, this.view, this.digits, whole !== undefined, () => source.folded(position));
    row.line = line;
    this.markRow(row);
  }

  private markRow(row: Row): void {
    const sequence = row.line?.sequence ?? -1;
    const { marked } = this;
    row.mark(marked !== undefined && sequence >= marked.from && sequence <= marked.to, sequence === this.current);
  }

  /** Heights of rows [from, to) of those that are rendered. */
  private measure(from: number, to: number): number[] {
    if (!this.view.wrap) return new Array<number>(to - from).fill(LINE);
    return this.rows.slice(from, to).map((row) => row.element.offsetHeight);
  }

  private release(rows: Row[]): void {
    for (const row of rows) row.element.remove();
    this.pool.push(...rows);
  }

  /** Rows for [from, to), those that are there filled anew; `anchor` is one of them and stands where it says. */
  private rebuild(from: number, to: number, anchor: Anchor): void {
    const wanted = to - from;
    this.release(this.rows.splice(wanted));
    while (this.rows.length < wanted) {
      const row = this.pool.pop() ?? new Row();
      this.rows.push(row);
      this.block.append(row.element);
    }
    this.rows.forEach((row, i) => this.fill(row, from + i));
    const { treadmill } = this;
    treadmill.place(anchor);
    treadmill.from = from;
    treadmill.heights = this.measure(0, wanted);
    treadmill.top -= treadmill.offset(anchor.line);
  }

  /** Rows for another place: first those that are seen, and when that is all, the others. */
  private hurried(): void {
    this.margin = HURRIED;
    clearTimeout(this.hurry);
    this.hurry = setTimeout(() => this.calm(), HURRY_MS);
  }

  private calm(): void {
    if (this.margin === MARGIN) return;
    clearTimeout(this.hurry);
    this.margin = MARGIN;
    this.schedule();
  }

  private rebuildAround(anchor: Anchor): void {
    this.hurried();
    const { first, count } = this.extent;
    const line = Math.max(first, Math.min(anchor.line, count - 1));
    const above = Math.ceil((this.margin + Math.max(0, anchor.pixel)) / LINE);
    const seen = Math.ceil((this.viewport + this.margin) / LINE);
    this.rebuild(Math.max(first, line - above), Math.min(count, line + seen), { line, pixel: anchor.pixel });
  }

  private rebuildAtEnd(): void {
    this.hurried();
    const { first, count } = this.extent;
    const seen = Math.ceil((this.viewport + this.margin) / LINE);
    this.rebuild(Math.max(first, count - seen), count, { line: count - 1, pixel: 0 });
  }

  private extend(before: number, behind: number): void {
    const { treadmill } = this;
    const make = (position: number): Row => {
      const row = this.pool.pop() ?? new Row();
      this.fill(row, position);
      return row;
    };
    const above = Array.from({ length: before }, (_, i) => make(treadmill.from - before + i));
    const below = Array.from({ length: behind }, (_, i) => make(treadmill.to + i));
    this.block.prepend(...above.map((row) => row.element));
    this.block.append(...below.map((row) => row.element));
    this.rows.unshift(...above);
    this.rows.push(...below);
    const heights = this.measure(0, before);
    const others = this.measure(this.rows.length - behind, this.rows.length);
    treadmill.prepend(heights);
    treadmill.append(others);
  }

  /** Rows whose line has come, or is another now. */
  private refresh(): void {
    let changed = false;
    for (const row of this.rows) {
      if (!this.restyle && row.line === this.source!.line(row.position)) {
        this.markRow(row);
        continue;
      }
      this.fill(row, row.position);
      changed = true;
    }
    if (changed && this.view.wrap) this.treadmill.resize(this.measure(0, this.rows.length), this.anchor());
    this.restyle = false;
  }

  private cover(): void {
    const { treadmill, viewport } = this;
    for (let round = 0; round < 4; round++) {
      const missing = treadmill.missing(this.extent, viewport, this.margin, LINE);
      if (missing.before + missing.behind === 0) break;
      this.extend(missing.before, missing.behind);
    }
    const spare = treadmill.spare(viewport, this.margin + 2 * LINE);
    if (spare.before + spare.behind === 0) return;
    this.release(this.rows.splice(this.rows.length - spare.behind));
    this.release(this.rows.splice(0, spare.before));
    treadmill.drop(spare.before, spare.behind);
  }

  private render(): void {
    const { source, treadmill } = this;
    if (!source || this.viewport === 0) return;
    this.selection.take();
    const extent = this.extent;
    if (extent.count <= extent.first) {
      this.release(this.rows.splice(0));
      treadmill.heights = [];
      this.tell();
      return;
    }
    this.widen(extent.count);
    this.move();
    this.refresh();
    if (this.following) treadmill.scroll = treadmill.top + treadmill.height - this.viewport;
    this.cover();
    if (this.following) treadmill.scroll = treadmill.top + treadmill.height - this.viewport;
    treadmill.settle(extent, this.viewport);
    // Where the first line came into sight, something may be missing below; once is enough.
    this.cover();
    treadmill.settle(extent, this.viewport);
    this.apply();
    const from = Math.max(extent.first, treadmill.from - AHEAD);
    source.want([{ from, to: Math.min(extent.count, treadmill.to + AHEAD) }]);
    this.selection.restore();
    this.hits.show(this.rows);
    this.tell();
  }

  /** Rows of another place, if that is asked for. */
  private move(): void {
    const { treadmill } = this;
    const { first, count } = this.extent;
    const outside = treadmill.to > count || treadmill.from < first;
    if (this.following) {
      if (!this.rows.length || outside || count - treadmill.to > this.rows.length / 2 || this.pending) this.rebuildAtEnd();
    } else if (this.pending || !this.rows.length || outside) {
      this.rebuildAround(this.pending ?? this.anchor());
    } else if (treadmill.lost(this.viewport, MARGIN)) {
      this.rebuildAround(treadmill.leap(this.extent, LINE));
    }
    this.pending = undefined;
  }

  private apply(): void {
    const { treadmill, scroller } = this;
    this.block.style.paddingTop = `${treadmill.top}px`;
    this.spacer.style.height = `${treadmill.length}px`;
    if (Math.abs(scroller.scrollTop - treadmill.scroll) >= 0.5) scroller.scrollTop = treadmill.scroll;
    this.ours = treadmill.scroll;
    const { line } = treadmill.anchor();
    this.bar.update(line, this.extent, Math.floor(this.viewport / LINE), this.viewport);
  }

  /** The column of numbers is as wide as the last one. */
  private widen(count: number): void {
    const last = this.source!.line(count - 1)?.sequence ?? count;
    const digits = Math.max(4, String(Math.max(last + 1, count)).length);
    if (digits === this.digits) return;
    this.digits = digits;
    this.element.style.setProperty("--digits", String(digits));
    this.restyle = true;
  }

  private tell(): void {
    const fresh = this.following ? 0 : (this.source?.arrived ?? 0) - this.arrived;
    if (this.told?.following === this.following && this.told.fresh === fresh) return;
    this.told = { following: this.following, fresh };
    this.events.state(this.told);
  }
}
