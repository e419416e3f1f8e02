import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { DEADLINE, house } from "./support.mjs";

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
  await page.getByRole("button", { name: "Retry failed" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Retry failed" }).click();
  await expect.poll(() => server.ask("GET", `/api/v1/batches/${id}/executions`).then((all) => all.executions.length), {
    timeout: DEADLINE,
  }).toBe(7);
  await cells.click({ position: { x: 4, y: 4 } });
  await page.getByRole("heading", { name: "job 1" }).waitFor();
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
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.locator(".head .badge.cancelled").waitFor();
});
