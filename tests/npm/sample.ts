// Compiled by tests/e2e/test_typescript_types.py, not run. Each `@ts-expect-error` is a wrong use that the types must refuse:
// tsc says so if one compiles.
import { Client, follow, RunnelError, type components, type paths } from "runnel-client";
import type { operations } from "runnel-client/api";

const client = new Client({ url: "http://127.0.0.1:7117", token: async () => "rnl_…", executionId: "exec_1" });
client.emit("a line");
client.emit({ message: "slow", level: "warn", node_id: "fetch", data: { ms: 3 } });
client.emitProgress({ level: "info", message: "3 of 10", data: { files: 3 }, percent: 30 });
const length: number = await client.node("fetch", { name: "Fetch" }, async (node) => {
  node.emitProgress({ message: "half", percent: 50 });
  return 3;
});
const closed: boolean = await client.close();

for await (const item of client.follow({ from: 0, filters: { level: ["ERROR"], stream: "stderr" } })) {
  if (item.type === "log") console.log(item.sequence_number, item.message, item.progress_percentage);
  else if (item.type === "gap") console.log(item.from, item.to, item.reason);
  else console.log(item.status satisfies components["schemas"]["Status"], item.exit_code, length, closed);
}
try {
  for await (const _ of follow({ url: "http://127.0.0.1:7117", executionId: "exec_1", tail: 10 })) break;
} catch (error) {
  if (error instanceof RunnelError) console.log(error.status, error.code);
}

type Page = paths["/api/v1/executions/{id}/logs"]["get"]["responses"][200]["content"]["application/json"];
const next = (page: Page): number | null => page.next_cursor;
type Created = operations["createExecution"]["responses"][201]["content"]["application/json"];
const state = (made: Created): string => `${made.execution_id} ${made.status} ${next.length}`;
console.log(state.name);

// @ts-expect-error: a level that there is not
client.emit({ message: "m", level: "loud" });
// @ts-expect-error: a field that there is not
client.emit({ message: "m", colour: "red" });
// @ts-expect-error: a text is no number
client.emitProgress({ message: "m", percent: "half" });
// @ts-expect-error: a node needs something to run
await client.node("fetch");
// @ts-expect-error: which log is missing
follow({ url: "http://127.0.0.1:7117" });
// @ts-expect-error: a filter that there is not
client.follow({ filters: { colour: "red" } });
// @ts-expect-error: a stream that there is not
client.follow({ filters: { stream: "stdin" } });
for await (const item of client.follow()) {
  // @ts-expect-error: a gap has no message
  console.log(item.message);
}
const page = {} as Page;
// @ts-expect-error: it may be null
const cursor: number = page.next_cursor;
// @ts-expect-error: a member that no page has
console.log(page.colour, cursor);
// @ts-expect-error: a status that there is not
const status: components["schemas"]["Status"] = "succeeded";
// @ts-expect-error: a route that there is not
type Nothing = paths["/api/v1/nothing"];
console.log(status as Nothing);
