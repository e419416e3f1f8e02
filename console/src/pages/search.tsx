// Lines that match, in all logs.
import { useState } from "preact/hooks";

import { get, query } from "../data/api.ts";
import type { Hit, Hits, Unread } from "../data/types.ts";
import { runAddress } from "../addresses.ts";
import { time, whole } from "../format.ts";
import { reason, useLoaded, useTitle } from "../hooks.ts";
import { Notice } from "../parts.tsx";
import { go } from "../router.ts";

/** The message with what matches marked; `ranges` count as JavaScript does. */
function Marked({ hit }: { hit: Hit }) {
  const parts: preact.ComponentChildren[] = [];
  let at = 0;
  for (const [from, to] of hit.ranges as [number, number][]) {
    parts.push(hit.message.slice(at, from), <mark key={from}>{hit.message.slice(from, to)}</mark>);
    at = to;
  }
  return (
    <code>
      {parts}
      {hit.message.slice(at)}
    </code>
  );
}

function Group({ id, hits, q, regex }: { id: string; hits: Hit[]; q: string; regex: boolean }) {
  const rest = query({ q, regex: regex || undefined });
  return (
    <section class="hits">
      <h2>
        <a href={runAddress(id, rest)}>{id}</a>
      </h2>
      <ol class="plain">
        {hits.map((hit) => (
          <li key={hit.sequence_number}>
            <a class="number" href={runAddress(id, `${rest}#L${hit.sequence_number + 1}`)}>
              {whole(hit.sequence_number + 1)}
            </a>{" "}
            <span class="dim">{time(hit.timestamp)}</span> <Marked hit={hit} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function NotLookedAt({ logs }: { logs: Unread[] }) {
  const codes = new Map(logs.map(({ execution_id, code }) => [execution_id, code]));
  return (
    <Notice>
      Not all could be looked at; a line may be missing here:{" "}
      {[...codes].map(([id, code], i) => (
        <span key={id}>
          {i > 0 && ", "}
          <a href={runAddress(id)}>{id}</a> ({code})
        </span>
      ))}
    </Notice>
  );
}

export function Search({ address }: { address: URL }) {
  const q = address.searchParams.get("q") ?? "";
  const regex = address.searchParams.get("regex") === "true";
  const [more, setMore] = useState<{ of: string; hits: Hit[]; unread: Unread[]; cursor: string | null }>();
  const [failed, setFailed] = useState<string>();
  const path = `/api/v1/search${query({ q, regex: regex || undefined, case: regex ? undefined : false })}`;
  const { value, error } = useLoaded(path, async (signal) => (q ? get<Hits>(path, signal) : undefined));
  useTitle("Search");
  const known = more?.of === path ? more : { hits: [] as Hit[], unread: [] as Unread[], cursor: value?.next_cursor ?? null };
  const unread = [...(value?.unread ?? []), ...known.unread];
  const groups = new Map<string, Hit[]>();
  for (const hit of [...(value?.hits ?? []), ...known.hits]) {
    const id = hit.execution_id!;
    groups.set(id, [...(groups.get(id) ?? []), hit]);
  }
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const values = new FormData(event.target as HTMLFormElement);
    go(`/ui/search${query({ q: String(values.get("q")), regex: values.get("regex") ? true : undefined })}`);
  };
  const next = async (): Promise<void> => {
    try {
      const page = await get<Hits>(`${path}&cursor=${encodeURIComponent(known.cursor!)}`);
      setMore({
        of: path,
        hits: [...known.hits, ...page.hits],
        unread: [...known.unread, ...page.unread],
        cursor: page.next_cursor,
      });
    } catch (why) {
      setFailed(reason(why));
    }
  };
  return (
    <main>
      <div class="head">
        <h1>Search all logs</h1>
      </div>
      <form role="search" class="row" onSubmit={(event) => submit(event as unknown as SubmitEvent)}>
        <input id="page-search" name="q" type="search" aria-label="Search all logs" defaultValue={q} key={q} maxLength={1000} autofocus />
        <label>
          <input name="regex" type="checkbox" defaultChecked={regex} /> regular expression
        </label>
        <button type="submit">Search</button>
      </form>
      {(error ?? failed) && <Notice>{error ?? failed}</Notice>}
      {unread.length > 0 && <NotLookedAt logs={unread} />}
      {q && !value && !error && <p class="dim">It is sought …</p>}
      {value && groups.size === 0 && known.cursor === null && <p class="dim empty">No line is like that.</p>}
      {[...groups].map(([id, hits]) => (
        <Group key={id} id={id} hits={hits} q={q} regex={regex} />
      ))}
      {value && known.cursor !== null && (
        <button type="button" onClick={() => void next()}>
          Older ones
        </button>
      )}
    </main>
  );
}
