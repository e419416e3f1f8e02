// What the keys do on every page, and the list of all of them. The keys of a log are the log's (pages/log.tsx).
import { useEffect, useRef, useState } from "preact/hooks";

import { go } from "./router.ts";

/** How long the second key of two may take. */
const SECOND_MS = 1500;

const PLACES: Record<string, [string, string]> = {
  r: ["/", "runs"],
  b: ["/ui/batches", "batches"],
  f: ["/ui/workflows", "workflows"],
  w: ["/ui/workers", "workers and queue"],
  s: ["/ui/server", "server"],
  k: ["/ui/keys", "keys"],
  l: ["/ui/search", "search in all logs"],
};

const LISTS: [string, [string, string][]][] = [
  [
    "Everywhere",
    [
      ["?", "this list"],
      ["c", "start a run"],
      ["/", "search"],
      ["j, k", "next, previous row of a list; Enter opens it"],
      ...Object.entries(PLACES).map(([key, [, name]]): [string, string] => [`g ${key}`, name]),
    ],
  ],
  [
    "In a log",
    [
      ["/ or Ctrl F", "search the whole log; Esc: back to the log"],
      ["n, N", "next, previous hit"],
      ["e", "first error"],
      ["a", "lines around the one that is marked, without the filter"],
      ["f", "follow its end, or pause"],
      ["w", "wrap lines"],
      ["Home, End", "first, last line"],
      ["Page ↑ ↓, arrows", "scroll"],
    ],
  ],
  ["Cells of a batch", [["arrows, Enter", "move over the jobs, open one"]]],
];

/** Moves the focus to the next or previous link of a list. */
function move(step: 1 | -1): boolean {
  const links = [...document.querySelectorAll<HTMLElement>("table.list tbody td.wide > a:first-child")];
  if (links.length === 0) return false;
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (step === 1 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step));
  links[next]!.focus();
  return true;
}

export function Keyboard() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (open) dialog.current?.showModal();
  }, [open]);
  useEffect(() => {
    let first = 0; // when g was pressed
    const key = (event: KeyboardEvent): void => {
      const { target } = event;
      const field = target instanceof HTMLElement && target.matches("input, select, textarea");
      if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], .over")) return;
      const second = performance.now() - first < SECOND_MS;
      first = 0;
      const search = document.getElementById("page-search") as HTMLInputElement | null;
      if (second && PLACES[event.key]) go(PLACES[event.key]![0]);
      else if (event.key === "g") first = performance.now();
      else if (event.key === "?") setOpen(true);
      else if (event.key === "c") go("/ui/new");
      else if (event.key === "/" && search) search.focus();
      else if (!((event.key === "j" && move(1)) || (event.key === "k" && move(-1)))) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    // Before the keys of a log: the second of two is not one of them.
    addEventListener("keydown", key, { capture: true });
    return () => removeEventListener("keydown", key, { capture: true });
  }, []);
  return (
    <>
      <button type="button" class="help" aria-label="Keys of the keyboard" title="?" onClick={() => setOpen(true)}>
        ?
      </button>
      {open && (
        <dialog ref={dialog} class="keyboard" aria-label="Keys of the keyboard" onClose={() => setOpen(false)}>
          {LISTS.map(([name, keys]) => (
            <section key={name}>
              <h2>{name}</h2>
              <dl>
                {keys.map(([press, does]) => (
                  <div key={press}>
                    <dt>
                      <kbd>{press}</kbd>
                    </dt>
                    <dd>{does}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
          <form method="dialog">
            <button type="submit" autofocus>
              Close
            </button>
          </form>
        </dialog>
      )}
    </>
  );
}
