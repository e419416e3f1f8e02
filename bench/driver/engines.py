"""Databases that hold the same records, asked in SQL: PostgreSQL with the table and the indexes that an API of this kind
usually has, and ClickHouse. Both by a connection that stays open, from the same program as Runnel."""

import asyncio
import datetime
import http.client
import json
import os
import pathlib
import shutil
import time
import urllib.parse

from . import rivals

COLUMNS = (
    "execution_id",
    "log_category",
    "event_type",
    "level",
    "message",
    "data",
    "node_id",
    "node_name",
    "node_type",
    "step_number",
    "user_friendly_message",
    "display_priority",
    "is_milestone",
    "created_at",
)
WHERE = {
    "level": "level = 'ERROR'",
    "category": "log_category = 'business'",
    "node": "node_id = 'node-3'",
    "event type": "event_type = 'node_completed'",
    "milestone": "is_milestone{true}",
    "time": "created_at <= {until}",
}
TABLE = """
CREATE TYPE log_event_type_enum AS ENUM ('node_started', 'node_progress', 'step_output', 'node_completed', 'log');
CREATE TYPE log_level_enum AS ENUM ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL');
CREATE TABLE workflow_execution_logs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), execution_id VARCHAR(255) NOT NULL,
    log_category VARCHAR(20) NOT NULL DEFAULT 'technical', event_type log_event_type_enum NOT NULL,
    level log_level_enum NOT NULL DEFAULT 'INFO', message TEXT NOT NULL, data JSONB DEFAULT '{}',
    node_id VARCHAR(255), node_name VARCHAR(255), node_type VARCHAR(100), step_number INTEGER, total_steps INTEGER,
    progress_percentage DECIMAL(5,2), duration_seconds INTEGER, user_friendly_message TEXT,
    display_priority INTEGER NOT NULL DEFAULT 5, is_milestone BOOLEAN NOT NULL DEFAULT FALSE,
    technical_details JSONB DEFAULT '{}', stack_trace TEXT, performance_metrics JSONB DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW());
CREATE TABLE lines (number BIGINT PRIMARY KEY, message TEXT NOT NULL)
"""
# Of the last one the condition `created_at >= NOW() - INTERVAL '30 days'` is left out: PostgreSQL takes no such function there.
INDEXES = """
CREATE INDEX idx_execution_logs_execution_id ON workflow_execution_logs(execution_id);
CREATE INDEX idx_execution_logs_category ON workflow_execution_logs(log_category);
CREATE INDEX idx_execution_logs_event_type ON workflow_execution_logs(event_type);
CREATE INDEX idx_execution_logs_level ON workflow_execution_logs(level);
CREATE INDEX idx_execution_logs_priority ON workflow_execution_logs(display_priority);
CREATE INDEX idx_execution_logs_milestone ON workflow_execution_logs(is_milestone);
CREATE INDEX idx_execution_logs_created_at ON workflow_execution_logs(created_at);
CREATE INDEX idx_execution_logs_business_query ON workflow_execution_logs(execution_id, log_category, display_priority)
    WHERE log_category = 'business';
CREATE INDEX idx_execution_logs_technical_query ON workflow_execution_logs(execution_id, log_category, level)
    WHERE log_category = 'technical';
CREATE INDEX idx_execution_logs_milestones ON workflow_execution_logs(execution_id, is_milestone, display_priority)
    WHERE is_milestone = TRUE;
CREATE INDEX idx_execution_logs_recent ON workflow_execution_logs(execution_id, created_at, log_category)
"""
CLICKHOUSE_TABLE = """
CREATE TABLE workflow_execution_logs (
    execution_id String, log_category String, event_type String, level String, message String, data String,
    node_id String, node_name String, node_type String, step_number Int32, user_friendly_message String,
    display_priority Int32, is_milestone UInt8, created_at UInt64)
ENGINE = MergeTree() ORDER BY (execution_id, created_at)
"""
CLICKHOUSE_LINES = "CREATE TABLE lines (number UInt64, message String) ENGINE = MergeTree() ORDER BY number"
CLICKHOUSE_CONFIG = """<yandex>
<logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
<http_port>{port}</http_port><keep_alive_timeout>3600</keep_alive_timeout><tcp_port>{tcp}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><users_config>{folder}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>1073741824</mark_cache_size>
</yandex>"""
CLICKHOUSE_USERS = """<yandex><profiles><default><use_uncompressed_cache>1</use_uncompressed_cache></default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></default></users><quotas><default></default></quotas></yandex>"""


def values_of(execution_id, record):
    """A record as `rows_summary.event` makes it, in the order of COLUMNS; the time in ms."""
    return (
        execution_id,
        record["category"],
        record["event_type"],
        record["level"].upper(),
        record["message"],
        json.dumps(record["data"]),
        record["node_id"],
        record["node_name"],
        record["node_type"],
        record["step_number"],
        record["user_friendly_message"],
        5,
        record["is_milestone"],
        record["time_ms"],
    )


