// Signing in with a JSON Web Token, and going on when it ends.
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

import { DEADLINE, house } from "./support.mjs";

const ISS = "https://project.supabase.example/auth/v1";
const SECRET = "super-secret-jwt-token-with-at-least-32-characters-long";
const folder = mkdtempSync(join(tmpdir(), "runnel-issuers-"));
writeFileSync(join(folder, "jwt.secret"), `${SECRET}\n`, { mode: 0o600 });
writeFileSync(join(folder, "issuers.conf"), `issuer "supabase" {
  iss = {"${ISS}"}
  audience = {"authenticated"}
  account = "default"
  secret_file = {"${join(folder, "jwt.secret")}"}
  leeway_seconds = "0"
}
`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const it = house("--jwt-issuers", join(folder, "issuers.conf"));

function token(seconds) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: ISS, aud: "authenticated", sub: "user-one", role: "authenticated", iat: now, exp: now + seconds };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

async function signIn(page, value) {
  await page.getByLabel(/JSON Web Token/).fill(value);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** An open run that belongs to the user of the tokens. */
async function run() {
  const ask = (method, path, body) =>
    fetch(it.server.url + path, {
      method,
      headers: { Authorization: `Bearer ${token(3600)}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }).then((answer) => answer.json());
  const { execution_id: id } = await ask("POST", "/api/v1/executions", { name: "of user one" });
  await ask("PATCH", `/api/v1/executions/${id}`, { status: "running" });
  await ask("POST", `/api/v1/executions/${id}/logs`, [{ message: "before" }]);
  return { id, append: (message) => ask("POST", `/api/v1/executions/${id}/logs`, [{ message }]) };
}

test("a token signs in, and one that ends is replaced while the log goes on", async () => {
  const { id, append } = await run();
  const page = await it.page({ signedIn: false });
  await page.goto(`${it.server.url}/ui/runs/${id}`);
  const before = page.locator(".pane .line").getByText("before", { exact: true });
  const again = page.getByRole("heading", { name: "Sign in again" });
  // A token that is good until the log is there, on however slow a machine, and hardly longer.
  for (let seconds = 2; (await before.count()) === 0; seconds *= 2) {
    const value = token(seconds);
    // On its way already, so that the form says so, or later.
    const refused = page.waitForResponse(
      (answer) => answer.status() === 401 && answer.request().headers().authorization === `Bearer ${value}`,
    );
    await signIn(page, value);
    await refused;
  }
  await again.waitFor();
  await append("while nobody was signed in");
  await signIn(page, token(3600));
  await page.locator(".pane .line").getByText("while nobody was signed in").waitFor();
  expect(await before.count()).toBe(1);
  expect(page.url()).not.toContain("eyJ");
  expect(await page.evaluate(() => Object.keys(localStorage).length + document.cookie.length)).toBe(0);
});

test("a token that ends soon can be renewed before it does", async () => {
  const page = await it.page({ signedIn: false });
  await page.goto(it.server.url);
  await signIn(page, token(250));
  const renew = page.getByRole("button", { name: /renew$/ });
  await renew.click();
  await page.getByRole("button", { name: "Later" }).click();
  await renew.click();
  await signIn(page, token(3600));
  await expect.poll(() => renew.count(), { timeout: DEADLINE }).toBe(0);
  await page.getByRole("heading", { name: "Runs", exact: true }).waitFor();
});
