// What the address says of a log's view.
import type { Filters } from "../data/filters.ts";
import { FILTERS, filtersOf } from "../data/filters.ts";
import { parseFragment } from "../pane/permalink.ts";
import type { Range } from "../pane/permalink.ts";
import type { Times } from "../pane/row.ts";
import type { Query } from "../pane/source.ts";
import { go } from "../router.ts";

const TIMES: readonly string[] = ["off", "absolute", "relative", "start"];

export interface LogAddress {
  filters: Filters;
  query: Query | undefined;
  range: Range | undefined;
  wrap: boolean;
  numbers: boolean;
  times: Times;
}

export function readAddress(address: URL): LogAddress {
  const { searchParams: parameters, hash } = address;
  const text = parameters.get("q") ?? "";
  const times = parameters.get("times") ?? "off";
  return {
    filters: filtersOf(parameters),
    query: text
      ? { text, regex: parameters.get("regex") === "true", matchCase: parameters.get("case") === "true" }
      : undefined,
    range: parseFragment(hash),
    wrap: parameters.get("wrap") === "true",
    numbers: parameters.get("numbers") !== "false",
    times: (TIMES.includes(times) ? times : "off") as Times,
  };
}

export type Parameter = (typeof FILTERS)[number] | "q" | "regex" | "case" | "wrap" | "numbers" | "times";

/** Changes parameters of the address, and with them or alone its fragment ("" for none); undefined takes one out. */
export function rewrite(
  values: Partial<Record<Parameter, string | undefined>>,
  fragment: string = location.hash,
): void {
  const next = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) next.searchParams.set(name, value);
    else next.searchParams.delete(name);
  }
  next.hash = fragment;
  if (next.href !== location.href) go(next.href, { replace: true });
}
