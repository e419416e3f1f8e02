import { expect, test } from "vitest";

import { DEADLINE, house } from "./support.mjs";

const it = house("--jobs", "1");

test("nothing is shown without a key, and a wrong one is told", async () => {
  const page = await it.page({ signedIn: false });
  await page.goto(it.server.url);
  await page.fill("#token", "rnl_wrong");
  await page.click("main button");
  await page.getByRole("alert").getByText("does not know this key").waitFor();
  await page.fill("#token", it.server.key);
  await page.click("main button");
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
  expect(page.url()).not.toContain("rnl_");
  await page.reload(); // it is kept in the tab
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in", exact: true }).waitFor();
});

test("a run appears by itself, changes its state, and has a page of its own", async () => {
  const page = await it.page();
  await page.goto(it.server.url);
  const id = it.server.cli("run", "-d", "--name", "the failing one", "--", "sh", "-c", "exit 3").trim();
  const row = page.getByRole("row", { name: id });
  await row.getByText("failed").waitFor();
  await row.getByRole("link").click();
  await page.getByRole("heading", { name: "the failing one" }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/ui/runs/${id}`);
  await page.goBack();
  await page.getByLabel("State").selectOption("completed");
  await expect.poll(() => row.count(), { timeout: DEADLINE }).toBe(0);
  expect(page.url()).toContain("?status=completed");
  expect(page.complaints).toEqual([]);
});

test("the page takes nothing from elsewhere, and is shown in no frame", async () => {
  for (const path of ["/", "/ui/runs/x"]) {
    const answer = await fetch(it.server.url + path);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
    expect(answer.headers.get("x-frame-options")).toBe("DENY");
    const text = await answer.text();
    expect(text).not.toMatch(/https?:|<script>|style=| on[a-z]+=/);
  }
});

test("scripts are kept for ever, the page is asked for each time, and both come without gzip too", async () => {
  const page = await fetch(it.server.url);
  expect(page.headers.get("cache-control")).toBe("no-cache");
  const again = await fetch(it.server.url, { headers: { "If-None-Match": page.headers.get("etag") } });
  expect(again.status).toBe(304);
  const [path] = (await page.text()).match(/\/assets\/console-[A-Z0-9]+\.js/);
  const packed = await fetch(it.server.url + path);
  const plain = await fetch(it.server.url + path, { headers: { "Accept-Encoding": "identity" } });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(plain.headers.get("content-encoding")).toBeNull();
  expect(await plain.text()).toBe(await packed.text());
  expect(packed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect((await fetch(`${it.server.url}/assets/console-OLD.js`)).status).toBe(404);
});
