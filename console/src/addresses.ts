// The addresses of the console's pages.
import { query } from "./data/api.ts";

export const runAddress = (id: string, rest = ""): string => `/ui/runs/${encodeURIComponent(id)}${rest}`;
export const batchAddress = (id: string): string => `/ui/batches/${encodeURIComponent(id)}`;
export const workflowAddress = (id: string): string => `/ui/workflows/${encodeURIComponent(id)}`;
export const runsAddress = (filters: Record<string, string | undefined>): string => `/${query(filters)}`;

/** The path of the interface for one execution. */
export const executionPath = (id: string): string => `/api/v1/executions/${encodeURIComponent(id)}`;
