// The address says what is shown: reloading it, or sending it, gives the same view.

const listeners = new Set<() => void>();

export function go(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  for (const listener of listeners) listener();
}

/** Calls `listener` after each change of the address. Returns what ends it. */
export function onAddress(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function moved(): void {
  for (const listener of listeners) listener();
}
addEventListener("popstate", moved);
addEventListener("hashchange", moved);

/** Links within the console do not load the page anew. */
addEventListener("click", (event) => {
  const link = (event.target as Element).closest?.("a");
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || !(link.pathname === "/" || link.pathname.startsWith("/ui/"))) return;
  event.preventDefault();
  if (link.href !== location.href) go(link.href);
});
