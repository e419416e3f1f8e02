// The fragment of an address names a line, or several: #L17, #L17-L23. Lines are counted from 1: sequence number + 1.

/** Sequence numbers of the first and the last line. */
export interface Range {
  from: number;
  to: number;
}

export function parseFragment(fragment: string): Range | undefined {
  const found = /^#L(\d{1,15})(?:-L(\d{1,15}))?$/.exec(fragment);
  if (!found) return undefined;
  const one = Number(found[1]);
  const other = found[2] === undefined ? one : Number(found[2]);
  if (one === 0 || other === 0) return undefined;
  return { from: Math.min(one, other) - 1, to: Math.max(one, other) - 1 };
}

export function fragment({ from, to }: Range): string {
  return from === to ? `#L${from + 1}` : `#L${from + 1}-L${to + 1}`;
}
