// node event_source.mjs SCRIPT PORT TOKEN EXECUTION: runs a browser's script, with the EventSource that npm has. Only the
// port is changed in it. What it says and shows comes as lines of JSON; it ends when the script closes its stream.
import { readFileSync } from 'node:fs';
import { EventSource } from 'eventsource';

const [path, port, token, execution] = process.argv.slice(2);
const script = readFileSync(path, 'utf8').replaceAll(/localhost:\d+/g, `localhost:${port}`);
const tell = (what) => (...args) => process.stdout.write(`${JSON.stringify([what, ...args])}\n`);
const page = { log: tell('log'), error: (...args) => tell('error')(...args.map(String)) };
new Function('EventSource', 'executionId', 'jwt_token', 'updateLogDisplay', 'console', script)(
  EventSource,
  execution,
  token,
  tell('shown'),
  page,
);
