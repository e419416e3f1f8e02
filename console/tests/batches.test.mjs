import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { DEADLINE, eventually, house } from "./support.mjs";

const it = house("--jobs", "2");

test("a batch is shown live: bar, counts, cells and failures, and its failed jobs are tried again", async () => {
  const { server } = it;
  const gate = join(server.folder, "gate");
  const script = `n=$1; until [ -e ${gate} ]; do sleep 0.1; done; [ $n != 3 ] || { echo out of paper >&2; exit 7; }`;
  const jobs = [1, 2, 3, 4, 5, 6].map((n) => ({ name: `job ${n}`, command: ["sh", "-c", script, "sh", String(n)] }));
  const { batch_id: id } = await server.ask("POST", "/api/v1/batches", { name: "six", jobs });
  const page = await it.page();
  await page.goto(`${server.url}/ui/batches`);
  await page.getByRole("link", { name: "six" }).click();
  await page.getByText("0 completed, 0 failed, 2 running, 4 queued, 0 skipped of 6").waitFor();
  writeFileSync(gate, "");
  await page.getByText("5 completed, 1 failed, 0 running, 0 queued, 0 skipped of 6").waitFor();
  await page.getByRole("region", { name: "Latest failures" }).getByRole("link", { name: "job 3" }).waitFor();
  await page.getByRole("region", { name: "Digest" }).getByText("1 ×").waitFor();
  await page.getByRole("region", { name: "Digest" }).getByText("out of paper").waitFor();
  expect(await page.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("6");
  // The third cell is that of job 3; no two states look alike.
  const cells = page.locator(".cells canvas");
  const colour = (cell) => cells.evaluate((canvas, x) => [...canvas.getContext("2d").getImageData(x, 4, 1, 1).data].join(), cell * 12 + 4);
  await expect.poll(async () => new Set(await Promise.all([0, 1, 2].map(colour))).size, { timeout: DEADLINE }).toBe(2);
  expect(await colour(0)).toBe(await colour(1));
  await cells.hover({ position: { x: 2 * 12 + 4, y: 4 } });
  await page.getByText("job 3: failed, exit 7").waitFor();
  const digest = page.getByRole("region", { name: "Digest" });
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname.split("/").pop()));
  await page.getByRole("button", { name: "Retry failed" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Retry failed" }).click();
  await expect.poll(() => server.ask("GET", `/api/v1/batches/${id}/executions`).then((all) => all.executions.length), {
    timeout: DEADLINE,
  }).toBe(7);
  // The new attempt fails as the one before, and the page follows without a reload; the cells are never asked for as executions.
  await eventually(() => asked.filter((name) => name === "digest").length >= 1, "the digest is asked for again");
  await digest.getByRole("link", { name: "job 3" }).waitFor();
  expect(asked).not.toContain("executions");
  await cells.click({ position: { x: 4, y: 4 } });
  await page.getByRole("heading", { name: "job 1" }).waitFor();
  expect(page.complaints).toEqual([]);
});

test("the digest and why a job waits follow what happens, without a reload", async () => {
  const { server } = it;
  const gate = (n) => join(server.folder, `go-${n}`);
  const script = `until [ -e ${join(server.folder, "go-")}$1 ]; do sleep 0.05; done; echo "fault $1" >&2; exit $1`;
  const jobs = [1, 2].map((n) => ({ name: `fails ${n}`, command: ["sh", "-c", script, "sh", String(n)] }));
  jobs.push({ name: "waits", command: ["true"], labels: ["nowhere"] });
  const { batch_id: id } = await server.ask("POST", "/api/v1/batches", { jobs });
  const page = await it.page();
  await page.goto(`${server.url}/ui/batches/${id}`);
  const cells = page.locator(".cells canvas");
  await page.getByRole("img", { name: "3 jobs by state" }).waitFor();
  const digest = page.getByRole("region", { name: "Digest" });
  writeFileSync(gate(1), "");
  await digest.getByText("fault 1").waitFor();
  expect(await digest.getByText("fault 2").count()).toBe(0);
  writeFileSync(gate(2), "");
  await digest.getByText("fault 2").waitFor();
  await cells.hover({ position: { x: 2 * 12 + 4, y: 4 } });
  await page.getByText("waits: queued; no worker that is connected has the label nowhere").waitFor();
  await server.ask("POST", `/api/v1/batches/${id}/cancel`);
  await page.getByText("waits: cancelled").waitFor();
  await page.locator(".head .badge.cancelled").waitFor();
  await digest.getByRole("link", { name: "waits" }).waitFor();
  expect(page.complaints).toEqual([]);
});

test("a cell for each of 10,000 jobs, which the keyboard reaches too", async () => {
  const jobs = Array.from({ length: 10_000 }, (_, i) => ({ name: `n${i}`, command: ["true"], labels: ["nowhere"] }));
  const { batch_id: id } = await it.server.ask("POST", "/api/v1/batches", { jobs });
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/batches/${id}`);
  await page.getByRole("img", { name: "10000 jobs by state" }).waitFor();
  const columns = await page.locator(".cells canvas").evaluate((canvas) => Math.floor((canvas.clientWidth + 2) / 12));
  const at = { x: (9999 % columns) * 12 + 4, y: Math.floor(9999 / columns) * 12 + 4 };
  await page.locator(".cells canvas").hover({ position: at, force: true });
  await page.getByText("n9999: queued").waitFor();
  expect(await page.locator(".cells canvas").getAttribute("data-drawn")).toBe("10000");
  await page.locator(".cells canvas").press("ArrowLeft");
  await page.getByText("n9998: queued").waitFor();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel", exact: true }).click();
  await page.locator(".head .badge.cancelled").waitFor();
});
