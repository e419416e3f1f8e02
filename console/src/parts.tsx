// Small parts that several pages use.
import type { ComponentChildren } from "preact";

import type { Status } from "./data/types.ts";

export function Badge({ status }: { status: Status }) {
  return <span class={`badge ${status}`}>{status.replace("_", " ")}</span>;
}

export function Notice({ children }: { children: ComponentChildren }) {
  return (
    <p class="notice" role="alert">
      {children}
    </p>
  );
}
