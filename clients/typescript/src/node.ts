/** A step of a run while it is under way. */
import type { Client, NodeDetails, Progress } from "./client.js";
import { toProblem, type RecordInput } from "./records.js";

export class Node {
  readonly #client: Client;
  readonly #about: RecordInput;
  readonly #title: string;

  constructor(client: Client, nodeId: string, { name, type, ...steps }: NodeDetails) {
    this.#client = client;
    this.#title = name ?? nodeId;
    this.#about = {
      node_id: nodeId,
      ...(name === undefined ? {} : { node_name: name }),
      ...(type === undefined ? {} : { node_type: type }),
      ...steps,
    };
  }

  /** As those of the client, with this node's id and names. */
  emit(record: RecordInput | string): void {
    this.#client.emit({ ...this.#about, ...(typeof record === "string" ? { message: record } : record) });
  }

  emitProgress(progress: Progress): void {
    this.#client.emitProgress({ ...this.#about, ...progress });
  }

  async run<Result>(run: (node: Node) => Result | Promise<Result>): Promise<Result> {
    const began = performance.now();
    const took = () => Math.round(performance.now() - began) / 1000;
    this.emit({ message: `${this.#title} started`, event_type: "node_started" });
    try {
      const result = await run(this);
      this.emit({ message: `${this.#title} completed`, event_type: "node_completed", duration_seconds: took() });
      return result;
    } catch (thrown) {
      const message = `${this.#title} failed: ${toProblem(thrown).message}`;
      const event: RecordInput = { ...this.#about, event_type: "node_failed", duration_seconds: took() };
      this.#client.emitError(message, thrown, event);
      throw thrown;
    }
  }
}
