import { expect, test } from "vitest";

import { house } from "./support.mjs";

const it = house("--jobs", "1");

test("a command and a script are started from a form", async () => {
  const page = await it.page();
  await page.goto(it.server.url);
  await page.getByRole("link", { name: "Start a run" }).click();
  await page.getByRole("textbox", { name: "Command" }).fill("sh -c 'echo \"$GREETING\"; exit 4'");
  await page.getByText("More").click();
  await page.getByLabel("Environment").fill("GREETING=hello there");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("exit 4", { exact: true }).waitFor();
  const id = decodeURIComponent(new URL(page.url()).pathname.split("/").pop());
  expect(it.server.cli("logs", id)).toBe("hello there\n");
  await page.getByRole("link", { name: "Start a run" }).click();
  await page.getByLabel("a script").check();
  await page.getByLabel("Script", { exact: true }).fill("echo $1 $2\n");
  await page.getByLabel("File name").fill("two.sh");
  await page.getByLabel("Arguments").fill("'a b' c");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("exit 0", { exact: true }).waitFor();
  await page.getByRole("heading", { name: "two.sh a b c" }).waitFor();
  expect(page.complaints).toEqual([]);
});

test("what is wrong in the form is told", async () => {
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/new`);
  await page.getByRole("textbox", { name: "Command" }).fill("echo 'open");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("alert").getByText("a quote is open").waitFor();
});

test("a key is made, shown once and revoked", async () => {
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/keys`);
  await page.getByLabel("Name").fill("for the console's test");
  await page.getByLabel("Role").selectOption("viewer");
  await page.getByRole("button", { name: "Make a key" }).click();
  const key = await page.getByRole("status").locator("code").textContent();
  expect(key).toMatch(/^rnl_/);
  const list = () => fetch(`${it.server.url}/api/v1/executions`, { headers: { Authorization: `Bearer ${key}` } });
  expect((await list()).status).toBe(200);
  const row = page.getByRole("row", { name: "for the console's test" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "No" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" }); // it has a button of the same name
  expect((await list()).status).toBe(200);
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await row.getByText("revoked").waitFor();
  expect((await list()).status).toBe(401);
});

test("a key that may not is told so", async () => {
  const { key } = await it.server.ask("POST", "/api/v1/keys", { name: "small", role: "viewer" });
  const page = await it.page({ signedIn: false });
  await page.addInitScript((value) => sessionStorage.setItem("runnel.token", value), key);
  await page.goto(`${it.server.url}/ui/keys`);
  await page.getByRole("alert").first().waitFor();
});

test("a page that is opened behind others has something to show", async () => {
  const page = await it.page();
  await page.addInitScript(() => Object.defineProperty(document, "hidden", { get: () => true }));
  await page.goto(`${it.server.url}/ui/keys`);
  await page.getByRole("row", { name: "admin.key" }).waitFor();
});

test("a worker is drained and resumed", async () => {
  const page = await it.page();
  await page.goto(`${it.server.url}/ui/workers`);
  await page.getByText("has room").waitFor();
  await page.getByRole("button", { name: "Drain" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await page.getByText("takes no more jobs").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("has room").waitFor();
});
