// The nodes of a run in time: when each waited and ran.
import { useEffect, useState } from "preact/hooks";

import type { Node } from "../data/types.ts";
import { duration } from "../format.ts";

function span(node: Node, now: number): { queued: number; from: number; to: number } | undefined {
  if (!node.started_at) return undefined;
  const from = Date.parse(node.started_at);
  const to = node.ended_at ? Math.max(from, Date.parse(node.ended_at)) : Math.max(from, now);
  return { queued: from - (node.queue_ms ?? 0), from, to };
}

export function Timeline(props: { nodes: Node[]; selected: string | undefined; onSelect: (node: string | undefined) => void }) {
  const [now, setNow] = useState(Date.now());
  const live = props.nodes.some((node) => node.started_at && !node.ended_at);
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [live]);
  const spans = props.nodes.map((node) => span(node, now));
  const known = spans.filter((one) => one !== undefined);
  const begin = Math.min(...known.map((one) => one.queued));
  const length = Math.max(1, Math.max(...known.map((one) => one.to)) - begin);
  return (
    <table class="timeline">
      <tbody>
        {props.nodes.map((node, i) => {
          const at = spans[i];
          return (
            <tr key={node.node_id} aria-selected={node.node_id === props.selected}>
              <th scope="row">
                <button type="button" class="link" onClick={() => props.onSelect(node.node_id === props.selected ? undefined : node.node_id)}>
                  {node.name}
                </button>
              </th>
              <td class="number">{at ? duration(at.to - at.from) : node.state}</td>
              <td class="wide">
                {at && (
                  <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
                    aria-label={`${node.name}: ${node.state}, waited ${duration(at.from - at.queued)}, took ${duration(at.to - at.from)}, attempt ${node.attempts}`}>
                    <rect class="queued" x={((at.queued - begin) / length) * 1000} width={((at.from - at.queued) / length) * 1000} y="3" height="4" />
                    <rect class={node.state} x={((at.from - begin) / length) * 1000} width={Math.max(2, ((at.to - at.from) / length) * 1000)} height="10" />
                  </svg>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
