// A list of things of one kind. On a narrow screen each row is a block, and a cell says its column's name.
import type { ComponentChildren } from "preact";

export interface Column<T> {
  name: string;
  cell: (item: T) => ComponentChildren;
  number?: boolean;
  /** Takes the room that is left, and may wrap. */
  wide?: boolean;
  /** What it shows says what it is. */
  plain?: boolean;
}

interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  items: T[] | undefined;
  id: (item: T) => string;
  /** What is said when there is nothing. */
  empty?: ComponentChildren;
}

function classOf<T>(column: Column<T>): string | undefined {
  return [column.number && "number", column.wide && "wide"].filter(Boolean).join(" ") || undefined;
}

export function Table<T>({ label, columns, items, id, empty }: TableProps<T>) {
  if (items?.length === 0) return <p class="dim empty">{empty}</p>;
  return (
    <table class="list" aria-label={label}>
      <thead>
        <tr>
          {columns.map((column) =>
            column.name ? (
              <th key={column.name} scope="col" class={classOf(column)}>
                {column.name}
              </th>
            ) : (
              <td key="acts" />
            ),
          )}
        </tr>
      </thead>
      <tbody>
        {items?.map((item) => (
          <tr key={id(item)}>
            {columns.map((column) => (
              <td key={column.name} class={classOf(column)} data-name={column.plain || column.wide ? undefined : column.name}>
                {column.cell(item)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The way to the next page of a list. */
export function Older({ address }: { address: string | undefined }) {
  return address ? (
    <p>
      <a href={address} rel="next">
        Older ones
      </a>
    </p>
  ) : null;
}
