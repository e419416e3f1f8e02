import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "./data/api.ts";
import { pause } from "./data/patience.ts";
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

/** What is asked for when something changes rests so long after an answer, and five times as long as the answer took. */
const REST_MS = 300;
const REST_SHARE = 5;
const FAILED_MS = 2000;

/**
 * What `load` gives, asked for again when `version` changes: at once after some quiet, else when the request before has rested.
 * So it is never behind for long, and what is large is not asked for all the time. undefined: not yet.
 */
export function useFollowed<T>(key: string, version: string | undefined, load: (signal: AbortSignal) => Promise<T>): T | undefined {
  const [state, set] = useState<{ key: string; value?: T }>({ key });
  const wanted = useRef(version);
  const stir = useRef<() => unknown>(() => {});
  wanted.current = version;
  useEffect(() => {
    const aborter = new AbortController();
    const { signal } = aborter;
    let seen: string | undefined;
    let busy = false;
    const ask = async (): Promise<void> => {
      const began = performance.now();
      seen = wanted.current;
      try {
        const value = await load(signal);
        if (!signal.aborted) set({ key, value });
        await pause(Math.max(REST_MS, REST_SHARE * (performance.now() - began)), signal);
      } catch {
        seen = undefined; // whoever shows it tells when the server is away
        await pause(FAILED_MS, signal);
      }
    };
    stir.current = async () => {
      if (busy) return;
      busy = true;
      while (!signal.aborted && seen !== wanted.current) await ask();
      busy = false;
    };
    stir.current();
    return () => aborter.abort();
  }, [key]);
  useEffect(() => void stir.current(), [version]);
  return state.key === key ? state.value : undefined;
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

const NARROW = "(max-width: 700px)"; // as in style.css

/** Whether the screen is as narrow as a telephone's. */
export function useNarrow(): boolean {
  const [narrow, set] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const changed = (): void => set(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return narrow;
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
