// node otlp.mjs URL TOKEN http|proto COUNT EXECUTION [gzip]: that many log records through OpenTelemetry's SDK.
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';

const PATIENCE = 600_000; // milliseconds; how fast it is says nothing about what arrives
const [url, token, kind, count, execution, compression = 'none'] = process.argv.slice(2);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${kind}`);
const exporter = new OTLPLogExporter({ url: `${url}/v1/logs`, headers: { authorization: `Bearer ${token}` }, compression, timeoutMillis: PATIENCE });
const results = [];
const exportIt = exporter.export.bind(exporter);
exporter.export = (records, done) => exportIt(records, (result) => (results.push(result), done(result)));
const processor = new BatchLogRecordProcessor({ exporter, maxQueueSize: 1 << 20, maxExportBatchSize: 512, exportTimeoutMillis: PATIENCE });
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ 'service.name': 'shop', 'runnel.execution_id': execution }),
  processors: [processor],
});
const logger = provider.getLogger('cart', '1.2.3');
for (let i = 0; i < Number(count); i++)
  logger.emit({
    severityNumber: i % 100 ? SeverityNumber.INFO : SeverityNumber.ERROR,
    severityText: i % 100 ? 'info' : 'error',
    body: `line ${i}`,
    attributes: { i, price: 1.5, ok: true, tags: ['a', 'b'], deep: { x: { y: 'z' } }, 'runnel.node_id': `n${i % 3}` },
  });
await provider.forceFlush({ timeoutMillis: PATIENCE });
await provider.shutdown();
console.log(JSON.stringify({ batches: results.length, failed: results.filter((each) => each.code !== 0).map((each) => String(each.error)) }));
