// s3rver, a small server of S3, with what it lacks of multipart uploads: to list parts and uploads, and to end one without
// its object. `node s3.mjs FOLDER BUCKET…` says its port, and ends with its standard input.
import { createRequire } from "node:module";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const require = createRequire(import.meta.url);
const S3rver = require("s3rver");
const S3Error = require("s3rver/lib/models/error");

const [directory, ...buckets] = process.argv.slice(2);

const uploadsOf = (bucket) => path.join(directory, bucket, "._S3rver_uploads");
const ids = (bucket) => (fs.existsSync(uploadsOf(bucket)) ? fs.readdirSync(uploadsOf(bucket)) : []);
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

function parts(bucket, id) {
  const folder = path.join(uploadsOf(bucket), id);
  if (!/^[0-9a-f]+$/.test(id) || !fs.existsSync(folder)) throw new S3Error("NoSuchUpload", "There is no such upload.");
  const numbers = fs.readdirSync(folder).filter((name) => fs.existsSync(path.join(folder, `${name}.md5`))); // they are whole
  return numbers
    .map(Number)
    .sort((one, other) => one - other)
    .map((number) => {
      const file = path.join(folder, String(number));
      const { size, mtime } = fs.statSync(file);
      return { number, size, mtime, md5: createHash("md5").update(fs.readFileSync(file)).digest("hex") };
    });
}

function listParts(ctx, bucket, id) {
  const most = Number(ctx.query["max-parts"] ?? 1000);
  const after = parts(bucket, id).filter((one) => one.number > Number(ctx.query["part-number-marker"] ?? 0));
  const page = after.slice(0, most);
  const items = page.map(
    (one) =>
      `<Part><PartNumber>${one.number}</PartNumber><LastModified>${one.mtime.toISOString()}</LastModified>` +
      `<ETag>&quot;${one.md5}&quot;</ETag><Size>${one.size}</Size></Part>`,
  );
  return (
    `<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${after.length > most}</IsTruncated>` +
    `<NextPartNumberMarker>${page.at(-1)?.number ?? 0}</NextPartNumberMarker>${items.join("")}</ListPartsResult>`
  );
}

function listUploads(ctx, bucket) {
  const items = ids(bucket).map((id) => {
    const folder = path.join(uploadsOf(bucket), id);
    const key = fs.readFileSync(path.join(folder, "key"), "utf8");
    const begun = fs.statSync(path.join(folder, "key")).mtime.toISOString();
    return { key, xml: `<Upload><Key>${escaped(key)}</Key><UploadId>${id}</UploadId><Initiated>${begun}</Initiated></Upload>` };
  });
  const ours = items.filter((one) => one.key.startsWith(ctx.query.prefix ?? ""));
  return (
    "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" +
    `${ours.map((one) => one.xml).join("")}</ListMultipartUploadsResult>`
  );
}

const server = new S3rver({ address: "127.0.0.1", port: 0, silent: true, directory, vhostBuckets: false, configureBuckets: buckets.map((name) => ({ name })) });

// Before its own routes: s3rver knows no signatures of version 4, but it knows its one key.
server.middleware.unshift(async (ctx, next) => {
  const [bucket, ...rest] = ctx.path.slice(1).split("/");
  const signedBy = /Credential=([^/]+)\//.exec(ctx.get("authorization"))?.[1];
  const id = ctx.query.uploadId;
  const lacking =
    (rest.length > 0 && id !== undefined && ["GET", "DELETE"].includes(ctx.method)) ||
    (rest.length === 0 && ctx.method === "GET" && "uploads" in ctx.query);
  if (id !== undefined && ["PUT", "POST"].includes(ctx.method)) parts(bucket, id); // s3rver would make it
  if (!lacking || signedBy !== "S3RVER") return next();
  if (ctx.method === "DELETE") {
    parts(bucket, id);
    fs.rmSync(path.join(uploadsOf(bucket), id), { recursive: true });
    ctx.status = 204;
    return;
  }
  ctx.type = "application/xml";
  ctx.body = id === undefined ? listUploads(ctx, bucket) : listParts(ctx, bucket, id);
});

// It takes an end of 0 for none.
const getObject = server.store.getObject.bind(server.store);
server.store.getObject = async (bucket, key, options) => {
  if (options?.start !== 0 || options?.end !== 0) return getObject(bucket, key, options);
  const object = await getObject(bucket, key, { start: 0, end: 1 });
  if (!object?.content) return object;
  object.content.destroy();
  object.content = fs.createReadStream(server.store.getResourcePath(bucket, key, "object"), { start: 0, end: 0 });
  object.range = { start: 0, end: 0 };
  return object;
};

const { port } = await server.run();
console.log(`listening ${port}`);
process.stdin.on("end", () => process.exit(0)).resume();
