// Places of what is sought in the rows that are rendered: painted by the browser's highlights, without a change of the rows.
// A pattern is the server's to look for: one that never ends must not stop the page.
import { nodeAt } from "./row.ts";
import type { Row } from "./row.ts";
import type { Query } from "./source.ts";

const NAME = "hit";
const MOST = 2000;

export function placesOf(text: string, query: Query): number[] {
  const needle = query.matchCase ? query.text : query.text.toLowerCase();
  const hay = query.matchCase ? text : text.toLowerCase();
  // Letters whose small form is longer would shift what is behind them.
  if (needle === "" || hay.length !== text.length) return [];
  const found: number[] = [];
  for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, at + needle.length)) found.push(at);
  return found;
}

export class Hits {
  private query: Query | undefined;

  setQuery(query: Query | undefined): void {
    this.query = query && !query.regex && query.text !== "" ? query : undefined;
  }

  close(): void {
    CSS.highlights?.delete(NAME);
  }

  show(rows: Row[]): void {
    if (!CSS.highlights) return;
    if (!this.query) {
      if (CSS.highlights.has(NAME)) CSS.highlights.delete(NAME);
      return;
    }
    const ranges: Range[] = [];
    for (const row of rows) {
      if (!row.line) continue;
      for (const at of placesOf(row.text.textContent ?? "", this.query)) {
        if (ranges.length >= MOST) break;
        const range = document.createRange();
        const from = nodeAt(row.text, at);
        const to = nodeAt(row.text, at + this.query.text.length);
        range.setStart(from.node, from.offset);
        range.setEnd(to.node, to.offset);
        ranges.push(range);
      }
    }
    CSS.highlights.set(NAME, new Highlight(...ranges));
  }
}
