"""Structured records as rows of a store in PostgreSQL: views for who reads by SQL, and what a role of the database sees."""

import json
import subprocess

import pytest
from support import DEADLINE, postgres
from support.api import Api, eventually

PATH = "/api/v1/executions"
VIEWS = "events, runnel_sql.executions, runnel_sql.workers, runnel_sql.workflow_execution_logs, " + (
    "runnel_sql.execution_logs, runnel_sql.workflow_traces"
)


class Database:
    """The database of a server that keeps such rows."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.engine = postgres.shared()

    def ask(self, text, role="postgres", **settings):
        """The rows of the last statement, each an object."""
        before = "".join(f"SET \"{name}\" = '{value}';" for name, value in settings.items())
        text = f"SELECT coalesce(json_agg(rows), '[]') FROM ({text}) rows"
        command = [
            "psql",
            "-h",
            self.engine.folder,
            "-U",
            role,
            "-d",
            self.name,
            "-Atq",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        done = subprocess.run(
            list(map(str, command)),
            input=before + text,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, text, role):
        """What the database says to that role's statement."""
        command = [
            "psql",
            "-h",
            self.engine.folder,
            "-U",
            role,
            "-d",
            self.name,
            "-Atqc",
            text,
        ]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def run(self, text):
        self.engine.sql(text, self.name)

    def admit(self, role, owner, by_claims=False, account="default"):
        """A role of its own for a user, by the statements that docs/postgres.md has."""
        name = f"{role}_{self.name}"
        self.run(
            f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA runnel_sql TO {name}; GRANT SELECT ON {VIEWS} TO {name}"
        )
        whose = f"'{owner}'" if owner else "NULL"
        self.run(
            "INSERT INTO sql_roles(role, account, owner, by_claims) "
            f"SELECT '{name}', id, {whose}, {by_claims} FROM accounts WHERE name = '{account}'"
        )
        return name


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    from support.server import Server

    store = postgres.shared().store(tmp_path_factory.mktemp("sql"))
    server = Server(tmp_path_factory.mktemp("sql-server"), flags=["--store", store, "--event-rows"])
    server.start()
    yield Database(server, store.split("dbname=")[1])
    server.close()


@pytest.fixture(scope="module")
def users(database):
    """Two users with an execution each: [(their key's name, the execution, their role in the database)]."""
    api = database.server.api()
    found = []
    for name in ("ann", "bob"):
        key = api.key("user", name=name)
        execution_id = Api(database.server.port, key["key"]).create(workflow_id=f"of-{name}")
        api.append(
            execution_id,
            [
                {
                    "event_type": "node_started",
                    "node_id": name,
                    "message": f"{name} begins",
                }
            ],
        )
        found.append((key["key_id"], execution_id, database.admit(name, key["key_id"])))
    return found


STEPS = [
    {"message": "a line"},
    {
        "event_type": "workflow_started",
        "category": "business",
        "message": "begun",
        "is_milestone": True,
    },
    {
        "event_type": "node_failed",
        "node_id": "fetch",
        "node_name": "Fetch",
        "node_type": "http",
        "message": "refused",
        "stack_trace": "at\nmain",
        "step_number": 1,
        "total_steps": 3,
        "progress_percentage": 33.333,
        "duration_seconds": 1.5,
        "display_priority": 9,
        "data": {"url": "http://x", "tries": [1, 2]},
        "technical_details": {"outputSummary": {"bytes": 7}},
        "performance_metrics": {"cpu": 0.5},
        "user_friendly_message": "It did not answer",
    },
    {"stream": "stderr", "level": "debug", "message": "with fields", "producer": "p"},
]


@pytest.fixture(scope="module")
def run(database):
    """An execution with lines and structured records, and a role that sees all of the account."""
    api = database.server.api()
    execution_id = api.create(workflow_id="nightly", metadata={"lang": "C"})
    api.append(execution_id, STEPS)
    return execution_id, database.admit("analyst", None)


