// The filters of a log, with the words of the interface and of the command line.

export const FILTERS = [
  "stream", "level", "min_level", "category", "event_type", "node", "milestone", "min_priority", "start_time", "end_time",
] as const;

export type Filters = Partial<Record<(typeof FILTERS)[number], string>>;

export function filtersOf(parameters: URLSearchParams): Filters {
  const filters: Filters = {};
  for (const name of FILTERS) {
    const value = parameters.get(name);
    if (value) filters[name] = value;
  }
  return filters;
}

export function isFiltered(filters: Filters): boolean {
  return Object.keys(filters).length > 0;
}