async def connected(asyncpg, address):
    """It listens before it takes anybody in."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await asyncpg.connect(address)
        except asyncpg.CannotConnectNowError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


class Postgres(rivals.Programs):
    what = "PostgreSQL"
    durability = "fsync at the commit, as Runnel"

    @staticmethod
    def missing():
        try:
            import asyncpg  # noqa: F401
        except ImportError:
            return "python3-asyncpg is not installed"
        return "" if list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")) else "postgresql is not installed"

    def __init__(self, bench):
        super().__init__(bench, "postgres")
        import asyncpg

        self.loop = asyncio.new_event_loop()
        try:
            port = rivals.free_port()
            self.start_postgres(port, "shared_buffers=1GB", "work_mem=64MB")
            address = f"postgresql://bench@127.0.0.1:{port}/postgres"
            self.connection = self.run(connected(asyncpg, address))
            self.run(self.connection.execute(TABLE))
        except BaseException:
            self.stop()
            raise

    def run(self, task):
        return self.loop.run_until_complete(task)

    def load(self, execution_id, records):
        rows = [list(values_of(execution_id, record)) for record in records]
        for row in rows:
            row[-1] = datetime.datetime.fromtimestamp(row[-1] / 1000, datetime.timezone.utc)
        copy = self.connection.copy_records_to_table
        self.run(copy("workflow_execution_logs", columns=COLUMNS, records=rows))

    def load_lines(self, path):
        self.run(self.connection.copy_to_table("lines", source=str(path), format="text"))
        self.run(self.connection.execute("VACUUM ANALYZE lines"))

    def loaded(self):
        """The indexes are made behind the rows, which favours it: kept up while rows come, they cost far more."""
        self.run(self.connection.execute(INDEXES))
        self.run(self.connection.execute("VACUUM ANALYZE workflow_execution_logs"))

    def ask(self, statement):
        return [tuple(row) for row in self.run(self.connection.fetch(statement))]

    @staticmethod
    def time(ms):
        return f"to_timestamp({ms / 1000})"

    def where(self, what, until):
        return WHERE[what].format(true="", until=self.time(until))

    def line_matches(self, text, regex):
        text = text.replace("\\b", "\\y").replace("'", "''")
        return f"message ~ '{text}'" if regex else f"strpos(message, '{text}') > 0"

    def cpu_seconds(self):
        return sum(cpu_of(pid) for pid in (self.processes[0].pid, *rivals.children(self.processes[0].pid)))

    def stop(self):
        if hasattr(self, "connection"):
            self.run(self.connection.close())
        self.loop.close()
        super().stop()


class ClickHouse(rivals.Programs):
    what = "ClickHouse"
    durability = "not durable: it does not fsync what is inserted"

    @staticmethod
    def missing():
        return "" if shutil.which("clickhouse-server") else "clickhouse-server is not installed"

    def __init__(self, bench):
        super().__init__(bench, "clickhouse")
        port, tcp = rivals.free_port(), rivals.free_port()
        try:
            config = self.folder / "config.xml"
            config.write_text(CLICKHOUSE_CONFIG.format(folder=self.folder, port=port, tcp=tcp))
            (self.folder / "users.xml").write_text(CLICKHOUSE_USERS)
            for name in ("data", "tmp"):
                (self.folder / name).mkdir()
            self.spawn(["clickhouse-server", f"--config-file={config}"], port)
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            self.send(CLICKHOUSE_TABLE)
            self.send(CLICKHOUSE_LINES)
        except BaseException:
            self.stop()
            raise

    def send(self, statement, body=b""):
        self.connection.request("POST", "/?query=" + urllib.parse.quote(statement), body)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"ClickHouse: {text[:300]}")
        return text

    def load(self, execution_id, records):
        rows = (dict(zip(COLUMNS, values_of(execution_id, record))) for record in records)
        body = "\n".join(json.dumps({**row, "is_milestone": int(row["is_milestone"])}) for row in rows)
        self.send("INSERT INTO workflow_execution_logs FORMAT JSONEachRow", body.encode())

    def load_lines(self, path):
        with open(path, "rb") as file:
            self.send("INSERT INTO lines FORMAT TabSeparated", file)

    def loaded(self):
        self.send("OPTIMIZE TABLE workflow_execution_logs FINAL")

    def ask(self, statement):
        text = self.send(statement + " FORMAT JSONCompact")
        return [tuple(row) for row in json.loads(text)["data"]]

    @staticmethod
    def time(ms):
        return str(ms)

    def where(self, what, until):
        return WHERE[what].format(true=" = 1", until=until)

    def line_matches(self, text, regex):
        text = text.replace("\\", "\\\\").replace("'", "\\'")
        return f"match(message, '{text}')" if regex else f"position(message, '{text}') > 0"

    def cpu_seconds(self):
        return cpu_of(self.processes[0].pid)


def cpu_of(pid):
    """Seconds of all threads."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_table(path, out):
    """Numbers and lines in the text format of both; what is not UTF-8 becomes the sign for that."""
    with open(path, "rb") as lines, open(out, "wb") as table:
        for number, line in enumerate(lines):
            if not line.isascii():
                line = line.decode("utf-8", "replace").encode()
            if b"\\" in line or b"\t" in line or b"\r" in line or b"\0" in line:
                line = line.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\r", b"\\r").replace(b"\0", b"")
            table.write(b"%d\t%s" % (number, line))


def each(bench, use):
    """Calls `use(engine)` for each database that is installed; of the others a row says that they are missing."""
    for engine in ENGINES:
        missing = engine.missing()
        if missing:
            bench.row(f"beside {engine.what}", "", None, f"not measured: {missing}", met=False)
            continue
        with engine(bench) as database:
            use(database)


def beside_text(references, unit):
    """Names the first reference, whose figure stands before it, and the others with theirs."""
    names = [f"{engine} {figure:.3g}" if i else engine for i, (engine, figure) in enumerate(references.items())]
    return f"{'; '.join(names)}, {unit}"


def timed(ask, times=1):
    """(the best time in seconds, what was answered last)"""
    best = None
    for _ in range(times):
        began = time.monotonic()
        answer = ask()
        seconds = time.monotonic() - began
        best = seconds if best is None else min(best, seconds)
    return best, answer


ENGINES = (Postgres, ClickHouse)
