import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "./data/api.ts";
import { onAddress } from "./router.ts";

/** Renders anew when the address changes, and returns it. */
export function useAddress(): URL {
  const [address, set] = useState(location.href);
  useEffect(() => onAddress(() => set(location.href)), []);
  return new URL(address);
}

/** How often what changes all the time is asked for; lists; and what changes seldom. */
export const LIVE_MS = 1000;
export const LIST_MS = 2000;
export const SETTLED_MS = 10_000;

export interface Loaded<T> {
  value: T | undefined;
  error: string | undefined;
  /** Asks again now. */
  again: () => void;
}

/**
 * What `load` gives, asked for when `key` changes, and again `every` ms after an answer while the page is visible. The
 * last value stays while the next one is under way, and after an error.
 */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>, every?: number): Loaded<T> {
  const [state, set] = useState<{ key: string; value?: T; error?: string }>({ key });
  const [round, next] = useState(0);
  const interval = useRef(every);
  interval.current = every;
  useEffect(() => {
    const aborter = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let first = true; // a page that is opened behind others must have something to show, too
    const ask = async (): Promise<void> => {
      try {
        if (first || !document.hidden) {
          first = false;
          const value = await load(aborter.signal);
          set({ key, value });
        }
      } catch (error) {
        if (!aborter.signal.aborted) set((old) => ({ ...(old.key === key ? old : { key }), error: reason(error) }));
      }
      if (interval.current && !aborter.signal.aborted) timer = setTimeout(ask, interval.current);
    };
    void ask();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [key, round]);
  return {
    value: state.key === key ? state.value : undefined,
    error: state.error,
    again: () => next((count) => count + 1),
  };
}

/** The time, told anew each second while `live`. */
export function useNow(live = true): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => set(Date.now()), LIVE_MS);
    return () => clearInterval(timer);
  }, [live]);
  return now;
}

/** What the tab is called. */
export function useTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title ? `${title} · Runnel` : "Runnel";
  }, [title]);
}

export function reason(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return "the server cannot be reached";
  return String(error);
}
