// node loki.mjs URL TOKEN pino|winston-json|winston-protobuf COUNT RUN: that many lines through a client of Loki.
import { once } from 'node:events';

const [url, token, kind, count, run] = process.argv.slice(2);
const labels = { run_id: run, node: 'fetch', stream: 'stderr', app: 'shop' };
const basicAuth = { username: 'runnel', password: token };

if (kind === 'pino') {
  const { pino } = await import('pino');
  const { default: pinoLoki } = await import('pino-loki');
  const transport = pinoLoki({ host: url, labels, basicAuth, batching: { interval: 1 }, silenceErrors: false });
  const logger = pino({}, transport);
  for (let i = 0; i < Number(count); i++) logger.info({ i }, `line ${i}`);
  transport.end();
  await once(transport, 'close');
} else {
  const { default: winston } = await import('winston');
  const { default: LokiTransport } = await import('winston-loki');
  const transport = new LokiTransport({
    host: url,
    labels,
    basicAuth: `${basicAuth.username}:${basicAuth.password}`,
    json: kind === 'winston-json',
    interval: 1,
    format: winston.format.printf((info) => info.message),
    onConnectionError: (error) => console.error(`failed: ${error}`),
  });
  const logger = winston.createLogger({ transports: [transport] });
  for (let i = 0; i < Number(count); i++) logger.log(i % 10 ? 'info' : 'error', `line ${i}`);
  await transport.flush();
  process.exit(0);
}
