/** Sends records. */
import { follow, type FollowItem, type FollowOptions } from "./follow.js";
import { pause, type Token } from "./http.js";
import { Node } from "./node.js";
import { Outbox } from "./outbox.js";
import { toGroup, toProblem, TRACE_MAX, type Level, type RecordInput } from "./records.js";
import { HttpWay, SocketWay, type Way } from "./ways.js";

export interface ClientOptions {
  /** The server; RUNNEL_URL, or http://127.0.0.1:7117. */
  url?: string;
  /** RUNNEL_TOKEN. By the socket none is needed. */
  token?: Token;
  /** RUNNEL_EXECUTION_ID. With it, or with `url`, records go by HTTP even within a job. */
  executionId?: string;
  /** The socket of the job's runner: RUNNEL_SOCKET. */
  socket?: string;
  /** Records that wait at most; then the oldest are dropped, and a record says how many. 10,000. */
  queueMax?: number;
  /** How long the server is asked again, in milliseconds, before a batch is lost. 5 minutes. */
  retryForMs?: number;
}

export interface Progress extends Omit<RecordInput, "progress_percentage"> {
  message?: string;
  level?: Level;
  data?: unknown;
  /** 0 to 100. */
  percent?: number;
}

export interface NodeDetails {
  name?: string;
  type?: string;
  step_number?: number;
  total_steps?: number;
}

const CLOSE_MS = 10_000;

export class Client {
  readonly #options: ClientOptions;
  readonly #outbox: Outbox;

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    const { queueMax = 10_000, retryForMs = 300_000 } = options;
    this.#outbox = new Outbox({ way: wayOf(options), queueMax, retryForMs });
  }

  /** Records that are in the log; by the socket: in the spool of the job's runner. */
  get sent(): number {
    return this.#outbox.sent;
  }

  /** Records that never will be, or of which that is not known. */
  get dropped(): number {
    return this.#outbox.dropped;
  }

  /** Records that have not been sent yet, but for those that are under way. */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  /** Why the last ones were dropped. */
  get lastError(): string | undefined {
    return this.#outbox.lastError;
  }

  /** One record. It never waits and never throws. */
  emit(record: RecordInput | string): void {
    this.emitGroup([typeof record === "string" ? { message: record } : record]);
  }

  /** Records that filters take as one: all but the first continue the one before. */
  emitGroup(records: readonly RecordInput[]): void {
    if (records.length > 0) this.#outbox.put(toGroup(records));
  }

  /** How far it is, as an event of the type node_progress. */
  emitProgress({ percent, ...record }: Progress): void {
    const progress = percent === undefined ? {} : { progress_percentage: percent };
    this.emit({ event_type: "node_progress", level: "info", ...progress, ...record });
  }

  /** What was thrown: the message with the stack, and the stack line by line, which filters take as one. */
  emitError(message: string, thrown: unknown, record: RecordInput = {}): void {
    const error = toProblem(thrown);
    const trace = (error.stack ?? error.message).slice(0, TRACE_MAX);
    const level: Level = record.level ?? "error";
    const stream = record.stream ?? "event";
    const rest: RecordInput = { level, stream, ...(record.node_id === undefined ? {} : { node_id: record.node_id }) };
    this.emitGroup([
      { stack_trace: trace, data: { error: { ...error, stack: trace } }, ...record, message, level, stream },
      ...trace.split("\n").map((line) => ({ ...rest, message: line })),
    ]);
  }

  /** A step of the run: node_started before it, node_completed after it, node_failed with the error if it throws. */
  async node<Result>(nodeId: string, run: (node: Node) => Result | Promise<Result>): Promise<Result>;
  async node<Result>(
    nodeId: string,
    details: NodeDetails,
    run: (node: Node) => Result | Promise<Result>,
  ): Promise<Result>;
  async node<Result>(
    nodeId: string,
    detailsOrRun: NodeDetails | ((node: Node) => Result | Promise<Result>),
    mayBeRun?: (node: Node) => Result | Promise<Result>,
  ): Promise<Result> {
    const details = typeof detailsOrRun === "function" ? {} : detailsOrRun;
    const run = typeof detailsOrRun === "function" ? detailsOrRun : mayBeRun!;
    return new Node(this, nodeId, details).run(run);
  }

  /** The records of this client's execution, or of another one. */
  follow(options: Partial<FollowOptions> = {}): AsyncGenerator<FollowItem, void, undefined> {
    const { url, token, executionId } = this.#options;
    return follow({
      url: options.url ?? url ?? defaultUrl(),
      token: options.token ?? token ?? process.env["RUNNEL_TOKEN"],
      executionId: options.executionId ?? executionId ?? process.env["RUNNEL_EXECUTION_ID"] ?? "",
      ...options,
    });
  }

  /** Waits until all is sent. False if that took too long. */
  async flush(timeoutMs = CLOSE_MS): Promise<boolean> {
    const late = new AbortController();
    const done = await Promise.race([
      this.#outbox.settled().then(() => true),
      pause(timeoutMs, late.signal).then(() => false),
    ]);
    late.abort();
    return done;
  }

  /** Waits until all is sent, and ends. False if that took too long; what was left is lost, and counts as dropped. */
  async close(timeoutMs = CLOSE_MS): Promise<boolean> {
    const done = await this.flush(timeoutMs);
    this.#outbox.end();
    await this.#outbox.settled();
    return done;
  }
}

function defaultUrl(): string {
  return process.env["RUNNEL_URL"] || "http://127.0.0.1:7117";
}

function wayOf({ url, token, executionId, socket }: ClientOptions): Way | undefined {
  const path = socket ?? (url === undefined && executionId === undefined ? process.env["RUNNEL_SOCKET"] : undefined);
  if (path) return new SocketWay(path);
  const id = executionId ?? process.env["RUNNEL_EXECUTION_ID"];
  return id ? new HttpWay(url ?? defaultUrl(), token ?? process.env["RUNNEL_TOKEN"], id) : undefined;
}
