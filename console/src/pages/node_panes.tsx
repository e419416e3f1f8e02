// The log of each node in a pane of its own, which opens and closes. A closed one asks for nothing.
import { useEffect, useRef, useState } from "preact/hooks";

import { LogSource } from "../data/log_source.ts";
import type { Node } from "../data/types.ts";
import { duration, whole } from "../format.ts";
import { Badge } from "../parts.tsx";
import { Pane } from "../pane/pane.ts";
import { Problems } from "./run_counts.tsx";

const VIEW = { wrap: false, numbers: true, times: "off" as const, began: undefined };

function NodeLog({ path, node }: { path: string; node: string }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const pane = new Pane(VIEW, { state: () => {}, chosen: () => {}, told: () => {} });
    const source = new LogSource(path, { node });
    host.current!.append(pane.element);
    let placed = false;
    source.subscribe(() => {
      if (!source.ready || placed) return;
      placed = true;
      if (!source.ended) pane.end();
    });
    pane.setSource(source);
    void source.open();
    return () => {
      source.close();
      pane.close();
    };
  }, [path, node]);
  return <div class="pane-host node-log" ref={host} />;
}

function NodePane({ path, node }: { path: string; node: Node }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="node-pane" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Badge status={node.state} /> <b>{node.name}</b>
        {node.attempts > 1 && <span class="chip">attempt {node.attempts}</span>}
        <Problems levels={node.levels} />
        <span class="dim">
          {whole(node.records)} records{node.duration_ms !== null && `, ${duration(node.duration_ms)}`}
        </span>
        <span class="dim last">{node.last_line}</span>
      </summary>
      {open && <NodeLog path={path} node={node.node_id} />}
    </details>
  );
}

export function NodePanes({ path, nodes }: { path: string; nodes: Node[] }) {
  return (
    <div class="node-panes">
      {nodes.map((node) => (
        <NodePane key={node.node_id} path={path} node={node} />
      ))}
    </div>
  );
}