def test_structured_records_are_rows_and_lines_are_not(database, run):
    execution_id, role = run
    of = f"FROM runnel_sql.workflow_execution_logs WHERE execution_id = '{execution_id}'"
    rows = database.ask(f"SELECT * {of} ORDER BY created_at, sequence_number", role)
    assert [(row["sequence_number"], row["event_type"], row["level"]) for row in rows] == [
        (1, "workflow_started", "INFO"),
        (2, "node_failed", "ERROR"),
        (3, "log", "DEBUG"),
    ]
    failed = {name: rows[1][name] for name in STEPS[2] if name not in ("event_type", "progress_percentage")}
    assert failed == {name: STEPS[2][name] for name in failed}
    assert rows[1]["progress_percentage"] == 33.33
    assert (
        rows[0]["log_category"],
        rows[1]["log_category"],
        rows[0]["is_milestone"],
    ) == (
        "business",
        "technical",
        True,
    )
    assert (rows[0]["data"], rows[0]["display_priority"]) == ({}, 5)
    # The queries of the pages, the milestones and the levels.
    assert len(database.ask(f"SELECT id {of} AND level = 'ERROR' LIMIT 100 OFFSET 0", role)) == 1
    assert (
        len(
            database.ask(
                f"SELECT id {of} AND level >= 'INFO' AND created_at >= now() - interval '30 days'",
                role,
            )
        )
        == 2
    )
    assert (
        len(
            database.ask(
                f"SELECT id {of} AND log_category = 'business' AND display_priority >= 5",
                role,
            )
        )
        == 1
    )
    assert database.ask(f"SELECT count(*) {of} AND data @> '{{\"tries\": [2]}}'", role) == [{"count": 1}]


def test_the_other_shapes_of_the_same_rows(database, run):
    execution_id, role = run
    logs = database.ask(
        f"SELECT * FROM runnel_sql.execution_logs WHERE execution_id = '{execution_id}' AND sequence_number > 1 "
        "ORDER BY sequence_number ASC",
        role,
    )
    assert [(row["sequence_number"], row["stream"], row["message"]) for row in logs] == [
        (2, "event", "refused"),
        (3, "stderr", "with fields"),
    ]
    assert len({row["log_id"] for row in logs}) == 2 and all(row["log_id"].startswith("log_") for row in logs)
    [failed] = database.ask(
        f"SELECT * FROM runnel_sql.workflow_traces WHERE run_id = '{execution_id}' ORDER BY sequence",
        role,
    )
    trace = database.server.api().expect(200, "GET", f"/workflows/runs/{execution_id}/trace")["events"][0]
    assert {name: failed[name] for name in ("id", "type", "level", "message", "error", "data")} == {
        name: trace[name] for name in ("id", "type", "level", "message", "error", "data")
    }
    assert (failed["node_ref"], failed["output_summary"]) == (
        trace["nodeRef"],
        trace["outputSummary"],
    )
    [one] = database.ask(
        f"SELECT * FROM runnel_sql.executions WHERE execution_id = '{execution_id}'",
        role,
    )
    status = database.server.api().status(execution_id)
    assert (one["status"], one["workflow_id"], one["started_at"] is None) == (
        status["status"],
        "nightly",
        status["started_at"] is None,
    )
    assert one["execution_metadata"] == {"lang": "C"}


def test_a_users_role_sees_its_own_rows_alone(database, users, run):
    for name, (_, execution_id, role) in zip(("ann", "bob"), users):
        seen = database.ask(
            "SELECT 1 AS n, execution_id AS it FROM runnel_sql.executions "
            "UNION ALL SELECT 2, execution_id FROM runnel_sql.workflow_execution_logs "
            "UNION ALL SELECT 3, execution_id FROM runnel_sql.execution_logs "
            "UNION ALL SELECT 4, run_id FROM runnel_sql.workflow_traces "
            "UNION ALL SELECT 5, message FROM events ORDER BY n",
            role,
        )
        assert [(row["n"], row["it"]) for row in seen] == [
            *((n, execution_id) for n in range(1, 5)),
            (5, f"{name} begins"),
        ]


def test_settings_make_no_other_user_of_a_users_role(database, users):
    (_, mine, role), (other, _, _) = users
    claims = {
        "request.jwt.claim.sub": other,
        "request.jwt.claims": json.dumps({"sub": other, "role": "service_role"}),
    }
    assert database.ask("SELECT execution_id FROM runnel_sql.execution_logs", role, **claims) == [
        {"execution_id": mine}
    ]


