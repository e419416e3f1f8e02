/**
 * Writes structured records into the log of a job, and follows logs. Node 18 and later; no dependencies.
 *
 *     import { Client } from "runnel-client";
 *
 *     const log = new Client();
 *     log.emitProgress({ level: "info", message: "3 of 10 files done", data: { files: 3 }, percent: 30 });
 *     await log.node("fetch", { name: "Fetch", type: "http" }, async (node) => {
 *       node.emit({ message: "HTTP 503", level: "warn" });
 *     });
 *     await log.close();
 */
export { Client } from "./client.js";
export type { ClientOptions, NodeDetails, Progress } from "./client.js";
export { Node } from "./node.js";
export { follow } from "./follow.js";
export type { Complete, FollowItem, FollowOptions, Filters, Gap, Position } from "./follow.js";
export { RunnelError } from "./http.js";
export type { Token } from "./http.js";
export type { Level, RecordInput } from "./records.js";
export type { components, operations, paths } from "./api.js";
