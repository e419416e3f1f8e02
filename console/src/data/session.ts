// Who is signed in: a key or a JSON Web Token, kept for as long as the tab lives. It is never part of an address.

const STORED = "runnel.token";
const listeners = new Set<() => void>();

export function token(): string | null {
  return sessionStorage.getItem(STORED);
}

export function signIn(value: string): void {
  sessionStorage.setItem(STORED, value);
  for (const listener of listeners) listener();
}

export function signOut(): void {
  sessionStorage.removeItem(STORED);
  for (const listener of listeners) listener();
}

/** Calls `listener` when somebody signs in or out. Returns what ends it. */
export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
