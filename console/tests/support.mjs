// A real server and a real browser for the tests. Both live as long as a file of tests.
import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, beforeAll } from "vitest";

const BIN = process.env.RUNNEL_BIN ?? join(import.meta.dirname, "../../build/runnel");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const DEADLINE = 60_000;

/** Asks `found` until it gives something; fails with what it gave last. */
export async function eventually(found, what) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const value = await found();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Server {
  async start(...flags) {
    this.folder = mkdtempSync(join(tmpdir(), "runnel-console-"));
    this.data = join(this.folder, "data");
    this.flags = flags;
    await this.run("127.0.0.1:0");
    this.key = readFileSync(join(this.data, "admin.key"), "utf8").trim();
    return this;
  }

  async run(address) {
    const port = join(this.folder, "port");
    rmSync(port, { force: true });
    const listen = ["--listen", address, "--data", this.data, "--port-file", port];
    const log = openSync(join(this.folder, "server.log"), "a");
    this.process = spawn(BIN, ["serve", ...listen, ...this.flags], { stdio: ["ignore", "ignore", log] });
    closeSync(log);
    await eventually(() => existsSync(port) && readFileSync(port, "utf8").trim(), "the server's port");
    this.url = `http://127.0.0.1:${readFileSync(port, "utf8").trim()}`;
  }

  /** Stops it, does something to its data, and starts it where it was. */
  async again(meanwhile) {
    const { host } = new URL(this.url);
    await this.halt();
    meanwhile();
    await this.run(host);
  }

  /** What the command line prints. */
  cli(...args) {
    const env = { ...process.env, RUNNEL_URL: this.url, RUNNEL_DATA: this.data };
    return execFileSync(BIN, args, { env, encoding: "utf8", maxBuffer: 1 << 28 });
  }

  async ask(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  append(id, records) {
    return this.ask("POST", `/api/v1/executions/${id}/logs`, records);
  }

  /** Makes an execution with these lines, and seals it unless told to leave it open. */
  async log(lines, { open = false, ...fields } = {}) {
    const { execution_id: id } = await this.ask("POST", "/api/v1/executions", fields);
    for (let at = 0; at < lines.length; at += 1000)
      await this.append(id, lines.slice(at, at + 1000).map((message) => ({ message })));
    await this.ask("PATCH", `/api/v1/executions/${id}`, { status: "running" });
    if (!open) await this.ask("PATCH", `/api/v1/executions/${id}`, { status: "completed" });
    return id;
  }

  async halt() {
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await gone;
  }

  async stop() {
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function browse(...args) {
  const executablePath = BROWSERS.find((path) => existsSync(path));
  return chromium.launch({ executablePath, args: ["--no-sandbox", ...args] });
}

/** A server and a browser for the tests of a file: `it.server`, `it.browser`, `await it.page()`. */
export function house(...flags) {
  const it = {};
  beforeAll(async () => {
    it.server = await new Server().start(...flags);
    it.browser = await browse();
  });
  afterAll(async () => {
    await it.browser?.close();
    await it.server?.stop();
  });
  /** A tab of its own; what it complains about is in `page.complaints`. */
  it.page = async ({ signedIn = true, browser = it.browser, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(DEADLINE);
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
    if (signedIn)
      await page.addInitScript((key) => sessionStorage.setItem("runnel.token", key), it.server.key);
    return page;
  };
  return it;
}
