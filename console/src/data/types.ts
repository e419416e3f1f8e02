// Names for what the interface answers; the types themselves are generated from docs/openapi.yaml.
import type { components } from "../../../clients/typescript/src/api.ts";

type Schemas = components["schemas"];

export type Status = Schemas["Status"];
export type Role = Schemas["Role"];
export type Execution = Schemas["Execution"];
export type Dependency = Schemas["Dependency"];
export type Dependencies = Schemas["Dependencies"];
export type Batch = Schemas["Batch"];
export type BatchCells = Schemas["BatchCells"];
export type BatchDigest = Schemas["BatchDigest"];
export type Worker = Schemas["Worker"];
export type Key = Schemas["Key"];
export type Account = Schemas["Account"];
export type RetentionRules = Schemas["RetentionRules"];
export type Workflow = Schemas["Workflow"];
export type Graph = Schemas["Graph"];
export type Node = Schemas["Node"];
export type Counts = Schemas["Counts"];
export type RunCounts = Schemas["RunCounts"];
export type NodeState = Schemas["NodeState"];
export type Summary = Schemas["LogsSummary"];
export type Artifact = Schemas["Artifact"];
export type Hit = Schemas["Hit"];
export type Unread = Schemas["Search"]["unread"][number];

/** A page of a list, the newest first. */
export interface Page {
  next_cursor: string | null;
}
export interface Executions extends Page {
  executions: Execution[];
}
export interface Batches extends Page {
  batches: Batch[];
}
export interface Workflows extends Page {
  workflows: Workflow[];
}

export interface Artifacts {
  artifacts: Artifact[];
}
export interface Hits extends Page {
  hits: Hit[];
  unread: Unread[];
}
