// Bundles the console: build.mjs FOLDER writes the files there; build.mjs --embed C-FILE DEPFILE writes them as C.
//
// Names of scripts and styles carry a hash of their content, so they may be kept for ever. Everything is compressed here,
// once; the server hands that out as it is.
import * as esbuild from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Returns { files: [{name, bytes}], inputs: [path] }; the first file is the page. */
async function bundle() {
  const built = await esbuild.build({
    absWorkingDir: here,
    entryPoints: { console: "src/main.tsx" },
    outdir: "assets",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    alias: { react: "preact/compat", "react-dom": "preact/compat" },
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  const files = built.outputFiles.map((file) => ({ name: basename(file.path), bytes: Buffer.from(file.contents) }));
  const entry = (ending) => files.find((file) => file.name.startsWith("console-") && file.name.endsWith(ending)).name;
  const icon = readFileSync(join(here, "src/icon.svg"));
  const iconName = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
  const page = readFileSync(join(here, "src/index.html"), "utf8")
    .replace("SCRIPT", entry(".js"))
    .replace("STYLE", entry(".css"))
    .replace("ICON", iconName);
  return {
    files: [{ name: "index.html", bytes: Buffer.from(page) }, { name: iconName, bytes: icon }, ...files],
    inputs: [...Object.keys(built.metafile.inputs), "src/index.html", "src/icon.svg", "build.mjs"].map((path) =>
      join(here, path),
    ),
  };
}

/** Bytes as the rows of a C array. */
function rows(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 32) lines.push([...bytes.subarray(at, at + 32)].join(",") + ",");
  return lines.join("\n");
}

function embed(files) {
  const out = ['#include "api/console/assets.h"\n'];
  files.forEach(({ bytes }, i) => {
    const packed = gzipSync(bytes, { level: 9 });
    out.push(`static const unsigned char packed_${i}[${packed.length}] = {\n${rows(packed)}\n};\n`);
  });
  out.push("const struct console_asset console_assets[] = {");
  files.forEach(({ name, bytes }, i) => {
    const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    const type = TYPES[extname(name)];
    out.push(`    {"${name}", "${type}", "W/\\"${etag}\\"", packed_${i}, sizeof(packed_${i}), ${bytes.length}},`);
  });
  out.push("    {0},\n};\n");
  return out.join("\n");
}

const [first, second, third] = process.argv.slice(2);
const { files, inputs } = await bundle();
if (first === "--embed") {
  writeFileSync(second, embed(files));
  writeFileSync(third, `${second}: ${inputs.map((path) => relative(process.cwd(), path)).join(" ")}\n`);
} else {
  rmSync(first, { recursive: true, force: true });
  mkdirSync(join(first, "assets"), { recursive: true });
  for (const { name, bytes } of files) writeFileSync(join(first, name === "index.html" ? "" : "assets", name), bytes);
  for (const { name, bytes } of files)
    console.log(`${name}\t${bytes.length}\t${gzipSync(bytes, { level: 9 }).length} gzip`);
}
