// Who is signed in: a key or a JSON Web Token, kept for as long as the tab lives. It is never part of an address.

const STORED = "runnel.token";
const listeners = new Set<() => void>();

export function token(): string | null {
  return sessionStorage.getItem(STORED);
}

/** The credential has been refused: another one is asked for, and the page goes on with it. */
let refused = false;

export function isRefused(): boolean {
  return refused;
}

export function refuse(): void {
  refused = true;
  sessionStorage.removeItem(STORED);
  for (const listener of listeners) listener();
}

/** When a JSON Web Token ends, in milliseconds since 1970; undefined of a key. The server judges; this is to ask in time. */
export function endsAt(): number | undefined {
  const [, claims, signature] = token()?.split(".") ?? [];
  if (!claims || signature === undefined) return undefined;
  try {
    const { exp } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

export function signIn(value: string): void {
  refused = false;
  sessionStorage.setItem(STORED, value);
  for (const listener of listeners) listener();
}

export function signOut(): void {
  refused = false;
  sessionStorage.removeItem(STORED);
  for (const listener of listeners) listener();
}

/** Calls `listener` when somebody signs in or out. Returns what ends it. */
export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Waits until somebody is signed in, or `signal` says so. */
export function signedIn(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (token() === null && !signal.aborted) return;
      stop();
      signal.removeEventListener("abort", look);
      resolve();
    };
    const stop = onSession(look);
    signal.addEventListener("abort", look);
    look();
  });
}