def test_a_role_without_a_row_sees_nothing(database, users):
    database.run(f"CREATE ROLE nobody_{database.name} LOGIN")
    role = f"nobody_{database.name}"
    assert "permission denied" in database.refused("SELECT * FROM events", role)
    database.run(f"GRANT USAGE ON SCHEMA runnel_sql TO {role}; GRANT SELECT ON {VIEWS} TO {role}")
    counts = " UNION ALL ".join(f"SELECT count(*) FROM {name}" for name in VIEWS.split(", "))
    assert {row["count"] for row in database.ask(counts, role)} == {0}
    tables = (
        "executions",
        "documents",
        "chunks",
        "accounts",
        "api_keys",
        "sql_roles",
        "secrets",
    )
    [may] = database.ask(
        " OR ".join(f"has_table_privilege('{name}', 'SELECT')" for name in tables).join(("SELECT ", " AS may")),
        role,
    )
    assert may == {"may": False}


def test_a_gateway_asks_for_whom_its_claims_name(database, users):
    gateway = database.admit("gateway", None, by_claims=True)
    query = "SELECT execution_id FROM runnel_sql.workflow_execution_logs"
    assert database.ask(query, gateway) == []
    for owner, execution_id, _ in users:
        claims = {"request.jwt.claims": json.dumps({"sub": owner})}
        assert database.ask(query, gateway, **claims) == [{"execution_id": execution_id}]
        assert database.ask(query, gateway, **{"request.jwt.claim.sub": owner}) == [{"execution_id": execution_id}]
        assert database.ask("SELECT auth.uid() AS uid", gateway, **claims) == [{"uid": owner}]
    service = {"request.jwt.claims": json.dumps({"role": "service_role"})}
    seen = {row["execution_id"] for row in database.ask(query, gateway, **service)}
    assert {execution_id for _, execution_id, _ in users} <= seen


def test_nobody_but_a_service_may_write_rows_even_if_it_is_granted(database, users):
    (_, execution_id, role), _ = users
    row = (
        "INSERT INTO events SELECT id, 99, 0, 'event', 'INFO', 'm', '{}' FROM runnel_sql.executions "
        f"WHERE execution_id = '{execution_id}'"
    )
    assert "permission denied" in database.refused(row, role)
    database.run(f"GRANT INSERT, UPDATE, DELETE ON events TO {role}")
    assert "row-level security" in database.refused(row, role)
    for change in (
        "UPDATE events SET message = 'x' RETURNING 1",
        "DELETE FROM events RETURNING 1",
    ):
        assert database.ask("SELECT 1 AS left FROM events WHERE message <> 'x'", role)
        database.run(f"SET ROLE {role}; {change}")
    assert len(database.ask("SELECT 1 AS left FROM events WHERE message <> 'x'", role)) == 1


def test_other_accounts_are_not_seen(database, run):
    api = database.server.api()
    api.expect(201, "POST", "/api/v1/accounts", {"name": "acme"})
    key = api.expect(201, "POST", "/api/v1/keys", {"role": "service", "name": "s", "account": "acme"})
    theirs = Api(database.server.port, key["key"])
    execution_id = theirs.create(workflow_id="w")
    theirs.append(execution_id, [{"event_type": "node_started", "message": "theirs"}])
    role = database.admit("acme", None, account="acme")
    query = "SELECT DISTINCT execution_id FROM runnel_sql.workflow_execution_logs"
    assert database.ask(query, role) == [{"execution_id": execution_id}]
    assert {"execution_id": execution_id} not in database.ask(query, run[1])


ODD = [
    {
        "event_type": "odd",
        "message": "nul \u0000 in it",
        "data": {"k\u0000": "\u0000", "deep": "\\u0000"},
    },
    {
        "event_type": "odd",
        "message": "numbers",
        "data": [1e300, -0.0, 12345678901234567890],
    },
]


