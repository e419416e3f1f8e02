/** Records that wait, and their sending: one batch after the other, in order, each until it is in the log or lost. */
import { randomUUID } from "node:crypto";
import { backoffMs, pause, RunnelError, Unavailable } from "./http.js";
import { toGroup, type Group } from "./records.js";
import type { Way } from "./ways.js";

const BATCH_BYTES = 256 * 1024; // UTF-16 units of JSON; a group is never divided
const QUEUE_BYTES_MAX = 32 * 1024 * 1024; // UTF-16 units of JSON that wait
const RETRIED_ALONE = new Set([400, 413, 422, 0]); // what may be the fault of one group among others

export interface OutboxOptions {
  way: Way | undefined;
  /** Records that wait at most. Beyond it the oldest groups are dropped. */
  queueMax: number;
  /** How long a batch is tried again, in milliseconds. */
  retryForMs: number;
}

export class Outbox {
  sent = 0;
  dropped = 0;
  lastError: string | undefined;
  waiting = 0;

  readonly #options: OutboxOptions;
  readonly #closing = new AbortController();
  #groups: Group[] = [];
  #head = 0; // of those, the first that waits
  #bytes = 0;
  #overflowed = 0; // records that were dropped since the log was last told
  #sending: Promise<void> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  put(group: Group): void {
    if (!this.#options.way || this.#closing.signal.aborted) {
      const why = this.#options.way ? "the client is closed" : "there is neither RUNNEL_SOCKET nor RUNNEL_EXECUTION_ID";
      this.#lose(group.records, why);
      return;
    }
    this.#groups.push(group);
    this.waiting += group.records;
    this.#bytes += group.json.length;
    while ((this.waiting > this.#options.queueMax || this.#bytes > QUEUE_BYTES_MAX) && this.#count() > 1) {
      const { records } = this.#shift();
      this.#overflowed += records;
      this.#lose(records, "the queue was full");
    }
    this.#sending ??= this.#run(this.#options.way);
  }

  /** Resolves once nothing waits. */
  async settled(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  /** What has not been sent by now is lost. */
  end(): void {
    this.#closing.abort();
  }

  #lose(records: number, why: string): void {
    this.dropped += records;
    this.lastError = why;
  }

  #count(): number {
    return this.#groups.length - this.#head;
  }

  #shift(): Group {
    const group = this.#groups[this.#head++]!;
    this.waiting -= group.records;
    this.#bytes -= group.json.length;
    if (this.#head > 1024 && this.#head * 2 > this.#groups.length) {
      this.#groups = this.#groups.slice(this.#head);
      this.#head = 0;
    }
    return group;
  }

  #take(): Group[] {
    const taken: Group[] = [];
    let size = 0;
    while (this.#count() > 0) {
      const next = this.#groups[this.#head]!.json.length;
      if (taken.length > 0 && size + next > BATCH_BYTES) break;
      taken.push(this.#shift());
      size += next;
    }
    return taken;
  }

  async #run(way: Way): Promise<void> {
    await Promise.resolve(); // what is put in the same turn goes together
    while (this.#count() > 0) {
      const gone = this.#overflowed;
      this.#overflowed = 0;
      if (gone > 0) await this.#deliver(way, [overflow(gone)], true);
      await this.#deliver(way, this.#take(), false);
    }
    this.#sending = undefined;
    if (this.#closing.signal.aborted) way.close();
  }

  async #deliver(way: Way, groups: Group[], own: boolean): Promise<void> {
    const records = groups.reduce((sum, group) => sum + group.records, 0);
    const error = await this.#send(way, groups);
    if (error instanceof RunnelError && RETRIED_ALONE.has(error.status) && groups.length > 1) {
      const middle = groups.length >> 1;
      await this.#deliver(way, groups.slice(0, middle), own);
      await this.#deliver(way, groups.slice(middle), own);
    } else if (error) {
      this.#lose(own ? 0 : records, error.message);
    } else if (!own) {
      this.sent += records;
    }
  }

  /** Undefined, or why they are not in the log. */
  async #send(way: Way, groups: Group[]): Promise<Error | undefined> {
    const json = `[${groups.map((group) => group.json).join(",")}]`;
    const key = randomUUID();
    const { signal } = this.#closing;
    const until = Date.now() + this.#options.retryForMs;
    for (let failures = 0; ; failures++) {
      try {
        if (signal.aborted) throw new Error("the client was closed before it was sent");
        await way.send(json, key, signal);
        return undefined;
      } catch (error) {
        if (error instanceof RunnelError) return error;
        way.close();
        if (signal.aborted || !way.mayRepeat(error) || Date.now() >= until) return error as Error;
        await pause(Math.max(backoffMs(failures), error instanceof Unavailable ? error.retryAfterMs : 0), signal);
      }
    }
  }
}

function overflow(records: number): Group {
  return toGroup([
    {
      message: `${records} records were dropped, as too many were waiting to be sent`,
      event_type: "records_dropped",
      level: "warn",
      data: { records },
    },
  ]);
}
