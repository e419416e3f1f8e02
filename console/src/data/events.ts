// Server-sent events by fetch: EventSource cannot send a credential in a header.
import { ApiError, send } from "./api.ts";
import { delayOf, pause } from "./patience.ts";

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** What the lines of one event say; undefined for a comment, or an event without data. */
export function parseEvent(block: string): ServerEvent | undefined {
  const event: ServerEvent = { id: "", event: "message", data: "" };
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value] = /^(\w+):? ?(.*)$/s.exec(line) ?? [];
    if (name === "id") event.id = value ?? "";
    else if (name === "event") event.event = value ?? "";
    else if (name === "data") data.push(value ?? "");
  }
  event.data = data.join("\n");
  return data.length > 0 ? event : undefined;
}

/** The events of a body; `heard` is told of whatever comes, also of what is no event. */
export async function* eventsOf(body: ReadableStream<Uint8Array>, heard: () => void = () => {}): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    text += value;
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event) yield event;
    }
  }
}

/**
 * Hands each event to `take`, in order and once, until `take` returns true, the server says that there is no more (204), or
 * the signal is aborted. After a cut it asks again from the last event: at once, then later and later, at most 5 s apart. Throws
 * ApiError if the server refuses.
 */
export async function follow(
  path: string,
  take: (event: ServerEvent) => boolean | void,
  signal: AbortSignal,
  away: (is: boolean) => void = () => {},
): Promise<void> {
  let last = "";
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (last) headers["Last-Event-ID"] = last;
      const response = await send(path, { headers, signal });
      if (response.status === 204 || !response.body) return;
      away(false);
      for await (const event of eventsOf(response.body)) {
        tries = 0;
        if (event.id) last = event.id;
        if (take(event)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
    }
    if (signal.aborted) return;
    away(true);
    await pause(delayOf(tries + 1), signal);
  }
}