def test_what_jsonb_cannot_hold_costs_nothing_of_the_log(database, run):
    api = database.server.api()
    execution_id = api.create()
    raw = b'{"event_type":"odd","message":"large","duration_seconds":1e99999,"data":{"n":1e-99999,"d":' + b"7" * 20000
    lines = [json.dumps(one).encode() for one in ODD] + [
        raw + b"}}",
        b'{"event_type":"odd","message":"\\ud83d half"}',
    ]
    deep = b'{"event_type":"odd","message":"deep","data":' + b"[" * 60 + b"]" * 60 + b"}"
    answer = api.post(
        f"{PATH}/{execution_id}/logs",
        b"\n".join([*lines, deep]),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status in (200, 201), answer
    rows = database.ask(
        "SELECT message, data, duration_seconds FROM runnel_sql.workflow_execution_logs "
        f"WHERE execution_id = '{execution_id}' ORDER BY sequence_number",
        run[1],
    )
    assert [row["message"] for row in rows] == [
        "nul \ufffd in it",
        "numbers",
        "large",
        "\ufffd half",
        "deep",
    ]
    assert rows[0]["data"] == {"k\ufffd": "\ufffd", "deep": "\\u0000"}
    assert rows[1]["data"] == [10**300, 0.0, 12345678901234567890]
    assert rows[2]["data"] == {"n": "1e-99999", "d": "7" * 20000} and rows[2]["duration_seconds"] is None
    assert api.page(execution_id, limit=1)["logs"][0]["message"] == "nul \u0000 in it"


def test_rows_go_with_what_is_purged_and_what_is_cut(database, run):
    api = database.server.api()
    count = "SELECT count(*) FROM events WHERE execution = {}"

    def rows(row):
        return int(postgres.shared().sql(count.format(row), database.name))

    def row_of(execution_id):
        return postgres.shared().sql(
            f"SELECT id FROM executions WHERE execution_id = '{execution_id}'",
            database.name,
        )

    purged, cut = api.create(), api.create(retention="log_records=1000")
    for execution_id, chunks in ((purged, 6), (cut, 3)):
        for chunk in range(chunks):
            events = [{"event_type": "e", "message": f"{i} " + "x" * 150} for i in range(1000)]
            api.append(execution_id, events)
    purged_row, cut_row = row_of(purged), row_of(cut)
    assert rows(purged_row) == 6000
    for execution_id in (purged, cut):
        api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 3})
    api.expect(200, "DELETE", f"{PATH}/{purged}", query={"purge": "true"})
    query = f"SELECT 1 AS seen FROM runnel_sql.execution_logs WHERE execution_id = '{purged}'"
    assert database.ask(query, run[1]) == []
    eventually(lambda: rows(purged_row) == 0, "the rows of the purged one are gone")
    eventually(lambda: rows(cut_row) == 1000, "the rows before the cut are gone", timeout=90)


def test_without_the_setting_there_are_no_rows(tmp_path, servers):
    store = postgres.shared().store(tmp_path / "plain")
    server = servers("--store", store)
    api = server.api()
    api.append(api.create(), STEPS)
    assert postgres.shared().sql("SELECT count(*) FROM events", store.split("dbname=")[1]) == "0"


def test_functions_that_are_there_already_are_used(tmp_path, servers):
    store = postgres.shared().store(tmp_path / "supabase")
    database = Database(None, store.split("dbname=")[1])
    user = "11111111-2222-3333-4444-555555555555"
    database.run("CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO PUBLIC")
    database.run(
        "CREATE FUNCTION auth.uid() RETURNS uuid STABLE LANGUAGE sql AS $$ SELECT current_setting('their.user', true)::uuid $$"
    )
    api = servers("--store", store, "--event-rows").api()
    mine, other = api.create(), api.create()
    for execution_id in (mine, other):
        api.append(execution_id, STEPS)
    database.run(f"UPDATE executions SET owner = '{user}' WHERE execution_id = '{mine}'")
    gateway = database.admit("theirs", None, by_claims=True)
    query = "SELECT DISTINCT execution_id FROM runnel_sql.workflow_execution_logs"
    assert database.ask(query, gateway, **{"their.user": user}) == [{"execution_id": mine}]
