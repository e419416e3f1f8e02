// The text of rules of retention, part by part: how it is read, written and checked before it is sent. The server has the last word.

export type Parts = Record<string, string>;

/** How long, without a state: of each state that is not named. */
export const AGE = "age";

interface Kind {
  must: string;
  good: (text: string) => boolean;
}

const UNITS = "KMGT";
const LOG_RECORDS_LEAST = 1000;
const LOG_BYTES_LEAST = 64 * 1024;

function bytesOf(text: string): number {
  const [, number, unit] = /^(\d+)([KMGT]?)$/i.exec(text) ?? [];
  return number === undefined ? NaN : Number(number) * 1024 ** (unit ? UNITS.indexOf(unit.toUpperCase()) + 1 : 0);
}

const countOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) : NaN);
const isAtLeast = (value: number, least: number): boolean => value === 0 || value >= least;

const DURATION: Kind = {
  must: "must be a number with a unit, such as 30d, 12h or 90m; or 0: for ever",
  good: (text) => /^(0|\d+(ms|[smhdw]))$/.test(text),
};
const COUNT: Kind = { must: "must be a whole number; or 0: no limit", good: (text) => !isNaN(countOf(text)) };
const SIZE: Kind = { must: "must be a size such as 100G or 512M; or 0: no limit", good: (text) => !isNaN(bytesOf(text)) };
const LIMITS: Record<string, Kind> = {
  executions: COUNT,
  bytes: SIZE,
  log_records: { must: "must be 1000 or more; or 0: no limit", good: (text) => isAtLeast(countOf(text), LOG_RECORDS_LEAST) },
  log_bytes: { must: "must be 64K or more; or 0: no limit", good: (text) => isAtLeast(bytesOf(text), LOG_BYTES_LEAST) },
};

/** What is wrong with one part; undefined: nothing, or it is empty. */
export function problemOf(part: string, text: string): string | undefined {
  const kind = LIMITS[part] ?? DURATION;
  return text === "" || kind.good(text) ? undefined : kind.must;
}

export function partsOf(text: string | null): Parts {
  const parts: Parts = {};
  for (const part of (text ?? "").split(",")) {
    const [name, value] = part.split("=").map((word) => word.trim());
    if (value !== undefined) parts[name!] = value;
    else if (name) parts[AGE] = name;
  }
  return parts;
}

/** Empty parts are not said. */
export function textOf(parts: Parts): string {
  return Object.entries(parts)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => (name === AGE ? value : `${name}=${value}`))
    .join(", ");
}
