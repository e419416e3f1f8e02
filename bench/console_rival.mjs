// The same log in a page made with a common virtual list, as its manual says: an element as high as all lines, and rows at their
// pixels. Runs in the browser; the lines are made up there, so nothing is loaded.
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";

window.list = (count) => {
  document.body.innerHTML = '<div id="scroller"><div id="all"></div></div>';
  document.head.insertAdjacentHTML(
    "beforeend",
    `<style>body { margin: 0 } #scroller { height: 640px; width: 1150px; overflow: auto; contain: strict; font: 13px/20px monospace }
    #all { position: relative } .line { position: absolute; top: 0; left: 0; height: 20px; white-space: pre }</style>`,
  );
  const scroller = document.getElementById("scroller");
  const all = document.getElementById("all");
  const rows = new Map();
  const virtualizer = new Virtualizer({
    count,
    getScrollElement: () => scroller,
    estimateSize: () => 20,
    overscan: 30,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => render(),
  });
  const render = () => {
    virtualizer._willUpdate();
    all.style.height = `${virtualizer.getTotalSize()}px`;
    const items = virtualizer.getVirtualItems();
    const wanted = new Set(items.map(({ index }) => index));
    for (const [index, row] of rows)
      if (!wanted.has(index)) {
        row.remove();
        rows.delete(index);
      }
    for (const { index, start } of items) {
      if (rows.has(index)) continue;
      const row = document.createElement("div");
      row.className = "line";
      row.textContent = `${index + 1} a line of a log that goes on and on, took 12 ms`;
      row.style.transform = `translateY(${start}px)`;
      all.append(row);
      rows.set(index, row);
    }
  };
  virtualizer._didMount();
  render();
  window.go = (line) => virtualizer.scrollToIndex(line - 1, { align: "start" });
};

/** Numbers of the first and the last line that are seen; 0 where nothing is. */
window.seen = () => {
  const frame = document.getElementById("scroller").getBoundingClientRect();
  const lines = [...document.querySelectorAll(".line")]
    .filter((row) => row.getBoundingClientRect().bottom > frame.top && row.getBoundingClientRect().top < frame.bottom)
    .map((row) => Number.parseInt(row.textContent, 10));
  return lines.length ? [Math.min(...lines), Math.max(...lines)] : [0, 0];
};
