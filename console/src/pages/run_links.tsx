// What a run depends on and what depends on it, also when nothing waits any more.
import { useState } from "preact/hooks";

import { get } from "../data/api.ts";
import type { Dependencies, Dependency, Execution } from "../data/types.ts";
import { batchAddress, runAddress } from "../addresses.ts";
import { LIST_MS, SETTLED_MS, useLoaded } from "../hooks.ts";
import { Badge } from "../parts.tsx";

const WISHES: Record<Dependency["on"], string> = { ok: "", any: "however it ends", failed: "if it fails" };

const OVER = ["completed", "failed", "timed_out", "cancelled", "skipped"];

function List({ name, links, more }: { name: string; links: Dependency[]; more?: boolean }) {
  if (links.length === 0) return null;
  return (
    <section aria-label={name} class="links">
      <h2>{name}</h2>
      <ul class="plain">
        {links.map((one) => (
          <li key={`${one.kind} ${one.id} ${one.on}`}>
            <Badge status={one.status as Execution["status"]} />{" "}
            <a href={one.kind === "batch" ? batchAddress(one.id) : runAddress(one.id)}>{one.id}</a>{" "}
            <span class="dim">{[WISHES[one.on], one.waits && "it is waited for", one.purged && "it is purged"].filter(Boolean).join(", ")}</span>
          </li>
        ))}
      </ul>
      {more && <p class="dim">And more.</p>}
    </section>
  );
}

export function RunLinks({ run, path }: { run: Execution; path: string }) {
  const [live, setLive] = useState(true);
  const load = async (signal: AbortSignal): Promise<Dependencies> => {
    const links = await get<Dependencies>(`${path}/dependencies`, signal);
    setLive([...links.dependencies, ...links.dependents].some((one) => !OVER.includes(one.status)));
    return links;
  };
  // What depends on it may come later, and goes its own way then.
  const { value } = useLoaded(`${path}/dependencies#${run.status}`, load, live ? LIST_MS : SETTLED_MS);
  if (!value) return null;
  return (
    <>
      <List name="Depends on" links={value.dependencies} />
      <List name="What depends on it" links={value.dependents} more={value.more_dependents} />
    </>
  );
}
