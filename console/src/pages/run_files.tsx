// The files that a run has left: to download, and to look at without letting any of them run.
import { useEffect, useState } from "preact/hooks";

import { get, send } from "../data/api.ts";
import { download } from "../data/download.ts";
import type { Artifact, Artifacts } from "../data/types.ts";
import { bytes } from "../format.ts";
import { reason, useLoaded } from "../hooks.ts";
import { Notice } from "../parts.tsx";

const TEXT_MAX = 256 * 1024;
const IMAGE_MAX = 16 * 1024 * 1024;

/**
 * What is shown as a picture, and under which type. A picture in an <img> runs no script and loads nothing, SVG neither; all
 * other content is shown as characters of a text. Nothing of a file is ever a document of this page's origin.
 */
const IMAGES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  svg: "image/svg+xml",
};

function endingOf(name: string): string {
  return /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
}

function pathOf(path: string, name: string): string {
  return `${path}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
}

type Content = { kind: "image"; address: string } | { kind: "text"; text: string; cut: boolean } | { kind: "none"; why: string };

/** Few control characters, and no NUL: somebody can read it. */
function readable(data: Uint8Array): boolean {
  const some = data.subarray(0, 4096);
  return !some.includes(0) && some.filter((byte) => byte < 9 || (byte > 13 && byte < 27)).length * 50 <= some.length;
}

/** As it reads best; what is not JSON after all stays as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function contentOf(path: string, file: Artifact, signal: AbortSignal): Promise<Content> {
  const ending = endingOf(file.name);
  const type = IMAGES[ending];
  if (file.size === 0) return { kind: "none", why: "It is empty." };
  if (type) {
    if (file.size > IMAGE_MAX) return { kind: "none", why: "The picture is too large to be shown here." };
    const whole = await (await send(pathOf(path, file.name), { signal })).arrayBuffer();
    return { kind: "image", address: URL.createObjectURL(new Blob([whole], { type })) };
  }
  const cut = file.size > TEXT_MAX;
  const headers: Record<string, string> = cut ? { Range: `bytes=0-${TEXT_MAX - 1}` } : {};
  const data = new Uint8Array(await (await send(pathOf(path, file.name), { headers, signal })).arrayBuffer());
  if (!readable(data)) return { kind: "none", why: "It is neither a text nor a picture." };
  const text = new TextDecoder().decode(data);
  return { kind: "text", text: ending === "json" && !cut ? pretty(text) : text, cut };
}

function Preview({ path, file }: { path: string; file: Artifact }) {
  const [content, setContent] = useState<Content>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    const aborter = new AbortController();
    let address: string | undefined;
    contentOf(path, file, aborter.signal).then(
      (found) => {
        if (found.kind === "image") address = found.address;
        if (aborter.signal.aborted && address) URL.revokeObjectURL(address);
        else setContent(found);
      },
      (failed: unknown) => aborter.signal.aborted || setError(reason(failed)),
    );
    return () => {
      aborter.abort();
      if (address) URL.revokeObjectURL(address);
    };
  }, [path, file.name, file.sha256]);
  if (error) return <Notice>{error}</Notice>;
  if (!content) return <p class="dim">It is fetched …</p>;
  if (content.kind === "none") return <p class="dim">{content.why}</p>;
  if (content.kind === "image") return <img class="preview" src={content.address} alt={file.name} />;
  return (
    <>
      <pre class="preview" tabIndex={0} aria-label={file.name}>
        {content.text}
      </pre>
      {content.cut && <p class="dim">This is its beginning; the download has all of it.</p>}
    </>
  );
}

export function Files({ path, count }: { path: string; count: number }) {
  const { value, error } = useLoaded(`${path}/artifacts#${count}`, (signal) => get<Artifacts>(`${path}/artifacts`, signal));
  const [shown, setShown] = useState<string>();
  const [failed, setFailed] = useState<string>();
  const fetchIt = (name: string): void => {
    download(pathOf(path, name), name.split("/").pop() ?? name).catch((why: unknown) => setFailed(reason(why)));
  };
  const file = value?.artifacts.find((one) => one.name === shown);
  return (
    <>
      {(error ?? failed) && <Notice>{error ?? failed}</Notice>}
      <div class="files">
        <ul class="plain">
          {value?.artifacts.map((one) => (
            <li key={one.name} class="row">
              <button type="button" class="link" aria-expanded={one.name === shown} onClick={() => setShown(one.name === shown ? undefined : one.name)}>
                {one.name}
              </button>
              <span class="dim">{bytes(one.size)}</span>
              <button type="button" aria-label={`Download ${one.name}`} onClick={() => fetchIt(one.name)}>
                ↓
              </button>
            </li>
          ))}
        </ul>
        {file && (
          <div class="shown">
            <Preview key={file.sha256 + file.name} path={path} file={file} />
          </div>
        )}
      </div>
    </>
  );
}
