// How long to wait before something that failed is asked for again.

const LONGEST_MS = 5000;

/** Ends at once when `signal` says so. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** At once, then after a time that doubles, of which half is by chance. */
export function delayOf(failures: number): number {
  if (failures <= 1) return 0;
  const longest = Math.min(LONGEST_MS, 250 * 2 ** (failures - 2));
  return longest / 2 + (Math.random() * longest) / 2;
}
