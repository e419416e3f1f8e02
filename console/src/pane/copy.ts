// What a selection copies: the exact text of its lines, as it is shown, also of those that are not in memory.
import { plain } from "./ansi.ts";
import type { Selected } from "./selection.ts";
import type { Line, LineSource } from "./source.ts";

/** More lines than this are for a download. */
export const MOST_COPIED = 200_000;

/** The text of lines that are added in order. What goes on with a line (`partial`) is not parted from it. */
class Text {
  private readonly parts: string[] = [];
  private open = true;

  constructor(
    private readonly selected: Selected,
    private at = selected.from.position,
  ) {}

  add(line: Line): void {
    const { from, to } = this.selected;
    const text = plain(line.text);
    if (!this.open) this.parts.push("\n");
    this.parts.push(text.slice(this.at === from.position ? from.offset : 0, this.at === to.position ? to.offset : undefined));
    this.open = line.partial === true;
    this.at++;
  }

  get whole(): string {
    return this.parts.join("");
  }
}

/** The text, if all of it is in memory. */
export function textInMemory(source: LineSource, selected: Selected): string | undefined {
  const text = new Text(selected);
  for (let at = selected.from.position; at <= selected.to.position; at++) {
    const line = source.line(at);
    if (!line || line.more > 0) return undefined;
    text.add(line);
  }
  return text.whole;
}

/** The text of a selection, also of lines that are not in memory. */
export async function textOf(source: LineSource, selected: Selected, signal: AbortSignal): Promise<string> {
  const text = new Text(selected);
  for await (const line of source.read(selected.from.position, selected.to.position + 1, signal)) text.add(line);
  return text.whole;
}
