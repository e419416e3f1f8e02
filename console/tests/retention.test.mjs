import { expect, test } from "vitest";

import { house } from "./support.mjs";

const it = house("--retention", "30d, failed=90d");

const row = (page, name) => page.getByRole("row", { name, exact: false });

test("an account's retention is shown with whose rule it is, changed by a form, and what is wrong is told by its field", async () => {
  const { server } = it;
  const page = await it.page();
  await page.goto(`${server.url}/ui/server`);
  await page.getByRole("link", { name: "Retention" }).click();
  await row(page, "… failed ones").getByText("90d, as the server says").waitFor();
  await row(page, "How many, the newest").getByText("no limit, as the server says").waitFor();
  await page.getByLabel("How long").fill("7");
  await page.getByLabel("Records of one log").fill("10");
  await page.getByRole("button", { name: "Save" }).click();
  await row(page, "How long").getByRole("alert").getByText("a number with a unit").waitFor();
  await row(page, "Records of one log").getByRole("alert").getByText("1000 or more").waitFor();
  expect((await server.ask("GET", "/api/v1/accounts/default")).retention).toBe(null);
  await page.getByLabel("How long").fill("7d");
  await page.getByLabel("Records of one log").fill("");
  await page.getByLabel("Bytes of all logs").fill("100G");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText("Saved: 7d, bytes=100G").waitFor();
  await row(page, "… failed ones").getByText("7d, as the account says").waitFor();
  await row(page, "Bytes of all logs").getByText("100G, as the account says").waitFor();
  expect((await server.ask("GET", "/api/v1/accounts/default")).retention).toBe("7d, bytes=100G");
  // What the server refuses is told, too.
  await page.getByLabel("How long").fill("200000d");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").getByText("retention must be").waitFor();
  await page.reload();
  for (const label of ["How long", "Bytes of all logs"]) await page.getByLabel(label).fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText("Saved: nothing of its own").waitFor();
  expect((await server.ask("GET", "/api/v1/accounts/default")).retention).toBe(null);
});

test("an operator changes another account's; who is no operator sees what applies, and no more", async () => {
  const { server } = it;
  await server.ask("POST", "/api/v1/accounts", { name: "team" });
  const { key } = await server.ask("POST", "/api/v1/keys", { name: "admin", role: "admin", account: "team" });
  const page = await it.page();
  await page.goto(`${server.url}/ui/retention`);
  await page.getByLabel("of the account").selectOption("team");
  await page.getByLabel("How many, the newest").fill("500");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText("Saved: executions=500").waitFor();
  const other = await it.page({ signedIn: false });
  await other.addInitScript((value) => sessionStorage.setItem("runnel.token", value), key);
  await other.goto(`${server.url}/ui/retention`);
  await row(other, "How many, the newest").getByText("500, as the account says").waitFor();
  expect(await other.getByLabel("How many, the newest").isDisabled()).toBe(true);
  expect(await other.getByRole("button", { name: "Save" }).count()).toBe(0);
});

test("a workflow says what is kept of its runs, and leaves the rest to the account", async () => {
  const { server } = it;
  const { workflow_id: id } = await server.ask("POST", "/api/v1/workflows", { name: "nightly", job: { command: ["true"] } });
  const page = await it.page();
  await page.goto(`${server.url}/ui/workflows/${id}`);
  await page.getByText("Retention", { exact: true }).click();
  await row(page, "How long").getByText("failed: 90d, as the server says").waitFor();
  await page.getByLabel("How long").fill("3d");
  await page.getByLabel("Bytes of one log").fill("1G");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText("Saved: 3d, log_bytes=1G").waitFor();
  await row(page, "How long").getByText("3d, as the workflow says").waitFor();
  expect((await server.ask("GET", `/api/v1/workflows/${id}`)).retention).toBe("3d, log_bytes=1G");
  expect(page.complaints).toEqual([]);
});
